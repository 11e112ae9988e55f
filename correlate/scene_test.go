package correlate_test

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// scene is the host that stories happen on, as its sources describe it. Rows
// change what they are about and leave the rest.
type scene struct {
	config  correlate.Config
	points  []capture.Point
	sources []capture.SourceState
	filter  []string                // what the capture was narrowed by
	target  string                  // what dnatrace itself captured for
	probe   []netip.Addr            // clients that are made up
	engine  *engine.Snapshot        // nil: no engine in evidence
	samples map[string]*host.Sample // by namespace
	rules   string                  // of the host, as iptables-save has them; "": not in evidence
	change  func()                  // makes the state what it is after the last line; nil: what it was
}

// names that stories use for the ends of their packets.
var ends = map[string]string{
	"C": "198.51.100.9:4000", // a client outside, and more ports of it
	"D": "198.51.100.9:4001",
	"E": "198.51.100.9:4002",
	"H": "198.51.100.1:8080", // published: web's port 80
	"U": "198.51.100.1:8053", // published: web's port 53/udp
	"W": "172.17.0.2:80",
	"V": "172.17.0.2:53",
	"P": "172.17.0.1:50000", // docker-proxy's own end towards web
	"Q": "172.17.0.1:50001",

	"C6": "[2001:db8::9]:4000",
	"H6": "[2001:db8::1]:8080",
	"W6": "[fd00:17::2]:80",
}

// inner is what the mappings make of a published end.
var inner = map[string]string{ends["H"]: ends["W"], ends["U"]: ends["V"], ends["H6"]: ends["W6"], "198.51.100.1": "172.17.0.2"}

// dockerHost is a host with one container: web, whose ports 80/tcp and 53/udp
// are published as 8080 and 8053. Everything is watched.
func dockerHost() *scene {
	s := &scene{config: correlate.Config{Keep: -1}, engine: theEngine(), samples: map[string]*host.Sample{
		capture.HostNetns: hostState(), "web": webState(),
	}}
	s.watch("eth0", capture.RoleNIC, capture.HostNetns, 0, "")
	s.watch("docker0", capture.RoleBridge, capture.HostNetns, 0, "")
	s.watch("veth1", capture.RoleVeth, capture.HostNetns, 0, "web")
	s.watch("web:eth0", capture.RoleContainer, "web", 1, "web")
	s.watch("lo", capture.RoleLoopback, capture.HostNetns, 0, "")
	for _, name := range []string{capture.OriginPackets, capture.OriginConntrack, capture.OriginEngine, capture.OriginHost, capture.OriginRules} {
		s.sources = append(s.sources, capture.SourceState{Name: name, State: capture.SourceOK})
	}
	return s
}

// packetsOnly is the same host of which nothing but packets is in evidence.
func packetsOnly() *scene {
	s := dockerHost()
	s.engine, s.samples = nil, nil
	s.sources = s.sources[:1]
	return s
}

func (s *scene) watch(name string, role capture.Role, netns string, ring uint16, container string) {
	s.points = append(s.points, capture.Point{
		ID: uint16(len(s.points)), Name: name, Netns: netns, Ring: ring, Role: role, Counting: true, Container: container,
	})
}

// point finds a point by name; of several files of one point, the last.
func (s *scene) point(name string) *capture.Point {
	for i := len(s.points) - 1; i >= 0; i-- {
		if s.points[i].Name == name {
			return &s.points[i]
		}
	}
	panic("no point " + name)
}

// unwatch leaves points out of the capture.
func (s *scene) unwatch(names ...string) {
	s.points = slices.DeleteFunc(s.points, func(p capture.Point) bool { return slices.Contains(names, p.Name) })
	for i := range s.points {
		s.points[i].ID = uint16(i)
	}
}

// later changes the state of the scene right after the last line of a story,
// before anything that line decides is judged.
func (s *scene) later(f func()) { s.change = f }

// web is the container of the scene.
func (s *scene) web() *engine.Container { return &s.engine.Containers[0] }

func theEngine() *engine.Snapshot {
	v4, v6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	published := []engine.Binding{
		{Proto: "tcp", Container: 80, HostIP: v4, HostPort: 8080},
		{Proto: "tcp", Container: 80, HostIP: v6, HostPort: 8080},
		{Proto: "udp", Container: 53, HostIP: v4, HostPort: 8053},
	}
	return &engine.Snapshot{
		Version: "29.0.0",
		Containers: []engine.Container{{
			ID: "aaaa", Name: "web", State: "running", PID: 100, Mode: "bridge",
			Exposed: []engine.Port{{Proto: "tcp", Port: 80}, {Proto: "udp", Port: 53}}, Bindings: published, Mappings: published,
			Endpoints: []engine.Endpoint{{Network: "bridge", IPv4: netip.MustParseAddr("172.17.0.2"), IPv6: netip.MustParseAddr("fd00:17::2")}},
		}},
		Networks: []engine.Network{{
			ID: "nnnn", Name: "bridge", Driver: "bridge", Bridge: "docker0", ICC: true,
			Subnets:  []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00:17::/64")},
			Gateways: []netip.Addr{netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("fd00:17::1")},
		}},
	}
}

func hostState() *host.Sample {
	return &host.Sample{State: host.State{
		Inode: 1,
		Links: []host.Link{
			{Index: 1, Name: "lo", Loopback: true, Up: true, Running: true},
			{Index: 2, Name: "eth0", Up: true, Running: true},
			{Index: 3, Name: "docker0", Kind: "bridge", Up: true, Running: true},
			{Index: 4, Name: "veth1", Kind: "veth", Up: true, Running: true, Master: 3, Peer: 2, PeerNetns: 2, Away: true},
		},
		Addrs: []host.Addr{
			{Link: 1, Prefix: netip.MustParsePrefix("127.0.0.1/8")},
			{Link: 2, Prefix: netip.MustParsePrefix("198.51.100.1/24")},
			{Link: 2, Prefix: netip.MustParsePrefix("2001:db8::1/64")},
			{Link: 3, Prefix: netip.MustParsePrefix("172.17.0.1/16")},
			{Link: 3, Prefix: netip.MustParsePrefix("fd00:17::1/64")},
		},
		Routes: []host.Route{
			route("198.51.100.0/24", 2), route("172.17.0.0/16", 3), route("2001:db8::/64", 2), route("fd00:17::/64", 3),
			{Table: 255, Type: "broadcast", Dst: netip.MustParsePrefix("198.51.100.255/32"), Link: 2},
		},
		Sysctls: map[string]string{"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"},
	}, Counters: map[string]uint64{}}
}

func webState() *host.Sample {
	return &host.Sample{State: host.State{
		Inode: 2, Container: "aaaa",
		Links:  []host.Link{{Index: 2, Name: "eth0", Kind: "veth", Up: true, Running: true}},
		Addrs:  []host.Addr{{Link: 2, Prefix: netip.MustParsePrefix("172.17.0.2/16")}},
		Routes: []host.Route{route("0.0.0.0/0", 2), route("::/0", 2)},
		Sockets: []host.Socket{
			{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:80"), Backlog: 128, PID: 100, Process: "nginx"},
			{Proto: "tcp", Local: netip.MustParseAddrPort("[::]:80"), V6: true, V6Only: true, Backlog: 128, PID: 100, Process: "nginx"},
			{Proto: "udp", Local: netip.MustParseAddrPort("0.0.0.0:53"), PID: 101, Process: "named"},
		},
	}, Counters: map[string]uint64{}}
}

func route(dst string, link int) host.Route {
	return host.Route{Table: 254, Type: "unicast", Dst: netip.MustParsePrefix(dst), Link: link}
}

// listens makes web's sockets of one protocol those, and no others.
func (s *scene) listens(proto string, locals ...string) {
	w := s.samples["web"]
	w.Sockets = slices.DeleteFunc(w.Sockets, func(k host.Socket) bool { return k.Proto == proto })
	for _, l := range locals {
		w.Sockets = append(w.Sockets, host.Socket{Proto: proto, Local: netip.MustParseAddrPort(l), Backlog: 128, PID: 100, Process: "server"})
	}
}

// samePort has web's port 80 published as 80.
func (s *scene) samePort() {
	for i := range s.web().Mappings {
		if b := &s.web().Mappings[i]; b.Container == 80 {
			b.HostPort = 80
		}
	}
	s.dockerProxy("tcp", "0.0.0.0:80", "172.17.0.2:80")
	s.dockerProxy("tcp", "[::]:80", "172.17.0.2:80")
}

// hideLinks leaves out whose door is whose.
func (s *scene) hideLinks() {
	s.samples[capture.HostNetns].Links = nil
	s.point("veth1").Container = ""
}

// hostListens puts a listener on the host itself.
func (s *scene) hostListens(proto, local, process string) {
	h := s.samples[capture.HostNetns]
	h.Sockets = append(h.Sockets, host.Socket{Proto: proto, Local: netip.MustParseAddrPort(local), Backlog: 128, PID: 7, Process: process})
}

// dockerProxy starts the userland proxy of a mapping.
func (s *scene) dockerProxy(proto, from, to string) {
	h := s.samples[capture.HostNetns]
	h.Proxies = append(h.Proxies, host.Proxy{PID: 9, Proto: proto, Host: netip.MustParseAddrPort(from), Container: netip.MustParseAddrPort(to)})
	s.hostListens(proto, from, "docker-proxy")
}

// epoch is when every story begins.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()

// opening is what a stream begins with.
func (s *scene) opening() []decode.Event {
	out := []decode.Event{&decode.Start{Time: epoch, Start: capture.Start{Format: 1, Program: "dnatrace", Target: s.target, Started: epoch, Filter: s.filter, Probe: s.probe}}}
	for _, st := range s.sources {
		out = append(out, &decode.Source{Time: epoch, SourceState: st})
	}
	for _, p := range s.points {
		out = append(out, &decode.Point{Time: epoch, Point: p})
	}
	return append(out, s.state(epoch)...)
}

// state is what the sources say of the scene as it is now.
func (s *scene) state(at int64) []decode.Event {
	var out []decode.Event
	if s.engine != nil {
		e := *s.engine
		e.Containers, e.Networks = slices.Clone(e.Containers), slices.Clone(e.Networks)
		out = append(out, &decode.EngineSnapshot{Time: at, Snapshot: e})
	}
	if s.rules != "" {
		out = append(out, &decode.Ruleset{Time: at, Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: "iptables-save", Data: []byte(s.rules)}})
	}
	for _, netns := range []string{capture.HostNetns, "web"} {
		if s.samples[netns] == nil {
			continue
		}
		h := *s.samples[netns]
		h.Sockets, h.Routes, h.Sysctls = slices.Clone(h.Sockets), slices.Clone(h.Routes), maps.Clone(h.Sysctls)
		out = append(out, &decode.HostSample{Time: at, Netns: netns, Sample: h})
	}
	return out
}
