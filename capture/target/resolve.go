package target

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/capture/engine"
)

// Resolve finds what t stands for in s. A number is always valid, published or
// not, and needs no snapshot. A name that no container has is an *UnknownError.
func Resolve(t Target, s *engine.Snapshot) (Resolved, error) {
	return ResolveAll([]Target{t}, s)
}

// ResolveAll finds what several targets stand for together; none stand for all
// published ports.
func ResolveAll(ts []Target, s *engine.Snapshot) (Resolved, error) {
	if len(ts) == 0 {
		ts = []Target{{}}
	}
	b := builder{s: s, out: Resolved{Targets: ts, foreign: map[netip.Addr]bool{}}}
	if s == nil {
		b.s = &engine.Snapshot{}
	}
	b.claims = claims(b.s)
	for _, t := range ts {
		if s == nil && t.Port == 0 || s == nil && t.Named() {
			return Resolved{}, noEngine(t)
		}
		if err := b.add(t); err != nil {
			return Resolved{}, fmt.Errorf("resolve target: %w", err)
		}
	}
	for _, c := range b.s.Containers {
		for _, a := range addresses(&c) {
			b.out.foreign[a] = true
		}
	}
	b.out.settle()
	return b.out, nil
}

func noEngine(t Target) error {
	if t.Named() {
		return fmt.Errorf("resolve target %q: no engine to ask for names: give the port number", t.Text)
	}
	return errors.New("resolve target: no engine to ask for published ports: give a port number")
}

// builder gathers what targets stand for.
type builder struct {
	s      *engine.Snapshot
	claims map[hostPort][]string
	out    Resolved
}

func (b *builder) add(t Target) error {
	if t.Named() {
		return b.addName(t)
	}
	if t.Port == 0 {
		b.addPublished()
		return nil
	}
	b.addNumber(t)
	return nil
}

// addPublished selects every mapping there is or should be.
func (b *builder) addPublished() {
	for i := range b.s.Containers {
		c := &b.s.Containers[i]
		for _, m := range mappings(c) {
			b.addMapping(c, m, false)
		}
	}
}

// addNumber selects a port, and looks for the containers that could be meant:
// behind a mapping of it, or declaring it themselves.
func (b *builder) addNumber(t Target) {
	b.out.Requests = append(b.out.Requests, Request{Proto: t.Proto, Addr: t.Addr, Loopback: t.Loopback, Port: t.Port, Last: t.Last, Anywhere: true})
	for i := range b.s.Containers {
		c := &b.s.Containers[i]
		for _, m := range mappings(c) {
			switch {
			case m.meets(t) && wants(t.Proto, m.Proto):
				b.addBackends(c, protoNumber(m.Proto), m.Container, 0, false)
				b.addContainer(c, true)
			case t.Has(m.Container) && wants(t.Proto, m.Proto):
				b.addBackends(c, protoNumber(m.Proto), m.Container, 0, false)
				b.addContainer(c, false)
			}
		}
		for _, p := range c.Exposed {
			if t.Has(p.Port) && wants(t.Proto, p.Proto) {
				b.addBackends(c, protoNumber(p.Proto), p.Port, 0, false)
				b.addContainer(c, false)
			}
		}
	}
}

func (b *builder) addName(t Target) error {
	found, err := b.find(t)
	if err != nil {
		return err
	}
	for _, c := range found {
		b.addContainer(c, true)
		owner := b.owner(c)
		if t.Port == 0 {
			b.addWhole(c, owner)
			continue
		}
		b.addPort(c, owner, t)
	}
	return nil
}

// addWhole selects everything a named container can be asked for.
func (b *builder) addWhole(c, owner *engine.Container) {
	b.addBackends(owner, 0, 0, 0, true)
	for _, m := range mappings(owner) {
		b.addMapping(owner, m, true)
	}
	for _, p := range slices.Concat(owner.Exposed, c.Exposed) {
		b.addDeclared(owner, protoNumber(p.Proto), p.Port)
	}
}

// addPort selects one port of a named container: a container port, or, where
// none such is mapped but a host port of that number is, that one.
func (b *builder) addPort(c, owner *engine.Container, t Target) {
	b.addBackends(owner, t.Proto, t.Port, t.Last, true)
	var mapped, published []mapping
	for _, m := range mappings(owner) {
		if wants(t.Proto, m.Proto) && t.Has(m.Container) {
			mapped = append(mapped, m)
		}
		if wants(t.Proto, m.Proto) && m.meets(t) {
			published = append(published, m)
		}
	}
	if len(mapped) == 0 {
		mapped = published
	}
	for _, m := range mapped {
		b.addMapping(owner, m, true)
	}
	if len(mapped) == 0 || owner.Mode == "host" || t.Last > 0 {
		b.addDeclaredRange(owner, t)
	}
}

// addMapping selects the host port of a mapping and what is behind it. Other
// addresses of the host count too, so that asking the wrong one is seen, unless
// the port is another container's there.
func (b *builder) addMapping(c *engine.Container, m mapping, asked bool) {
	proto := protoNumber(m.Proto)
	b.addContainer(c, true)
	b.addBackends(c, proto, m.Container, 0, asked)
	for _, port := range m.hostPorts() {
		addr := netip.Addr{}
		if b.shared(c, proto, port) {
			addr = m.HostIP
		}
		b.out.Requests = append(b.out.Requests, Request{Proto: proto, Addr: addr, Port: port})
	}
}

// addDeclared selects, for a container port that no mapping leads to, the same
// port of the host: clients ask there for what is only exposed, and in host mode
// it is the real one. Not if that host port is another container's.
func (b *builder) addDeclared(c *engine.Container, proto uint8, port uint16) {
	b.addDeclaredRange(c, Target{Proto: proto, Port: port})
}

// addDeclaredRange is addDeclared for the ports of a target.
func (b *builder) addDeclaredRange(c *engine.Container, t Target) {
	taken := map[uint16]bool{}
	for _, m := range mappings(c) {
		taken[m.Container] = taken[m.Container] || c.Mode != "host" && wants(t.Proto, m.Proto)
	}
	var first, last int // of a run of ports, 0 if there is none
	end := func() {
		if first != 0 {
			q := Request{Proto: t.Proto, Port: uint16(first)}
			if last > first {
				q.Last = uint16(last)
			}
			b.out.Requests = append(b.out.Requests, q)
		}
		first = 0
	}
	for p := int(t.Port); p <= int(max(t.Port, t.Last)); p++ {
		if taken[uint16(p)] || b.shared(c, t.Proto, uint16(p)) {
			end()
			continue
		}
		if first == 0 {
			first = p
		}
		last = p
	}
	end()
}

// shared reports whether a container other than c publishes the host port.
func (b *builder) shared(c *engine.Container, proto uint8, port uint16) bool {
	protos := []uint8{proto}
	if proto == 0 {
		protos = []uint8{tcp, udp, sctp}
	}
	for _, p := range protos {
		for _, id := range b.claims[hostPort{p, port}] {
			if id != c.ID {
				return true
			}
		}
	}
	return false
}

func (b *builder) addBackends(c *engine.Container, proto uint8, port, last uint16, asked bool) {
	owner := b.owner(c)
	for _, a := range addresses(owner) {
		b.out.Backends = append(b.out.Backends, Backend{Proto: proto, Addr: a, Port: port, Last: last, Container: owner.ID, Asked: asked})
	}
}

// addContainer adds a container and those that share its namespace.
func (b *builder) addContainer(c *engine.Container, behind bool) {
	owner := b.owner(c)
	for i := range b.s.Containers {
		o := &b.s.Containers[i]
		if o.ID != c.ID && b.owner(o).ID != owner.ID {
			continue
		}
		pid := o.PID
		if pid == 0 {
			pid = owner.PID
		}
		b.out.Containers = append(b.out.Containers, Container{
			ID: o.ID, Name: o.Name, Project: o.Project, Service: o.Service, Mode: o.Mode, State: o.State,
			PID: pid, Owner: owner.ID, Behind: behind,
		})
	}
}

func addresses(c *engine.Container) []netip.Addr {
	var all []netip.Addr
	for _, a := range c.Addrs() {
		all = append(all, a.Unmap())
	}
	return all
}

// wants reports whether a target's protocol, 0 for any, is the one named.
func wants(proto uint8, name string) bool {
	return proto == 0 || proto == protoNumber(name)
}
