package probe

import (
	"encoding/binary"
	"net/netip"
)

// heard is a packet for the made-up client, as far as a conversation needs it.
type heard struct {
	proto    uint8
	from, to netip.AddrPort // of an echo's answer, to has its identifier
	flags    uint8          // of a segment
	seq, ack uint32
	size     uint32 // bytes of its data
	near     bool   // the host itself sent it: no router has taken from its hop limit
	// quotes is set for an ICMP error: it is about a packet from to.
	quotes bool
}

// read reads a packet from its IP header on. It is not ok for what answers no
// request of ours.
func read(b []byte) (h heard, ok bool) {
	src, dst, proto, rest, ok := ipParts(b)
	if !ok {
		return h, false
	}
	h.proto = proto
	ttl := b[7]
	if b[0]>>4 == 4 {
		ttl = b[8]
	}
	h.near = ttl == 64 || ttl == 128 || ttl == 255
	switch {
	case proto == TCP && len(rest) >= tcpSize:
		h.from, h.to = netip.AddrPortFrom(src, binary.BigEndian.Uint16(rest)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(rest[2:]))
		h.seq, h.ack, h.flags = binary.BigEndian.Uint32(rest[4:]), binary.BigEndian.Uint32(rest[8:]), rest[13]
		h.size = uint32(max(0, total(b)-(len(b)-len(rest))-int(rest[12]>>4)*4))
	case proto == UDP && len(rest) >= udpSize:
		h.from, h.to = netip.AddrPortFrom(src, binary.BigEndian.Uint16(rest)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(rest[2:]))
	case (proto == ICMP || proto == ICMP6) && len(rest) >= icmpSize:
		return h.icmp(src, dst, rest)
	default:
		return h, false
	}
	return h, true
}

// icmp reads an echo's answer, or an error and the packet it quotes.
func (h heard) icmp(src, dst netip.Addr, b []byte) (heard, bool) {
	kind := b[0]
	if kind == 0 && h.proto == ICMP || kind == 129 && h.proto == ICMP6 {
		h.from, h.to = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[4:]))
		return h, true
	}
	if h.proto == ICMP && kind != 3 && kind != 11 && kind != 12 || h.proto == ICMP6 && kind > 4 {
		return h, false
	}
	from, _, proto, rest, ok := ipParts(b[icmpSize:])
	if !ok || len(rest) < 8 {
		return h, false
	}
	at := 0 // of the source port
	if proto == ICMP || proto == ICMP6 {
		at = 4
	}
	return heard{proto: proto, quotes: true, from: netip.AddrPortFrom(src, 0), to: netip.AddrPortFrom(from, binary.BigEndian.Uint16(rest[at:]))}, true
}

// ipParts parts a packet. Extension headers of IPv6 are not looked behind: what
// answers us has none.
func ipParts(b []byte) (src, dst netip.Addr, proto uint8, rest []byte, ok bool) {
	switch {
	case len(b) >= ip4Size && b[0]>>4 == 4:
		n := int(b[0]&15) * 4
		if n < ip4Size || n > len(b) {
			return src, dst, 0, nil, false
		}
		return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[9], b[n:], true
	case len(b) >= ip6Size && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[6], b[ip6Size:], true
	}
	return src, dst, 0, nil, false
}

// total is how long a packet says it is.
func total(b []byte) int {
	if b[0]>>4 == 4 {
		return int(binary.BigEndian.Uint16(b[2:]))
	}
	return ip6Size + int(binary.BigEndian.Uint16(b[4:]))
}
