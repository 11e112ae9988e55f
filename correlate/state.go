package correlate

import (
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// State is what the engine and the kernel said of themselves, without any
// packets: it names causes as a judgement does, for a request that nobody has
// made yet. The latest of each kind counts.
type State struct {
	t       *Tracker
	sources map[string]SourceReport
}

// NewState returns a State that knows nothing.
func NewState() *State {
	t := New(Config{})
	t.points = make([]point, 1) // a request that was not seen was seen at no point that has a name
	return &State{t: t, sources: map[string]SourceReport{}}
}

// Take keeps what an event says of the state, and leaves all others out.
func (s *State) Take(e decode.Event) {
	switch e := e.(type) {
	case *decode.EngineSnapshot, *decode.HostSample, *decode.Ruleset:
		s.t.Event(e)
	case *decode.Source:
		s.sources[e.Name] = SourceReport{Name: e.Name, State: e.State, Why: e.Why}
		s.t.world.sourceSaid(e)
	}
}

// Read takes what records say of the engine and the host. What is damaged in them
// is missing.
func (s *State) Read(records []capture.Record) {
	for _, r := range records {
		events, _ := decode.Control(r)
		for _, e := range events {
			s.Take(e)
		}
	}
}

// Known reports whether there is anything to judge by.
func (s *State) Known() bool { return s.t.world.known() }

// Source is what a source said of itself last; the zero value if nothing.
func (s *State) Source(name string) SourceReport { return s.sources[name] }

// Engine is the latest snapshot of the engine, or nil.
func (s *State) Engine() *engine.Snapshot { return s.t.world.engine() }

// Host is the latest sample of a namespace, by the name of its container or
// capture.HostNetns; nil if there is none.
func (s *State) Host(netns string) *host.Sample { return s.t.world.host(netns) }

// Home is the name under which the namespace of a container was sampled, "" if
// it was not. Containers that share one may have it under another's name.
func (s *State) Home(c *engine.Container) string {
	if s.Host(c.Name) != nil {
		return c.Name
	}
	for netns := range s.t.world.hosts {
		if h := s.Host(netns); netns != capture.HostNetns && h.Container != "" && h.Container == c.ID {
			return netns
		}
	}
	return ""
}

// Rules are the rules of a namespace for packets of a family; nil, and why, if
// they cannot be followed.
func (s *State) Rules(netns string, family int) (set *ruleset.Set, why string) {
	if why := s.t.world.rulesLack(netns, family, math.MaxInt64); why != "" {
		return nil, why
	}
	if set = s.t.world.ruleset(netns, math.MaxInt64); set == nil && s.t.world.hasRules(netns) {
		why = fmt.Sprintf("the rules of %s cannot be read", namespaceWords(netns))
	}
	return set, why
}

// Namespace answers questions about a namespace, by the name of its container or
// capture.HostNetns, as it was last.
func (s *State) Namespace(netns string) known.Namespace { return s.t.world.namespace(netns) }

// Terrain has a packet meet the addresses, routes and bridges of a namespace.
func (s *State) Terrain(n known.Namespace, p *ruleset.Packet) { s.t.world.terrain(n, p) }

// Lookup is the question by which a namespace routes a packet that came in by a
// link, "" for one of its own.
func (s *State) Lookup(n known.Namespace, src, dst netip.Addr, in string) known.Lookup {
	return s.t.world.lookup(n, src, dst, in)
}

// Own is whether an address is the host's own: the interface that has it.
func (s *State) Own(ip netip.Addr) known.Answer[string] {
	return s.t.world.own(s.Namespace(capture.HostNetns), ip)
}

// IsHost reports whether an address is the host's own.
func (s *State) IsHost(ip netip.Addr) bool { return s.t.world.isHost(decode.IPFrom(ip)) }

// ContainerAt is the running container that owns an address, or nil.
func (s *State) ContainerAt(ip netip.Addr) *engine.Container {
	return s.t.world.containerAt(decode.IPFrom(ip))
}

// Network names the engine's network that an address belongs to, "" for none.
func (s *State) Network(ip netip.Addr) string { return s.t.world.network(decode.IPFrom(ip)) }

// Mapping is the mapping in force for what a request asks for; nil for none.
func (s *State) Mapping(t decode.Tuple) (*engine.Container, *engine.Binding) {
	return s.t.world.mapping(s.Engine(), t)
}

// Proxy is the docker-proxy, or the engine's port driver, that listens for what a
// request asks for.
func (s *State) Proxy(t decode.Tuple) known.Answer[host.Proxy] {
	return s.t.world.proxyAt(s.Namespace(capture.HostNetns), t)
}

// Owner is the running container that owns an address.
func (s *State) Owner(ip netip.Addr) known.Answer[*engine.Container] {
	return s.t.world.owner(s.Engine(), ip)
}

// MappingsLack says why no container's publishing a port says nothing; "" if it does.
func (s *State) MappingsLack() string { return mappingsLack(s.Engine()) }

// EnginesOwn reports whether a socket of the host's may be one of the engine's.
func (s *State) EnginesOwn(k *host.Socket) bool {
	return s.t.world.enginesOwn(s.Engine(), s.Namespace(capture.HostNetns), k)
}

// EngineElsewhere says, in words, that the engine's networks are not in the host's
// namespace that is in evidence; none if they are.
func (s *State) EngineElsewhere() known.Answer[string] {
	return s.t.world.elsewhere(s.Engine(), s.Namespace(capture.HostNetns))
}

// Door names the bridge and the host-side veth that lead to an address in a
// container's namespace; "" where that is not known.
func (s *State) Door(netns string, ip netip.Addr) (bridge, veth string) {
	return s.t.world.wayTo(netns, decode.IPFrom(ip))
}

// Listener is the socket of a namespace that takes what t carries to its
// destination.
func (s *State) Listener(netns string, t decode.Tuple) known.Answer[host.Socket] {
	return listener(s.Namespace(netns), t)
}

// Others are the running containers on a network, but for one.
func (s *State) Others(network string, but *engine.Container) iter.Seq[*engine.Container] {
	return func(yield func(*engine.Container) bool) {
		e := s.Engine()
		for i := range e.Containers {
			c := &e.Containers[i]
			on := slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return ep.Network == network })
			if on && isUp(c) && c.ID != but.ID && !yield(c) {
				return
			}
		}
	}
}

// Up reports whether a container's network exists.
func Up(c *engine.Container) bool { return isUp(c) }

// Shell quotes a word for a POSIX shell, if it has to be.
func Shell(word string) string { return shell(word) }
