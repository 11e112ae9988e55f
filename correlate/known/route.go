package known

import (
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/capture/host"
)

// Lookup is a question to the routing tables.
type Lookup struct {
	Src, Dst netip.Addr // Src invalid: not known
	IIF      string     // "" for a packet of the namespace's own
	AnyIIF   bool       // where it comes in is not known
	Mark     uint32     // of the packet; 0 is none
	AnyMark  bool       // its mark is not known
}

// Tables (RT_TABLE_*).
const (
	tableDefault = 253
	TableMain    = 254
	tableLocal   = 255
)

// usual are the rules of routing where nobody made others.
func usual(family int) []host.Rule {
	return []host.Rule{
		{Priority: 0, Family: family, Table: tableLocal},
		{Priority: 32766, Family: family, Table: TableMain},
		{Priority: 32767, Family: family, Table: tableDefault},
	}
}

// Route is what routing does with a packet: policy rules in order, the longest
// prefix in each table. None if nothing leads there, or it is refused on purpose.
// Where a rule may hold or not, for all that is known, and that makes a
// difference, the answer is unknown.
func (n Namespace) Route(q Lookup) Answer[host.Route] {
	a := n.decided(q)
	if denies(a.value) {
		return None[host.Route]()
	}
	return a
}

// Denied is the route, or the rule in the place of one, that says no to a packet;
// none if nothing says no on purpose.
func (n Namespace) Denied(q Lookup) Answer[host.Route] {
	a := n.decided(q)
	if a.Is() && !denies(a.value) {
		return None[host.Route]()
	}
	return a
}

func denies(r host.Route) bool {
	return r.Type == "unreachable" || r.Type == "blackhole" || r.Type == "prohibit"
}

// decided is the route that decides about a packet, be it one that says no.
func (n Namespace) decided(q Lookup) Answer[host.Route] {
	q.Src, q.Dst = q.Src.Unmap(), q.Dst.Unmap()
	family := Family(q.Dst)
	if why := n.Lacks(host.PartRoutes, family); why != "" {
		if local := n.Local(q.Dst); local.Is() && n.state != nil {
			return Is(host.Route{Table: tableLocal, Type: "local", Dst: netip.PrefixFrom(q.Dst, q.Dst.BitLen()), Link: n.linkIndex(q.Dst)})
		}
		return Unknown[host.Route](why)
	}
	rules, told := n.rules(family)
	if told {
		return n.along(rules, q)
	}
	answer := n.along(rules, q)
	// Other tables are there for rules that lead to them.
	for _, t := range n.otherTables(family) {
		a := n.along([]host.Rule{{Family: family, Table: t}, {Family: family, Table: TableMain}}, q)
		if !sameRoute(a, answer) {
			return Unknown[host.Route](n.Lacks(host.PartRules, family))
		}
	}
	return answer
}

// Leaves is the name of the interface that a packet leaves by; none if no route
// leads on. A local route leaves by none that matters: it is its own interface.
func (n Namespace) Leaves(q Lookup) Answer[string] {
	a := n.Route(q)
	r, ok := a.Get()
	switch {
	case !a.Known():
		return Unknown[string](a.Why())
	case !ok:
		return None[string]()
	}
	name := n.state.LinkName(r.Link)
	if name == "" && r.Link == 0 {
		return Unknown[string](fmt.Sprintf("the interface of the route to %s is not in evidence", r.Dst))
	}
	return Is(name)
}

func (n Namespace) linkIndex(ip netip.Addr) int {
	if n.state == nil {
		return 0 // loopback addresses are local, whatever else is known
	}
	for _, a := range n.state.Addrs {
		if a.Prefix.Addr().Unmap() == ip {
			return a.Link
		}
	}
	return 0
}

// rules are those of a family in the order in which they are asked, and whether
// they were given.
func (n Namespace) rules(family int) ([]host.Rule, bool) {
	var out []host.Rule
	for _, r := range n.state.Rules {
		if r.Family == family {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b host.Rule) int { return a.Priority - b.Priority })
	if len(out) == 0 {
		return usual(family), n.Lacks(host.PartRules, family) == ""
	}
	return out, true
}

// PolicyAsks reports whether a policy rule may send a packet with this mark
// elsewhere than one without, or, if tos, one with another type of service.
func (n Namespace) PolicyAsks(family int, mark uint32, tos bool) bool {
	if n.state == nil {
		return false
	}
	return slices.ContainsFunc(n.state.Rules, func(r host.Rule) bool {
		marked := r.Mask != 0 && (mark&r.Mask == r.Mark) != (r.Mark == 0)
		return r.Family == family && (marked || tos && r.Other)
	})
}

// LooksAtMarks reports whether any routing rule of a family asks for a mark.
func (n Namespace) LooksAtMarks(family int) bool {
	if n.state == nil {
		return false
	}
	return slices.ContainsFunc(n.state.Rules, func(r host.Rule) bool { return r.Family == family && r.Mask != 0 })
}

// otherTables are those that no usual rule leads to.
func (n Namespace) otherTables(family int) []int {
	var out []int
	for i := range n.state.Routes {
		r := &n.state.Routes[i]
		if Family(r.Dst.Addr()) == family && r.Table != tableLocal && r.Table != TableMain && r.Table != tableDefault && !slices.Contains(out, r.Table) {
			out = append(out, r.Table)
		}
	}
	return out
}

// along follows rules until one decides.
func (n Namespace) along(rules []host.Rule, q Lookup) Answer[host.Route] {
	for i := range rules {
		r := &rules[i]
		if r.Action == "nop" {
			continue
		}
		switch holds(r, q) {
		case no:
			continue
		case maybe:
			if a, b := n.by(r, rules[i+1:], q), n.along(rules[i+1:], q); sameRoute(a, b) {
				return a
			}
			return Unknown[host.Route](fmt.Sprintf("whether the routing rule of %s with priority %d holds is not in evidence", n.words(), r.Priority))
		}
		return n.by(r, rules[i+1:], q)
	}
	return None[host.Route]()
}

// by is what a rule that holds makes of a packet, with those behind it.
func (n Namespace) by(r *host.Rule, rest []host.Rule, q Lookup) Answer[host.Route] {
	switch r.Action {
	case "":
	case "goto":
		return Unknown[host.Route](fmt.Sprintf("where the routing rule of %s with priority %d goes on is not in evidence", n.words(), r.Priority))
	default: // blackhole, unreachable, prohibit
		return Is(host.Route{Table: r.Table, Type: r.Action})
	}
	best := n.longest(r.Table, q.Dst)
	if best == nil || best.Type == "throw" {
		return n.along(rest, q)
	}
	return Is(*best)
}

// trit is whether a rule holds for a packet.
type trit int8

const (
	no trit = iota
	maybe
	yes
)

func tritOf(b bool) trit {
	if b {
		return yes
	}
	return no
}

// holds reports whether a policy rule is for a packet. A rule for what leaves by
// an interface is for sockets that are bound to it, of which there is none here.
func holds(r *host.Rule, q Lookup) trit {
	match := min(covers(r.From, q.Src), covers(r.To, q.Dst), comesBy(r.IIF, q), marked(r, q), tritOf(r.OIF == ""))
	if r.Other {
		match = min(match, maybe)
	}
	if r.Not {
		return yes - match
	}
	return match
}

func covers(p netip.Prefix, ip netip.Addr) trit {
	switch {
	case !p.IsValid():
		return yes
	case !ip.IsValid():
		return maybe
	}
	return tritOf(p.Contains(ip))
}

func comesBy(iif string, q Lookup) trit {
	switch {
	case iif == "":
		return yes
	case q.AnyIIF:
		return maybe
	}
	return tritOf(iif == q.IIF || iif == "lo" && q.IIF == "")
}

func marked(r *host.Rule, q Lookup) trit {
	switch {
	case r.Mask == 0:
		return yes
	case q.AnyMark:
		return maybe
	}
	return tritOf(q.Mark&r.Mask == r.Mark)
}

// longest is the longest prefix of a table that holds an address; nil for none.
func (n Namespace) longest(table int, dst netip.Addr) *host.Route {
	var best *host.Route
	for i := range n.state.Routes {
		r := &n.state.Routes[i]
		if r.Table != table || !r.Dst.IsValid() || !r.Dst.Contains(dst) || r.Type == "multicast" || !n.usable(r) {
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
func (n Namespace) usable(r *host.Route) bool {
	l := n.state.Link(r.Link)
	return l == nil || l.Up || r.Type == "local"
}

// Ruling is the policy rule whose table decided about a packet; none if no route
// leads there.
func (n Namespace) Ruling(q Lookup) Answer[host.Rule] {
	way := n.Route(q)
	r, ok := way.Get()
	if !ok {
		return Unknown[host.Rule](way.Why())
	}
	rules, _ := n.rules(Family(q.Dst.Unmap()))
	q.Src, q.Dst = q.Src.Unmap(), q.Dst.Unmap()
	for i := range rules {
		if rules[i].Table == r.Table && rules[i].Action == "" && holds(&rules[i], q) == yes {
			return Is(rules[i])
		}
	}
	return Unknown[host.Rule]("")
}

// sameRoute reports whether two answers lead to the same place.
func sameRoute(a, b Answer[host.Route]) bool {
	x, y := a.value, b.value
	return a.kind == b.kind && a.kind != unknown && x.Type == y.Type && x.Link == y.Link && x.Gateway == y.Gateway
}

// Strictness is how rp_filter checks what comes in at a link.
type Strictness string

// Strictnesses (net.ipv4.conf.*.rp_filter, the larger of all's and the link's).
const (
	Unchecked Strictness = ""
	Strict    Strictness = "strict"
	Loose     Strictness = "loose"
)

// Checks is how the reverse path of IPv4 is checked at a link.
func (n Namespace) Checks(link string) Answer[Strictness] {
	all, own := n.Setting("net.ipv4.conf.all.rp_filter"), n.Setting("net.ipv4.conf."+link+".rp_filter")
	a, _ := all.Get()
	o, _ := own.Get()
	switch mode := max(a, o); {
	case mode == "2":
		return Is(Loose)
	case !all.Known():
		return Unknown[Strictness](all.Why())
	case mode == "1" && !own.Known():
		return Unknown[Strictness](own.Why())
	case mode == "1":
		return Is(Strict)
	case !own.Known():
		return Unknown[Strictness](own.Why())
	}
	return Is(Unchecked)
}

// ReversePath is the check that keeps what comes from src in at a link, since
// answers to it would not leave by that link (fib_validate_source); none if it
// comes in.
func (n Namespace) ReversePath(link string, src, dst netip.Addr) Answer[Strictness] {
	if !src.Is4() {
		return None[Strictness]()
	}
	back := n.Route(Lookup{Src: dst, Dst: src, IIF: link})
	r, routed := back.Get()
	routed = routed && r.Type == "unicast"
	if routed && n.state.LinkName(r.Link) == link {
		return None[Strictness]() // however it is checked
	}
	checks := n.Checks(link)
	how, told := checks.Get()
	switch {
	case told && how == Unchecked:
		return None[Strictness]()
	case !back.Known():
		return Unknown[Strictness](back.Why())
	case !told:
		return Unknown[Strictness](checks.Why())
	case how == Loose && routed:
		return None[Strictness]()
	case routed && n.state.LinkName(r.Link) == "":
		return Unknown[Strictness](fmt.Sprintf("the interface of the route to %s is not in evidence", r.Dst))
	}
	return Is(how)
}
