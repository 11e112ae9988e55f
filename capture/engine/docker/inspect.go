package docker

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"dnatrace/capture/engine"
)

// FromContainer keeps of an inspected container what a verdict needs. A
// missing part leaves its fields at zero.
func FromContainer(in container.InspectResponse) engine.Container {
	var c engine.Container
	if in.ContainerJSONBase == nil {
		return c
	}
	c.ID = in.ID
	c.Name = strings.TrimPrefix(in.Name, "/")
	setState(&c, in.State)
	setConfig(&c, in.Config)
	if h := in.HostConfig; h != nil {
		c.Mode = mode(string(h.NetworkMode))
		c.Bindings = bindings(h.PortBindings)
		c.PublishAll = h.PublishAllPorts
	}
	if ns := in.NetworkSettings; ns != nil {
		c.Mappings = bindings(ns.Ports)
		c.Endpoints = endpoints(ns.Networks)
	}
	return c
}

func setState(c *engine.Container, st *container.State) {
	if st == nil {
		return
	}
	c.State, c.Error, c.ExitCode = st.Status, st.Error, st.ExitCode
	if st.Running || st.Paused {
		c.PID = st.Pid
	}
}

func setConfig(c *engine.Container, cfg *container.Config) {
	if cfg == nil {
		return
	}
	c.Image = cfg.Image
	c.Project = cfg.Labels["com.docker.compose.project"]
	c.Service = cfg.Labels["com.docker.compose.service"]
	for p := range cfg.ExposedPorts {
		c.Exposed = append(c.Exposed, exposed(p)...)
	}
	slices.SortFunc(c.Exposed, comparePorts)
}

// mode gives the default network its name; old clients ask for "default".
func mode(m string) string {
	if m == "" || m == "default" {
		return network.NetworkBridge
	}
	return m
}

// exposed unfolds "80/tcp" or "8000-8010/tcp".
func exposed(p nat.Port) []engine.Port {
	from, to, ok := portRange(p.Port())
	if !ok || from == 0 {
		return nil
	}
	var ports []engine.Port
	for n := int(from); n <= max(int(from), int(to)); n++ {
		ports = append(ports, engine.Port{Proto: p.Proto(), Port: uint16(n)})
	}
	return ports
}

// bindings flattens a port map. A container port that is only exposed has no
// bindings in it, and gives none.
func bindings(m nat.PortMap) []engine.Binding {
	var all []engine.Binding
	for p, hosts := range m {
		port, _, ok := portRange(p.Port())
		if !ok || port == 0 {
			continue
		}
		for _, h := range hosts {
			b := engine.Binding{Proto: p.Proto(), Container: port}
			b.HostIP, _ = netip.ParseAddr(h.HostIP)
			b.HostPort, b.HostEnd, _ = portRange(h.HostPort)
			all = append(all, b)
		}
	}
	slices.SortFunc(all, compareBindings)
	return all
}

// portRange reads "", "8080" or "8000-8010"; to is 0 for a single port.
func portRange(s string) (from, to uint16, ok bool) {
	if s == "" {
		return 0, 0, true
	}
	a, b, isRange := strings.Cut(s, "-")
	first, err := strconv.ParseUint(a, 10, 16)
	if err != nil {
		return 0, 0, false
	}
	if !isRange {
		return uint16(first), 0, true
	}
	last, err := strconv.ParseUint(b, 10, 16)
	if err != nil || last < first {
		return 0, 0, false
	}
	if last == first {
		last = 0
	}
	return uint16(first), uint16(last), true
}

func endpoints(nets map[string]*network.EndpointSettings) []engine.Endpoint {
	var all []engine.Endpoint
	for name, es := range nets {
		ep := engine.Endpoint{Network: name}
		if es != nil {
			ep.IPv4, _ = netip.ParseAddr(es.IPAddress)
			ep.IPv6, _ = netip.ParseAddr(es.GlobalIPv6Address)
			ep.MAC = es.MacAddress
		}
		all = append(all, ep)
	}
	slices.SortFunc(all, func(a, b engine.Endpoint) int { return strings.Compare(a.Network, b.Network) })
	return all
}

// Options of the bridge driver.
const (
	optBridgeName = "com.docker.network.bridge.name"
	optICC        = "com.docker.network.bridge.enable_icc"
	optMode4      = "com.docker.network.bridge.gateway_mode_ipv4"
	optMode6      = "com.docker.network.bridge.gateway_mode_ipv6"
)

// FromNetwork keeps of an inspected network what a verdict needs.
func FromNetwork(in network.Inspect) engine.Network {
	n := engine.Network{
		ID: in.ID, Name: in.Name, Driver: in.Driver, Internal: in.Internal, ICC: true,
		Mode4: in.Options[optMode4], Mode6: in.Options[optMode6],
	}
	if icc, err := strconv.ParseBool(in.Options[optICC]); err == nil {
		n.ICC = icc
	}
	if in.Driver == network.NetworkBridge {
		n.Bridge = bridgeName(in)
	}
	for _, c := range in.IPAM.Config {
		if p, err := netip.ParsePrefix(c.Subnet); err == nil {
			n.Subnets = append(n.Subnets, p)
		}
		if a, ok := gateway(c.Gateway); ok {
			n.Gateways = append(n.Gateways, a)
		}
	}
	return n
}

// bridgeName is the interface of a bridge network: the driver derives it from
// the id unless told otherwise.
func bridgeName(in network.Inspect) string {
	if name := in.Options[optBridgeName]; name != "" {
		return name
	}
	return "br-" + in.ID[:min(12, len(in.ID))]
}

// gateway reads an address; some drivers add a prefix length.
func gateway(s string) (netip.Addr, bool) {
	s, _, _ = strings.Cut(s, "/")
	a, err := netip.ParseAddr(s)
	return a, err == nil
}

func comparePorts(a, b engine.Port) int {
	return cmp.Or(strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
}

func compareBindings(a, b engine.Binding) int {
	return cmp.Or(strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Container, b.Container),
		a.HostIP.Compare(b.HostIP), cmp.Compare(a.HostPort, b.HostPort))
}
