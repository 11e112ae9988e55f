package foresee

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// service is a port that a container declares, publishes, or listens on.
type service struct {
	container *engine.Container // nil for a port of the host that nobody declares
	proto     decode.Proto
	port      uint16     // in the container
	hostIP    netip.Addr // invalid: none given
	hostPort  uint16     // 0: none
	exposed   bool       // declared by the image or with --expose
	published bool       // the engine says that the mapping is in force
	asked     bool       // -p or -P asked for it
	own       bool       // a listener of a host-mode container: the host's own port
}

// Modes of networks that are not networks.
const (
	modeHost      = "host"
	modeNone      = "none"
	modeContainer = "container"
)

// modeOf is a container's network mode without the id of another container.
func modeOf(c *engine.Container) string {
	mode, _, _ := strings.Cut(c.Mode, ":")
	if mode == "default" || mode == "" {
		return "bridge"
	}
	return mode
}

// services lists the ports of every container, by name and number.
func services(s *correlate.State) []service {
	e := s.Engine()
	if e == nil {
		return nil
	}
	var all []service
	for i := range e.Containers {
		all = append(all, servicesOf(s, &e.Containers[i])...)
	}
	return all
}

// servicesOf lists the ports of a container: mappings in force, those asked for
// that are not, what is only declared, and in host mode what it listens on.
func servicesOf(s *correlate.State, c *engine.Container) []service {
	var all []service
	add := func(v service) {
		v.container, v.exposed = c, slices.Contains(c.Exposed, engine.Port{Proto: v.proto.String(), Port: v.port})
		all = append(all, v)
	}
	for _, m := range c.Mappings {
		if m.HostPort != 0 {
			add(service{proto: decode.ParseProto(m.Proto), port: m.Container, hostIP: m.HostIP, hostPort: m.HostPort, published: true, asked: true})
		}
	}
	for _, b := range c.Bindings {
		if !mapped(c.Mappings, b) {
			add(service{proto: decode.ParseProto(b.Proto), port: b.Container, hostIP: b.HostIP, hostPort: b.HostPort, asked: true})
		}
	}
	for _, v := range listening(s, c) {
		add(v)
	}
	for _, p := range c.Exposed {
		proto := decode.ParseProto(p.Proto)
		if !slices.ContainsFunc(all, func(v service) bool { return v.proto == proto && v.port == p.Port }) {
			add(service{proto: proto, port: p.Port, asked: c.PublishAll})
		}
	}
	slices.SortStableFunc(all, func(a, b service) int {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.proto, b.proto), a.hostIP.Compare(b.hostIP), cmp.Compare(a.hostPort, b.hostPort))
	})
	return all
}

// mapped reports whether a mapping in force fulfils what was asked for.
func mapped(mappings []engine.Binding, b engine.Binding) bool {
	return slices.ContainsFunc(mappings, func(m engine.Binding) bool {
		return m.HostPort != 0 && m.Proto == b.Proto && m.Container == b.Container
	})
}

// listening lists what a host-mode container listens on.
func listening(s *correlate.State, c *engine.Container) []service {
	h := s.Host(capture.HostNetns)
	if modeOf(c) != modeHost || h == nil {
		return nil
	}
	var out []service
	for _, k := range h.Sockets {
		proto := decode.ParseProto(strings.TrimSuffix(k.Proto, "6"))
		if k.Container != c.ID || proto == 0 {
			continue
		}
		out = append(out, service{proto: proto, port: k.Local.Port(), hostIP: k.Local.Addr().Unmap(), hostPort: k.Local.Port(), own: true})
	}
	return out
}

// owner is the container whose namespace c lives in: itself, unless it shares
// another's. An owner that is gone leaves c itself.
func owner(e *engine.Snapshot, c *engine.Container) *engine.Container {
	id, shared := strings.CutPrefix(c.Mode, "container:")
	if !shared {
		return c
	}
	for i := range e.Containers {
		if o := &e.Containers[i]; o.ID == id || o.Name == id || len(id) >= 12 && strings.HasPrefix(o.ID, id) {
			return o
		}
	}
	return c
}

// onHost reports whether it is asked for at the host's addresses.
func (v *service) onHost() bool { return v.published || v.asked && v.hostPort != 0 || v.own }

// ask is the port of the host that clients ask for.
func (v *service) ask() uint16 {
	if v.hostPort != 0 {
		return v.hostPort
	}
	return v.port
}
