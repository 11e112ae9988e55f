package correlate

import (
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// world is what the engine and the kernel said of themselves, in versions: a
// judgement asks for what held before a request and what held after it.
type world struct {
	engines []version[engine.Snapshot]
	hosts   map[string][]version[host.Sample] // by namespace
	rules   map[rulesKey][]version[decode.Ruleset]
	parsed  []parsedRules // made when asked for
	did     []*decode.EngineEvent
	sources map[string]*decode.Source // what each said of itself last
	bytes   int                       // of the records that the versions were read from

	// Looked up at every new leg, so kept ready for the latest versions.
	local      map[netip.Addr]bool
	broadcasts map[netip.Addr]bool
	containers map[netip.Addr]*engine.Container
	subnets    []netip.Prefix
}

// version is a state and when it was taken.
type version[T any] struct {
	time  int64 // Unix ns
	size  int   // bytes of the record; 0 if it shares its value with the version before
	value *T
}

// Bounds of what is kept: versions of one kind, about a quarter of an hour at
// one sample a second, and bytes of the records they were all read from, which
// take some times as much once decoded.
const (
	mostVersions = 1000
	mostBytes    = 32 << 20
)

func (w *world) init() {
	w.hosts = map[string][]version[host.Sample]{}
	w.rules = map[rulesKey][]version[decode.Ruleset]{}
	w.sources = map[string]*decode.Source{}
}

// sourceSaid keeps what a source says of itself.
func (w *world) sourceSaid(e *decode.Source) { w.sources[e.Name] = e }

// known reports whether anything but packets is in evidence.
func (w *world) known() bool { return len(w.engines) > 0 || len(w.hosts[capture.HostNetns]) > 0 }

// addressed reports whether the host's own addresses are in evidence. Dumps may
// tell of the engine alone.
func (w *world) addressed() bool {
	h := w.host(capture.HostNetns)
	return h != nil && len(h.Addrs) > 0
}

// keep adds a version to list.
func keep[T any](w *world, list []version[T], v version[T]) []version[T] {
	w.bytes += v.size
	if len(list) >= mostVersions {
		list = thinned(w, list)
	}
	return append(list, v)
}

// thinned leaves the first version, which held before everything, and the later
// half.
func thinned[T any](w *world, list []version[T]) []version[T] {
	if len(list) < 4 {
		return list
	}
	for _, v := range list[1 : len(list)/2] {
		w.bytes -= v.size
	}
	return slices.Delete(list, 1, len(list)/2)
}

// room makes room for a record, and reports whether there is any.
func (w *world) room(size int) bool {
	for before := -1; w.bytes+size > mostBytes && w.bytes != before; {
		before = w.bytes
		w.engines = thinned(w, w.engines)
		for n := range w.hosts {
			w.hosts[n] = thinned(w, w.hosts[n])
		}
		for n := range w.rules {
			w.rules[n] = thinned(w, w.rules[n])
		}
	}
	return w.bytes+size <= 2*mostBytes
}

// before returns the last version taken at or before time; nil if there is
// none.
func before[T any](versions []version[T], time int64) *version[T] {
	i, _ := slices.BinarySearchFunc(versions, time, func(v version[T], t int64) int {
		if v.time <= t {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil
	}
	return &versions[i-1]
}

// after is the first version that was taken later; nil for none.
func after[T any](versions []version[T], time int64) *version[T] {
	i := slices.IndexFunc(versions, func(v version[T]) bool { return v.time > time })
	if i < 0 {
		return nil
	}
	return &versions[i]
}

func latest[T any](versions []version[T]) *T {
	if len(versions) == 0 {
		return nil
	}
	return versions[len(versions)-1].value
}

func (w *world) engineSaid(e *decode.EngineSnapshot) {
	w.engines = keep(w, w.engines, version[engine.Snapshot]{e.Time, e.Size, &e.Snapshot})
	w.refresh()
}

func (w *world) engineDid(e *decode.EngineEvent) {
	if len(w.did) >= mostVersions {
		w.did = slices.Delete(w.did, 0, mostVersions/2)
	}
	w.did = append(w.did, e)
}

func (w *world) hostWas(e *decode.HostSample) {
	s, size := &e.Sample, e.Size
	if s.Same {
		if last := latest(w.hosts[e.Netns]); last != nil {
			size = 0
			s = &host.Sample{Same: true, State: last.State, Counters: s.Counters}
		}
	}
	w.hosts[e.Netns] = keep(w, w.hosts[e.Netns], version[host.Sample]{e.Time, size, s})
	if !e.Same {
		w.refresh()
	}
}

// engine is the engine's latest snapshot, or nil.
func (w *world) engine() *engine.Snapshot { return latest(w.engines) }

// host is the latest sample of a namespace, or nil.
func (w *world) host(netns string) *host.Sample { return latest(w.hosts[netns]) }

// refresh makes the lookups for new legs ready.
func (w *world) refresh() {
	w.local = map[netip.Addr]bool{}
	w.broadcasts = map[netip.Addr]bool{}
	w.containers = map[netip.Addr]*engine.Container{}
	w.subnets = w.subnets[:0]
	if h := w.host(capture.HostNetns); h != nil {
		for _, a := range h.Addrs {
			w.local[a.Prefix.Addr().Unmap()] = true
		}
		for _, r := range h.Routes {
			if r.Type == "broadcast" || r.Type == "anycast" || r.Type == "multicast" {
				w.broadcasts[r.Dst.Addr().Unmap()] = true
			}
		}
	}
	e := w.engine()
	if e == nil {
		return
	}
	for i := range e.Networks {
		w.subnets = append(w.subnets, e.Networks[i].Subnets...)
		for _, g := range e.Networks[i].Gateways {
			if gatewayIsHosts(&e.Networks[i]) {
				w.local[g.Unmap()] = true
			}
		}
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if !isUp(c) {
			continue
		}
		for _, ip := range c.Addrs() {
			w.containers[ip.Unmap()] = c
		}
	}
}

// gatewayIsHosts reports whether the gateway of a network is the host itself: where
// the driver makes a bridge of it. Containers on networks of other drivers have
// gateways of their own kind, a router of the network outside as a rule.
func gatewayIsHosts(n *engine.Network) bool {
	return n.Bridge != "" && (n.Driver == "bridge" || n.Driver == "")
}

// isUp reports whether a container's network exists, as far as is known: a compose file
// does not tell.
func isUp(c *engine.Container) bool {
	return c.State == "" || c.State == "running" || c.State == "paused" || c.State == "restarting" && c.PID != 0
}

// isHost reports whether ip is an address of the host.
func (w *world) isHost(ip decode.IP) bool {
	a := ip.Addr()
	return w.local[a] || a.IsLoopback()
}

// containerAt is the running container that owns ip, or nil.
func (w *world) containerAt(ip decode.IP) *engine.Container { return w.containers[ip.Addr()] }

// isContainerNet reports whether ip lies in a network of the engine's.
func (w *world) isContainerNet(ip decode.IP) bool {
	a := ip.Addr()
	return slices.ContainsFunc(w.subnets, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (w *world) isBroadcast(a netip.Addr) bool { return w.broadcasts[a] }

// serves reports whether the destination of t is a known server: a published
// port, a container's port, or a listener of the host.
func (w *world) serves(t decode.Tuple) bool {
	if c := w.containerAt(t.Dst); c != nil {
		return slices.ContainsFunc(c.Exposed, func(p engine.Port) bool { return p.Port == t.DstPort && p.Proto == t.Proto.String() }) ||
			slices.ContainsFunc(c.Mappings, func(b engine.Binding) bool { return b.Container == t.DstPort && b.Proto == t.Proto.String() })
	}
	_, b := w.mapping(w.engine(), t)
	return b != nil
}

// mapping finds the container that publishes the destination of t.
func (w *world) mapping(e *engine.Snapshot, t decode.Tuple) (*engine.Container, *engine.Binding) {
	dst := t.Dst.Addr()
	if e == nil || w.containers[dst] != nil {
		return nil, nil // only addresses of the host are published
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		for j := range c.Mappings {
			b := &c.Mappings[j]
			if b.HostPort == t.DstPort && b.Proto == t.Proto.String() && bindsTo(b.HostIP, dst) {
				return c, b
			}
		}
	}
	return nil, nil
}

// bindsTo reports whether a mapping on hostIP covers dst.
func bindsTo(hostIP, dst netip.Addr) bool {
	if !hostIP.IsValid() {
		return true
	}
	if hostIP.IsUnspecified() {
		return hostIP.Is4() == dst.Is4()
	}
	return hostIP.Unmap() == dst
}

// maps reports whether a proxy for what t asks for would dial what behind
// shows.
func (w *world) maps(t, behind decode.Tuple) bool {
	if p := w.proxyFor(t); p != nil {
		return decode.IPFrom(p.Container.Addr()) == behind.Dst && p.Container.Port() == behind.DstPort
	}
	return w.leadsTo(t, behind)
}

// leadsTo reports whether the mapping in force takes what t asks for to what
// behind shows.
func (w *world) leadsTo(t, behind decode.Tuple) bool {
	c, b := w.mapping(w.engine(), t)
	return c != nil && b.Container == behind.DstPort && w.containerAt(behind.Dst) == c
}

// proxyFor is the docker-proxy, or the like, that is known to listen where t goes; nil for none.
func (w *world) proxyFor(t decode.Tuple) *host.Proxy {
	if w.containerAt(t.Dst) != nil || w.host(capture.HostNetns) == nil {
		return nil // it listens on addresses of the host, and nothing may be known of it
	}
	if p, ok := w.proxyAt(w.namespace(capture.HostNetns), t).Get(); ok {
		return &p
	}
	return nil
}

// vethOwner names the container at the other end of a host-side veth.
func (w *world) vethOwner(veth string) string {
	h := w.host(capture.HostNetns)
	if h == nil {
		return ""
	}
	for i := range h.Links {
		l := &h.Links[i]
		if l.Name != veth || l.PeerNetns == 0 {
			continue
		}
		return w.netnsOf(l.PeerNetns)
	}
	return ""
}

// netnsOf names the namespace with an inode number; of several names that
// share one, the first.
func (w *world) netnsOf(inode uint64) string {
	name := ""
	for netns, versions := range w.hosts {
		if s := latest(versions); netns != capture.HostNetns && s.Inode == inode && (name == "" || netns < name) {
			name = netns
		}
	}
	return name
}

// wayTo names the bridge and the host-side veth that lead to an address in a
// container's namespace, as far as known.
func (w *world) wayTo(netns string, ip decode.IP) (bridge, veth string) {
	e := w.engine()
	if e == nil || netns == "" {
		return "", ""
	}
	a := ip.Addr()
	for i := range e.Networks {
		n := &e.Networks[i]
		if slices.ContainsFunc(n.Subnets, func(p netip.Prefix) bool { return p.Contains(a) }) {
			bridge = n.Bridge
		}
	}
	h, inside := w.host(capture.HostNetns), w.host(netns)
	if h == nil || inside == nil {
		return bridge, ""
	}
	master := 0
	for i := range h.Links {
		if h.Links[i].Name == bridge {
			master = h.Links[i].Index
		}
	}
	for i := range h.Links {
		l := &h.Links[i]
		if l.PeerNetns != 0 && l.PeerNetns == inside.Inode && (master == 0 || l.Master == master) {
			veth = l.Name
		}
	}
	return bridge, veth
}

// network names the engine's network that ip belongs to.
func (w *world) network(ip decode.IP) string {
	e := w.engine()
	if e == nil {
		return ""
	}
	a := ip.Addr()
	for i := range e.Networks {
		if slices.ContainsFunc(e.Networks[i].Subnets, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return e.Networks[i].Name
		}
	}
	return ""
}

// networkOf names the engine's network that ip belongs to, by the container that
// has it where the networks themselves are not in evidence.
func (w *world) networkOf(ip decode.IP) string {
	if name := w.network(ip); name != "" {
		return name
	}
	if c := w.containerAt(ip); c != nil {
		for _, ep := range c.Endpoints {
			if ep.IPv4 == ip.Addr() || ep.IPv6 == ip.Addr() {
				return ep.Network
			}
		}
	}
	return ""
}

// listeners returns the sockets of a protocol in a namespace that are known.
func listeners(n known.Namespace, proto decode.Proto) []host.Socket {
	all, _ := n.Listeners(proto.String()).Get()
	return all
}

// listener is the socket of a namespace that takes what t carries to its
// destination.
func listener(n known.Namespace, t decode.Tuple) known.Answer[host.Socket] {
	return n.Listener(t.Proto.String(), netip.AddrPortFrom(t.Dst.Addr(), t.DstPort))
}
