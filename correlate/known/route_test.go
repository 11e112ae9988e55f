package known_test

import (
	"net/netip"
	"strings"
	"testing"

	"dnatrace/capture/host"
	"dnatrace/correlate/known"
)

var prefix = netip.MustParsePrefix

func router() host.State {
	return host.State{
		Links: []host.Link{{Index: 1, Name: "lo", Up: true}, {Index: 2, Name: "eth0", Up: true}, {Index: 3, Name: "wg0", Up: true}, {Index: 4, Name: "eth1"}},
		Routes: []host.Route{
			{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 2, Metric: 100},
			{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 3, Metric: 50},
			{Table: 254, Type: "unicast", Dst: prefix("198.51.100.0/24"), Link: 2},
			{Table: 254, Type: "unicast", Dst: prefix("198.51.100.128/25"), Link: 4},
			{Table: 254, Type: "blackhole", Dst: prefix("203.0.113.0/24")},
			{Table: 255, Type: "local", Dst: prefix("198.51.100.1/32"), Link: 2},
			{Table: 100, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 2},
			{Table: 101, Type: "throw", Dst: prefix("0.0.0.0/0")},
			{Table: 102, Type: "unicast", Dst: prefix("0.0.0.0/0"), Link: 3},
		},
	}
}

// ruled puts rules in front of the usual ones.
func ruled(more ...host.Rule) []host.Rule {
	usual := []host.Rule{{Priority: 0, Family: 4, Table: 255}, {Priority: 32766, Family: 4, Table: 254}, {Priority: 32767, Family: 4, Table: 253}}
	return append(more, usual...)
}

func TestRoutesAreFoundAsTheKernelDoes(t *testing.T) {
	for _, c := range []struct {
		name, dst, want string
		rules           []host.Rule
		ask             known.Lookup
	}{
		{"the longest prefix wins", "198.51.100.7", "eth0", nil, known.Lookup{}},
		{"the host's own address is local", "198.51.100.1", "eth0 local", nil, known.Lookup{}},
		{"of equal ones the lowest metric", "192.0.2.1", "wg0", nil, known.Lookup{}},
		{"a link that is down is no way", "198.51.100.200", "eth0", nil, known.Lookup{}},
		{"a blackhole leads nowhere", "203.0.113.9", "none", nil, known.Lookup{}},
		{"a policy rule comes before the main table", "192.0.2.1", "eth0", ruled(host.Rule{Priority: 10, Family: 4, Table: 100}), known.Lookup{}},
		{"but not before the local one", "198.51.100.1", "eth0 local", ruled(host.Rule{Priority: 10, Family: 4, Table: 100}), known.Lookup{}},
		{"a rule for another source is passed over", "192.0.2.1", "wg0", ruled(host.Rule{Priority: 10, Family: 4, From: prefix("10.0.0.0/8"), Table: 100}), known.Lookup{}},
		{"a rule that is to hold for all but that source holds", "192.0.2.1", "eth0", ruled(host.Rule{Priority: 10, Family: 4, From: prefix("10.0.0.0/8"), Not: true, Table: 100}), known.Lookup{}},
		{"a packet without a mark is not for a rule with one", "192.0.2.1", "wg0", ruled(host.Rule{Priority: 10, Family: 4, Mark: 1, Mask: 0xff, Table: 100}), known.Lookup{}},
		{"a packet with that mark is", "192.0.2.1", "eth0", ruled(host.Rule{Priority: 10, Family: 4, Mark: 1, Mask: 0xff, Table: 100}), known.Lookup{Mark: 0x101}},
		{"throw goes on with the next rule", "192.0.2.1", "wg0", ruled(host.Rule{Priority: 10, Family: 4, Table: 101}), known.Lookup{}},
		{"a rule may prohibit", "192.0.2.1", "none", ruled(host.Rule{Priority: 10, Family: 4, Action: "prohibit"}), known.Lookup{}},
		{"rules of the other family are not asked", "192.0.2.1", "wg0", ruled(host.Rule{Priority: 10, Family: 6, Table: 100}), known.Lookup{}},

		{"a mark that nobody knows may lead elsewhere", "192.0.2.1", "?priority 10", ruled(host.Rule{Priority: 10, Family: 4, Mark: 1, Mask: 0xff, Table: 100}), known.Lookup{AnyMark: true}},
		{"and makes no difference where both ways lead to one place", "192.0.2.1", "wg0", ruled(host.Rule{Priority: 10, Family: 4, Mark: 1, Mask: 0xff, Table: 102}), known.Lookup{AnyMark: true}},
		{"what a rule looks at is not all known here: it may hold or not", "192.0.2.1", "?priority 10", ruled(host.Rule{Priority: 10, Family: 4, Other: true, Table: 100}), known.Lookup{}},
		{"not that either", "192.0.2.1", "?priority 10", ruled(host.Rule{Priority: 10, Family: 4, Other: true, Not: true, Table: 100}), known.Lookup{}},
		{"a rule of which enough is known is passed over, whatever else it looks at", "192.0.2.1", "wg0", ruled(host.Rule{Priority: 10, Family: 4, Other: true, IIF: "wg0", Table: 100}), known.Lookup{IIF: "eth0"}},
		{"where a rule jumps to is not known", "192.0.2.1", "?priority 10", ruled(host.Rule{Priority: 10, Family: 4, Action: "goto"}), known.Lookup{}},
		{"where it comes in is not known, and a rule asks for that", "192.0.2.1", "?priority 10", ruled(host.Rule{Priority: 10, Family: 4, IIF: "eth0", Table: 100}), known.Lookup{AnyIIF: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := router()
			s.Rules = c.rules
			q := c.ask
			q.Src, q.Dst = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr(c.dst)
			checkRoute(t, known.Of("host", &s).Route(q), &s, c.want)
		})
	}
}

// checkRoute compares with "eth0", "eth0 local", "none", or "?" and words of why.
func checkRoute(t *testing.T, a known.Answer[host.Route], s *host.State, want string) {
	t.Helper()
	got := "none"
	if r, ok := a.Get(); ok {
		if got = s.LinkName(r.Link); r.Type == "local" {
			got += " local"
		}
	}
	if why, is := strings.CutPrefix(want, "?"); is {
		if a.Known() || !strings.Contains(a.Why(), why) {
			t.Errorf("got %q (%s), want no answer for %q", got, a.Why(), why)
		}
		return
	}
	if got != want || !a.Known() {
		t.Errorf("got %q, known %v (%s), want %q", got, a.Known(), a.Why(), want)
	}
}

func TestRoutesThatWereNotGivenLeadNowhereKnown(t *testing.T) {
	all := func(parts ...host.Part) host.Given {
		g := host.Given{}
		for _, p := range parts {
			g[p] = ""
		}
		return g
	}
	links := host.PartLinks
	for _, c := range []struct {
		name, dst, want string
		change          func(*host.State)
	}{
		{"no routes were given", "192.0.2.1", "?the routes of the host (IPv4) are not in evidence", func(s *host.State) { s.Routes, s.Given = nil, all(links, "addrs4") }},
		{"those of the other family alone were", "192.0.2.1", "?the routes of the host (IPv4)", func(s *host.State) { s.Routes, s.Given = nil, all(links, "routes6") }},
		{"an address of its own needs no route", "198.51.100.1", "eth0 local", func(s *host.State) {
			s.Routes, s.Given, s.Addrs = nil, all(links, "addrs4"), []host.Addr{{Link: 2, Prefix: prefix("198.51.100.1/24")}}
		}},
		{"some were not understood", "192.0.2.1", "?not all of the routes of the host (IPv4) are in evidence: 1 line is damaged", func(s *host.State) { s.Given = host.Given{"routes4": "1 line is damaged"} }},
		{"a live source could not read them", "192.0.2.1", "?the routes of the host (IPv4) are not in evidence: permission denied", func(s *host.State) { s.Routes, s.Missing = nil, []string{"routes: permission denied"} }},
		{"routing rules were not given, and a table that only they lead to says otherwise", "192.0.2.1", "?the routing rules of the host (IPv4)", func(s *host.State) { s.Given = all(links, "routes4", "local4") }},
		{"routing rules were not given, and no table needs one", "192.0.2.1", "wg0", func(s *host.State) { s.Routes, s.Given = s.Routes[:6], all(links, "routes4", "local4") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := router()
			c.change(&s)
			checkRoute(t, known.Of("host", &s).Route(known.Lookup{Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr(c.dst)}), &s, c.want)
		})
	}
	if a := (known.Namespace{}).Route(known.Lookup{Dst: netip.MustParseAddr("192.0.2.1")}); a.Known() {
		t.Error("a namespace that is not in evidence has a route, or none")
	}
}

func TestTheReversePathIsCheckedAsTheKernelDoes(t *testing.T) {
	for _, c := range []struct {
		name, in, src string
		settings      map[string]string
		given         host.Given
		want          string
	}{
		{"answers leave by where it comes in", "wg0", "192.0.2.1", map[string]string{"net.ipv4.conf.all.rp_filter": "1"}, nil, "none"},
		{"they leave by another, and the check is strict", "eth0", "192.0.2.1", map[string]string{"net.ipv4.conf.all.rp_filter": "1"}, nil, "strict"},
		{"the larger of two settings counts", "eth0", "192.0.2.1", map[string]string{"net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.eth0.rp_filter": "1"}, nil, "strict"},
		{"loose is larger", "eth0", "192.0.2.1", map[string]string{"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.eth0.rp_filter": "2"}, nil, "none"},
		{"loose stops what no route leads to", "eth0", "203.0.113.9", map[string]string{"net.ipv4.conf.all.rp_filter": "2"}, nil, "loose"},
		{"nothing is checked", "eth0", "192.0.2.1", nil, nil, "none"},
		{"an address of the host's own comes from nowhere", "eth0", "198.51.100.1", map[string]string{"net.ipv4.conf.all.rp_filter": "1"}, nil, "strict"},
		{"the settings were not given, and the way back is another", "eth0", "192.0.2.1", nil, host.Given{"links": "", "routes4": "", "local4": "", "rules4": ""}, "?net.ipv4.conf.all.rp_filter"},
		{"the settings were not given, and the way back is the same", "wg0", "192.0.2.1", nil, host.Given{"links": "", "routes4": "", "local4": "", "rules4": ""}, "none"},
		{"the routes were not given", "eth0", "192.0.2.1", map[string]string{"net.ipv4.conf.all.rp_filter": "1"}, host.Given{"links": "", "settings": ""}, "?the routes of the host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := router()
			s.Sysctls, s.Given = c.settings, c.given
			a := known.Of("host", &s).ReversePath(c.in, netip.MustParseAddr(c.src), netip.MustParseAddr("198.51.100.1"))
			got := "none"
			if how, ok := a.Get(); ok {
				got = string(how)
			}
			if why, is := strings.CutPrefix(c.want, "?"); is {
				if a.Known() || !strings.Contains(a.Why(), why) {
					t.Errorf("got %q (%s), want no answer for %q", got, a.Why(), why)
				}
			} else if got != c.want || !a.Known() {
				t.Errorf("got %q, known %v (%s), want %q", got, a.Known(), a.Why(), c.want)
			}
		})
	}
}

func TestPolicyRulesAskForSomeMarks(t *testing.T) {
	n := known.Of("host", &host.State{Rules: []host.Rule{
		{Priority: 0, Family: 4, Table: 255},
		{Priority: 10, Family: 4, Mark: 0x1, Mask: 0xff, Table: 100},
		{Priority: 20, Family: 4, Mark: 0x200, Mask: 0xf00, Not: true, Table: 101},
		{Priority: 30, Family: 6, Other: true, Table: 102},
	}})
	for _, c := range []struct {
		name   string
		family int
		mark   uint32
		tos    bool
		want   bool
	}{
		{"a packet without a mark is as it was", 4, 0, false, false},
		{"a mark that a rule is for", 4, 0x1, false, true},
		{"its mask leaves other bits out", 4, 0xf001, false, true},
		{"a mark that no rule is for", 4, 0x2, false, false},
		{"a mark that a rule is not for", 4, 0x200, false, true},
		{"a rule of the other family is not asked", 6, 0x1, false, false},
		{"a type of service that no rule of IPv4 can be about", 4, 0, true, false},
		{"one that a rule of IPv6 may be about", 6, 0, true, true},
	} {
		if got := n.PolicyAsks(c.family, c.mark, c.tos); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// Of a namespace that is not in evidence at all nothing is known, not even by which
// interface it talks to itself.
func TestNothingIsKnownOfANamespaceNotInEvidence(t *testing.T) {
	q := known.Lookup{Src: netip.MustParseAddr("172.17.0.2"), Dst: netip.MustParseAddr("127.0.0.1")}
	var n known.Namespace
	if n.Route(q).Known() || n.Denied(q).Known() || n.Leaves(q).Known() {
		t.Error("a route is known of a namespace that was never read")
	}
}
