package ring

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// inject sends a frame out of an interface of the namespace, as it is.
func (s space) inject(name string, frame []byte) {
	s.tb.Helper()
	s.do(func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(s.tb, err)
		defer unix.Close(fd)
		to := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: s.link(name).Attrs().Index, Halen: 6}
		must(s.tb, unix.Sendto(fd, frame, 0, to))
	})
}

func TestAVLANTagIsBackInItsPlace(t *testing.T) {
	for _, tc := range []struct{ name, frame string }{
		{"one tag", "vlan udp 198.51.100.100:1 > 198.51.100.1:80"},
		{"a service tag", "qinq udp 198.51.100.100:1 > 198.51.100.1:80"},
		{"two tags", "qinq vlan udp 198.51.100.100:1 > 198.51.100.1:80"},
		{"no tag", "udp 198.51.100.100:1 > 198.51.100.1:80"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			host, peer := newSpace(t), newSpace(t)
			host.veth("eth0", peer, "eth0")
			r := host.open(Config{Interfaces: []string{"eth0"}})
			frame := frameOf(t, tc.frame)
			copy(frame, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1})
			peer.inject("eth0", frame)
			w := watch(t, r, packets(1))
			if len(w.packets) != 1 || !bytes.Equal(w.frames[0], frame) || w.packets[0].Dir != capture.DirIn {
				t.Errorf("%x\ncaptured, want\n%x", w.frames, frame)
			}
			if n := uint32(len(frame)); w.packets[0].Orig != n {
				t.Errorf("%d bytes on the wire, want %d", w.packets[0].Orig, n)
			}
		})
	}
}

// tun makes a layer 3 interface and returns its other side.
func (s space) tun(name string) *os.File {
	s.tb.Helper()
	var f *os.File
	s.do(func() {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			s.tb.Skip("needs /dev/net/tun: load the tun module")
		}
		q, err := unix.NewIfreq(name)
		must(s.tb, err)
		q.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		must(s.tb, unix.IoctlIfreq(fd, unix.TUNSETIFF, q))
		f = os.NewFile(uintptr(fd), name)
	})
	s.tb.Cleanup(func() { f.Close() })
	s.up(name)
	return f
}

func TestAnInterfaceWithoutEthernetIsRawIPAndFiltered(t *testing.T) {
	for _, text := range []string{
		"tcp 198.51.100.100:50110 > 198.51.100.1:8080", "tcp [2001:db8::100]:50110 > [2001:db8::1]:8080",
	} {
		host := newSpace(t)
		tun := host.tun("tun0")
		r := host.open(Config{Filter: build(t, web())})
		other := frameOf(t, text)[14:]
		l4 := len(other) - 28
		binary.BigEndian.PutUint16(other[l4+2:], 8081)
		wanted := frameOf(t, text)[14:]
		for _, b := range [][]byte{other, wanted, other} {
			if _, err := tun.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		w := watch(t, r, packets(1))
		if len(w.packets) != 1 || !bytes.Equal(w.frames[0], wanted) || w.points[w.packets[0].Point].Link != linkRaw {
			t.Errorf("captured %x, want %x", w.frames, wanted)
		}
	}
}
