package host

import (
	"net/netip"
	"slices"
)

// Lookup is a question to the routing tables.
type Lookup struct {
	Src, Dst netip.Addr
	IIF      string // "" for a packet of the namespace's own
}

// Tables that are asked where no policy rules are in evidence (RT_TABLE_*).
var usualTables = []int{255, 254, 253}

// RouteFor finds what routing does with a packet: policy rules in order, the
// longest prefix in each table. Nil if nothing leads there. Rules that look at
// marks are passed over: the packet is taken to have none.
func (s *State) RouteFor(q Lookup) *Route {
	for _, table := range s.tables(q) {
		best := s.longest(table, q.Dst)
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
func (s *State) tables(q Lookup) []int {
	family := 6
	if q.Dst.Is4() {
		family = 4
	}
	var all []Rule
	for _, r := range s.Rules {
		if r.Family == family {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return usualTables
	}
	slices.SortStableFunc(all, func(a, b Rule) int { return a.Priority - b.Priority })
	var out []int
	for _, r := range all {
		if !r.holds(q) {
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
func (r *Rule) holds(q Lookup) bool {
	match := (!r.From.IsValid() || r.From.Contains(q.Src)) && (!r.To.IsValid() || r.To.Contains(q.Dst)) &&
		(r.IIF == "" || r.IIF == q.IIF || r.IIF == "lo" && q.IIF == "") && r.OIF == "" && (r.Mask == 0 || r.Mark == 0) && !r.Other
	return match != r.Not
}

// PolicyAsks reports whether a policy rule may send a packet with this mark
// elsewhere than one without, or, if tos, one with another type of service.
func (s *State) PolicyAsks(v4 bool, mark uint32, tos bool) bool {
	family := 6
	if v4 {
		family = 4
	}
	return slices.ContainsFunc(s.Rules, func(r Rule) bool {
		marked := r.Mask != 0 && (mark&r.Mask == r.Mark) != (r.Mark == 0)
		return r.Family == family && (marked || tos && r.Other)
	})
}

func (s *State) longest(table int, dst netip.Addr) *Route {
	var best *Route
	for i := range s.Routes {
		r := &s.Routes[i]
		if r.Table != table || !r.Dst.IsValid() || !r.Dst.Contains(dst) || r.Type == "multicast" || !s.usable(r) {
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
func (s *State) usable(r *Route) bool {
	l := s.Link(r.Link)
	return l == nil || l.Up || r.Type == "local"
}
