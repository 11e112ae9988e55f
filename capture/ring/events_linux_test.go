package ring

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sieve is a socket pair of which the kernel filters one end: what it makes of a
// message is the same there as at a netlink socket.
type sieve struct{ in, out int }

func newSieve(t testing.TB, prog []Instruction) sieve {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	if err := attach(fds[1], prog); err != nil {
		t.Fatal(err)
	}
	return sieve{fds[0], fds[1]}
}

// passes also makes sure that what passes is whole.
func (s sieve) passes(t testing.TB, message []byte) bool {
	t.Helper()
	if err := unix.Sendto(s.in, message, 0, nil); err != nil && err != unix.EPERM { // filtered
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, _, err := unix.Recvfrom(s.out, buf, 0)
	if err == nil && n != len(message) {
		t.Fatalf("%d of %d bytes passed", n, len(message))
	}
	return err == nil
}

func eventsOf(t testing.TB, w Want) []Instruction {
	t.Helper()
	prog, _, err := BuildEvents(w)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func attr(kind uint16, value ...[]byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, 0)
	b = binary.NativeEndian.AppendUint16(b, kind)
	for _, v := range value {
		b = append(b, v...)
	}
	binary.NativeEndian.PutUint16(b, uint16(len(b)))
	return append(b, make([]byte, -len(b)&3)...)
}

const nested = 0x8000 // NLA_F_NESTED

// tuple is as ctnetlink_dump_tuples writes it.
func tuple(kind uint16, proto uint8, src, dst netip.AddrPort) []byte {
	from, to := uint16(1), uint16(2)
	if src.Addr().Is6() {
		from, to = 3, 4
	}
	number := attr(1, []byte{proto})
	ports := [][]byte{number, attr(2, binary.BigEndian.AppendUint16(nil, src.Port())), attr(3, binary.BigEndian.AppendUint16(nil, dst.Port()))}
	if proto == protoICMP || proto == protoICMPv6 {
		ports = [][]byte{number, attr(4, []byte{1, 2}), attr(5, []byte{8}), attr(6, []byte{0})}
	}
	return attr(kind|nested, attr(1|nested, attr(from, src.Addr().AsSlice()), attr(to, dst.Addr().AsSlice())), attr(2|nested, ports...))
}

// eventOf makes a message of "tcp CLIENT > ASKED, SERVER > CLIENT": the original
// tuple, and the reply's where it is not the same turned round.
func eventOf(t testing.TB, text string) []byte {
	t.Helper()
	name, rest, _ := strings.Cut(text, " ")
	proto := map[string]uint8{"tcp": protoTCP, "udp": protoUDP, "sctp": protoSCTP, "icmp": protoICMP, "icmp6": protoICMPv6}[name]
	orig, reply, translated := strings.Cut(rest, ", ")
	ends := func(s string) (src, dst netip.AddrPort) {
		from, to, _ := strings.Cut(s, " > ")
		return netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	}
	src, dst := ends(orig)
	from, to := dst, src
	if translated {
		from, to = ends(reply)
	}
	family := byte(unix.AF_INET)
	if src.Addr().Is6() {
		family = unix.AF_INET6
	}
	b := append(make([]byte, 16), family, 0, 0, 0)
	b = append(b, tuple(1, proto, src, dst)...)
	b = append(b, tuple(2, proto, from, to)...)
	b = append(b, attr(3, []byte{0, 0, 1, 0x88})...) // CTA_STATUS
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], 0x100)
	return b
}

func TestEvents(t *testing.T) {
	withHosts := web()
	withHosts.Hosts = []netip.Addr{netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("2001:db8::77")}
	snap := web()
	snap.SnapLen = 96
	for _, tc := range []struct {
		name  string
		want  Want
		event string
		pass  bool
	}{
		{"a request to the published port passes", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:8080, 172.17.0.2:80 > 198.51.100.100:50110", true},
		{"it passes as well if nothing translates it", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:8080", true},
		{"it passes if another container gets it", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:8080, 172.17.0.9:99 > 198.51.100.100:50110", true},
		{"it passes if its client was rewritten", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:8080, 172.17.0.2:80 > 172.17.0.1:50110", true},
		{"another published port does not", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:8081, 172.17.0.3:80 > 198.51.100.100:50110", false},
		{"the same port of another protocol does not", web(), "udp 198.51.100.100:50110 > 198.51.100.1:8080", false},
		{"a request that another port leads to the container passes", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:9090, 172.17.0.2:80 > 198.51.100.100:50110", true},
		{"one to the container's own address passes", web(), "tcp 198.51.100.100:50110 > 172.17.0.2:80", true},
		{"one that docker-proxy makes passes", web(), "tcp 172.17.0.1:40000 > 172.17.0.2:80", true},
		{"another port of the container does not", web(), "tcp 198.51.100.100:50110 > 172.17.0.2:443", false},
		{"the container's port at another address does not", web(), "tcp 198.51.100.100:50110 > 203.0.113.1:80", false},
		{"what the container asks of others does not", web(), "tcp 172.17.0.2:50110 > 203.0.113.9:80, 203.0.113.9:80 > 198.51.100.1:50110", false},
		{"an answer that conntrack first hears of passes", web(), "tcp 172.17.0.2:80 > 198.51.100.100:50110", true},
		{"an answer of the published port that conntrack first hears of passes", web(), "tcp 198.51.100.1:8080 > 198.51.100.100:50110", true},
		{"UDP to the published port passes", web(), "udp 198.51.100.100:5000 > 198.51.100.1:5353, 172.17.0.2:53 > 198.51.100.100:5000", true},
		{"SCTP to the published port passes", web(), "sctp 198.51.100.100:5000 > 198.51.100.1:9999", true},
		{"what has no ports passes", web(), "icmp 198.51.100.100:0 > 198.51.100.1:0", true},
		{"ICMPv6 passes", web(), "icmp6 [2001:db8::100]:0 > [2001:db8::1]:0", true},
		{"IPv6 to the published port passes", web(), "tcp [2001:db8::100]:50110 > [2001:db8::1]:8080, [2001:db8:17::2]:80 > [2001:db8::100]:50110", true},
		{"translated IPv6 passes by its server alone", web(), "tcp [2001:db8::100]:50110 > [2001:db8::1]:9090, [2001:db8:17::2]:80 > [2001:db8::100]:50110", true},
		{"an IPv6 server that differs in the last word does not", web(), "tcp [2001:db8::100]:50110 > [2001:db8::1]:9090, [2001:db8:17::3]:80 > [2001:db8::100]:50110", false},
		{"everything to a wanted host passes", withHosts, "tcp 203.0.113.1:1 > 198.51.100.77:2", true},
		{"everything from a wanted IPv6 host passes", withHosts, "tcp [2001:db8::77]:1 > [2001:db8::9]:2", true},
		{"what is translated to a wanted host passes", withHosts, "tcp 203.0.113.1:1 > 198.51.100.1:2, 198.51.100.77:3 > 203.0.113.1:1", true},
		{"nothing wanted lets no connection pass", Want{}, "tcp 198.51.100.100:50110 > 198.51.100.1:8080", false},
		{"everything wanted lets everything pass", Want{All: true}, "tcp 198.51.100.100:50110 > 198.51.100.1:8081", true},
		{"messages stay whole where frames are cut", snap, "tcp [2001:db8::100]:50110 > [2001:db8::1]:8080", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := newSieve(t, eventsOf(t, tc.want)).passes(t, eventOf(t, tc.event)); got != tc.pass {
				t.Errorf("%s: passed %t, want %t", tc.event, got, tc.pass)
			}
		})
	}
}

func TestManyPortsMakeAWiderFilterOfEvents(t *testing.T) {
	for _, tc := range []struct {
		name  string
		want  Want
		width Width
	}{
		{"one target is exact", web(), Exact},
		{"a range of a thousand ports is exact", Want{Ports: portRange(8000, 9000)}, Exact},
		{"ten containers of two families are exact", many(10), Exact},
		{"forty containers with ports of their own pass with all ports", distinct40(), WideHosts},
		{"five hundred containers pass with what lies between", many(500), WideRanges},
		{"a thousand networks pass with everything", Want{Hosts: networks(1000)}, WideOpen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prog, width, err := BuildEvents(tc.want)
			if err != nil || width != tc.width || len(prog) > Budget {
				t.Errorf("%d instructions, %v, %v; want %v", len(prog), width, err, tc.width)
			}
		})
	}
}

func TestWiderFiltersOfEventsPassMore(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 10, 40, 500} {
		w := many(n)
		s := newSieve(t, eventsOf(t, w))
		for range 200 {
			e := w.Endpoints[rnd.IntN(len(w.Endpoints))]
			client, host := netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("198.51.100.1")
			if e.Addr.Is6() {
				client, host = netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8::1")
			}
			from := netip.AddrPortFrom(client, 1)
			event := fmt.Sprintf("tcp %v > %v, %v > %v", from, netip.AddrPortFrom(host, uint16(rnd.IntN(1<<16))), netip.AddrPortFrom(e.Addr, 80), from)
			if !s.passes(t, eventOf(t, event)) {
				t.Fatalf("%s does not pass", event)
			}
		}
	}
}

// Nobody but the kernel writes to a netlink socket, but a program must not get
// lost in anything.
func FuzzEvents(f *testing.F) {
	f.Add(eventOf(f, "tcp 198.51.100.100:50110 > 198.51.100.1:8080, 172.17.0.2:80 > 198.51.100.100:50110"))
	f.Add(eventOf(f, "icmp6 [2001:db8::100]:0 > [2001:db8::1]:0"))
	exact, wide := newSieve(f, eventsOf(f, web())), newSieve(f, eventsOf(f, many(500)))
	all := newSieve(f, eventsOf(f, Want{All: true}))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) <= familyAt || len(message) > 4096 {
			return
		}
		exact.passes(t, message)
		wide.passes(t, message)
		if !all.passes(t, message) {
			t.Errorf("%x does not pass", message)
		}
	})
}
