// Package engine has the words for what a container engine intends: containers
// in every state, their networks and port mappings, and what happens to them.
// Intent is not truth: the rules may be gone. Environment variables, commands
// and labels other than compose's have no place here.
//
// The engine is asked by engine/docker. The later stages read these types from
// recordings on any OS, so the package must import nothing that acts, nor
// anything else of ours.
package engine

import "net/netip"

// Snapshot is what the engine said at one time (JSON of KindSnapshot).
// Containers and Networks are sorted by name.
type Snapshot struct {
	Version    string      `json:"version"`            // "28.5.2"
	API        string      `json:"api,omitempty"`      // negotiated API version
	Firewall   string      `json:"firewall,omitempty"` // FirewallBackend driver: "iptables", "nftables"; "" before 28
	Proxy      string      `json:"proxy,omitempty"`    // userland proxy: "on", "off"; "" unknown
	OS         string      `json:"os,omitempty"`       // OperatingSystem of docker info
	Kernel     string      `json:"kernel,omitempty"`   // KernelVersion of docker info: the release the engine runs on
	Rootless   bool        `json:"rootless,omitempty"`
	Undated    bool        `json:"undated,omitempty"` // taken at a time that nobody noted: it proves nothing
	Partial    bool        `json:"partial,omitempty"` // there may be containers and networks that it does not list
	Containers []Container `json:"containers,omitempty"`
	Networks   []Network   `json:"networks,omitempty"`
}

// Container is one container, in whatever state.
type Container struct {
	ID         string     `json:"id"`   // full
	Name       string     `json:"name"` // without the leading slash
	Image      string     `json:"image,omitempty"`
	Project    string     `json:"project,omitempty"` // com.docker.compose.project
	Service    string     `json:"service,omitempty"` // com.docker.compose.service
	State      string     `json:"state"`             // created, running, paused, restarting, removing, exited, dead
	Error      string     `json:"error,omitempty"`   // State.Error: why it failed to start
	ExitCode   int        `json:"exit_code,omitempty"`
	PID        int        `json:"pid,omitempty"` // of its first process; 0 unless running or paused
	Mode       string     `json:"mode"`          // HostConfig.NetworkMode: "bridge", "host", "none", "container:ID", a network's name
	Exposed    []Port     `json:"exposed,omitempty"`
	Bindings   []Binding  `json:"bindings,omitempty"` // what was asked for with -p and -P (HostConfig.PortBindings)
	Mappings   []Binding  `json:"mappings,omitempty"` // what the engine says is in force (NetworkSettings.Ports)
	Endpoints  []Endpoint `json:"endpoints,omitempty"`
	PublishAll bool       `json:"publish_all,omitempty"`
	Partial    bool       `json:"partial,omitempty"` // only its place on a network is in evidence
}

// Port is a container port.
type Port struct {
	Proto string `json:"proto"` // tcp, udp, sctp
	Port  uint16 `json:"port"`
}

// Binding maps a host port to a container port.
type Binding struct {
	Proto     string     `json:"proto"`
	Container uint16     `json:"container"`
	HostIP    netip.Addr `json:"host_ip,omitzero"`   // invalid: none given
	HostPort  uint16     `json:"host_port"`          // 0: none given or none in force
	HostEnd   uint16     `json:"host_end,omitempty"` // last of a requested range; 0 for a single port
}

// Endpoint is a container's place on one network.
type Endpoint struct {
	Network string     `json:"network"` // name
	IPv4    netip.Addr `json:"ipv4,omitzero"`
	IPv6    netip.Addr `json:"ipv6,omitzero"`
	MAC     string     `json:"mac,omitempty"`
}

// Addrs are its addresses, the one of IPv4 first.
func (e Endpoint) Addrs() []netip.Addr {
	var out []netip.Addr
	for _, ip := range []netip.Addr{e.IPv4, e.IPv6} {
		if ip.IsValid() {
			out = append(out, ip)
		}
	}
	return out
}

// Addrs are its addresses in all its networks.
func (c *Container) Addrs() []netip.Addr {
	var out []netip.Addr
	for _, e := range c.Endpoints {
		out = append(out, e.Addrs()...)
	}
	return out
}

// Network is one network.
type Network struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Driver   string         `json:"driver"`
	Internal bool           `json:"internal,omitempty"`
	Bridge   string         `json:"bridge,omitempty"` // interface name of a bridge network
	Subnets  []netip.Prefix `json:"subnets,omitempty"`
	Gateways []netip.Addr   `json:"gateways,omitempty"`
	Mode4    string         `json:"mode4,omitempty"` // gateway_mode_ipv4
	Mode6    string         `json:"mode6,omitempty"`
	ICC      bool           `json:"icc"` // containers may talk to each other
}

// Event is something that happened (JSON of KindEvent).
type Event struct {
	Type      string `json:"type"`   // "container", "network"
	Action    string `json:"action"` // "start", "die", "connect", "health_status: unhealthy", …
	ID        string `json:"id"`
	Name      string `json:"name"`
	Container string `json:"container,omitempty"` // id of the container that joined or left a network
}
