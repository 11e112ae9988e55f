package foresee

import (
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// Clients that are far away (RFC 5737, RFC 3849), and the port they ask from.
var (
	far4 = netip.MustParseAddr("203.0.113.7")
	far6 = netip.MustParseAddr("2001:db8:ffff::7")
)

const clientPort = 54321

// Options say who is thought to ask.
type Options struct {
	Client netip.Addr // from outside; invalid: one far away, or on the wire where no route leads further
	From   []string   // only from these Places; none: all
}

// asker makes requests to a service from every place.
type asker struct {
	s    *correlate.State
	o    Options
	host *host.Sample
	here known.Namespace // the host's
}

func newAsker(s *correlate.State, o Options) *asker {
	return &asker{s: s, o: o, host: s.Host(capture.HostNetns), here: s.Namespace(capture.HostNetns)}
}

// from makes the requests from one place; none where the place does not exist.
func (a *asker) from(place string, v *service) []Request {
	switch place {
	case Outside:
		return a.outside(v)
	case Host:
		return a.fromHost(v)
	case Loopback:
		return a.loopback(v)
	case SameNetwork:
		return a.sameNetwork(v)
	}
	return a.otherNetwork(v)
}

func request(place, link string, proto decode.Proto, src, dst netip.Addr, port uint16) Request {
	return Request{From: place, Link: link, Tuple: decode.Tuple{Src: decode.IPFrom(src), Dst: decode.IPFrom(dst), SrcPort: clientPort, DstPort: port, Proto: proto}}
}

// outside asks the address of the host that is published, else that of its way
// out.
func (a *asker) outside(v *service) []Request {
	dst, link := a.outward(v)
	if !dst.IsValid() {
		return nil
	}
	src := a.o.Client
	if !src.IsValid() || src.Is4() != dst.Is4() {
		src = a.client(dst, link)
	}
	return []Request{request(Outside, link, v.proto, src, dst, v.ask())}
}

// outward is the address of the host that v is asked for from outside, and the
// interface that requests for it come in by.
func (a *asker) outward(v *service) (netip.Addr, string) {
	if a.host == nil {
		return far4, "" // some address: only the engine can be asked
	}
	if ip := v.hostIP; ip.IsValid() && !ip.IsUnspecified() && !ip.IsLoopback() {
		link, _ := a.here.Local(ip).Get()
		return ip, link
	}
	if ip, link := a.nic(false); ip.IsValid() && a.o.Client.Is6() && !v.hostIP.IsValid() {
		return ip, link
	}
	if ip, link := a.nic(true); ip.IsValid() && (!v.hostIP.IsValid() || v.hostIP.Is4() || v.own) {
		return ip, link // a listener of its own on [::] serves IPv4 too, as a rule
	}
	return a.nic(v.hostIP.IsValid() && v.hostIP.Is4())
}

// nic is the host's address towards the world, and its link: that of the default
// route, else the first that is none of the engine's.
func (a *asker) nic(v4 bool) (netip.Addr, string) {
	any := netip.IPv6Unspecified()
	if v4 {
		any = netip.IPv4Unspecified()
	}
	if r := a.defaultRoute(v4); r != nil {
		if ip := sourceFor(a.here, farFrom(any)); ip.IsValid() {
			return ip, a.host.LinkName(r.Link)
		}
	}
	for _, ad := range a.host.Addrs {
		l := a.host.Link(ad.Link)
		ip := ad.Prefix.Addr().Unmap()
		if l != nil && ip.Is4() == v4 && !ip.IsLinkLocalUnicast() && !l.Loopback && !a.isEngines(l.Name) {
			return ip, l.Name
		}
	}
	if r := a.defaultRoute(v4); r != nil && a.here.Lacks(host.PartAddrs, known.Family(any)) != "" {
		return a.localOn(r.Link, v4)
	}
	return netip.Addr{}, ""
}

// localOn is an address of a link that the local routing table tells of, where
// addresses were not given.
func (a *asker) localOn(link int, v4 bool) (netip.Addr, string) {
	for i := range a.host.Routes {
		r := &a.host.Routes[i]
		if ip := r.Dst.Addr(); r.Type == "local" && r.Link == link && r.Dst.IsSingleIP() && ip.Is4() == v4 && !ip.IsLinkLocalUnicast() {
			return ip, a.host.LinkName(link)
		}
	}
	return netip.Addr{}, ""
}

func (a *asker) defaultRoute(v4 bool) *host.Route {
	for i := range a.host.Routes {
		r := &a.host.Routes[i]
		if r.Table == 254 && r.Type == "unicast" && r.Dst.Bits() == 0 && r.Dst.Addr().Is4() == v4 {
			return r
		}
	}
	return nil
}

func farFrom(any netip.Addr) netip.Addr {
	if any.Is4() {
		return far4
	}
	return far6
}

// isEngines reports whether a link is a bridge of the engine's.
func (a *asker) isEngines(name string) bool {
	if e := a.s.Engine(); e != nil && slices.ContainsFunc(e.Networks, func(n engine.Network) bool { return n.Bridge == name }) {
		return true
	}
	return name == "docker0" || name == "docker_gwbridge" || strings.HasPrefix(name, "br-")
}

// client is who asks from outside: far away if the host can answer there, else a
// neighbour on the wire.
func (a *asker) client(dst netip.Addr, link string) netip.Addr {
	if a.host == nil {
		return netip.MustParseAddr("198.51.100.7")
	}
	if a.defaultRoute(dst.Is4()) != nil {
		return farFrom(dst)
	}
	for _, ad := range a.host.Addrs {
		if a.host.LinkName(ad.Link) == link && ad.Prefix.Addr().Unmap() == dst && !ad.Prefix.IsSingleIP() {
			return freeIn(ad.Prefix, func(ip netip.Addr) bool { return a.s.IsHost(ip) })
		}
	}
	return farFrom(dst)
}

// freeIn is an address of a network that nobody is known to have.
func freeIn(p netip.Prefix, taken func(netip.Addr) bool) netip.Addr {
	ip := p.Masked().Addr().Unmap().Next()
	for range 1024 {
		if !p.Masked().Contains(ip) {
			break
		}
		if !taken(ip) {
			return ip
		}
		ip = ip.Next()
	}
	return p.Addr().Unmap()
}

// fromHost: the host asks its own address, or the container's where nothing is
// published.
func (a *asker) fromHost(v *service) []Request {
	if a.host == nil {
		return nil
	}
	if v.onHost() || v.container == nil {
		dst, _ := a.outward(v)
		if !dst.IsValid() {
			return nil
		}
		return []Request{request(Host, "", v.proto, dst, dst, v.ask())}
	}
	for _, ep := range a.endpoints(v) {
		if src := sourceFor(a.here, ep.IPv4); ep.IPv4.IsValid() && src.IsValid() {
			return []Request{request(Host, "", v.proto, src, ep.IPv4, v.port)}
		}
	}
	return nil
}

func (a *asker) loopback(v *service) []Request {
	if a.host == nil {
		return nil
	}
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	switch {
	case v.hostIP.IsLoopback():
		ip = v.hostIP
	case v.hostIP.IsValid() && !v.hostIP.Is4() && !v.own:
		ip = netip.IPv6Loopback()
	}
	return []Request{request(Loopback, "", v.proto, ip, ip, v.ask())}
}

// endpoints are the places on networks of the namespace that v is in.
func (a *asker) endpoints(v *service) []engine.Endpoint {
	if v.container == nil || a.s.Engine() == nil {
		return nil
	}
	return owner(a.s.Engine(), v.container).Endpoints
}

// sameNetwork: another container of each of its networks asks its own address.
func (a *asker) sameNetwork(v *service) []Request {
	var out []Request
	for _, ep := range a.endpoints(v) {
		n := a.network(ep.Network)
		if n == nil || n.Bridge == "" || !correlate.Up(owner(a.s.Engine(), v.container)) {
			continue
		}
		if src := a.peer(n, v.container, ep.IPv4); ep.IPv4.IsValid() && src.IsValid() {
			out = append(out, request(SameNetwork, n.Bridge, v.proto, src, ep.IPv4, v.port))
		} else if src := a.peer(n, v.container, ep.IPv6); ep.IPv6.IsValid() && src.IsValid() {
			out = append(out, request(SameNetwork, n.Bridge, v.proto, src, ep.IPv6, v.port))
		}
	}
	return out
}

func (a *asker) network(name string) *engine.Network {
	e := a.s.Engine()
	for i := range e.Networks {
		if e.Networks[i].Name == name {
			return &e.Networks[i]
		}
	}
	return nil
}

// alone reports whether no other container runs on a network.
func (a *asker) alone(network string, but *engine.Container) bool {
	for range a.s.Others(network, but) {
		return false
	}
	return true
}

// peer is the address of another container on a network, or of one that could be
// there.
func (a *asker) peer(n *engine.Network, but *engine.Container, dst netip.Addr) netip.Addr {
	for c := range a.s.Others(n.Name, but) {
		for _, ep := range c.Endpoints {
			for _, ip := range ep.Addrs() {
				if ep.Network == n.Name && ip.Is4() == dst.Is4() && ip != dst {
					return ip
				}
			}
		}
	}
	for _, p := range n.Subnets {
		if p.Addr().Is4() == dst.Is4() {
			return freeIn(p, func(ip netip.Addr) bool { return ip == dst || slices.Contains(n.Gateways, ip) || a.s.IsHost(ip) })
		}
	}
	return netip.Addr{}
}

// otherNetwork: a container that shares no network asks the container's address,
// and the host's where it is published.
func (a *asker) otherNetwork(v *service) []Request {
	n := a.foreign(v)
	if n == nil || a.host == nil {
		return nil
	}
	var out []Request
	for _, ep := range a.endpoints(v)[:min(1, len(a.endpoints(v)))] {
		if src := a.peer(n, v.container, ep.IPv4); ep.IPv4.IsValid() && src.IsValid() {
			out = append(out, request(OtherNetwork, n.Bridge, v.proto, src, ep.IPv4, v.port))
		}
	}
	if dst, _ := a.outward(v); v.onHost() && dst.IsValid() {
		if src := a.peer(n, v.container, dst); src.IsValid() {
			out = append(out, request(OtherNetwork, n.Bridge, v.proto, src, dst, v.ask()))
		}
	}
	return out
}

// foreign is a bridge network that v is not on, rather one where containers run.
func (a *asker) foreign(v *service) *engine.Network {
	e := a.s.Engine()
	if e == nil || v.container == nil {
		return nil
	}
	var found *engine.Network
	for i := range e.Networks {
		n := &e.Networks[i]
		on := slices.ContainsFunc(a.endpoints(v), func(ep engine.Endpoint) bool { return ep.Network == n.Name })
		if on || n.Bridge == "" || n.Internal {
			continue
		}
		if found == nil || a.alone(found.Name, v.container) {
			found = n
		}
	}
	return found
}
