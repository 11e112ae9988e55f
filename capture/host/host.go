// Package host has the words for what the kernel of a Docker host is set to do:
// links, addresses, routes, neighbours, settings, sockets and the processes
// behind them, in the host's namespace and in those of the containers concerned.
//
// A sample is a snapshot: one taken before a request and one after it, equal,
// prove what held in between.
//
// Samples are taken by host/kernel. The later stages read these types from
// recordings on any OS, so the package must import nothing that acts, nor
// anything else of ours.
package host

import "net/netip"

// Sample is the state of one namespace at one time (JSON of KindSample).
// Same repeats the previous sample of that namespace without its content.
type Sample struct {
	Same bool `json:"same,omitempty"` // nothing but Counters changed since the last one; all other fields are empty
	State
	Counters map[string]uint64 `json:"counters,omitempty"` // "TcpExt.ListenOverflows", … as in /proc/net/netstat and snmp; see Counter names
	Took     int64             `json:"took,omitempty"`     // ns: it was read between Record.Time-Took and Record.Time
	Undated  bool              `json:"undated,omitempty"`  // taken at a time that nobody noted: it proves nothing
}

// State is what a namespace is set to do. Lists are sorted, so that equal
// states are deeply equal.
type State struct {
	Inode      uint64            `json:"inode,omitempty"`     // of /proc/PID/ns/net
	Container  string            `json:"container,omitempty"` // id; "" for the host
	Links      []Link            `json:"links,omitempty"`
	Addrs      []Addr            `json:"addrs,omitempty"`
	Routes     []Route           `json:"routes,omitempty"`
	Rules      []Rule            `json:"rules,omitempty"`
	Neighbours []Neighbour       `json:"neighbours,omitempty"`
	Sysctls    map[string]string `json:"sysctls,omitempty"` // "net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0.rp_filter": "2"
	Sockets    []Socket          `json:"sockets,omitempty"` // listening TCP, bound UDP
	Proxies    []Proxy           `json:"proxies,omitempty"` // docker-proxy processes; host only
	Missing    []string          `json:"missing,omitempty"` // what could not be read, in words
	Given      Given             `json:"given,omitempty"`   // which parts are in evidence at all
}

// Link is one interface (rtnetlink IFLA_*).
type Link struct {
	Index     int    `json:"index"`
	Name      string `json:"name"`
	Kind      string `json:"kind,omitempty"` // IFLA_INFO_KIND: "bridge", "veth", "vxlan", …; "" for hardware
	MAC       string `json:"mac,omitempty"`
	MTU       int    `json:"mtu"`
	Up        bool   `json:"up"`                   // IFF_UP
	Running   bool   `json:"running"`              // IFF_RUNNING: carrier
	Loopback  bool   `json:"loopback,omitempty"`   // IFF_LOOPBACK
	Master    int    `json:"master,omitempty"`     // ifindex of the bridge this is a port of
	Peer      int    `json:"peer,omitempty"`       // IFLA_LINK: ifindex of the other end in PeerNetns
	PeerNetns uint64 `json:"peer_netns,omitempty"` // inode of the namespace of the other end; 0 unknown or this one
	Away      bool   `json:"away,omitempty"`       // the other end is in another namespace, be it known or not
	Hairpin   bool   `json:"hairpin,omitempty"`    // bridge port setting
	Isolated  bool   `json:"isolated,omitempty"`   // bridge port setting: no traffic between isolated ports
	// PortState is what a bridge does with this port of its: one of the Port
	// constants (BR_STATE_* in include/uapi/linux/if_bridge.h); "" unknown.
	PortState string `json:"port_state,omitempty"`
}

// States of a port of a bridge.
const (
	PortDisabled   = "disabled"
	PortListening  = "listening"
	PortLearning   = "learning"
	PortForwarding = "forwarding"
	PortBlocking   = "blocking"
)

// PortStates lists them in the order of the kernel's numbers.
var PortStates = []string{PortDisabled, PortListening, PortLearning, PortForwarding, PortBlocking}

// Blocked reports whether the link is a port that a bridge's spanning tree has
// forward nothing. One that is disabled is just down.
func (l *Link) Blocked() bool {
	return l.PortState == PortListening || l.PortState == PortLearning || l.PortState == PortBlocking
}

// Addr is one address on an interface.
type Addr struct {
	Link   int          `json:"link"`
	Prefix netip.Prefix `json:"prefix"` // address and prefix length, not masked
}

// Route is one entry of a routing table, the local table included; of a
// multipath route, one of its next hops.
type Route struct {
	Table   int          `json:"table"` // RT_TABLE_*: 254 main, 255 local
	Type    string       `json:"type"`  // unicast, local, broadcast, blackhole, unreachable, prohibit, …
	Dst     netip.Prefix `json:"dst"`   // 0.0.0.0/0 or ::/0 for default
	Gateway netip.Addr   `json:"gateway,omitzero"`
	Src     netip.Addr   `json:"src,omitzero"` // preferred source
	Link    int          `json:"link,omitempty"`
	Metric  int          `json:"metric,omitempty"`
	Down    bool         `json:"down,omitempty"` // RTNH_F_DEAD or RTNH_F_LINKDOWN: may not be used
}

// Rule is one routing policy rule.
type Rule struct {
	Priority int          `json:"priority"`
	Family   int          `json:"family"` // 4 or 6
	From     netip.Prefix `json:"from,omitzero"`
	To       netip.Prefix `json:"to,omitzero"`
	IIF      string       `json:"iif,omitempty"`
	OIF      string       `json:"oif,omitempty"`
	Mark     uint32       `json:"mark,omitempty"`
	Mask     uint32       `json:"mask,omitempty"` // of Mark; 0 when the rule does not look at the mark
	Not      bool         `json:"not,omitempty"`  // holds for what does not match
	Table    int          `json:"table"`
	Action   string       `json:"action,omitempty"` // "" is lookup; blackhole, unreachable, prohibit, goto, nop
	Other    bool         `json:"other,omitempty"`  // it also looks at things not kept here (TOS, ports, user, tunnel, l3mdev, suppressed prefix)
}

// Neighbour is one ARP or ND entry.
type Neighbour struct {
	Link  int        `json:"link"`
	IP    netip.Addr `json:"ip"`
	MAC   string     `json:"mac,omitempty"`
	State string     `json:"state"` // reachable, stale, delay, probe, failed, incomplete, permanent, noarp
}

// Socket is a TCP listener or an unconnected bound UDP socket.
type Socket struct {
	Proto   string         `json:"proto"`             // "tcp" or "udp"
	Local   netip.AddrPort `json:"local"`             // unspecified address for all
	V6      bool           `json:"v6,omitempty"`      // an AF_INET6 socket
	V6Only  bool           `json:"v6only,omitempty"`  // valid iff V6: does not serve IPv4
	Either  bool           `json:"either,omitempty"`  // valid iff Local is unspecified: whether it serves the other family, too, is not told
	Queue   uint32         `json:"queue"`             // TCP: connections waiting for accept; UDP: bytes waiting to be read
	Backlog uint32         `json:"backlog,omitempty"` // TCP: most that may wait
	UID     uint32         `json:"uid,omitempty"`
	Inode   uint64         `json:"inode,omitempty"`
	Link    int            `json:"link,omitempty"`    // SO_BINDTODEVICE: serves only this interface; 0 for all
	PID     int            `json:"pid,omitempty"`     // 0 unknown, or the kernel's own
	Process string         `json:"process,omitempty"` // comm; "" unknown
	// Container is the id of the container whose process it is, by its cgroup;
	// "" for a process of the host, or unknown.
	Container string `json:"container,omitempty"`
}

// Proxy is one docker-proxy process, from its command line.
type Proxy struct {
	PID       int            `json:"pid"`
	Proto     string         `json:"proto"`
	Host      netip.AddrPort `json:"host"`
	Container netip.AddrPort `json:"container"`
}

// Counter names are "GROUP.NAME" as the kernel's own files have them
// ("TcpExt.ListenDrops", "Ip.InAddrErrors"), "nf_conntrack.drop" and the like
// summed over CPUs, "nf_conntrack.count" for the connections tracked now, and
// "link.eth0.rx_dropped" and the like, left out while zero.

// Options says what to sample besides the namespace itself.
type Options struct {
	// Container is the id to note in State.Container; "" for the host, whose
	// docker-proxy processes are then looked for.
	Container string `json:"container,omitempty"`
	// Peers are paths of the namespaces where the other ends of links may be;
	// one that is gone is passed over.
	Peers []string `json:"peers,omitempty"`
}
