package correlate

import (
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// asks reports whether a leg can be a request: to an address of the host or of
// a container. What the host and containers ask of the world is not, nor is what
// passes by.
func (t *Tracker) asks(g *leg, p *decode.Packet, pt *point) bool {
	if !t.unicast(g.tuple.Src) || !t.unicast(g.tuple.Dst) || p.DstMAC[0]&1 != 0 {
		if p.Kind == decode.Datagram {
			t.askedEveryone(p)
		}
		return false
	}
	if pt.Netns != capture.HostNetns && (pt.Role == capture.RoleLoopback || g.tuple.Dst.Addr().IsLoopback()) {
		return false // a container talking to itself
	}
	if p.Kind == decode.Datagram && carriesNetworks(g.tuple.DstPort) {
		if _, published := t.world.mapping(t.world.engine(), g.tuple); published == nil {
			return false // of a tunnel, whose packets the capture cut, or that is not opened here
		}
	}
	if p.Tunneled && t.world.containerAt(g.tuple.Dst) == nil {
		return false // of a network between hosts, whose containers may be elsewhere
	}
	facing := t.facing(p, pt)
	// Of an interface of which nothing is known, what the host sends first is its own.
	abroad := pt.Role == capture.RoleOther && !g.tuple.Dst.Addr().IsPrivate()
	outward := (pt.Role == capture.RoleNIC || abroad) && facing == capture.DirOut
	switch {
	case !t.world.addressed() && t.world.engine() == nil: // nobody says whose addresses are whose
		return !outward && (pt.Role == capture.RoleLoopback || !t.ours(g.tuple.Src)) && !t.asksTheWorld(g, facing, pt)
	case t.world.isHost(g.tuple.Dst) || t.world.containerAt(g.tuple.Dst) != nil:
		return !t.mayBeProxys(g)
	case !t.world.addressed() && pt.Role != capture.RoleNIC:
		// To an address of the host, for all that is known of the engine alone.
		_, published := t.world.mapping(t.world.engine(), g.tuple)
		return published != nil || !t.world.isContainerNet(g.tuple.Src)
	}
	// An address that a stale rule or route still leads to, or that something on
	// the way in translates: disowned looks again.
	return pt.Role == capture.RoleNIC && !outward && !t.ours(g.tuple.Src) && !t.world.isContainerNet(g.tuple.Src)
}

// carriesNetworks reports whether a UDP port is that of a tunnel between hosts:
// VXLAN's (IANA's, and the one that Linux had before), and Geneve's.
func carriesNetworks(port uint16) bool { return port == 4789 || port == 8472 || port == 6081 }

// asksTheWorld reports, where nothing tells whose addresses are whose, whether a
// packet seen on the containers' side goes out: from private addresses (RFC 1918,
// RFC 4193), as engines give containers, to one that is none, and not the other way
// as far as the capture says.
func (t *Tracker) asksTheWorld(g *leg, facing capture.Direction, pt *point) bool {
	switch pt.Role {
	case capture.RoleBridge, capture.RoleVeth:
		if facing == capture.DirOut {
			return false // the host hands it to a container
		}
	case capture.RoleContainer:
		if facing == capture.DirIn {
			return false
		}
	default:
		return false
	}
	return g.tuple.Src.Addr().IsPrivate() && !g.tuple.Dst.Addr().IsPrivate() && !t.ours(g.tuple.Dst)
}

// mayBeProxys reports whether a connection of the host's own to a container
// cannot be told from docker-proxy's: a proxy serves that container's port, for
// all that is known, and not everyone whom it may serve is seen.
func (t *Tracker) mayBeProxys(g *leg) bool {
	c := t.world.containerAt(g.tuple.Dst)
	if !t.ours(g.tuple.Src) || c == nil || !slices.ContainsFunc(c.Mappings, func(b engine.Binding) bool {
		return b.Container == g.tuple.DstPort && b.Proto == g.tuple.Proto.String()
	}) {
		return false
	}
	to := netip.AddrPortFrom(g.tuple.Dst.Addr(), g.tuple.DstPort)
	if h := t.world.host(capture.HostNetns); h != nil && len(h.Sockets) > 0 &&
		!slices.ContainsFunc(h.Proxies, func(p host.Proxy) bool { return p.Container == to && p.Proto == g.tuple.Proto.String() }) {
		return false // nobody proxies it
	}
	return !t.watches(capture.RoleLoopback) || !t.watches(capture.RoleNIC)
}

// watches reports whether a point of the host's with this role is watched.
func (t *Tracker) watches(role capture.Role) bool {
	return slices.ContainsFunc(t.points, func(p point) bool { return p.Role == role && p.Netns == capture.HostNetns })
}

func (t *Tracker) unicast(ip decode.IP) bool {
	a := ip.Addr()
	return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !t.world.isBroadcast(a)
}

// disowned reports whether what was taken for a request is none after all, by
// what is known by now: the host or a container asked it of the world, or it went
// by on the wire to somebody else.
func (p *path) disowned() bool {
	t, at := p.t, p.clientPoint()
	if q := p.x.requested; q != nil && p.r.rev == 0 && !t.selected(*q) {
		return true // it was translated before it was seen, and nobody asked about it
	}
	if p.r.rev > 0 || p.tuple != p.client.tuple || p.translated() != "" {
		return false
	}
	to := p.tuple.Dst
	asked, back := p.side(request), p.side(reply)
	inward := at.Role == capture.RoleNIC && asked != nil && asked.facing() == capture.DirIn
	switch {
	case inward && (back != nil && back.facing() == capture.DirIn || p.refusedFromOutside()):
		return true // its answers come in as well: they are of somebody else
	case p.x.leaves && p.directed():
		return true // a container asks it of the world
	case t.ours(to) || t.world.containerAt(to) != nil:
		return false
	case at.Role == capture.RoleNIC && t.ours(p.tuple.Src):
		return true
	case at.Role == capture.RoleNIC && at.macs.usable() && p.r.to != [6]byte{} && p.r.to != at.macs.own:
		return true
	case !t.world.namespace(capture.HostNetns).Local(to.Addr()).Known():
		return false
	}
	return !t.world.isContainerNet(to)
}

// refusedFromOutside reports whether whom it asked refuses the request from where it
// came in itself.
func (p *path) refusedFromOutside() bool {
	return slices.ContainsFunc(p.x.errors, func(e icmpError) bool {
		return p.toClient(&e) && e.refuses() && e.from == p.tuple.Dst && e.facing == capture.DirIn
	})
}

// directed reports whether the capture says which way the request went behind the card.
func (p *path) directed() bool {
	return slices.ContainsFunc(p.going, func(s stop) bool { return s.at.Role != capture.RoleNIC && s.facing() != capture.DirUnknown })
}
