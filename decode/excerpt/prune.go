package excerpt

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// pruned is what is left of a record of state where only what concerns the
// requests is kept; false for nothing. What it does not understand, it keeps.
func (e *Excerpt) pruned(r capture.Record) (capture.Record, bool) {
	switch r.Origin + " " + r.Kind {
	case capture.OriginEngine + " " + capture.KindSnapshot:
		return rewritten(r, e.pruneSnapshot), true
	case capture.OriginEngine + " " + capture.KindEvent:
		return r, e.happenedNear(r)
	case capture.OriginHost + " " + capture.KindSample:
		return rewritten(r, func(s *host.Sample) { e.pruneSample(r.Netns, s) }), true
	case capture.OriginRules + " " + capture.KindRuleset:
		return r, !e.retold(&r)
	case capture.OriginPackets + " " + capture.KindPoint:
		return e.prunePoint(r)
	}
	return r, true
}

// rewritten is a record with its JSON changed.
func rewritten[T any](r capture.Record, change func(*T)) capture.Record {
	var v T
	if json.Unmarshal(r.Data, &v) != nil {
		return r
	}
	change(&v)
	if data, err := json.Marshal(&v); err == nil {
		r.Data = data
	}
	return r
}

// retold reports whether a record is the text of rules as it was after the requests
// had begun: text is for people, and what counts is in the kernel's own form, of
// which every version is kept.
func (e *Excerpt) retold(r *capture.Record) bool {
	key, _ := sourceOf(r)
	h := e.state[key]
	if r.Time <= e.want.First || !isText(key) || h == nil || h.before < 0 {
		return false
	}
	for other, o := range e.state {
		if o.records > 0 && !isText(other) && strings.HasPrefix(other, r.Origin+" "+r.Kind+" "+r.Netns+" ") {
			return true
		}
	}
	return false
}

// isText reports whether a source of state gives rules as text.
func isText(key string) bool {
	return strings.Contains(key, "-text ") || strings.Contains(key, "-save ")
}

// happenedNear reports whether what an engine said happened to a container that is
// concerned, about the time of the requests.
func (e *Excerpt) happenedNear(r capture.Record) bool {
	var ev engine.Event
	if json.Unmarshal(r.Data, &ev) != nil {
		return true
	}
	return ev.Type != "container" || e.want.Netns[ev.Name]
}

// pruneSnapshot keeps the containers that the requests came to, came from or may
// have been meant for, and the networks they are on.
func (e *Excerpt) pruneSnapshot(s *engine.Snapshot) {
	names := map[string]bool{}
	for _, c := range s.Containers {
		if e.concernsContainer(&c) {
			names[c.ID] = true
		}
	}
	for _, c := range s.Containers { // whose namespace they share
		if owner, ok := strings.CutPrefix(c.Mode, "container:"); ok && names[c.ID] {
			for _, o := range s.Containers {
				if o.ID == owner || o.Name == owner || len(owner) >= 12 && strings.HasPrefix(o.ID, owner) {
					names[o.ID] = true
				}
			}
		} else if ok {
			names[c.ID] = slices.ContainsFunc(s.Containers, func(o engine.Container) bool { return names[o.ID] && (o.ID == owner || o.Name == owner) })
		}
	}
	s.Containers = slices.DeleteFunc(s.Containers, func(c engine.Container) bool { return !names[c.ID] })
	s.Networks = slices.DeleteFunc(s.Networks, func(n engine.Network) bool { return !e.concernsNetwork(&n, s.Containers) })
}

func (e *Excerpt) concernsContainer(c *engine.Container) bool {
	if e.want.Netns[c.Name] {
		return true
	}
	for _, b := range slices.Concat(c.Bindings, c.Mappings) {
		if e.ports[b.HostPort] || b.HostEnd != 0 && e.portsWithin(b.HostPort, b.HostEnd) {
			return true
		}
	}
	for _, p := range c.Exposed {
		if e.ports[p.Port] {
			return true
		}
	}
	return slices.ContainsFunc(c.Endpoints, func(p engine.Endpoint) bool { return e.hosts[decode.IPFrom(p.IPv4)] || e.hosts[decode.IPFrom(p.IPv6)] })
}

func (e *Excerpt) portsWithin(first, last uint16) bool {
	for p := range e.ports {
		if first <= p && p <= last {
			return true
		}
	}
	return false
}

// mean has the addresses of a container concern the requests.
func (e *Excerpt) mean(c *engine.Container) {
	for _, a := range c.Addrs() {
		if !slices.Contains(e.addrs, a) {
			e.addrs = append(e.addrs, a)
		}
	}
}

func (e *Excerpt) concernsAddr(a netip.Addr) bool { return slices.Contains(e.addrs, a) }

// within reports whether an address concerned is in a network.
func (e *Excerpt) within(p netip.Prefix) bool {
	return slices.ContainsFunc(e.addrs, func(a netip.Addr) bool { return p.Contains(a) })
}

func (e *Excerpt) concernsNetwork(n *engine.Network, kept []engine.Container) bool {
	if e.want.Points[n.Bridge] || slices.ContainsFunc(n.Subnets, e.within) {
		return true
	}
	return slices.ContainsFunc(kept, func(c engine.Container) bool {
		return slices.ContainsFunc(c.Endpoints, func(p engine.Endpoint) bool { return p.Network == n.Name })
	})
}

// pruneSample keeps the interfaces on the way of the requests, and what is set for
// them; the routes to the addresses concerned, their neighbours, and the sockets
// of the ports concerned. Of a container's, which are few, all sockets are kept.
func (e *Excerpt) pruneSample(netns string, s *host.Sample) {
	if s.Same {
		return
	}
	families := map[bool]bool{} // by whether it is IPv4
	for _, a := range e.addrs {
		families[a.Is4()] = true
	}
	s.Routes = slices.DeleteFunc(s.Routes, func(r host.Route) bool {
		return !families[r.Dst.Addr().Is4()] || !e.within(r.Dst)
	})
	links := e.links(s)
	s.Links = slices.DeleteFunc(s.Links, func(l host.Link) bool { return !links[l.Index] })
	s.Addrs = slices.DeleteFunc(s.Addrs, func(a host.Addr) bool {
		return !families[a.Prefix.Addr().Is4()] || !links[a.Link] && !e.concernsAddr(a.Prefix.Addr())
	})
	s.Rules = slices.DeleteFunc(s.Rules, func(r host.Rule) bool { return !families[r.Family == 4] })
	s.Neighbours = slices.DeleteFunc(s.Neighbours, func(n host.Neighbour) bool {
		return !e.concernsAddr(n.IP) && !slices.ContainsFunc(s.Routes, func(r host.Route) bool { return r.Gateway == n.IP })
	})
	if s.Container == "" {
		s.Sockets = slices.DeleteFunc(s.Sockets, func(x host.Socket) bool { return !e.ports[x.Local.Port()] })
		s.Proxies = slices.DeleteFunc(s.Proxies, func(p host.Proxy) bool {
			return !e.ports[p.Host.Port()] && !e.concernsAddr(p.Container.Addr())
		})
	}
	e.pruneSettings(s, families)
	if before := e.sampled[netns]; before != nil && before.Equal(&s.State) { // of what is kept, nothing changed
		*s = host.Sample{Same: true, Counters: s.Counters, Took: s.Took, Undated: s.Undated}
		return
	}
	state := s.State
	e.sampled[netns] = &state
}

// links are the interfaces on the way, and the bridges that they are ports of.
func (e *Excerpt) links(s *host.Sample) map[int]bool {
	keep := map[int]bool{}
	for _, l := range s.Links {
		keep[l.Index] = l.Loopback || e.want.Points[l.Name]
	}
	for _, r := range s.Routes {
		keep[r.Link] = true
	}
	for _, a := range s.Addrs {
		if e.concernsAddr(a.Prefix.Addr()) {
			keep[a.Link] = true
		}
	}
	for _, l := range s.Links {
		if s.Container != "" && !l.Loopback {
			keep[l.Index] = true // they are few
		}
		if keep[l.Index] && l.Master != 0 {
			keep[l.Master] = true
		}
	}
	return keep
}

// pruneSettings keeps those of all interfaces and of those that are kept, and the
// counters likewise.
func (e *Excerpt) pruneSettings(s *host.Sample, families map[bool]bool) {
	names := map[string]bool{"all": true, "default": true}
	for _, l := range s.Links {
		names[l.Name] = true
	}
	for key := range s.Sysctls {
		_, of, interfaces := strings.Cut(key, ".conf.")
		cut := strings.LastIndexByte(of, '.')
		if strings.HasPrefix(key, "net.ipv6.") && !families[false] || interfaces && cut > 0 && !names[of[:cut]] {
			delete(s.Sysctls, key)
		}
	}
	for key := range s.Counters {
		of, link := strings.CutPrefix(key, "link.")
		cut := strings.LastIndexByte(of, '.')
		if link && cut > 0 && !names[of[:cut]] {
			delete(s.Counters, key)
		}
	}
}

// prunePoint keeps the points on the way and those that stand beside it: where a
// request might have been seen, and was not.
func (e *Excerpt) prunePoint(r capture.Record) (capture.Record, bool) {
	var p capture.Point
	if json.Unmarshal(r.Data, &p) != nil {
		return r, true
	}
	id, kept := e.points[p.ID]
	if !kept {
		if !e.concernsPoint(&p) {
			return r, false
		}
		id = uint16(len(e.points))
		e.points[p.ID] = id
	}
	if id == p.ID {
		return r, true
	}
	p.ID = id
	data, err := json.Marshal(p)
	if err != nil {
		return r, true
	}
	r.Data = data
	return r, true
}

func (e *Excerpt) concernsPoint(p *capture.Point) bool {
	if e.want.Points[p.Name] {
		return true
	}
	if p.Netns != capture.HostNetns {
		return e.want.Netns[p.Netns]
	}
	switch p.Role {
	case capture.RoleVeth, capture.RoleOther, capture.RoleContainer:
		return p.Container != "" && e.want.Netns[p.Container]
	case capture.RoleBridge:
		return e.asking[p.ID] // and whether somebody answered
	case capture.RoleLoopback:
		return false
	case capture.RoleNIC, capture.RoleOverlay:
	}
	return true
}
