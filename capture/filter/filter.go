// Package filter reads the capture filter expressions of tcpdump
// (pcap-filter(7)): which packets to record. It holds the words of such an
// expression and says of a packet, as far as it is known, whether the expression
// lets it pass; package program makes the kernel's program of it.
//
// What is read: host, net, port, portrange, proto and ether addresses with src
// and dst in every combination, the protocols by name, vlan, less, greater,
// multicast, broadcast, and, or, not, parentheses, and qualifiers that are
// implied ("port 80 or 443"). Names of hosts, ports and networks are not looked
// up, and offsets into packets (tcp[13]) are not read: both are refused.
//
// A frame with a VLAN tag is judged by what is behind the tag, as the kernel's
// packet sockets hand it to a filter, so that "vlan" may be written anywhere and
// moves nothing.
//
// The package does no I/O. It must not import anything of dnatrace.
package filter

import "net/netip"

// Filter is an expression that was understood.
type Filter struct {
	Text string // as it was written
	Root *Node
}

// String is the expression as it was written.
func (f *Filter) String() string { return f.Text }

// Node is a part of an expression.
type Node struct {
	Op    Op
	Left  *Node // nil iff Op is OpTest
	Right *Node // nil unless Op is OpAnd or OpOr
	Test  Test  // valid iff Op is OpTest
}

// Op is how a node is made of others.
type Op uint8

// A node is a test, or the other side of one, or two joined.
const (
	OpTest Op = iota
	OpNot
	OpAnd
	OpOr
)

// Test is one question about a packet.
type Test struct {
	Kind Kind
	Dir  Dir

	Ether uint16 // EtherType. Of Host and Proto: the only one meant, 0 any that can have it
	Proto uint8  // IP protocol. Of Ports: 0 means TCP, UDP and SCTP

	Addr, Mask netip.Addr // Host: of one family, IPv4 unmapped; Addr has no bits outside Mask
	Lo, Hi     uint16     // Ports, VLAN: both included
	MAC, Bits  [6]byte    // MAC, and which of its bits count
	Length     uint32     // Short, Long: bytes of the frame on the wire
}

// Kind is what a Test asks for.
type Kind uint8

// The questions.
const (
	Ether Kind = iota // the EtherType
	Proto             // the IP protocol; in IPv6 the first next header, or that behind a fragment header in front
	Host              // an IPv4 or IPv6 address; that of the sender or target in ARP and RARP
	Ports             // a TCP, UDP or SCTP port; later fragments, and IPv6 with extension headers, have none
	MAC               // an Ethernet address; other links have none
	VLAN              // a tag with an identifier in Lo to Hi
	Short             // at most Length bytes
	Long              // at least Length bytes
)

// Dir is which end of a packet a Test is about.
type Dir uint8

// Either is what an expression without a direction means.
const (
	Either Dir = iota
	Src
	Dst
	Both
)

// EtherTypes and IP protocols (IANA) that expressions name.
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherRARP = 0x8035
	EtherIPv6 = 0x86dd

	ProtoICMP   = 1
	ProtoIGMP   = 2
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoESP    = 50
	ProtoAH     = 51
	ProtoICMPv6 = 58
	ProtoPIM    = 103
	ProtoVRRP   = 112
	ProtoSCTP   = 132
)

func test(t Test) *Node            { return &Node{Test: t} }
func not(n *Node) *Node            { return &Node{Op: OpNot, Left: n} }
func join(op Op, l, r *Node) *Node { return &Node{Op: op, Left: l, Right: r} }
