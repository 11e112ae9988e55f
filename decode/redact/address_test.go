package redact

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"dnatrace/capture/target"
)

func addrs(n int, size int) []netip.Addr {
	random := rand.New(rand.NewPCG(1, uint64(size)))
	var all []netip.Addr
	for range n {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if len(all) > 0 && random.IntN(2) == 0 { // near another
			near := all[random.IntN(len(all))].AsSlice()
			copy(b, near[:random.IntN(size)])
		}
		a, _ := netip.AddrFromSlice(b)
		all = append(all, a)
	}
	return all
}

func TestTwoAddressesShareAsManyBitsAsBefore(t *testing.T) {
	for _, key := range []string{"one key", "another key", "a third key"} {
		r := New([]byte(key))
		r.v4.keep(netip.MustParsePrefix("10.9.0.0/16"), true)
		from, to := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("198.51.100.77")
		r.v4.span(from.AsSlice(), to.AsSlice())
		r.Seal()
		for _, size := range []int{4, 16} {
			all, seen := addrs(400, size), map[netip.Addr]netip.Addr{}
			for i, a := range all {
				if size == 16 && a.As16()[0] == 0xff {
					continue // groups are mapped by what is in them
				}
				x := r.addr(a)
				if was, ok := seen[x]; ok && was != a {
					t.Errorf("%v and %v both become %v", was, a, x)
				}
				seen[x] = a
				b := all[(i+1)%len(all)]
				if size == 16 && b.As16()[0] == 0xff {
					continue
				}
				y := r.addr(b)
				if before, after := shared(a.AsSlice(), b.AsSlice(), 8*size), shared(x.AsSlice(), y.AsSlice(), 8*size); before != after {
					t.Errorf("%v and %v share %d bits, %v and %v %d", a, b, before, x, y, after)
				}
			}
		}
	}
}

func TestWhatStaysRecognisable(t *testing.T) {
	r := New([]byte("some key"))
	r.v4.keep(netip.MustParsePrefix("10.9.0.0/16"), true)
	r.Seal()
	for _, s := range []string{"0.0.0.0", "127.0.0.1", "127.0.0.53", "169.254.1.2", "172.17.0.2", "172.31.9.9", "224.0.0.251", "255.255.255.255", "10.9.8.7", "::", "::1", "fe80::1234", "ff02::1"} {
		if a := netip.MustParseAddr(s); r.addr(a) != a {
			t.Errorf("%v becomes %v", a, r.addr(a))
		}
	}
	for _, s := range []string{"10.1.2.3", "192.168.7.9", "fd12:3456::9"} {
		if a := netip.MustParseAddr(s); r.addr(a) == a || !r.addr(a).IsPrivate() {
			t.Errorf("%v becomes %v", a, r.addr(a))
		}
	}
	for _, s := range []string{"198.51.100.1", "203.0.113.200", "8.8.8.8", "2001:db8::42"} {
		if a := netip.MustParseAddr(s); r.addr(a) == a || r.addr(a).IsPrivate() || !r.addr(a).IsGlobalUnicast() {
			t.Errorf("%v becomes %v", a, r.addr(a))
		}
	}
	if got := r.prefix(netip.MustParsePrefix("198.51.100.0/24")); got != got.Masked() || !got.Contains(r.addr(netip.MustParseAddr("198.51.100.77"))) {
		t.Errorf("the network becomes %v, which does not hold its address", got)
	}
	if got := r.addr(netip.MustParseAddr("198.51.100.255")).As4(); got[3] != 255 {
		t.Errorf("the broadcast address ends in %d", got[3])
	}
}

func TestARangeHoldsWhatItHeld(t *testing.T) {
	for _, key := range []string{"one key", "another key"} {
		r := New([]byte(key))
		from, to := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("198.51.101.20")
		r.v4.span(from.AsSlice(), to.AsSlice())
		r.Seal()
		x, y := r.addr(from), r.addr(to)
		for a := netip.MustParseAddr("198.51.99.0"); a.Less(netip.MustParseAddr("198.51.102.255")); a = a.Next() {
			was := !a.Less(from) && !to.Less(a)
			if is := !r.addr(a).Less(x) && !y.Less(r.addr(a)); is != was {
				t.Fatalf("%v becomes %v; in %v-%v: %v", a, r.addr(a), x, y, is)
			}
		}
	}
}

func TestMACsStayWhatKindTheyAre(t *testing.T) {
	r := New([]byte("some key"))
	seen := map[string]string{}
	for _, c := range []struct {
		mac  string
		same bool
		name string
	}{
		{"ff:ff:ff:ff:ff:ff", true, "broadcast"},
		{"00:00:00:00:00:00", true, "none"},
		{"01:00:5e:00:00:fb", true, "a group"},
		{"33:33:00:00:00:01", true, "all nodes"},
		{"02:42:ac:11:00:02", true, "the engine's, of an address that stays"},
		{"02:42:c6:33:64:01", false, "the engine's, of one that does not"},
		{"00:1b:21:01:02:03", false, "a card's"},
		{"ba:36:22:ae:f6:99", false, "a local one"},
	} {
		got := r.macText(c.mac)
		if (got == c.mac) != c.same {
			t.Errorf("%s: %s becomes %s", c.name, c.mac, got)
		}
		var was, is byte
		was, is = unhex(c.mac), unhex(got)
		if was&3 != is&3 {
			t.Errorf("%s: the bits for group and local change in %s", c.name, got)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s both become %s", other, c.mac, got)
		}
		seen[got] = c.mac
	}
	a, b := r.macText("02:42:c6:33:64:01"), r.addr(netip.MustParseAddr("198.51.100.1")).As4()
	if unhex(a[6:]) != b[0] || unhex(a[15:]) != b[3] {
		t.Errorf("the engine's MAC %s is not of its address %v", a, b)
	}
}

func unhex(s string) byte {
	var n byte
	for _, c := range []byte(s[:2]) {
		n <<= 4
		switch {
		case c >= 'a':
			n |= c - 'a' + 10
		default:
			n |= c - '0'
		}
	}
	return n
}

func TestNamesOfInterfaces(t *testing.T) {
	n := newNames([]byte("some key"))
	for _, s := range []string{"eth0", "docker0", "lo", "ens3", "bond0", "br-+", "veth*", "wlan0", "docker_gwbridge"} {
		if got := n.iface(s); got != s {
			t.Errorf("%s becomes %s", s, got)
		}
	}
	id := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if got, want := n.iface("br-0123456789ab"), "br-"+n.hex(id)[:12]; got != want || got == "br-0123456789ab" {
		t.Errorf("the bridge of a network becomes %s, want %s", got, want)
	}
	for _, s := range []string{"acme-lan", "vethc320d79", "veth-web", "br-shop", "customer7"} {
		if got := n.iface(s); got == s || len(got) != len(s) {
			t.Errorf("%s becomes %s", s, got)
		}
	}
}

func TestTexts(t *testing.T) {
	r := New([]byte("some key"))
	r.names.learn("web")
	r.names.learnIface("acme-lan")
	r.Seal()
	for _, c := range []struct{ in, keeps, loses string }{
		{"driver failed programming external connectivity on endpoint web (0123456789abcdef): Bind for 0.0.0.0:8080 failed: port is already allocated", "port is already allocated", "web"},
		{"failed to bind host port for 198.51.100.1:8080:172.17.0.2:80/tcp: address already in use", "address already in use", "198.51.100.1"},
		{"iptables failed: iptables --wait -t nat -A DOCKER -d 198.51.100.1 -j DNAT: iptables: No chain/target/match by that name.", "No chain/target/match by that name", "198.51.100.1"},
		{`exec: "/opt/acme/run.sh": stat /opt/acme/run.sh: no such file or directory`, "no such file or directory", "acme"},
		{"read rules of web: permission denied", "permission denied", "web"},
		{"link acme-lan went away", "went away", "acme-lan"},
		{"dial unix /var/run/docker.sock: connect: permission denied", "/var/run/docker.sock", "\x00"},
	} {
		got := r.text(c.in)
		if !contains(got, c.keeps) || contains(got, c.loses) {
			t.Errorf("%q becomes %q", c.in, got)
		}
	}
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

// TestWhatWasAskedForIsRedacted: targets keep their form, so that they select the
// same, and say nothing of names and addresses.
func TestWhatWasAskedForIsRedacted(t *testing.T) {
	r := New([]byte("some key"))
	r.names.learn("shop")
	r.names.learn("web")
	r.Seal()
	const asked = "8080,7000-7010/udp web:80 shop/web shop/* :81 localhost:82 http://me:secret@shop.example:8443/cart?token=secret 198.51.100.1:7000-7010/tcp [2001:db8::1]:443"
	got := r.targets(asked)
	for _, not := range []string{"web", "shop", "secret", "cart", "example", "198.51.100.1:", "2001:db8::1]"} {
		if strings.Contains(got, not) {
			t.Errorf("%q is in %q", not, got)
		}
	}
	before, err := target.ParseAll(strings.Fields(asked))
	if err != nil {
		t.Fatal(err)
	}
	after, err := target.ParseAll(strings.Fields(got))
	if err != nil || len(after) != len(before) {
		t.Fatalf("%q is no list of targets any more: %v", got, err)
	}
	for i := range before {
		b, a := before[i], after[i]
		if a.Port != b.Port || a.Last != b.Last || a.Proto != b.Proto || a.Named() != b.Named() || a.Addr.IsValid() != b.Addr.IsValid() || a.Loopback != b.Loopback || (a.Service == "*") != (b.Service == "*") {
			t.Errorf("%s became %s", b.Text, a.Text)
		}
	}
	if all := strings.Fields(got); len(all) > 3 && all[2] != r.names.name("shop")+"/"+r.names.name("web") {
		t.Errorf("a service became %q", all[2])
	}
}
