package decode

import "encoding/binary"

// mapped is ::ffff:0:0/96, bytes 8 to 11 as a little-endian number.
const mapped = 0xffff_0000

// setIPv4 writes the address in b[:4] into a zero or used ip. It is two stores.
func setIPv4(ip *IP, b []byte) {
	binary.LittleEndian.PutUint64(ip[0:8], 0)
	binary.LittleEndian.PutUint64(ip[8:16], mapped|uint64(binary.LittleEndian.Uint32(b[0:4]))<<32)
}

func (d *Decoder) ipv4(p *Packet, b []byte, wire uint32) {
	if len(b) < 20 {
		p.Truncated = true
		return
	}
	header := uint32(b[0]&0x0f) * 4
	length := uint32(binary.BigEndian.Uint16(b[2:4]))
	if length == 0 {
		length = wire // a TSO packet, seen before it was cut into segments
	}
	if b[0]>>4 != 4 || header < 20 || length < header {
		return
	}
	p.IPID = binary.BigEndian.Uint16(b[4:6])
	p.TTL = b[8]
	p.Proto = Proto(b[9])
	setIPv4(&p.Src, b[12:16])
	setIPv4(&p.Dst, b[16:20])
	if uint32(len(b)) > length {
		b = b[:length] // what follows is Ethernet padding
	}
	if uint32(len(b)) < header {
		p.Kind, p.Truncated = Tail, true
		return
	}
	part := binary.BigEndian.Uint16(b[6:8])
	b, length = b[header:], length-header
	if part&0x3fff != 0 { // more fragments, or an offset
		d.fragment(p, part&0x1fff == 0, uint32(p.IPID), p.Proto, b, length)
		return
	}
	if p.Proto == TCP { // most packets, one call less
		tcp(p, b, length)
		return
	}
	d.transport(p, b, length)
}

func (d *Decoder) ipv6(p *Packet, b []byte, wire uint32) {
	if len(b) < 40 {
		p.Truncated = true
		return
	}
	if b[0]>>4 != 6 {
		return
	}
	length := 40 + uint32(binary.BigEndian.Uint16(b[4:6]))
	if length == 40 {
		length = max(wire, 40) // a jumbogram or a TSO packet
	}
	p.TTL = b[7]
	p.Proto = Proto(b[6])
	p.Src = IP(b[8:24])
	p.Dst = IP(b[24:40])
	if uint32(len(b)) > length {
		b = b[:length]
	}
	switch p.Proto {
	case TCP:
		tcp(p, b[40:], length-40)
	case UDP, ICMPv6:
		d.transport(p, b[40:], length-40)
	default:
		d.extended(p, b, length)
	}
}

// extended decodes an IPv6 packet with extension headers.
func (d *Decoder) extended(p *Packet, b []byte, length uint32) {
	x := extensions(b, p.Proto)
	p.Proto = x.proto
	if x.cut || x.offset > uint32(len(b)) {
		p.Kind, p.Proto, p.Truncated = Tail, 0, true
		return
	}
	b, length = b[x.offset:], length-x.offset
	if x.part == Whole {
		d.transport(p, b, length)
		return
	}
	d.fragment(p, x.part == FirstFragment, x.id, x.carried, b, length)
}

// Extension headers (IANA protocol numbers).
const (
	hopByHop    = 0
	routing     = 43
	fragmented  = 44
	authHeader  = 51
	destination = 60
)

// maxExtensions is how many extension headers are walked: RFC 8200 §4.1 knows
// of seven.
const maxExtensions = 8

// extension is what the extension headers of an IPv6 packet say.
type extension struct {
	proto   Proto  // of the upper layer; of a later fragment: as its header says
	offset  uint32 // of the upper layer from the IPv6 header; may lie behind the packet
	part    FragmentState
	id      uint32 // of the datagram, valid iff not Whole
	carried Proto  // next header of the fragment header, valid iff not Whole
	cut     bool   // within an extension header
}

// extensions walks the extension headers of the IPv6 packet b, whose first next
// header is proto, up to the upper layer or a later fragment's data.
func extensions(b []byte, proto Proto) extension {
	x := extension{proto: proto, offset: 40}
	for range maxExtensions {
		var size uint32
		switch x.proto {
		case hopByHop, routing, destination, fragmented, authHeader:
		default:
			return x
		}
		h := b[min(x.offset, uint32(len(b))):]
		if len(h) < 8 {
			x.cut = true
			return x
		}
		switch x.proto {
		case fragmented:
			size = 8
			x.fragment(h)
		case authHeader:
			size = uint32(h[1])*4 + 8
		default:
			size = uint32(h[1])*8 + 8
		}
		x.proto = Proto(h[0])
		x.offset += size
		if x.part == LaterFragment {
			return x
		}
	}
	return x
}

// fragment reads a fragment header (RFC 8200 §4.5). One that is both first and
// last (RFC 6946) says nothing.
func (x *extension) fragment(h []byte) {
	part := binary.BigEndian.Uint16(h[2:4])
	switch {
	case part&0xfff8 != 0:
		x.part = LaterFragment
	case part&1 != 0:
		x.part = FirstFragment
	default:
		return
	}
	x.carried = Proto(h[0])
	x.id = binary.BigEndian.Uint32(h[4:8])
}
