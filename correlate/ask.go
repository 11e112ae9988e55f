package correlate

import (
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// asks reports whether a leg can be a request: to an address of the host or of
// a container. What the host and containers ask of the world is not, nor is what
// passes by.
func (t *Tracker) asks(g *leg, p *decode.Packet, pt *point) bool {
	if !t.unicast(g.tuple.Src) || !t.unicast(g.tuple.Dst) {
		if p.Kind == decode.Datagram {
			t.askedEveryone(p)
		}
		return false
	}
	if pt.Netns != capture.HostNetns && (pt.Role == capture.RoleLoopback || g.tuple.Dst.Addr().IsLoopback()) {
		return false // a container talking to itself
	}
	if p.Tunneled && t.world.containerAt(g.tuple.Dst) == nil {
		return false // of a network between hosts, whose containers may be elsewhere
	}
	facing := t.facing(p, pt)
	outward := pt.Role == capture.RoleNIC && facing == capture.DirOut
	switch {
	case !t.world.known():
		return !outward && (pt.Role == capture.RoleLoopback || !t.ours(g.tuple.Src))
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

// mayBeProxys reports whether a connection of the host's own to a container
// cannot be told from docker-proxy's: a proxy serves that container's port, and
// whoever it serves on the loopback is not seen.
func (t *Tracker) mayBeProxys(g *leg) bool {
	h := t.world.host(capture.HostNetns)
	if h == nil || len(h.Proxies) == 0 || !t.world.isHost(g.tuple.Src) {
		return false
	}
	to := netip.AddrPortFrom(g.tuple.Dst.Addr(), g.tuple.DstPort)
	if !slices.ContainsFunc(h.Proxies, func(p host.Proxy) bool { return p.Container == to && p.Proto == g.tuple.Proto.String() }) {
		return false
	}
	return !slices.ContainsFunc(t.points, func(p point) bool { return p.Role == capture.RoleLoopback && p.Netns == capture.HostNetns })
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
	if p.r.rev > 0 || p.tuple != p.client.tuple || p.translated() != "" {
		return false
	}
	to := p.tuple.Dst
	switch {
	case t.ours(to) || t.world.containerAt(to) != nil:
		return false
	case at.Role == capture.RoleNIC && t.ours(p.tuple.Src):
		return true
	case !t.world.known():
		return at.Role == capture.RoleNIC && at.macs.usable() && p.r.to != [6]byte{} && p.r.to != at.macs.own
	case !t.world.addressed():
		return false
	}
	return !t.world.isContainerNet(to)
}
