package ring

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"golang.org/x/net/bpf"
)

// Instruction is one raw classic BPF instruction.
type Instruction = bpf.RawInstruction

// Port is a port of a protocol: 6 TCP, 17 UDP, 132 SCTP.
type Port struct {
	Proto uint8
	Port  uint16
}

// Range is the ports of a protocol from the first to the last.
type Range struct {
	Proto       uint8
	First, Last uint16
}

// Endpoint is the ports of one address, the container's side of a translation.
type Endpoint struct {
	Addr  netip.Addr
	Ports []Port
}

// Want says what a filter lets pass. Whatever it says, these pass: ICMP and
// ICMPv6 errors, later fragments (they have no ports), and IPv6 packets whose
// extension headers do not end soon.
type Want struct {
	// All passes everything; the rest is ignored.
	All bool
	// Ports pass as source or destination, whatever the addresses: published
	// ports.
	Ports []Port
	// Ranges pass as Ports do. However long, each is one comparison.
	Ranges []Range
	// Endpoints pass where the address and one of its ports are the source, or
	// the destination. ARP about the address passes as well (sender or target),
	// and neighbour discovery (target).
	Endpoints []Endpoint
	// Hosts are addresses of which everything passes, ARP and neighbour
	// discovery included.
	Hosts []netip.Addr
	// Echo passes ICMP and ICMPv6 echo requests and replies of any address.
	Echo bool
	// Neighbours passes ARP and neighbour discovery about any address: a rule
	// may lead to one that nobody has.
	Neighbours bool
	// SnapLen is the most bytes kept of a frame; 0 means all of it.
	SnapLen int
}

// Width says how close a program is to what was wanted.
type Width uint8

// Wider programs pass more than was wanted, never less.
const (
	Exact      Width = iota
	WideHosts        // everything to and from the addresses of Endpoints
	WideRanges       // also, ports and addresses between wanted ones; IPv6 by /64
	WideOpen         // everything
)

func (w Width) String() string {
	return [...]string{"exact", "all ports of the containers", "also ports and addresses between the wanted ones", "everything"}[w]
}

// Budget is the most instructions Build uses. The kernel takes 4096, but before
// 6.8 it grants a socket's programs 20 KiB (net.core.optmem_max), the old and
// the new one together while they are swapped, eight bytes for each instruction
// of its own translation.
const Budget = 640

// Build makes the in-kernel program for what is wanted. When that takes too
// many instructions, the program is the first that fits in the order of Width.
//
// The program is the same for every link type. It addresses the frame through
// the X register, which starts at the network header: 14 for Ethernet (18
// behind a tag that is still in the frame), SKF_NET_OFF for all else. Offsets
// from the frame's start reach into every fragment of a socket buffer, offsets
// from SKF_NET_OFF only into its first, linear part.
//
// A frame too short for what has to be read of it does not pass, as in every
// classic BPF program.
func Build(w Want) ([]Instruction, Width, error) {
	for width := Exact; ; width++ {
		prog := newPlan(w, width).program(live())
		if len(prog) > Budget && width < WideOpen {
			continue
		}
		raw, err := bpf.Assemble(prog)
		if err != nil {
			return nil, width, fmt.Errorf("assemble filter: %w", err)
		}
		return raw, width, nil
	}
}

// plan is a Want in the order a program asks.
type plan struct {
	all       bool
	echo      bool
	snap      uint32
	ports     portSet
	endpoints []endpoint
	hosts     addrSet // everything of them
	neighbour addrSet // ARP and ND about them: hosts and endpoints
	anybody   bool    // ARP and ND about any address
}

// endpoint is all the addresses with the same ports.
type endpoint struct {
	addrs addrSet
	ports portSet
}

// newPlan plans for w, or for something wider.
func newPlan(w Want, width Width) plan {
	p := plan{all: w.All || width == WideOpen, echo: w.Echo, anybody: w.Neighbours, snap: maxSnapLen, ports: newPortSet(w.Ports, w.Ranges...)}
	if w.SnapLen > 0 {
		p.snap = uint32(min(w.SnapLen, maxSnapLen))
	}
	hosts, neighbours := slices.Clone(w.Hosts), slices.Clone(w.Hosts)
	for _, e := range w.Endpoints {
		neighbours = append(neighbours, e.Addr)
		if width >= WideHosts {
			hosts = append(hosts, e.Addr)
		}
	}
	if width < WideHosts {
		p.endpoints = byPorts(w.Endpoints)
	}
	p.hosts, p.neighbour = newAddrSet(hosts), newAddrSet(neighbours)
	if width >= WideRanges {
		p.ports.widen()
		p.hosts.widen()
		p.neighbour.widen()
	}
	return p
}

// byPorts puts endpoints with the same ports together, those of a kind of
// server, in the order they are given.
func byPorts(endpoints []Endpoint) []endpoint {
	var sets []portSet
	addrs := map[int][]netip.Addr{}
	for _, e := range endpoints {
		ports := newPortSet(e.Ports)
		i := slices.IndexFunc(sets, func(s portSet) bool { return reflect.DeepEqual(s, ports) })
		if i < 0 {
			i = len(sets)
			sets = append(sets, ports)
		}
		addrs[i] = append(addrs[i], e.Addr)
	}
	var out []endpoint
	for i, ports := range sets {
		out = append(out, endpoint{newAddrSet(addrs[i]), ports})
	}
	return out
}
