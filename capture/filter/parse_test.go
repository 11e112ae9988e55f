package filter

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestWhatIsNotUnderstoodIsNamed(t *testing.T) {
	for _, tc := range []struct{ expr, word string }{
		{"frob", "frob"},
		{"80", "80"},
		{"198.51.100.1", "198.51.100.1"},
		{"TCP", "TCP"},
		{"tcp or 80", "80"},
		{"(port 80) or 443", "443"},
		{"port 80 foo", "foo"},
		{"port 80 and", ""},
		{"port 80 and and tcp", "and"},
		{"port", ""},
		{"not (host 198.51.100.1", ""},
		{"port 80)", ")"},
		{"host web", "web"},
		{"port http", "http"},
		{"port 70000", "70000"},
		{"port 080", "080"},
		{"port 0b11", "0b11"},
		{"port 1_0", "1_0"},
		{"port 80-90", "80-90"},
		{"portrange 80-http", "80-http"},
		{"portrange 1-99999", "1-99999"},
		{"ip port 80", "port"},
		{"icmp port 80", "port"},
		{"tcp host 198.51.100.1", "tcp"},
		{"tcp src 80", "tcp"},
		{"icmp6 host 2001:db8::1", "icmp6"},
		{"tcp 80", "80"},
		{"tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags]"},
		{"ip[0] = 0x45", "ip[0]"},
		{"port 80 & tcp", "&"},
		{"port 80 | tcp", "|"},
		{"ip host 2001:db8::1", "2001:db8::1"},
		{"ip6 host 198.51.100.1", "198.51.100.1"},
		{"host fe80::1%eth0", "fe80::1%eth0"},
		{"net 172.17.0.1/16", "172.17.0.1"},
		{"net 198.51.100.1/33", "33"},
		{"net 10.0.0.1 mask 255.0.0.0", "10.0.0.1"},
		{"net 10.0.0.0 mask 2001:db8::1", "2001:db8::1"},
		{"src 10.0.0.0/8", "10.0.0.0"},
		{"src 2001:db8::/32", "2001:db8::"},
		{"host 10.1", "10.1"},
		{"net 300", "300"},
		{"src proto 6", "proto"},
		{"proto tcp", "tcp"},
		{"ip proto 300", "300"},
		{"tcp proto 6", "proto"},
		{"ether proto 0x8100", "proto"},
		{"ether proto 1400", "proto"},
		{"ether host 198.51.100.1", "198.51.100.1"},
		{"host 02:42:ac:11:00:02", "02:42:ac:11:00:02"},
		{"ether 02:42:ac:11:00:02", "ether"},
		{"vlan 5000", "5000"},
		{"less", ""},
		{"less many", "many"},
		{"ip broadcast", "broadcast"},
		{"arp multicast", "multicast"},
		{"gateway 198.51.100.1", "gateway"},
		{"inbound", "inbound"},
		{"port src 80", "src"},
		{"src src host 198.51.100.1", "src"},
		{"port (80 or host 198.51.100.1)", "host"},
		{"port 80 \x00", "\x00"},
		{strings.Repeat("(", 200), "("},
		{strings.Repeat("not ", 200) + "tcp", "not"},
	} {
		_, err := Parse(tc.expr)
		var e *Error
		if !errors.As(err, &e) || e.Word != tc.word {
			t.Errorf("%.40q: %v, want a word about %q", tc.expr, err, tc.word)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than a line: %v", tc.expr, err)
		}
	}
}

func TestAnEndlessExpressionIsRefused(t *testing.T) {
	if _, err := Parse("tcp" + strings.Repeat(" or tcp", 5000)); err == nil {
		t.Error("35000 bytes are accepted")
	}
	if _, err := Parse("tcp" + strings.Repeat(" or tcp", 2000)); err != nil {
		t.Error(err)
	}
}

// TestWhatIsKnownOfAPacketDecides: an absence may be claimed of packets that
// the filter passes whatever else they are.
func TestWhatIsKnownOfAPacketDecides(t *testing.T) {
	addr := netip.MustParseAddr
	syn := Packet{Ether: EtherIPv4, Proto: ProtoTCP, Src: addr("198.51.100.100"), Dst: addr("198.51.100.1"), SrcPort: 50110, DstPort: 8080}
	toSomewhere := Packet{Ether: EtherIPv4, Proto: ProtoTCP, Src: addr("198.51.100.100"), SrcPort: 50110}
	icmp := Packet{Ether: EtherIPv4, Proto: ProtoICMP, Dst: addr("198.51.100.100")}
	six := Packet{Ether: EtherIPv6, Proto: ProtoTCP, Src: addr("2001:db8::100"), Dst: addr("2001:db8::1"), SrcPort: 1, DstPort: 8080}
	for _, tc := range []struct {
		expr string
		p    Packet
		want Answer
	}{
		{"tcp port 8080", syn, Passes},
		{"tcp port 80", syn, Hidden},
		{"udp", syn, Hidden},
		{"udp port 8080", syn, Hidden},
		{"not tcp port 80", syn, Passes},
		{"src port 8080", syn, Hidden},
		{"src and dst portrange 8000-60000", syn, Passes},
		{"host 198.51.100.100", syn, Passes},
		{"host 198.51.100.100", toSomewhere, Passes},
		{"dst host 198.51.100.100", toSomewhere, Unknown},
		{"port 80", toSomewhere, Unknown},
		{"tcp", toSomewhere, Passes},
		{"host 172.17.0.2 or port 50110", toSomewhere, Passes},
		{"host 172.17.0.2 and udp", toSomewhere, Hidden},
		{"tcp port 8080", icmp, Hidden},
		{"host 198.51.100.100", icmp, Passes},
		{"host 198.51.100.1", icmp, Unknown},
		{"tcp port 8080 or icmp", icmp, Passes},
		{"less 100", syn, Unknown},
		{"vlan", syn, Unknown},
		{"not ether host 02:42:ac:11:00:02", syn, Unknown},
		{"vlan or tcp", syn, Passes},
		{"net 2001:db8::/32", six, Passes},
		{"host 198.51.100.1", six, Hidden},
		{"ip", six, Hidden},
		{"ip6", six, Passes},
		{"ip proto 6", six, Hidden},
		{"ip6 proto 6", six, Passes},
		{"arp host 198.51.100.1", syn, Hidden},
		{"port 8080", six, Passes},
		{"port 8080", Packet{}, Unknown},
		{"ip", Packet{}, Unknown},
		{"proto 6", Packet{Ether: EtherARP}, Hidden},
	} {
		f, err := Parse(tc.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Sees(tc.p); got != tc.want {
			t.Errorf("%s of %+v: %d, want %d", tc.expr, tc.p, got, tc.want)
		}
	}
	if (*Filter)(nil).Sees(syn) != Passes {
		t.Error("no filter does not pass everything")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"tcp port 80 or 443 and not host 198.51.100.1", "net 2001:db8::/32", "src or dst portrange 1-2", `ether proto \arp`, "((vlan 7))",
		"net 10.0.0.0 mask 255.0.0.0", "ether host 1:2:3:4:5:6||less 0x40", "port !80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse("not (" + s + ")")
		if err != nil && len(s) < 1000 && !strings.Contains(err.Error(), "too deep") {
			t.Fatalf("%q is understood, not so within parentheses: %v", s, err)
		}
		p := Packet{Ether: EtherIPv4, Proto: ProtoTCP, Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("10.0.0.1"), SrcPort: 80, DstPort: 1}
		if again != nil && again.Sees(p) != opposite(e.Sees(p)) {
			t.Fatalf("%q: %d, its opposite %d", s, e.Sees(p), again.Sees(p))
		}
	})
}
