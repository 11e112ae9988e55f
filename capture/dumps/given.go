package dumps

import (
	"cmp"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
)

// manySettings is how many lines sysctl prints at least if it is asked for all:
// fewer are those that somebody thought of.
const manySettings = 200

// given are the parts of a namespace's state that were dumped, by family. That a
// family has no entry at all is taken for its dump not being there.
func (p *place) given() host.Given {
	g := host.Given{}
	give := func(ok bool, part host.Part) {
		if ok {
			g[part] = p.damage[part]
		}
	}
	give(len(p.links) > 0, host.PartLinks)
	give(len(p.neighbours) > 0, host.PartNeighbours)
	give(p.dumped.tcp, host.PartTCP)
	give(p.dumped.udp, host.PartUDP)
	give(p.dumped.tcp && p.dumped.udp, host.PartProxies) // as far as ss names processes
	for _, family := range []int{4, 6} {
		local := func(r namedRoute) bool { return r.Table == tables["local"] && r.family() == family }
		other := func(r namedRoute) bool { return r.Table != tables["local"] && r.family() == family }
		give(slices.ContainsFunc(p.addrs, func(a host.Addr) bool { return a.Prefix.Addr().Is4() == (family == 4) }), host.PartAddrs.Of(family))
		give(slices.ContainsFunc(p.routes, other), host.PartRoutes.Of(family))
		give(slices.ContainsFunc(p.routes, local), host.PartLocal.Of(family))
		give(slices.ContainsFunc(p.policies, func(r host.Rule) bool { return r.Family == family }), host.PartRules.Of(family))
	}
	if len(p.sysctls) > 0 {
		g[host.PartSettings] = p.damage[host.PartSettings]
		if len(p.sysctls) < manySettings {
			g[host.PartSettings] = "only some were asked for"
		}
	}
	return g
}

func (r namedRoute) family() int {
	if r.Dst.Addr().Is4() {
		return 4
	}
	return 6
}

// damaged notes that parts were not read as a whole.
func (p *place) damaged(why string, parts ...host.Part) {
	if p.damage == nil {
		p.damage = host.Given{}
	}
	for _, part := range parts {
		p.damage[part] = cmp.Or(p.damage[part], why)
	}
}

// damagedBy notes what an object that could not be read, or was cut off, may have
// been: another like those in front of it.
func (s *Set) damagedBy(netns string, kinds map[object]bool) {
	p := s.place(netns)
	of := func(part host.Part) []host.Part { return []host.Part{part.Of(4), part.Of(6)} }
	for kind := range kinds {
		switch kind {
		case objectContainer, objectNetwork:
			s.torn = true
		case objectLink:
			p.damaged(dumpDamaged, append(of(host.PartAddrs), host.PartLinks)...)
		case objectRoute:
			p.damaged(dumpDamaged, append(of(host.PartRoutes), of(host.PartLocal)...)...)
		case objectNeighbour:
			p.damaged(dumpDamaged, host.PartNeighbours)
		case objectPolicy:
			p.damaged(dumpDamaged, of(host.PartRules)...)
		}
	}
}

const dumpDamaged = "the dump is damaged"

// dumpedState is a state that is put together.
type dumpedState struct{ host.State }

// indexOf is the number of an interface. One that only routes tell of, as it was
// not dumped, gets one that no interface has.
func (st *dumpedState) indexOf(index map[string]int, dev string) int {
	if n, ok := index[dev]; ok || dev == "" {
		return n
	}
	n := -1
	for _, l := range st.Links {
		n = min(n, l.Index-1)
	}
	index[dev] = n
	if _, ok := st.Given[host.PartLinks]; ok {
		st.Given[host.PartLinks] = "routes tell of others"
	}
	st.Links = append(st.Links, host.Link{Index: n, Name: dev, Up: true})
	return n
}

// kinds tells which of the host's links are bridges and ports of theirs, where the
// links were printed without details: by what the engine says of its networks.
func (s *Set) kinds(states map[string]host.State) {
	h, ok := states[capture.HostNetns]
	if !ok || slices.ContainsFunc(h.Links, func(l host.Link) bool { return l.Kind != "" }) {
		return
	}
	for i := range h.Links {
		l := &h.Links[i]
		is := func(n engine.Network) bool { return n.Bridge == l.Name }
		if !slices.ContainsFunc(s.networks, is) && !slices.ContainsFunc(s.joined, is) {
			continue
		}
		l.Kind = "bridge"
		for k := range h.Links {
			if m := &h.Links[k]; m.Master == l.Index && m.Away {
				m.Kind = "veth"
			}
		}
	}
}
