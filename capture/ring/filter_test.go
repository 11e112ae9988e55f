package ring

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
)

// file is live for a machine that has no kernel behind it: Ethernet, the
// EtherType read from the frame.
func file() opening {
	etherType := code{bpf.LoadAbsolute{Off: 12, Size: 2}}
	return opening{
		plain: func(body code) code { return join(etherType, when(etherIPv4, body)) },
		any:   join(code{bpf.LoadConstant{Dst: bpf.RegX, Val: 14}}, etherType),
	}
}

func machine(t testing.TB, w Want, width Width) *bpf.VM {
	t.Helper()
	vm, err := bpf.NewVM(newPlan(w, width).program(file()))
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func passes(t testing.TB, vm *bpf.VM, frame []byte) bool {
	t.Helper()
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatalf("run filter on %x: %v", frame, err)
	}
	return n > 0
}

// web is a container published as 8080/tcp, 5353/udp and 9999/sctp.
func web() Want {
	return Want{
		Ports: []Port{{protoTCP, 8080}, {protoUDP, 5353}, {protoSCTP, 9999}},
		Endpoints: []Endpoint{
			{netip.MustParseAddr("172.17.0.2"), []Port{{protoTCP, 80}, {protoUDP, 53}}},
			{netip.MustParseAddr("2001:db8:17::2"), []Port{{protoTCP, 80}}},
		},
	}
}

// ranged is a range of TCP ports.
func ranged(first, last uint16) Want { return Want{Ranges: []Range{{protoTCP, first, last}}} }

func TestFilter(t *testing.T) {
	withEcho, withHosts := web(), web()
	withEcho.Echo = true
	withHosts.Hosts = []netip.Addr{netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("2001:db8::77")}
	for _, tc := range []struct {
		name  string
		want  Want
		frame string
		pass  bool
	}{
		{"a request to the published port passes", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:8080", true},
		{"its answer passes", web(), "tcp 198.51.100.1:8080 > 198.51.100.100:50110", true},
		{"the same port of another protocol does not", web(), "udp 198.51.100.100:50110 > 198.51.100.1:8080", false},
		{"the translated request passes", web(), "tcp 198.51.100.100:50110 > 172.17.0.2:80", true},
		{"its answer passes, too", web(), "tcp 172.17.0.2:80 > 198.51.100.100:50110", true},
		{"the container's port at another address does not", web(), "tcp 198.51.100.100:50110 > 198.51.100.1:80", false},
		{"the container's address with another port does not", web(), "tcp 198.51.100.100:50110 > 172.17.0.2:443", false},
		{"what the container asks of others does not", web(), "tcp 172.17.0.2:50110 > 203.0.113.9:80", false},
		{"a neighbour in the address space does not", web(), "tcp 198.51.100.100:50110 > 172.17.0.3:80", false},
		{"UDP to the published port passes", web(), "udp 198.51.100.100:5000 > 198.51.100.1:5353", true},
		{"translated UDP passes", web(), "udp 172.17.0.2:53 > 198.51.100.100:5000", true},
		{"SCTP to the published port passes", web(), "sctp 198.51.100.100:5000 > 198.51.100.1:9999", true},
		{"ports are found behind IPv4 options", web(), "options tcp 198.51.100.100:50110 > 198.51.100.1:8080", true},
		{"IPv4 options are not taken for ports", web(), "options tcp 198.51.100.100:50110 > 198.51.100.1:8081", false},
		{"a later fragment passes, it has no ports", web(), "tail udp 203.0.113.1:1 > 203.0.113.2:2", true},
		{"a tag still in the frame is skipped", web(), "vlan tcp 198.51.100.100:50110 > 198.51.100.1:8080", true},
		{"a tag does not let others pass", web(), "vlan tcp 198.51.100.100:50110 > 198.51.100.1:8081", false},
		{"an outer tag alone is skipped as well", web(), "qinq tcp 198.51.100.100:50110 > 198.51.100.1:8080", true},
		{"another protocol does not pass", web(), "gre 198.51.100.100 > 172.17.0.2", false},

		{"IPv6 to the published port passes", web(), "tcp [2001:db8::100]:50110 > [2001:db8::1]:8080", true},
		{"translated IPv6 passes", web(), "tcp [2001:db8::100]:50110 > [2001:db8:17::2]:80", true},
		{"its answer passes as well", web(), "tcp [2001:db8:17::2]:80 > [2001:db8::100]:50110", true},
		{"an address that differs in the last word does not", web(), "tcp [2001:db8::100]:50110 > [2001:db8:17::3]:80", false},
		{"an address that differs in the first word does not", web(), "tcp [2001:db8::100]:50110 > [2001:db9:17::2]:80", false},
		{"ports are found behind a destination option", web(), "dest tcp [2001:db8::100]:50110 > [2001:db8::1]:8080", true},
		{"ports are found behind four extension headers", web(), "hop dest route auth tcp [2001:db8::100]:50110 > [2001:db8::1]:8080", true},
		{"extension headers do not let others pass", web(), "hop dest route auth tcp [2001:db8::100]:50110 > [2001:db8::1]:8081", false},
		{"ports are found in a first fragment", web(), "fragment udp [2001:db8::100]:1 > [2001:db8::1]:5353", true},
		{"a first fragment of others does not pass", web(), "fragment udp [2001:db8::100]:1 > [2001:db8::1]:5354", false},
		{"a later IPv6 fragment passes", web(), "tail udp [2001:db8::100]:1 > [2001:db8::1]:2", true},
		{"an endless chain of extension headers passes", web(), "dest dest dest dest dest tcp [2001:db8::100]:1 > [2001:db8::1]:2", true},

		{"ARP for the container passes", web(), "arp 172.17.0.1 > 172.17.0.2", true},
		{"the container's own ARP passes", web(), "arp 172.17.0.2 > 172.17.0.1", true},
		{"ARP among others does not", web(), "arp 172.17.0.3 > 172.17.0.1", false},
		{"a solicitation for the container passes", web(), "solicit 2001:db8:17::1 > 2001:db8:17::2", true},
		{"an advertisement of the container passes", web(), "advertise 2001:db8:17::1 > 2001:db8:17::2", true},
		{"a solicitation for another does not", web(), "solicit 2001:db8:17::1 > 2001:db8:17::3", false},
		{"a router advertisement does not", web(), "router 2001:db8::1 > 2001:db8::2", false},
		{"port unreachable passes from anyone", web(), "unreachable 203.0.113.1 > 203.0.113.2", true},
		{"time exceeded passes from anyone", web(), "expired 203.0.113.1 > 203.0.113.2", true},
		{"packet too big passes from anyone", web(), "too-big 2001:db8::1 > 2001:db8::2", true},
		{"an echo request does not pass by itself", web(), "echo 198.51.100.100 > 198.51.100.1", false},
		{"an echo request passes when echo is wanted", withEcho, "echo 198.51.100.100 > 198.51.100.1", true},
		{"an echo reply passes when echo is wanted", withEcho, "echo-reply 198.51.100.1 > 198.51.100.100", true},
		{"an IPv6 echo passes when echo is wanted", withEcho, "echo6 2001:db8::100 > 2001:db8::1", true},
		{"an IPv6 echo does not pass otherwise", web(), "echo6 2001:db8::100 > 2001:db8::1", false},

		{"everything from a wanted host passes", withHosts, "gre 198.51.100.77 > 203.0.113.1", true},
		{"everything to a wanted host passes", withHosts, "tcp 203.0.113.1:1 > 198.51.100.77:2", true},
		{"everything of a wanted IPv6 host passes", withHosts, "gre 2001:db8::1 > 2001:db8::77", true},
		{"ARP for a wanted host passes", withHosts, "arp 198.51.100.1 > 198.51.100.77", true},
		{"what is not a wanted host's is judged as before", withHosts, "tcp 198.51.100.78:1 > 198.51.100.1:8081", false},
		{"the first port of a range passes", ranged(8000, 17999), "tcp 198.51.100.100:50110 > 198.51.100.1:8000", true},
		{"… the last", ranged(8000, 17999), "tcp 198.51.100.100:50110 > 198.51.100.1:17999", true},
		{"… one between", ranged(8000, 17999), "tcp 198.51.100.100:50110 > 198.51.100.1:12345", true},
		{"… its answer", ranged(8000, 17999), "tcp 198.51.100.1:12345 > 198.51.100.100:50110", true},
		{"… over IPv6", ranged(8000, 17999), "tcp [2001:db8::100]:50110 > [2001:db8::1]:12345", true},
		{"the port behind a range does not", ranged(8000, 17999), "tcp 198.51.100.100:50110 > 198.51.100.1:18000", false},
		{"… nor the one before", ranged(8000, 17999), "tcp 198.51.100.100:50110 > 198.51.100.1:7999", false},
		{"… nor another protocol", ranged(8000, 17999), "udp 198.51.100.100:50110 > 198.51.100.1:12345", false},
		{"the range of all ports passes the last one there is", ranged(1, 65535), "tcp 198.51.100.100:50110 > 198.51.100.1:65535", true},
		{"nothing wanted lets no connection pass", Want{}, "tcp 198.51.100.100:50110 > 198.51.100.1:8080", false},
		{"everything wanted lets everything pass", Want{All: true}, "gre 198.51.100.100 > 198.51.100.1", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := passes(t, machine(t, tc.want, Exact), frameOf(t, tc.frame)); got != tc.pass {
				t.Errorf("%s: passed %t, want %t", tc.frame, got, tc.pass)
			}
		})
	}
}

func TestFilterKeepsTheSnapLength(t *testing.T) {
	w := web()
	w.SnapLen = 96
	n, err := machine(t, w, Exact).Run(append(frameOf(t, "tcp 198.51.100.100:50110 > 198.51.100.1:8080"), make([]byte, 1000)...))
	if err != nil || n != 96 {
		t.Errorf("%d bytes kept, %v; want 96", n, err)
	}
}

// many is the ports 10, 20, 30, …, each of a container of its own.
func many(n int) Want {
	var w Want
	for i := range n {
		port := Port{protoTCP, uint16(10 + 10*i)}
		w.Ports = append(w.Ports, port)
		w.Endpoints = append(w.Endpoints,
			Endpoint{netip.AddrFrom4([4]byte{172, 17, byte(i / 100), byte(2 * (i % 100))}), []Port{{protoTCP, 80}}},
			Endpoint{netip.MustParseAddr(fmt.Sprintf("2001:db8:17:%x::2", i/100)), []Port{{protoTCP, 80}}},
		)
	}
	return w
}

func TestManyPortsMakeAWiderFilterNotABrokenOne(t *testing.T) {
	for _, tc := range []struct {
		name  string
		want  Want
		width Width
	}{
		{"one target is exact", web(), Exact},
		{"a range of a thousand ports is exact", Want{Ports: portRange(8000, 9000)}, Exact},
		{"sixty ports of one host are exact", Want{Ports: many(60).Ports}, Exact},
		{"ten containers of two families are exact", many(10), Exact},
		{"thirty containers are exact", Want{Ports: many(30).Ports, Endpoints: ipv4Only(many(30).Endpoints)}, Exact},
		{"forty containers with ports of their own pass with all ports", distinct40(), WideHosts},
		{"five hundred containers pass with what lies between", many(500), WideRanges},
		{"a thousand networks pass with everything", Want{Hosts: networks(1000)}, WideOpen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prog, width, err := Build(tc.want)
			if err != nil || width != tc.width || len(prog) > Budget {
				t.Errorf("%d instructions, %v, %v; want %v", len(prog), width, err, tc.width)
			}
		})
	}
}

func distinct40() Want {
	w := many(40)
	w.Endpoints = ipv4Only(w.Endpoints)
	for i := range w.Endpoints {
		w.Endpoints[i].Ports = []Port{{protoTCP, uint16(3000 + i)}}
	}
	return w
}

func portRange(lo, hi uint16) (ports []Port) {
	for p := lo; p <= hi; p++ {
		ports = append(ports, Port{protoTCP, p})
	}
	return ports
}

func ipv4Only(endpoints []Endpoint) []Endpoint {
	return slices.DeleteFunc(endpoints, func(e Endpoint) bool { return e.Addr.Is6() })
}

func networks(n int) (addrs []netip.Addr) {
	for i := range n {
		addrs = append(addrs, netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i)))
	}
	return addrs
}

// Whatever passes a filter passes every wider one, and what was asked for
// passes the exact one.
func TestWiderFiltersPassMore(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		w := many(1 + rnd.IntN(40))
		w.Hosts = networks(rnd.IntN(3))
		exact := machine(t, w, Exact)
		for range 40 {
			e := w.Endpoints[rnd.IntN(len(w.Endpoints))]
			other := netip.MustParseAddr("198.51.100.9")
			if e.Addr.Is6() {
				other = netip.MustParseAddr("2001:db8::9")
			}
			wanted := rnd.IntN(2) == 0
			port := uint16(1 + rnd.IntN(600))
			if wanted {
				port = 80
			}
			frame := frameOf(t, fmt.Sprintf("tcp %v > %v", netip.AddrPortFrom(other, 1), netip.AddrPortFrom(e.Addr, port)))
			got := passes(t, exact, frame)
			if want := wanted || port == 80 || port%10 == 0 && int(port) <= 10*len(w.Ports); got != want {
				t.Fatalf("port %d of %v: passed %t, want %t", port, e.Addr, got, want)
			}
			for width := WideHosts; width <= WideOpen; width++ {
				if got && !passes(t, machine(t, w, width), frame) {
					t.Fatalf("port %d of %v passes the exact filter, not that of %v", port, e.Addr, width)
				}
			}
		}
	}
}

// onlyLong is the program without its short way.
func onlyLong(t testing.TB, w Want, width Width) *bpf.VM {
	t.Helper()
	vm, err := bpf.NewVM(newPlan(w, width).long(file()))
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func TestTheShortWayDecidesAsTheLongOneDoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	addrs := []string{"172.17.0.2", "172.17.0.4", "172.17.0.3", "198.51.100.1", "198.51.100.100"}
	ports := []int{80, 53, 8080, 5353, 9999, 10, 20, 30, 443}
	passed, ways := map[bool]int{}, 0
	for _, w := range []Want{web(), many(3), many(10), {Ports: portRange(10, 20)}, {Endpoints: web().Endpoints}} {
		for _, width := range []Width{Exact, WideHosts, WideRanges} {
			both, long := machine(t, w, width), onlyLong(t, w, width)
			p := newPlan(w, width)
			if len(p.program(file())) > len(p.long(file())) {
				ways++
			}
			for range 400 {
				side := func() string {
					return fmt.Sprintf("%s:%d", addrs[rnd.IntN(len(addrs))], ports[rnd.IntN(len(ports))])
				}
				kind := []string{"tcp", "udp", "sctp", "options tcp", "tail udp", "vlan tcp", "gre"}[rnd.IntN(7)]
				text := kind + " " + side() + " > " + side()
				frame := append(frameOf(t, text), make([]byte, 64)...)
				got := passes(t, both, frame)
				if passed[got]++; got != passes(t, long, frame) {
					t.Fatalf("%s: the short way says %t, the long one does not", text, got)
				}
			}
		}
	}
	if ways < 7 || passed[true] < 1000 || passed[false] < 1000 {
		t.Errorf("%d programs with a short way, %v passed: that shows little", ways, passed)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"tcp 198.51.100.100:50110 > 198.51.100.1:8080", "hop dest route auth tcp [2001:db8::100]:1 > [2001:db8::1]:8080",
		"vlan udp 172.17.0.2:53 > 198.51.100.100:5000", "arp 172.17.0.1 > 172.17.0.2", "solicit 2001:db8:17::1 > 2001:db8:17::2",
	} {
		f.Add(frameOf(f, s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		frame = append(frame, make([]byte, 256)...) // one too short passes no filter
		exact, wide := machine(t, web(), Exact), machine(t, web(), WideRanges)
		got := passes(t, exact, frame)
		if got && !passes(t, wide, frame) {
			t.Errorf("%x passes the exact filter, not the wider one", frame)
		}
		if long := onlyLong(t, web(), Exact); got != passes(t, long, frame) {
			t.Errorf("%x: the short way says %t, the long one does not", frame, got)
		}
		if !got && publishedTCP(frame) {
			t.Errorf("%x is TCP of port 8080 and does not pass", frame)
		}
	})
}

// publishedTCP reports whether gopacket finds TCP of port 8080, not within a
// tunnel, behind at most one tag and three extension headers.
func publishedTCP(frame []byte) bool {
	found := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).Layers()
	networks, tags := 0, 0
	for _, l := range found {
		switch l := l.(type) {
		case *layers.IPv4, *layers.IPv6:
			networks++
		case *layers.Dot1Q:
			tags++
		case *layers.TCP:
			return networks == 1 && tags <= 1 && len(found) <= 7 && (l.SrcPort == 8080 || l.DstPort == 8080)
		case *layers.Ethernet, *layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination, *layers.IPSecAH:
		default:
			return false
		}
	}
	return false
}
