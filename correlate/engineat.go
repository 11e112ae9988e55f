package correlate

import (
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// portDrivers are the processes that take what is published for a rootless engine,
// in front of the namespace that its networks are in.
var portDrivers = []string{"rootlesskit", "rootlesskit-doc", "slirp4netns", "pasta", "passt"}

// enginesOwn reports whether the process of a host's socket may be one of the
// engine's. A port driver is none where the engine is known to have root and to
// work in this namespace: then the name is somebody else's.
func (w *world) enginesOwn(e *engine.Snapshot, n known.Namespace, k *host.Socket) bool {
	switch {
	case k.Process == "dockerd" || k.Process == "docker-proxy":
		return true
	case !slices.Contains(portDrivers, k.Process):
		return false
	}
	return e == nil || e.Rootless || !w.elsewhere(e, n).None()
}

// enginesOwn reports whether a socket of the host's may be one of the engine's.
func (p *path) enginesOwn(k *host.Socket) bool {
	return p.t.world.enginesOwn(p.engineThen(), p.onHost(), k)
}

// proxyAt is the engine's own process that serves what t asks for: docker-proxy by
// its command line, or the port driver of a rootless engine, for a port that the
// engine publishes.
func (w *world) proxyAt(n known.Namespace, t decode.Tuple) known.Answer[host.Proxy] {
	if s := n.State(); s != nil {
		for _, p := range s.Proxies {
			if p.Proto == t.Proto.String() && p.Host.Port() == t.DstPort && bindsTo(p.Host.Addr(), t.Dst.Addr()) {
				return known.Is(p)
			}
		}
	}
	socket := listener(n, t)
	k, ok := socket.Get()
	switch {
	case !socket.Known():
		return known.Unknown[host.Proxy](socket.Why())
	case !ok:
		return known.None[host.Proxy]()
	}
	e := w.engine()
	c, b := w.mapping(e, t)
	untold := n.Lacks(host.PartProxies, 0)
	switch {
	case k.Process == "docker-proxy" && untold != "" && c != nil:
		return known.Is(proxyOf(&k, t, c, b))
	case k.Process == "docker-proxy" && untold != "":
		return known.Unknown[host.Proxy](untold)
	case c == nil || !slices.Contains(portDrivers, k.Process):
		return known.None[host.Proxy]()
	}
	if away := w.elsewhere(e, n); !e.Rootless && !away.Is() {
		if away.None() {
			return known.None[host.Proxy]()
		}
		return known.Unknown[host.Proxy](away.Why())
	}
	return known.Is(proxyOf(&k, t, c, b))
}

// proxyOf is what a process that holds a published port is to hand on to.
func proxyOf(k *host.Socket, t decode.Tuple, c *engine.Container, b *engine.Binding) host.Proxy {
	p := host.Proxy{PID: k.PID, Proto: t.Proto.String(), Host: k.Local}
	if all := c.Addrs(); len(all) > 0 {
		p.Container = netip.AddrPortFrom(all[0], b.Container)
	}
	return p
}

// elsewhere says in words that the engine's networks are in another namespace than
// the one that is in evidence: none of their bridges is here. None if any is.
func (w *world) elsewhere(e *engine.Snapshot, n known.Namespace) known.Answer[string] {
	if e == nil {
		return known.Unknown[string]("what the engine says is not in evidence")
	}
	var missing []string
	for i := range e.Networks {
		if !gatewayIsHosts(&e.Networks[i]) {
			continue
		}
		link := n.Link(e.Networks[i].Bridge)
		if !link.None() {
			if link.Is() {
				return known.None[string]()
			}
			return known.Unknown[string](link.Why())
		}
		missing = append(missing, e.Networks[i].Bridge)
	}
	if len(missing) == 0 {
		return known.None[string]()
	}
	verb := " is"
	if len(missing) > 1 {
		verb = " are"
	}
	return known.Is("the engine works in another network namespace: " + strings.Join(missing, ", ") + verb + " not in this one")
}

// mappingsLack says why no container's publishing a port says nothing; "" if it
// does.
func mappingsLack(e *engine.Snapshot) string {
	switch {
	case e == nil:
		return "what the engine publishes is not in evidence"
	case e.Partial:
		return "not all containers are in evidence: one that is not may publish the port"
	}
	for i := range e.Containers {
		if c := &e.Containers[i]; c.Partial {
			return "what " + c.Name + " publishes is not in evidence"
		}
	}
	return ""
}

// owner is the running container that owns an address. Where not all containers
// are in evidence, that no known one does says nothing.
func (w *world) owner(e *engine.Snapshot, ip netip.Addr) known.Answer[*engine.Container] {
	if !ip.IsValid() {
		return known.Unknown[*engine.Container]("which address it is for is not in evidence")
	}
	if e == nil {
		return known.Unknown[*engine.Container]("who owns " + ip.String() + " is not in evidence: the engine is not")
	}
	ip = ip.Unmap()
	for i := range e.Containers {
		c := &e.Containers[i]
		if isUp(c) && slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return ep.IPv4.Unmap() == ip || ep.IPv6.Unmap() == ip }) {
			return known.Is(c)
		}
	}
	if e.Partial {
		return known.Unknown[*engine.Container]("not all containers are in evidence: one that is not may have " + ip.String())
	}
	return known.None[*engine.Container]()
}
