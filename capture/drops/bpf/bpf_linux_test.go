package bpf_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/capture/drops"
	"dnatrace/capture/drops/bpf"
	"dnatrace/capture/netns"
	"dnatrace/capture/netns/netnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send sends one datagram from within the namespace at path.
func send(t *testing.T, path string, to netip.AddrPort) {
	t.Helper()
	err := netns.Do(path, func() error {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		err = unix.Sendto(fd, []byte("secret"), 0, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
		if err == unix.EPERM || err == unix.ECONNREFUSED { // what a drop on the way out says
			err = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hear collects what is dropped while act runs, until enough drops have come.
func hear(t *testing.T, w drops.Want, enough int, act func(update func(drops.Want))) []drops.Drop {
	t.Helper()
	f, err := bpf.Open(w)
	if err != nil {
		t.Skipf("drop reasons cannot be had here: %v: run as root on a kernel of 5.17 or later with BTF", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	act(func(w drops.Want) {
		if err := bpf.Update(f, w); err != nil {
			t.Error(err)
		}
		time.Sleep(50 * time.Millisecond)
	})
	var got []drops.Drop
	for b, err := range bpf.Source(f, func(uint64) string { return "here" })(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Origin != capture.OriginDrops || r.Kind != capture.KindEvent || r.Netns != "here" {
				t.Errorf("got record %+v", r)
				continue
			}
			var d drops.Drop
			if err := json.Unmarshal(r.Data, &d); err != nil {
				t.Fatal(err)
			}
			got = append(got, d)
		}
		if len(got) >= enough {
			cancel()
		}
	}
	return got
}

// place is a namespace where datagrams to 7001 are dropped on the way in.
func place(t *testing.T) (path string, inode uint64) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("drop reasons need root: run sudo env PATH=\"$PATH\" go test")
	}
	path = netnstest.New(t)
	netnstest.Run(t, path, "nft add table inet t", "nft add chain inet t in { type filter hook input priority 0 ; }",
		"nft add rule inet t in udp dport 7001 drop", "nft add rule inet t in udp dport 7002 drop")
	inode, err := netns.Inode(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, inode
}

var (
	v4 = netip.MustParseAddr("::ffff:127.0.0.1")
	v6 = netip.MustParseAddr("::1")

	addrPort7002 = netip.AddrPortFrom(v4, 7002)
)

func TestADropIsToldWithItsReason(t *testing.T) {
	path, inode := place(t)
	for _, row := range []struct {
		name   string
		to     netip.AddrPort
		reason string
		where  string
	}{
		{"a rule drops it", netip.AddrPortFrom(v4, 7001), "NETFILTER_DROP", "nft_do_chain"},
		{"a rule drops it, over IPv6", netip.AddrPortFrom(v6, 7001), "NETFILTER_DROP", "nft_do_chain"},
		{"nobody has a socket there", netip.AddrPortFrom(v4, 7003), "NO_SOCKET", "udp"},
	} {
		before := time.Now().UnixNano()
		got := hear(t, drops.Want{Inodes: []uint64{inode}, Ports: []uint16{row.to.Port()}}, 1, func(func(drops.Want)) { send(t, path, row.to) })
		if len(got) == 0 {
			t.Errorf("%s: nothing was told", row.name)
			continue
		}
		d := got[0]
		if d.Reason != row.reason || d.Inode != inode || d.Link != 1 {
			t.Errorf("%s: got %+v, want %s at lo", row.name, d, row.reason)
		}
		if !strings.Contains(d.Location, row.where) {
			t.Errorf("%s: dropped in %s, want %s", row.name, d.Location, row.where)
		}
		if d.Time < before-int64(time.Second) || d.Time > time.Now().UnixNano()+int64(time.Second) {
			t.Errorf("%s: dropped at %s, sent at %s", row.name, time.Unix(0, d.Time), time.Unix(0, before))
		}
		if want := map[bool]int{true: 28, false: 48}[row.to.Addr().Is4In6()]; len(d.Packet) != want {
			t.Errorf("%s: %d bytes are kept, want the %d of the headers", row.name, len(d.Packet), want)
		}
	}
}

func TestOnlyWhatIsWantedIsTold(t *testing.T) {
	path, inode := place(t)
	other, _ := place(t)
	for _, row := range []struct {
		name string
		want drops.Want
		told bool
	}{
		{"its port", drops.Want{Inodes: []uint64{inode}, Ports: []uint16{7001}}, true},
		{"its address", drops.Want{Inodes: []uint64{inode}, Hosts: []netip.Addr{v4}}, true},
		{"its address, written as IPv4", drops.Want{Inodes: []uint64{inode}, Hosts: []netip.Addr{v4.Unmap()}}, true},
		{"everything", drops.Want{Inodes: []uint64{inode}, Everything: true}, true},
		{"a range of ten thousand with its port in it", drops.Want{Inodes: []uint64{inode}, Ranges: [][2]uint16{{5000, 14999}}}, true},
		{"the range of all ports", drops.Want{Inodes: []uint64{inode}, Ranges: [][2]uint16{{1, 65535}}}, true},
		{"a range beside it", drops.Want{Inodes: []uint64{inode}, Ranges: [][2]uint16{{7003, 17002}}}, false},
		{"another port", drops.Want{Inodes: []uint64{inode}, Ports: []uint16{7004}}, false},
		{"another address", drops.Want{Inodes: []uint64{inode}, Hosts: []netip.Addr{v6}}, false},
		{"another namespace", drops.Want{Inodes: []uint64{inode + 1000}, Ports: []uint16{7001}}, false},
	} {
		// A drop that is always told, in the same namespace, ends the wait.
		w := row.want
		w.Inodes = append(w.Inodes, must(netns.Inode(other)))
		w.Ports = append(w.Ports, 7002)
		enough := 1
		if row.told {
			enough = 2
		}
		got := hear(t, w, enough, func(func(drops.Want)) {
			send(t, path, netip.AddrPortFrom(v4, 7001))
			send(t, other, netip.AddrPortFrom(v4, 7002))
		})
		told := len(got) > 0 && got[0].Inode == inode
		if told != row.told {
			t.Errorf("%s: told is %t (%d drops)", row.name, told, len(got))
		}
	}
}

func TestWhatIsWantedMayChange(t *testing.T) {
	path, inode := place(t)
	w := drops.Want{Inodes: []uint64{inode}, Ports: []uint16{7001}}
	got := hear(t, w, 2, func(update func(drops.Want)) {
		send(t, path, netip.AddrPortFrom(v4, 7001)) // told
		w.Ports = []uint16{7002}
		update(w)
		send(t, path, netip.AddrPortFrom(v4, 7001)) // no longer
		send(t, path, netip.AddrPortFrom(v4, 7002)) // told
	})
	if len(got) != 2 || got[0].Packet[23] == got[1].Packet[23] {
		t.Errorf("got %d drops, want one of each port", len(got))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
