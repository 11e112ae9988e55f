// Package topology lays out how a host is wired, from what the kernel and the
// engine said of themselves: interfaces, bridges, the veths that are their ports,
// and the containers at the other ends.
//
// It does no I/O and must not import cmd.
package topology

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate"
)

// Map is a host and what hangs on it (schema dnatrace/1). Lists are sorted by
// name, and never nil.
type Map struct {
	Schema   string      `json:"schema"`
	Links    []Link      `json:"interfaces"` // of the host, but for the engine's bridges, their ports and lo
	Networks []Network   `json:"networks"`   // the engine's
	HostMode []Container `json:"host_mode"`  // containers that use the host's own network
	Detached []Container `json:"detached"`   // containers on no network now: stopped, or in mode none
	Missing  []string    `json:"missing"`    // what is not in evidence
}

// Link is an interface of the host.
type Link struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"` // as the kernel has it: bridge, veth, vxlan, …; "" for hardware
	MAC       string   `json:"mac"`
	MTU       int      `json:"mtu"`
	Up        bool     `json:"up"`
	Carrier   bool     `json:"carrier"`
	Default   bool     `json:"default"`   // a default route leaves by it
	Addresses []string `json:"addresses"` // with prefix length
	Ports     []string `json:"ports"`     // of a bridge that is not the engine's
}

// Network is one network of the engine's.
type Network struct {
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Driver    string   `json:"driver"`
	Internal  bool     `json:"internal"`
	ICC       bool     `json:"icc"`    // containers may talk to each other
	Bridge    string   `json:"bridge"` // interface; "" for drivers without one
	Up        bool     `json:"up"`     // valid iff the state of the host is in evidence, like all of the bridge
	Carrier   bool     `json:"carrier"`
	MTU       int      `json:"mtu"`
	Subnets   []string `json:"subnets"`
	Addresses []string `json:"addresses"` // the host's, on the bridge
	Ports     []Port   `json:"ports"`
}

// Port is a container's place on a network.
type Port struct {
	Veth      string    `json:"veth"` // the host's end; "" unknown
	Up        bool      `json:"up"`
	Hairpin   bool      `json:"hairpin"`
	Isolated  bool      `json:"isolated"`
	Interface string    `json:"interface"` // the container's end; "" unknown
	MAC       string    `json:"mac"`
	Addresses []string  `json:"addresses"`
	Container Container `json:"container"`
}

// Container is one container.
type Container struct {
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Project   string   `json:"project"`
	Service   string   `json:"service"`
	State     string   `json:"state"`
	Mode      string   `json:"mode"`
	Published []string `json:"published"` // "0.0.0.0:8080 → 80/tcp"
	Shares    []string `json:"shares"`    // containers that live in its namespace
}

// Of lays out what is known.
func Of(s *correlate.State) *Map {
	b := builder{s: s, host: s.Host(capture.HostNetns), engine: s.Engine()}
	m := &Map{Schema: correlate.Schema, Links: []Link{}, Networks: []Network{}, HostMode: []Container{}, Detached: []Container{}, Missing: []string{}}
	if b.host == nil {
		m.Missing = append(m.Missing, "the state of the host")
	}
	if b.engine == nil {
		m.Missing = append(m.Missing, "what the engine says")
		b.engine = &engine.Snapshot{}
	}
	m.Links = b.links()
	for i := range b.engine.Networks {
		if n := &b.engine.Networks[i]; n.Driver != "host" && n.Driver != "null" {
			m.Networks = append(m.Networks, b.network(n))
		}
	}
	for i := range b.engine.Containers {
		c := &b.engine.Containers[i]
		switch {
		case c.Mode == "host" && correlate.Up(c):
			m.HostMode = append(m.HostMode, b.container(c))
		case strings.HasPrefix(c.Mode, "container:") && correlate.Up(c): // told with its owner
		case !correlate.Up(c) || len(c.Endpoints) == 0 || c.Mode == "none":
			m.Detached = append(m.Detached, b.container(c))
		}
	}
	return m
}

type builder struct {
	s      *correlate.State
	host   *host.Sample // nil unknown
	engine *engine.Snapshot
	guests map[string][]int // who shares the namespace of whom, by places in engine.Containers
}

// links are the host's own: neither lo, nor the engine's bridges, nor ports.
func (b *builder) links() []Link {
	out := []Link{}
	if b.host == nil {
		return out
	}
	for i := range b.host.Links {
		l := &b.host.Links[i]
		engines := slices.ContainsFunc(b.engine.Networks, func(n engine.Network) bool { return n.Bridge == l.Name })
		if l.Loopback || engines || l.Master != 0 {
			continue
		}
		out = append(out, Link{
			Name: l.Name, Kind: l.Kind, MAC: l.MAC, MTU: l.MTU, Up: l.Up, Carrier: l.Running,
			Default: b.leadsOut(l.Index), Addresses: b.addresses(l.Index), Ports: b.portsOf(l.Index),
		})
	}
	slices.SortFunc(out, func(a, b Link) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (b *builder) leadsOut(link int) bool {
	return slices.ContainsFunc(b.host.Routes, func(r host.Route) bool {
		return r.Link == link && r.Dst.Bits() == 0 && r.Type == "unicast" && r.Table == 254
	})
}

func (b *builder) addresses(link int) []string {
	out := []string{}
	for _, a := range b.host.Addrs {
		if a.Link == link && !a.Prefix.Addr().IsLinkLocalUnicast() {
			out = append(out, a.Prefix.String())
		}
	}
	return out
}

func (b *builder) portsOf(bridge int) []string {
	out := []string{}
	for _, l := range b.host.Links {
		if l.Master == bridge {
			out = append(out, l.Name)
		}
	}
	return out
}

func (b *builder) network(n *engine.Network) Network {
	out := Network{
		Name: n.Name, ID: n.ID, Driver: n.Driver, Internal: n.Internal, ICC: n.ICC, Bridge: n.Bridge,
		Subnets: []string{}, Addresses: []string{}, Ports: []Port{},
	}
	for _, p := range n.Subnets {
		out.Subnets = append(out.Subnets, p.String())
	}
	if l := b.link(n.Bridge); l != nil {
		out.Up, out.Carrier, out.MTU, out.Addresses = l.Up, l.Running, l.MTU, b.addresses(l.Index)
	}
	for i := range b.engine.Containers {
		c := &b.engine.Containers[i]
		for _, ep := range c.Endpoints {
			if ep.Network == n.Name && correlate.Up(c) {
				out.Ports = append(out.Ports, b.port(c, ep))
			}
		}
	}
	return out
}

func (b *builder) link(name string) *host.Link {
	if b.host == nil || name == "" {
		return nil
	}
	return b.host.LinkNamed(name)
}

func (b *builder) port(c *engine.Container, ep engine.Endpoint) Port {
	p := Port{MAC: ep.MAC, Container: b.container(c), Addresses: []string{}}
	first := netip.Addr{}
	for _, ip := range ep.Addrs() {
		p.Addresses = append(p.Addresses, ip.String())
		if !first.IsValid() {
			first = ip
		}
	}
	home := b.s.Home(c)
	if home == "" || !first.IsValid() {
		return p
	}
	p.Interface = b.s.Host(home).LinkWith(first)
	if _, veth := b.s.Door(home, first); veth != "" {
		p.Veth = veth
		if l := b.link(veth); l != nil {
			p.Up, p.Hairpin, p.Isolated = l.Up, l.Hairpin, l.Isolated
		}
	}
	return p
}

// sharing are those in the namespace of a container, by their places in the snapshot.
func (b *builder) sharing(c *engine.Container) []int {
	if b.guests == nil {
		b.guests = map[string][]int{}
		for i := range b.engine.Containers {
			if host, ok := strings.CutPrefix(b.engine.Containers[i].Mode, "container:"); ok {
				b.guests[host] = append(b.guests[host], i)
			}
		}
	}
	if c.ID == c.Name {
		return b.guests[c.ID]
	}
	all := slices.Concat(b.guests[c.ID], b.guests[c.Name])
	slices.Sort(all)
	return all
}

func (b *builder) container(c *engine.Container) Container {
	out := Container{Name: c.Name, ID: c.ID, Project: c.Project, Service: c.Service, State: c.State, Mode: c.Mode, Published: []string{}, Shares: []string{}}
	for _, m := range c.Mappings {
		if m.HostPort == 0 {
			continue
		}
		at := ":" + strconv.Itoa(int(m.HostPort))
		if m.HostIP.IsValid() {
			at = netip.AddrPortFrom(m.HostIP, m.HostPort).String()
		}
		out.Published = append(out.Published, at+" → "+strconv.Itoa(int(m.Container))+"/"+m.Proto)
	}
	for _, i := range b.sharing(c) {
		out.Shares = append(out.Shares, b.engine.Containers[i].Name)
	}
	return out
}
