package conntrack_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture/conntrack"
	"dnatrace/capture/ring"
)

// split takes the messages of a dump apart.
func split(dump []byte) (messages [][]byte) {
	for len(dump) > 0 {
		n := binary.NativeEndian.Uint32(dump)
		messages = append(messages, dump[:n])
		dump = dump[n:]
	}
	return messages
}

// What is dumped and what is announced are selected by two programs, in the
// kernel and here. They must agree.
func TestADumpHoldsWhatAFilterPasses(t *testing.T) {
	path := tracked(t)
	for _, addr := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"} {
		for _, port := range []uint16{80, 443, 8080, 8081} {
			flow{"udp", addr, port}.start(t, path) // refused TCP leaves no entry
		}
	}
	flow{"ip4:icmp", "127.0.0.1", 0}.start(t, path)
	flow{"ip6:ipv6-icmp", "::1", 0}.start(t, path)
	all, err := conntrack.Dump(path, ring.Want{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(split(all)); n < 18 {
		t.Fatalf("%d entries, want those of 18 flows", n)
	}
	withHosts := published
	withHosts.Hosts = []netip.Addr{netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("::1")}
	for name, w := range map[string]ring.Want{"nothing": {}, "a published port": published, "hosts as well": withHosts, "everything": {All: true}} {
		selected, err := conntrack.Dump(path, w)
		if err != nil {
			t.Fatal(err)
		}
		want := passed(t, w, split(all))
		if got := split(selected); len(got) != len(want) {
			t.Errorf("%s: %d entries dumped, the filter passes %d", name, len(got), len(want))
		}
		for _, m := range split(selected) {
			if !want[tuples(m)] {
				t.Errorf("%s: dumped, and the filter does not pass %x", name, m)
			}
		}
	}
}

// tuples are the attributes that an entry is known by.
func tuples(m []byte) string {
	orig := binary.NativeEndian.Uint16(m[20:])
	reply := binary.NativeEndian.Uint16(m[20+orig:])
	return string(m[20 : 20+orig+reply])
}

// passed are the entries that the kernel hands to a socket with the filter.
func passed(t *testing.T, w ring.Want, messages [][]byte) map[string]bool {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	in, out := os.NewFile(uintptr(fds[0]), "in"), os.NewFile(uintptr(fds[1]), "out")
	defer in.Close()
	defer out.Close()
	filterWith(t, out, w)
	through := map[string]bool{}
	buf := make([]byte, 1<<16)
	for _, m := range messages {
		if _, err := in.Write(m); err != nil {
			t.Fatal(err)
		}
		if n, _, err := unix.Recvfrom(fds[1], buf, 0); err == nil { // else the filter has tossed it
			through[tuples(buf[:n])] = true
		}
	}
	return through
}
