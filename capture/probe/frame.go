package probe

import (
	"encoding/binary"
	"net/netip"
)

// Sizes of headers, in bytes.
const (
	ethernetSize = 14
	ip4Size      = 20
	ip6Size      = 40
	tcpSize      = 20
	udpSize      = 8
	icmpSize     = 8
)

// hopLimit is what is left of 64 on a way of some routers.
const hopLimit = 57

// EtherTypes.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// Flags of TCP segments.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
)

// segment is a TCP segment without its ports.
type segment struct {
	seq, ack uint32
	flags    uint8
	options  []byte // a multiple of four bytes
	data     []byte
}

// synOptions is what a client says in a SYN: a maximum segment size of 1,460
// (1,440 with IPv6). It asks for nothing that later segments would have to bear.
func synOptions(v4 bool) []byte {
	if v4 {
		return []byte{2, 4, 0x05, 0xb4}
	}
	return []byte{2, 4, 0x05, 0xa0}
}

// tcpPacket is an IP packet with a segment.
func tcpPacket(a *Ask, id uint16, s segment) []byte {
	p := make([]byte, tcpSize, tcpSize+len(s.options)+len(s.data))
	binary.BigEndian.PutUint16(p[0:], a.Client.Port())
	binary.BigEndian.PutUint16(p[2:], a.Server.Port())
	binary.BigEndian.PutUint32(p[4:], s.seq)
	binary.BigEndian.PutUint32(p[8:], s.ack)
	p[12] = uint8(tcpSize+len(s.options)) / 4 << 4
	p[13] = s.flags
	binary.BigEndian.PutUint16(p[14:], 64240)
	p = append(append(p, s.options...), s.data...)
	return ipPacket(a, id, p, 16)
}

// udpPacket is an IP packet with a datagram.
func udpPacket(a *Ask, id uint16) []byte {
	p := make([]byte, udpSize, udpSize+len(a.Data))
	binary.BigEndian.PutUint16(p[0:], a.Client.Port())
	binary.BigEndian.PutUint16(p[2:], a.Server.Port())
	binary.BigEndian.PutUint16(p[4:], uint16(udpSize+len(a.Data)))
	return ipPacket(a, id, append(p, a.Data...), 6)
}

// echoPacket is an IP packet with an echo request.
func echoPacket(a *Ask, id, number uint16) []byte {
	p := make([]byte, icmpSize, icmpSize+len(a.Data))
	if p[0] = 8; a.Proto == ICMP6 {
		p[0] = 128
	}
	binary.BigEndian.PutUint16(p[4:], a.Client.Port())
	binary.BigEndian.PutUint16(p[6:], number)
	return ipPacket(a, id, append(p, a.Data...), 2)
}

// ipPacket puts an IP header before a payload whose checksum is at a place.
func ipPacket(a *Ask, id uint16, payload []byte, at int) []byte {
	sum := uint32(0)
	if a.Proto != ICMP { // which has no pseudo header
		sum = pseudo(a.Client.Addr(), a.Server.Addr(), a.Proto, len(payload))
	}
	c := checksum(payload, sum)
	if c == 0 && a.Proto == UDP {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(payload[at:], c)
	if a.Client.Addr().Is4() {
		return append(ip4Header(a, id, len(payload)), payload...)
	}
	return append(ip6Header(a, len(payload)), payload...)
}

func ip4Header(a *Ask, id uint16, payload int) []byte {
	h := make([]byte, ip4Size)
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(ip4Size+payload))
	binary.BigEndian.PutUint16(h[4:], id)
	h[6] = 0x40 // do not fragment
	h[8], h[9] = hopLimit, a.Proto
	copy(h[12:], a.Client.Addr().AsSlice())
	copy(h[16:], a.Server.Addr().AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h, 0))
	return h
}

func ip6Header(a *Ask, payload int) []byte {
	h := make([]byte, ip6Size)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(payload))
	h[6], h[7] = a.Proto, hopLimit
	copy(h[8:], a.Client.Addr().AsSlice())
	copy(h[24:], a.Server.Addr().AsSlice())
	return h
}

// pseudo is the sum of the pseudo header (RFC 9293, RFC 8200).
func pseudo(src, dst netip.Addr, proto uint8, size int) uint32 {
	return add(dst.AsSlice(), add(src.AsSlice(), uint32(proto)+uint32(size)))
}

// checksum is the Internet checksum of b after what was summed before.
func checksum(b []byte, sum uint32) uint16 {
	sum = add(b, sum)
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func add(b []byte, sum uint32) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// Frame puts an Ethernet header before an IP packet.
func Frame(to, from [6]byte, ip []byte) []byte {
	f := make([]byte, 0, ethernetSize+len(ip))
	f = append(append(f, to[:]...), from[:]...)
	kind := uint16(etherIPv4)
	if len(ip) > 0 && ip[0]>>4 == 6 {
		kind = etherIPv6
	}
	return append(binary.BigEndian.AppendUint16(f, kind), ip...)
}
