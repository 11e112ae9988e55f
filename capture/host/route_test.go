package host

import (
	"net/netip"
	"testing"
)

func TestRoutesAreFoundAsTheKernelDoes(t *testing.T) {
	prefix := netip.MustParsePrefix
	links := []Link{{Index: 1, Name: "lo", Up: true}, {Index: 2, Name: "eth0", Up: true}, {Index: 3, Name: "wg0", Up: true}, {Index: 4, Name: "eth1"}}
	routes := []Route{
		{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 2, Metric: 100},
		{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 3, Metric: 50},
		{Table: 254, Type: "unicast", Dst: prefix("198.51.100.0/24"), Link: 2},
		{Table: 254, Type: "unicast", Dst: prefix("198.51.100.128/25"), Link: 4},
		{Table: 254, Type: "blackhole", Dst: prefix("203.0.113.0/24")},
		{Table: 255, Type: "local", Dst: prefix("198.51.100.1/32"), Link: 2},
		{Table: 100, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 2},
		{Table: 101, Type: "throw", Dst: prefix("0.0.0.0/0")},
	}
	rules := func(more ...Rule) []Rule {
		usual := []Rule{{Priority: 0, Family: 4, Table: 255}, {Priority: 32766, Family: 4, Table: 254}, {Priority: 32767, Family: 4, Table: 253}}
		return append(more, usual...)
	}
	for _, c := range []struct {
		name, dst, want string
		rules           []Rule
	}{
		{"the longest prefix wins", "198.51.100.7", "eth0", nil},
		{"the host's own address is local", "198.51.100.1", "eth0 local", nil},
		{"of equal ones the lowest metric", "192.0.2.1", "wg0", nil},
		{"a link that is down is no way", "198.51.100.200", "eth0", nil},
		{"a blackhole leads nowhere", "203.0.113.9", "", nil},
		{"a policy rule comes before the main table", "192.0.2.1", "eth0", rules(Rule{Priority: 10, Family: 4, Table: 100})},
		{"but not before the local one", "198.51.100.1", "eth0 local", rules(Rule{Priority: 10, Family: 4, Table: 100})},
		{"a rule for another source is passed over", "192.0.2.1", "wg0", rules(Rule{Priority: 10, Family: 4, From: prefix("10.0.0.0/8"), Table: 100})},
		{"a rule that is to hold for all but that source holds", "192.0.2.1", "eth0", rules(Rule{Priority: 10, Family: 4, From: prefix("10.0.0.0/8"), Not: true, Table: 100})},
		{"a packet without a mark is not for a rule with one", "192.0.2.1", "wg0", rules(Rule{Priority: 10, Family: 4, Mark: 1, Mask: 0xff, Table: 100})},
		{"throw goes on with the next rule", "192.0.2.1", "wg0", rules(Rule{Priority: 10, Family: 4, Table: 101})},
		{"a rule may prohibit", "192.0.2.1", "", rules(Rule{Priority: 10, Family: 4, Action: "prohibit"})},
		{"rules of the other family are not asked", "192.0.2.1", "wg0", rules(Rule{Priority: 10, Family: 6, Table: 100})},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Sample{State: State{Links: links, Routes: routes, Rules: c.rules}}
			got := ""
			if r := s.RouteFor(Lookup{Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr(c.dst)}); r != nil {
				if got = s.LinkName(r.Link); r.Type == "local" {
					got += " local"
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPolicyRulesAskForSomeMarks(t *testing.T) {
	s := &State{Rules: []Rule{
		{Priority: 0, Family: 4, Table: 255},
		{Priority: 10, Family: 4, Mark: 0x1, Mask: 0xff, Table: 100},
		{Priority: 20, Family: 4, Mark: 0x200, Mask: 0xf00, Not: true, Table: 101},
		{Priority: 30, Family: 6, Other: true, Table: 102},
	}}
	for _, c := range []struct {
		name string
		v4   bool
		mark uint32
		tos  bool
		want bool
	}{
		{"a packet without a mark is as it was", true, 0, false, false},
		{"a mark that a rule is for", true, 0x1, false, true},
		{"its mask leaves other bits out", true, 0xf001, false, true},
		{"a mark that no rule is for", true, 0x2, false, false},
		{"a mark that a rule is not for", true, 0x200, false, true},
		{"a rule of the other family is not asked", false, 0x1, false, false},
		{"a type of service that no rule of IPv4 can be about", true, 0, true, false},
		{"one that a rule of IPv6 may be about", false, 0, true, true},
	} {
		if got := s.PolicyAsks(c.v4, c.mark, c.tos); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
