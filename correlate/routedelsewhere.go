package correlate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// detour is the way that routing took with a translated request, where that is not
// the bridge of the container it is for.
type detour struct {
	to     netip.Addr
	link   string // by which it leaves
	bridge string
	route  *host.Route // that leads there; nil where the tables, as they are known, say something else
	query  known.Lookup
	told   bool // the kernel's trace says by which interface it left
}

// detour looks where routing sent the request once it had been translated: past the
// bridge of the container that owns the address? Of a filter that stopped it, its
// trace tells, or the rules as they were evaluated; nil for none.
func (p *path) detour(f *filtering) known.Answer[detour] {
	to := p.onceTranslated(f)
	if to == (decode.Tuple{}) || to.Dst == p.tuple.Dst || f != nil && (f.way == reply || !f.stage.BehindRouting()) || !p.owner(to.Dst.Addr()).Is() {
		return known.None[detour]()
	}
	n := p.onHost()
	d := detour{to: to.Dst.Addr(), query: p.onward(to.Dst.Addr())}
	if network := p.networkThen(d.to); network != nil {
		d.bridge = network.Bridge
	}
	if d.bridge == "" || !n.InEvidence() || n.Link(d.bridge).None() {
		return known.None[detour]() // the way there is not known, or it is not of this namespace
	}
	switch {
	case f == nil:
		p.markedBy(&d)
	case f.leaves != "":
		d.link, d.told = f.leaves, f.proven
		d.query.Mark, d.query.AnyMark = f.mark, false
	}
	return p.along(d)
}

// markedBy has a detour be the one that the rules send it by, where none of them stops
// it: they may mark it for another table.
func (p *path) markedBy(d *detour) {
	if out, ok := p.ruled(); ok && out.OIF != "" && out.Tuple.Dst.Addr() == d.to {
		d.link = out.OIF
		d.query.Mark, d.query.AnyMark = out.Mark, false
	}
}

// onceTranslated is the request as it met a filter, nil for none: as evaluated rules
// had translated it, or else as it is known to have been.
func (p *path) onceTranslated(f *filtering) decode.Tuple {
	if f != nil && f.way == request && f.to != (decode.Tuple{}) {
		return f.to
	}
	return p.target
}

// along is the detour that routing makes by the tables, where the trace does not say
// by which link; with the route that leads there.
func (p *path) along(d detour) known.Answer[detour] {
	n := p.onHost()
	way, link := n.Route(d.query), n.Link(d.bridge)
	r, routed := way.Get()
	leads := n.State().LinkName(r.Link)
	switch {
	case d.link != "":
	case !way.Known():
		return known.Unknown[detour](way.Why())
	case !routed || r.Type != "unicast" || leads == "" || leads == d.bridge:
		return known.None[detour]()
	case !link.Known():
		return known.Unknown[detour](link.Why())
	}
	if d.link = cmp.Or(d.link, leads); d.link == d.bridge {
		return known.None[detour]()
	}
	if routed && d.link == leads {
		d.route = &r
	}
	return known.Is(d)
}

// ledToBridge reports whether it is known that routing sent the request on to the
// bridge of the container that it is for.
func (p *path) ledToBridge(f *filtering) bool {
	if !f.stage.BehindRouting() {
		return true // that comes later
	}
	link := f.leaves
	if link == "" {
		link, _ = p.onHost().Leaves(p.onward(p.destination())).Get()
	}
	if network := p.networkThen(p.destination()); network != nil && network.Bridge != "" {
		return link == network.Bridge
	}
	out, _ := p.onHost().Link(link).Get()
	return isBridge(&out) // which network it is for is not in evidence
}

// networkThen is the engine's network that an address belonged to, or nil.
func (p *path) networkThen(ip netip.Addr) *engine.Network { return networkHolding(p.engineThen(), ip) }

// words say where it went, and which route led there.
func (p *path) detourWords(d detour) string {
	by := fmt.Sprintf("The host routes %s, the address of %s, by %s and not by its bridge %s", d.to, p.name(), d.link, d.bridge)
	switch {
	case d.route == nil:
		return by
	case p.bridgeAddressGone(d):
		return by + fmt.Sprintf(": %s has no address in that network any more", d.bridge)
	case d.route.Table != known.TableMain:
		if r, ok := p.onHost().Ruling(d.query).Get(); ok {
			return by + fmt.Sprintf(": a routing rule (priority %d) leads to table %d", r.Priority, d.route.Table)
		}
		return by + fmt.Sprintf(": table %d leads there", d.route.Table)
	}
	return by + fmt.Sprintf(": %s leads there", routeWords(d.route.Dst))
}

func routeWords(dst netip.Prefix) string {
	if dst.Bits() == 0 {
		return "the default route"
	}
	return "the route to " + dst.String()
}

// detourFix leads the host's way to a container over its bridge again: by what is
// gone, else by taking away what leads elsewhere.
func (p *path) detourFix(d detour) []string {
	look := []string{fmt.Sprintf("see where it goes: ip route get %s; ip rule", d.to)}
	now, network := p.onHost().State(), p.networkThen(d.to)
	bridge := now.LinkNamed(d.bridge)
	subnet, ok := subnetOf(network, d.to)
	switch {
	case !ok || bridge == nil:
		return look
	case !bridge.Up:
		return []string{fmt.Sprintf("ip link set %s up", shell(d.bridge))}
	case p.bridgeAddressGone(d):
		gateway, known := p.gatewayIn(subnet, d.to)
		if !known {
			return look
		}
		return []string{fmt.Sprintf("ip addr add %s/%d dev %s", gateway, subnet.Bits(), shell(d.bridge))}
	case d.route == nil:
		return look
	case d.route.Table != known.TableMain:
		r, ok := p.onHost().Ruling(d.query).Get()
		if !ok {
			return look
		}
		return []string{fmt.Sprintf("ip %srule add to %s lookup main priority %d", sixOption(d.to), subnet, max(r.Priority-1, 0))}
	case d.route.Dst.Bits() > subnet.Bits():
		return []string{"ip route del " + p.typedRoute(d.route)}
	case p.connected(bridge.Index, subnet):
		return []string{"ip route del " + p.typedRoute(d.route)} // it is as long, and preferred
	}
	return p.t.world.routeToContainers(d.to)
}

// gatewayIn is the address of the host that a container's network has for its
// gateway: as the engine has it, or else as the container's routes do.
func (p *path) gatewayIn(subnet netip.Prefix, ip netip.Addr) (netip.Addr, bool) {
	if g, ok := p.t.world.gatewayOf(ip); ok {
		return g, true
	}
	s := p.homeNamespace().State()
	if s == nil {
		return netip.Addr{}, false
	}
	i := slices.IndexFunc(s.Routes, func(r host.Route) bool { return r.Gateway.IsValid() && subnet.Contains(r.Gateway) })
	if i < 0 {
		return netip.Addr{}, false
	}
	return s.Routes[i].Gateway, true
}

func sixOption(ip netip.Addr) string {
	if ip.Is4() {
		return ""
	}
	return "-6 "
}

// typedRoute is a route of the main table as ip route takes it.
func (p *path) typedRoute(r *host.Route) string {
	out := r.Dst.String()
	if r.Dst.Bits() == 0 {
		out = "default"
	}
	if r.Gateway.IsValid() {
		out += " via " + r.Gateway.String()
	}
	out += " dev " + shell(p.onHost().State().LinkName(r.Link))
	if r.Metric != 0 {
		out += fmt.Sprintf(" metric %d", r.Metric)
	}
	return out
}

// bridgeAddressGone reports whether it is known that the bridge lacks an address in
// the network of its containers, and that this is why no route leads over it.
func (p *path) bridgeAddressGone(d detour) bool {
	n := p.onHost()
	subnet, ok := subnetOf(p.networkThen(d.to), d.to)
	if !ok || n.Lacks(host.PartAddrs, known.Family(d.to)) != "" {
		return false
	}
	bridge := n.State().LinkNamed(d.bridge)
	return !slices.ContainsFunc(n.State().Addrs, func(a host.Addr) bool {
		return bridge != nil && a.Link == bridge.Index && subnet.Contains(a.Prefix.Addr())
	}) && !p.connected(bridge.Index, subnet)
}

// connected reports whether a route of the main table leads to a network over a
// link.
func (p *path) connected(link int, subnet netip.Prefix) bool {
	return slices.ContainsFunc(p.onHost().State().Routes, func(r host.Route) bool {
		return r.Table == known.TableMain && r.Link == link && r.Dst.IsValid() && r.Dst.Masked() == subnet
	})
}

// subnetOf is the network's range that an address is in.
func subnetOf(n *engine.Network, ip netip.Addr) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	i := slices.IndexFunc(n.Subnets, func(s netip.Prefix) bool { return s.Contains(ip) })
	if i < 0 {
		return netip.Prefix{}, false
	}
	return n.Subnets[i].Masked(), true
}

// ledAstray: routing sent the request elsewhere than to its container, where nothing
// stopped it.
func (p *path) ledAstray(j *judgement, f *filtering) bool {
	d, ok := p.detour(f).Get()
	if !ok || p.entered() {
		return false
	}
	j.stage, j.cause, j.why, j.fix, j.proof = stage.Route, CauseRoutedElsewhere, p.detourWords(d)+".", p.detourFix(d), Inferred
	j.fact("host", p.now, "the way to %s is %s", d.to, d.link)
	return true
}

// droppedElsewhere reports whether the kernel dropped the request where it came in once
// more, at another interface than the one it was seen at: it had been sent on, and why
// it was not taken there is not why it got there.
func (p *path) droppedElsewhere(d *decode.Drop) bool {
	if d == nil {
		return false
	}
	in := p.furthest().at
	at := p.siteOf(d, in).link
	next := p.next()
	return at != "" && at != in.Name && (next == nil || at != next.Name)
}

// astrayOut: the request went on elsewhere than to its container, at whose bridge it
// would have been seen.
func (p *path) astrayOut(j *judgement) bool {
	next := p.next()
	if next == nil || !p.ledAstray(j, nil) {
		return false
	}
	j.between = [2]string{p.clientPoint().Name, next.Name}
	for _, s := range p.going {
		if s.leg == p.inner && s.at.Netns == capture.HostNetns && s.at.Role != capture.RoleBridge {
			j.fact("packets", s.first, "seen at %s with the container's address", s.at.Name)
		}
	}
	p.claim(j, p.nextDoors(next)...)
	return true
}
