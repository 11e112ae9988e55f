package bpf_test

import (
	"net"
	"testing"

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
