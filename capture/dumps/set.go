package dumps

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
)

// Set gathers dumps, which may tell of several namespaces. The zero value is
// empty.
type Set struct {
	Passed  []string  // the parts of transcripts that are not known, one sentence each
	Printed []Printed // packets, as tcpdump prints them

	containers []engine.Container
	members    []engine.Container // as networks list them: a name and addresses
	networks   []engine.Network
	joined     []engine.Network   // as containers tell of them
	named      []engine.Container // as lists and compose files tell of them, without networks
	torn       bool               // not all of what the engine said could be read
	places     map[string]*place
}

// Printed is what tcpdump printed of packets: no dump, but a capture that package
// tcpdump makes of it.
type Printed struct {
	Command string // as it was typed; "" where it is not in the file
	Netns   string // the container in which it was run; "" where it does not say
	Line    int    // of the file, from 1
	Text    []byte
}

// place is what was dumped of one namespace.
type place struct {
	links      []host.Link
	addrs      []host.Addr
	routes     []namedRoute
	neighbours []namedNeighbour
	policies   []host.Rule
	sysctls    map[string]string
	socks      []namedSocket
	rulesets   []ruleset
	tables     map[int]map[string][]byte // of iptables, which were printed one by one, by family and name
	conntrack  [][]byte
	dumped     struct{ tcp, udp bool } // sockets of these were looked at
	damage     host.Given              // of parts that were read in part, why
}

// ruleset is the text of one back end's rules; of several of one, the last
// counts.
type ruleset struct {
	backend string
	text    []byte
	table   string // of what could not be read
	err     string // why not; text is empty then
}

func (p *place) addRules(backend string, text []byte) {
	p.rulesets = slices.DeleteFunc(p.rulesets, func(r ruleset) bool { return r.backend == backend })
	p.rulesets = append(p.rulesets, ruleset{backend: backend, text: text})
}

func (s *Set) place(netns string) *place {
	if s.places == nil {
		s.places = map[string]*place{}
	}
	p := s.places[netns]
	if p == nil {
		p = &place{}
		s.places[netns] = p
	}
	return p
}

// addLinks takes the links and addresses of one document. Links whose number it does
// not tell get one that no interface has, or that of the one of their name.
func (s *Set) addLinks(netns string, ls links) {
	if len(ls.links) == 0 {
		return
	}
	p := s.place(netns)
	ls.number(p)
	ls.resolve()
	for _, l := range ls.links {
		i := slices.IndexFunc(p.links, func(o host.Link) bool { return o.Index == l.Index || o.Index < 0 && o.Name == l.Name })
		if i < 0 {
			p.links = append(p.links, l)
			continue
		}
		if old := p.links[i].Index; old != l.Index {
			p.renumber(old, l.Index)
		}
		p.links[i] = together(p.links[i], l)
	}
	for _, a := range ls.of {
		ls.addrs = append(ls.addrs, host.Addr{Link: ls.links[a.n].Index, Prefix: a.prefix})
	}
	for _, a := range ls.addrs {
		if !slices.Contains(p.addrs, a) {
			p.addrs = append(p.addrs, a)
		}
	}
}

// number gives links a number whose own is not told.
func (ls *links) number(p *place) {
	next := -1
	for _, l := range p.links {
		next = min(next, l.Index-1)
	}
	for i := range ls.links {
		l := &ls.links[i]
		if l.Index != 0 {
			continue
		}
		if k := slices.IndexFunc(p.links, func(o host.Link) bool { return o.Name == l.Name }); k >= 0 {
			l.Index = p.links[k].Index
			continue
		}
		l.Index = next
		next--
	}
}

// renumber gives the addresses of a link, and those that name it, its real number.
func (p *place) renumber(old, index int) {
	for i := range p.addrs {
		if p.addrs[i].Link == old {
			p.addrs[i].Link = index
		}
	}
	for i := range p.links {
		if p.links[i].Master == old {
			p.links[i].Master = index
		}
	}
}

// together is what two dumps tell of one link: what the later one leaves out is as the
// earlier one had it.
func together(old, l host.Link) host.Link {
	if l.Kind == "" { // the other one was printed with -d
		l.Kind, l.Hairpin, l.Isolated, l.PortState = old.Kind, old.Hairpin, old.Isolated, old.PortState
	}
	if l.MAC == "" {
		l.MAC = old.MAC
	}
	if l.MTU == 0 {
		l.MTU = old.MTU
	}
	if l.Master == 0 {
		l.Master = old.Master
	}
	if l.Peer == 0 {
		l.Peer, l.Away = old.Peer, l.Away || old.Away
	}
	return l
}

// Empty reports whether nothing was told.
func (s *Set) Empty() bool {
	return len(s.containers)+len(s.members)+len(s.networks)+len(s.joined)+len(s.named)+len(s.places) == 0
}

// Engine is what docker inspect and docker network inspect tell; nil if there
// is neither.
func (s *Set) Engine() *engine.Snapshot {
	if !s.ofEngine() {
		return nil
	}
	e := &engine.Snapshot{Undated: true, Partial: len(s.networks) == 0 || len(s.containers) == 0 || s.torn}
	at := map[string]int{} // in e.Containers, by id: there may be tens of thousands
	for _, c := range slices.Concat(s.containers, s.members) {
		if i, ok := at[c.ID]; !ok {
			at[c.ID] = len(e.Containers)
			e.Containers = append(e.Containers, c)
		} else if n := &e.Containers[i]; len(c.Endpoints) > 0 && len(n.Mappings)+len(n.Exposed)+len(n.Bindings) == 0 {
			n.Endpoints = addEndpoints(n.Endpoints, c.Endpoints)
		}
	}
	s.settleNamed(e)
	names := map[string]string{}
	for _, n := range slices.Concat(s.networks, s.joined) {
		names[n.ID] = n.Name
		if !slices.ContainsFunc(e.Networks, func(o engine.Network) bool { return o.ID == n.ID || o.Name == n.Name }) {
			e.Networks = append(e.Networks, n)
		}
	}
	for i := range e.Containers {
		if name, ok := names[e.Containers[i].Mode]; ok {
			e.Containers[i].Mode = name
		}
	}
	slices.SortFunc(e.Containers, func(a, b engine.Container) int {
		return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID)
	})
	slices.SortFunc(e.Networks, func(a, b engine.Network) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	return e
}

// ofEngine reports whether anything tells of the engine.
func (s *Set) ofEngine() bool { return len(s.containers)+len(s.networks)+len(s.named) > 0 }

func addEndpoints(have, more []engine.Endpoint) []engine.Endpoint {
	for _, m := range more {
		if !slices.ContainsFunc(have, func(o engine.Endpoint) bool { return o.Network == m.Network }) {
			have = append(have, m)
		}
	}
	return have
}

// Names reports whether any container is known, so that what is none of theirs is
// the host's.
func (s *Set) Names() bool { return len(s.containers)+len(s.members)+len(s.named) > 0 }

// HasContainer reports whether a container of that name is known.
func (s *Set) HasContainer(name string) bool {
	is := func(c engine.Container) bool { return c.Name == name }
	return slices.ContainsFunc(s.containers, is) || slices.ContainsFunc(s.members, is) || slices.ContainsFunc(s.named, is)
}

// Repeats reports whether two sets of dumps both tell of a thing that a namespace
// has once: they are of two, or of two moments.
func (s *Set) Repeats(o *Set) bool {
	a, b := s.place(""), o.place("")
	given := b.given()
	for part := range a.given() {
		if _, both := given[part]; both {
			return true
		}
	}
	return slices.ContainsFunc(a.rulesets, func(r ruleset) bool {
		return slices.ContainsFunc(b.rulesets, func(q ruleset) bool { return q.backend == r.backend })
	})
}

// Learn takes over what another set says of the engine.
func (s *Set) Learn(o *Set) {
	s.containers = append(s.containers, o.containers...)
	s.members = append(s.members, o.members...)
	s.networks = append(s.networks, o.networks...)
	s.joined = append(s.joined, o.joined...)
	s.named = append(s.named, o.named...)
	s.torn = s.torn || o.torn
}

// Netns tells in which container's namespace the links and addresses of another
// set are, by what s says of the engine; "" is none of theirs: the host's. False
// without any.
func (s *Set) Netns(o *Set) (string, bool) {
	p := o.places[""]
	if p == nil || len(p.links) == 0 {
		return "", false
	}
	for _, c := range slices.Concat(s.containers, s.members) {
		for _, ep := range c.Endpoints {
			if p.is(ep) {
				return c.Name, true
			}
		}
	}
	return "", true
}

// is reports whether an endpoint is one of the links.
func (p *place) is(ep engine.Endpoint) bool {
	return slices.ContainsFunc(p.links, func(l host.Link) bool { return l.MAC != "" && l.MAC == ep.MAC }) ||
		slices.ContainsFunc(p.addrs, func(a host.Addr) bool { return a.Prefix.Addr() == ep.IPv4 || a.Prefix.Addr() == ep.IPv6 })
}

// state is the state of a namespace, in the order that equal states have.
func (p *place) state() host.State {
	st := dumpedState{host.State{Links: slices.Clone(p.links), Addrs: p.addrs, Rules: p.policies, Sysctls: p.sysctls, Given: p.given()}}
	index := map[string]int{}
	for _, l := range p.links {
		index[l.Name] = l.Index
	}
	for _, r := range p.routes {
		r.Link = st.indexOf(index, r.dev)
		if !slices.Contains(st.Routes, r.Route) {
			st.Routes = append(st.Routes, r.Route)
		}
	}
	for _, n := range p.neighbours {
		n.Link = index[n.dev]
		st.Neighbours = append(st.Neighbours, n.Neighbour)
	}
	for _, k := range p.socks {
		k.Link = index[k.dev]
		if !slices.Contains(st.Sockets, k.Socket) {
			st.Sockets = append(st.Sockets, k.Socket)
		}
	}
	slices.SortFunc(st.Links, func(a, b host.Link) int { return a.Index - b.Index })
	return st.State
}

// told reports whether anything of the state was dumped, rules aside.
func (p *place) told() bool {
	return len(p.links)+len(p.addrs)+len(p.routes)+len(p.neighbours)+len(p.policies)+len(p.sysctls)+len(p.socks) > 0 || p.dumped.tcp || p.dumped.udp
}

// Hosts are the states of the namespaces that were dumped, by name.
func (s *Set) Hosts() map[string]host.State {
	out := map[string]host.State{}
	for netns, p := range s.places {
		if p.told() {
			out[nameOf(netns)] = p.state()
		}
	}
	s.kinds(out)
	s.pair(out)
	if h, ok := out[capture.HostNetns]; ok {
		h.Proxies = s.proxies(h)
		out[capture.HostNetns] = h
	}
	return out
}

func nameOf(netns string) string {
	if netns == "" {
		return capture.HostNetns
	}
	return netns
}

// pair tells which veths of the host lead into which of the other namespaces:
// each end says the other's number. Namespaces get made-up inode numbers.
func (s *Set) pair(states map[string]host.State) {
	h, ok := states[capture.HostNetns]
	for i, netns := range slices.Sorted(maps.Keys(states)) {
		if netns == capture.HostNetns {
			continue
		}
		in := states[netns]
		in.Inode = uint64(i) + 1
		for _, c := range s.containers {
			if c.Name == netns {
				in.Container = c.ID
			}
		}
		states[netns] = in
		for n := range h.Links {
			l := &h.Links[n]
			if ok && l.Away && slices.ContainsFunc(in.Links, func(o host.Link) bool { return o.Index == l.Peer && o.Peer == l.Index }) {
				l.PeerNetns = in.Inode
			}
		}
	}
}

// proxies are the docker-proxy processes among the sockets of the host, with the
// mappings that they serve.
func (s *Set) proxies(h host.State) []host.Proxy {
	var out []host.Proxy
	for _, k := range h.Sockets {
		if k.Process != "docker-proxy" {
			continue
		}
		ends := []netip.AddrPort{k.Local}
		if k.Either {
			ends = append(ends, netip.AddrPortFrom(otherFamily(k.Local.Addr()), k.Local.Port()))
		}
		for _, end := range ends {
			k.Local = end
			if to, ok := s.mapped(k); ok {
				out = append(out, host.Proxy{PID: k.PID, Proto: k.Proto, Host: end, Container: to})
			}
		}
	}
	return out
}

// otherFamily is every address of the other family than that of a.
func otherFamily(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// mapped is where the mapping of a host's socket leads.
func (s *Set) mapped(k host.Socket) (netip.AddrPort, bool) {
	for _, c := range s.containers {
		for _, b := range c.Mappings {
			if b.Proto != k.Proto || b.HostPort != k.Local.Port() || b.HostIP != k.Local.Addr() || len(c.Endpoints) == 0 {
				continue
			}
			if all := c.Endpoints[0].Addrs(); len(all) > 0 {
				return netip.AddrPortFrom(all[0], b.Container), true
			}
		}
	}
	return netip.AddrPort{}, false
}

// has reports whether any namespace has something.
func (s *Set) has(what func(*place) bool) bool {
	for _, p := range s.places {
		if what(p) {
			return true
		}
	}
	return false
}

// Merge takes over what another set says of namespaces, of its "" as that of
// netns.
func (s *Set) Merge(o *Set, netns string) {
	for name, q := range o.places {
		if name == "" {
			name = netns
		}
		name = s.containerName(name)
		p := s.place(name)
		s.addLinks(name, links{links: q.links, addrs: q.addrs})
		p.routes = append(p.routes, q.routes...)
		p.neighbours = append(p.neighbours, q.neighbours...)
		p.policies = append(p.policies, q.policies...)
		p.socks = append(p.socks, q.socks...)
		p.conntrack = append(p.conntrack, q.conntrack...)
		for _, r := range q.rulesets {
			p.addRules(r.backend, r.text)
		}
		for family, named := range q.tables {
			for table, text := range named {
				p.addTable(family, table, text)
			}
		}
		if p.sysctls == nil {
			p.sysctls = q.sysctls
		} else {
			maps.Copy(p.sysctls, q.sysctls)
		}
		p.dumped.tcp = p.dumped.tcp || q.dumped.tcp
		p.dumped.udp = p.dumped.udp || q.dumped.udp
		for part, why := range q.damage {
			p.damaged(why, part)
		}
	}
}

// containerName is the name of a container that is given by the beginning of its id, as
// to docker exec; else what was given.
func (s *Set) containerName(given string) string {
	if !idForm.MatchString(given) || s.HasContainer(given) {
		return given
	}
	for _, c := range slices.Concat(s.containers, s.members, s.named) {
		if strings.HasPrefix(c.ID, given) {
			return c.Name
		}
	}
	return given
}

// joinedText is every part, each on lines of its own.
func joinedText(parts [][]byte) []byte { return bytes.Join(parts, []byte{'\n'}) }
