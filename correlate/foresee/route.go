package foresee

import (
	"net/netip"
	"slices"

	"dnatrace/capture/host"
)

// lookup is a question to the routing tables.
type lookup struct {
	src, dst netip.Addr
	iif      string // "" for a packet of the host's own
}

// Tables that are asked where no policy rules are in evidence (RT_TABLE_*).
var usualTables = []int{255, 254, 253}

// route finds what routing does with a packet: policy rules in order, the longest
// prefix in each table. Nil if nothing leads there. Rules that look at marks are
// passed over: the packet is taken to have none.
func route(s *host.Sample, q lookup) *host.Route {
	for _, table := range tables(s, q) {
		best := longest(s, table, q.dst)
		switch {
		case best == nil || best.Type == "throw":
			continue
		case best.Type == "unreachable" || best.Type == "blackhole" || best.Type == "prohibit":
			return nil
		}
		return best
	}
	return nil
}

// tables lists the tables that are asked in turn.
func tables(s *host.Sample, q lookup) []int {
	family := 6
	if q.dst.Is4() {
		family = 4
	}
	var all []host.Rule
	for _, r := range s.Rules {
		if r.Family == family {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return usualTables
	}
	slices.SortStableFunc(all, func(a, b host.Rule) int { return a.Priority - b.Priority })
	var out []int
	for _, r := range all {
		if !holds(&r, q) {
			continue
		}
		if r.Action != "" {
			if r.Action == "goto" || r.Action == "nop" {
				continue
			}
			return out // blackhole, unreachable, prohibit
		}
		out = append(out, r.Table)
	}
	return out
}

// holds reports whether a policy rule is for a packet without a mark.
func holds(r *host.Rule, q lookup) bool {
	match := (!r.From.IsValid() || r.From.Contains(q.src)) && (!r.To.IsValid() || r.To.Contains(q.dst)) &&
		(r.IIF == "" || r.IIF == q.iif || r.IIF == "lo" && q.iif == "") && r.OIF == "" && (r.Mask == 0 || r.Mark == 0) && !r.Other
	return match != r.Not
}

func longest(s *host.Sample, table int, dst netip.Addr) *host.Route {
	var best *host.Route
	for i := range s.Routes {
		r := &s.Routes[i]
		if r.Table != table || !r.Dst.IsValid() || !r.Dst.Contains(dst) || r.Type == "multicast" || !usable(s, r) {
			continue
		}
		if best == nil || r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && r.Metric < best.Metric {
			best = r
		}
	}
	return best
}

// usable reports whether the link of a route is up. One without a carrier is
// used all the same: an empty bridge has none.
func usable(s *host.Sample, r *host.Route) bool {
	l := s.Link(r.Link)
	return l == nil || l.Up || r.Type == "local"
}

// leaves names the interface that packets to an address leave by, "" for none.
func leaves(s *host.Sample) func(netip.Addr) string {
	return func(dst netip.Addr) string {
		if r := route(s, lookup{dst: dst.Unmap()}); r != nil {
			return s.LinkName(r.Link)
		}
		return ""
	}
}

// sourceFor is the address that the host uses towards another: that of the
// route, else the first of the link that is of the same family.
func sourceFor(s *host.Sample, dst netip.Addr) netip.Addr {
	r := route(s, lookup{dst: dst})
	if r == nil {
		return netip.Addr{}
	}
	if r.Src.IsValid() {
		return r.Src
	}
	return addrOn(s, r.Link, dst.Is4())
}

// addrOn is the first address of a link and family that is not link-local.
func addrOn(s *host.Sample, link int, v4 bool) netip.Addr {
	for _, a := range s.Addrs {
		if ip := a.Prefix.Addr().Unmap(); a.Link == link && ip.Is4() == v4 && !ip.IsLinkLocalUnicast() {
			return ip
		}
	}
	return netip.Addr{}
}
