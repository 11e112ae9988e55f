package bpf_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture/drops"
	"dnatrace/capture/netns"
)

// connect opens a connection within the namespace at path, sends a byte each
// way, and closes it from both ends.
func connect(t *testing.T, path string) {
	t.Helper()
	err := netns.Do(path, func() error {
		l, err := net.Listen("tcp", "127.0.0.1:7005")
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.Dial("tcp", "127.0.0.1:7005")
		if err != nil {
			return err
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		_, err = s.Write([]byte{1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAConnectionThatEndsAsItShouldIsNoDrop(t *testing.T) {
	path, inode := place(t)
	got := hear(t, drops.Want{Inodes: []uint64{inode}, Ports: []uint16{7005, 7002}}, 1, func(func(drops.Want)) {
		connect(t, path)
		send(t, path, addrPort7002)
	})
	if len(got) == 0 || got[0].Reason != "NETFILTER_DROP" {
		t.Errorf("got %+v, want the datagram that a rule dropped first", got)
	}
}

// TestACaptureWithoutRoomIsNoDrop: what its packets are copies of goes on.
func TestACaptureWithoutRoomIsNoDrop(t *testing.T) {
	path, inode := place(t)
	fd := -1
	err := netns.Do(path, func() (err error) {
		all := int(order16(unix.ETH_P_ALL))
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	got := hear(t, drops.Want{Inodes: []uint64{inode}, Ports: []uint16{7005, 7002}}, 1, func(func(drops.Want)) {
		for range 3 {
			connect(t, path)
		}
		send(t, path, addrPort7002)
	})
	stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil || stats.Drops == 0 {
		t.Fatalf("the capture lost nothing: %+v, %v", stats, err)
	}
	if len(got) == 0 || got[0].Reason != "NETFILTER_DROP" {
		t.Errorf("got %+v, want the datagram that a rule dropped first", got)
	}
}

// order16 is a number in network byte order.
func order16(n uint16) uint16 { return n<<8 | n>>8 }
