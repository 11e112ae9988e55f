package correlate

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
)

// namespace answers questions about a namespace, as it was last.
func (w *world) namespace(netns string) known.Namespace {
	return w.inState(netns, w.host(netns))
}

// inState answers questions about a namespace in a state, nil if none is in
// evidence.
func (w *world) inState(netns string, s *host.Sample) known.Namespace {
	if s != nil {
		return known.Of(netns, &s.State)
	}
	if src := w.sources[capture.OriginHost]; src != nil && src.State != capture.SourceOK {
		return known.Lost(netns, src.Why)
	}
	return known.Of(netns, nil)
}

// own is whether an address is one of a namespace's: the interface that has it.
// Where addresses were not given, the engine still tells of its containers' and of
// the bridges that it made.
func (w *world) own(n known.Namespace, ip netip.Addr) known.Answer[string] {
	local := n.Local(ip)
	if local.Known() || n.Name() != capture.HostNetns {
		return local
	}
	if w.containers[ip.Unmap()] != nil {
		return known.None[string]()
	}
	if e := w.engine(); e != nil {
		for i := range e.Networks {
			if g := &e.Networks[i]; slices.Contains(g.Gateways, ip) && gatewayIsHosts(g) {
				return known.Is(g.Bridge)
			}
		}
	}
	return local
}

// terrain has a packet meet the addresses, routes and bridges of a namespace.
func (w *world) terrain(n known.Namespace, k *ruleset.Packet) {
	local := ruleset.LocalAddrs()
	k.AddrType = func(ip netip.Addr) uint32 {
		switch a := w.own(n, ip); {
		case a.Is():
			return ruleset.TypeLocal
		case a.None() || local(ip) != ruleset.TypeUnicast:
			return local(ip)
		}
		return ruleset.TypeUnknown
	}
	if s := n.State(); s != nil {
		k.Link = ruleLinks(s)
	}
	k.Policy = func(mark uint32, tos bool) bool { return n.PolicyAsks(familyOf(k.Tuple.Dst.Is4()), mark, tos) }
	q := known.Lookup{Src: k.Tuple.Src.Addr(), IIF: k.IIF}
	k.Route = func(ip netip.Addr) (string, bool) {
		q.Dst = ip
		oif := n.Leaves(q)
		name, _ := oif.Get()
		return name, oif.Known()
	}
	k.Marked = func(ip netip.Addr, mark uint32) (string, bool) {
		q := q
		q.Dst, q.Mark = ip, mark
		oif := n.Leaves(q)
		name, _ := oif.Get()
		return name, oif.Known()
	}
	k.Bridge = w.bridges(n, k.Tuple.Dst.Is4())
}

// lookup is the question by which a namespace routes a packet that came in by a
// link, "" for one of its own.
func (w *world) lookup(n known.Namespace, src, dst netip.Addr, in string) known.Lookup {
	return known.Lookup{Src: src, Dst: dst, IIF: in, AnyMark: w.mayMark(n, dst.Is4())}
}

// mayMark reports whether packets of a namespace may bear a mark that its routing
// rules look at.
func (w *world) mayMark(n known.Namespace, v4 bool) bool {
	family := familyOf(v4)
	if !n.LooksAtMarks(family) {
		return false
	}
	if w.rulesLack(n.Name(), family, math.MaxInt64) != "" {
		return true
	}
	set := w.ruleset(n.Name(), math.MaxInt64)
	return set != nil && slices.ContainsFunc(set.Rules(), func(r ruleset.Rule) bool {
		return strings.Contains(r.Text, "MARK") || strings.Contains(r.Text, "mark set")
	})
}

func familyOf(v4 bool) int {
	if v4 {
		return 4
	}
	return 6
}
