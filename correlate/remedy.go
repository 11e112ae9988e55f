package correlate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// wayHome is the route back to the client as ip route takes it: by way of the
// neighbour that handed the request on, who is known by his link-layer address.
// False where nobody known has it: what is to be filled in stands there then.
func (p *path) wayHome() (string, bool) {
	client, at := p.tuple.Src.Addr(), p.clientPoint().Name
	to := fmt.Sprintf("%s/%d", client, client.BitLen())
	now := p.sampleThen(capture.HostNetns)
	if now == nil || p.r.from == [6]byte{} {
		return to + " via GATEWAY", false
	}
	f := p.r.from
	mac := fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", f[0], f[1], f[2], f[3], f[4], f[5])
	for _, n := range now.Neighbours {
		if n.MAC != mac || now.LinkName(n.Link) != at || n.IP.Is4() != client.Is4() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		if n.IP == client {
			return fmt.Sprintf("%s dev %s", to, shell(at)), true
		}
		return fmt.Sprintf("%s via %s dev %s", to, n.IP, shell(at)), true
	}
	return to + " via GATEWAY", false
}

// widened is a way back for all that come as the client does: the default route,
// where the host has none and the client is behind a gateway.
func (p *path) widened(way string) string {
	client := p.tuple.Src.Addr()
	single := fmt.Sprintf("%s/%d via ", client, client.BitLen())
	gateway, behind := strings.CutPrefix(way, single)
	n := p.onHost()
	if !behind || n.Lacks(host.PartRoutes, familyOf(client.Is4())) != "" || slices.ContainsFunc(n.State().Routes, func(r host.Route) bool {
		return r.Table == known.TableMain && r.Dst.IsValid() && r.Dst.Bits() == 0 && r.Dst.Addr().Is4() == client.Is4()
	}) {
		return way
	}
	return "default via " + gateway
}

// reversePathFix has answers leave the way the request came, where that way is
// known, or else has the host accept what comes another way.
func (p *path) reversePathFix(accept []string) []string {
	way, known := p.wayHome()
	if !known || len(accept) != 1 {
		return accept
	}
	return []string{"ip route replace " + way, "or where answers are to leave another way: " + accept[0]}
}

// networkAt is the engine's network that an address belongs to, or nil.
func (w *world) networkAt(ip netip.Addr) *engine.Network { return networkHolding(w.engine(), ip) }

// networkHolding is the network of e that an address belongs to, or nil.
func networkHolding(e *engine.Snapshot, ip netip.Addr) *engine.Network {
	if e == nil {
		return nil
	}
	i := slices.IndexFunc(e.Networks, func(n engine.Network) bool {
		return slices.ContainsFunc(n.Subnets, func(s netip.Prefix) bool { return s.Contains(ip) })
	})
	if i < 0 {
		return nil
	}
	return &e.Networks[i]
}

// gatewayOf is the host's address on the network of a container's address.
func (w *world) gatewayOf(ip netip.Addr) (netip.Addr, bool) {
	n := w.networkAt(ip)
	if n == nil {
		return netip.Addr{}, false
	}
	for _, g := range n.Gateways {
		if g.Is4() == ip.Is4() {
			return g, true
		}
	}
	s := w.host(capture.HostNetns) // the engine does not tell it of every network
	for i := 0; s != nil && i < len(s.Addrs); i++ {
		if a := s.Addrs[i]; s.LinkName(a.Link) == n.Bridge && a.Prefix.Contains(ip) {
			return a.Prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// gatewayWords is gatewayOf, or what is to be filled in.
func (w *world) gatewayWords(ip netip.Addr) string {
	if g, ok := w.gatewayOf(ip); ok {
		return g.String()
	}
	return "GATEWAY-OF-THE-BRIDGE"
}

// routeToContainers is what gives the host its route to a container's network
// again.
func (w *world) routeToContainers(ip netip.Addr) []string {
	n := w.networkAt(ip)
	if n == nil || n.Bridge == "" {
		return []string{fmt.Sprintf("see where it would go: ip route get %s", ip)}
	}
	i := slices.IndexFunc(n.Subnets, func(s netip.Prefix) bool { return s.Contains(ip) })
	command := fmt.Sprintf("ip route add %s dev %s", n.Subnets[i].Masked(), shell(n.Bridge))
	if g, ok := w.gatewayOf(ip); ok && ip.Is4() {
		command += " proto kernel scope link src " + g.String()
	}
	return []string{command}
}

// admission lets in what another rule than the engine's translated, and what the
// engine drops since it published nothing for it. Its drop stays where it is: it
// keeps everybody else from every port of the network. False where that is not
// what happened.
func (p *path) admission(f filtering) ([]string, bool) {
	to, h := p.target, &f.hit
	if f.to != (decode.Tuple{}) {
		to = f.to
	}
	c := p.containerAt(to.Dst)
	if !f.engine || f.stage != stage.Forward || c == nil || to.Dst == p.tuple.Dst || !hasPorts(to.Proto) {
		return nil, false
	}
	publish := fmt.Sprintf("recreate %s with -p %d:%d%s", c.Name, p.tuple.DstPort, to.DstPort, unlessTCP(to.Proto))
	switch h.Backend {
	case ruleset.Iptables, ruleset.Legacy:
		family, _, _ := strings.Cut(h.Table, " ")
		user := RuleHit{Backend: h.Backend, Table: family + " filter", Chain: "DOCKER-USER"}
		return []string{user.accepting(requestsTo(to)), "or " + publish}, true
	case ruleset.NFT:
	}
	// No table of the administrator's own can take a drop back. The engine does not
	// keep what others write into its own.
	return []string{h.accepting(requestsTo(to)), "the engine forgets that rule when it starts anew; to last: " + publish}, true
}

// hasPorts reports whether a tuple of the protocol has ports. That of an echo has
// the identifier in their place.
func hasPorts(proto decode.Proto) bool { return proto != decode.ICMP && proto != decode.ICMPv6 }

// askedFor is what a request of the tuple asks a container for.
func askedFor(t decode.Tuple) string {
	if !hasPorts(t.Proto) {
		return "echo requests"
	}
	return fmt.Sprintf("what comes in for port %d", t.DstPort)
}

// unlessTCP is what -p wants behind a port of another protocol than TCP.
func unlessTCP(proto decode.Proto) string {
	if proto == decode.TCP {
		return ""
	}
	return "/" + proto.String()
}

// defaultRouteFix is what gives a container a default route again: the engine
// does so at its start, if one of its networks leads out.
func (p *path) defaultRouteFix() []string {
	if p.container != nil {
		for _, ep := range p.container.Endpoints {
			if n := p.t.world.networkAt(ep.IPv4); n != nil && !n.Internal {
				return []string{"docker restart " + shell(p.name())}
			}
		}
	}
	return []string{fmt.Sprintf("give %s a default route: it has one only if a network that is not internal is attached", p.name())}
}

// unplugged is what plugs a container's veth into its bridge again.
func (p *path) unplugged(bridge string) []string {
	look := []string{fmt.Sprintf("see whether the container's veth is up and a port of %s: bridge link", bridge)}
	now, inside := p.latestHost(), p.t.world.host(p.home)
	if now == nil || inside == nil || inside.Inode == 0 {
		return look
	}
	loose := func(l host.Link) bool { return l.PeerNetns == inside.Inode && l.Master == 0 }
	i := slices.IndexFunc(now.Links, loose)
	if i < 0 {
		return look
	}
	out := []string{fmt.Sprintf("ip link set %s master %s", shell(now.Links[i].Name), shell(bridge))}
	if !now.Links[i].Up {
		out = append(out, fmt.Sprintf("ip link set %s up", shell(now.Links[i].Name)))
	}
	return out
}
