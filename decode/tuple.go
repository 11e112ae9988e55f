package decode

import (
	"net/netip"
	"strconv"
)

// Proto is an IP protocol number, or 0 where there is none.
type Proto uint8

// Protocols that requests are made of (IANA protocol numbers).
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
	SCTP   Proto = 132
)

func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmp6"
	case SCTP:
		return "sctp"
	}
	return strconv.Itoa(int(p))
}

// ParseProto reads a protocol name as String writes it; 0 if unknown.
func ParseProto(s string) Proto {
	for _, p := range [...]Proto{ICMP, TCP, UDP, ICMPv6, SCTP} {
		if p.String() == s {
			return p
		}
	}
	return 0
}

// IP is an IPv6 address, or an IPv4 address mapped into ::ffff:0:0/96: one
// comparable, pointer-free shape for both.
type IP [16]byte

// IPFrom maps a into an IP; the zone is dropped.
func IPFrom(a netip.Addr) IP {
	if !a.IsValid() {
		return IP{}
	}
	return IP(a.As16())
}

// Addr returns the address, IPv4 unmapped; invalid for the zero IP.
func (ip IP) Addr() netip.Addr {
	if ip == (IP{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(ip).Unmap()
}

// Is4 reports whether ip is an IPv4 address.
func (ip IP) Is4() bool { return netip.AddrFrom16(ip).Is4In6() }

// Tuple identifies one direction of a flow. It is comparable and
// pointer-free. For ICMP and ICMPv6 echo both ports hold the identifier.
type Tuple struct {
	Src, Dst         IP
	SrcPort, DstPort uint16 // host byte order
	Proto            Proto
}

// Reverse is the tuple of the answer.
func (t Tuple) Reverse() Tuple {
	t.Src, t.Dst = t.Dst, t.Src
	t.SrcPort, t.DstPort = t.DstPort, t.SrcPort
	return t
}

// SrcEnd formats the source as "198.51.100.100:50110", without a port for ICMP.
func (t Tuple) SrcEnd() string { return t.end(t.Src, t.SrcPort) }

// DstEnd formats the destination likewise.
func (t Tuple) DstEnd() string { return t.end(t.Dst, t.DstPort) }

func (t Tuple) end(ip IP, port uint16) string {
	if t.Proto == ICMP || t.Proto == ICMPv6 {
		return ip.Addr().String()
	}
	return netip.AddrPortFrom(ip.Addr(), port).String()
}

func (t Tuple) String() string {
	return t.SrcEnd() + " → " + t.DstEnd() + "/" + t.Proto.String()
}
