package redact

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sctpSum is the checksum of a packet as it is in bytes 8 to 11 (RFC 9260,
// appendix A).
func sctpSum(b []byte) []byte {
	c := crc32.Update(0, castagnoli, b[:8])
	c = crc32.Update(c, castagnoli, []byte{0, 0, 0, 0})
	c = crc32.Update(c, castagnoli, b[12:])
	return binary.LittleEndian.AppendUint32(nil, c)
}

// icmp rewrites an ICMP message (RFC 792): of errors the packet they quote.
func (r *Redactor) icmp(b []byte) {
	if len(b) < 8 {
		return
	}
	old := sum(0).add(b)
	switch b[0] {
	case 3, 4, 11, 12:
		r.ip(b[8:])
	case 5: // redirect
		r.ip4(b[4:8])
		r.ip(b[8:])
	case 0, 8, 13, 14, 15, 16, 17, 18: // with an identifier and a number
		clear(b[8:])
	default:
		r.gone("messages of ICMP that are not known here", b[4:])
	}
	change(b[2:4], old, sum(0).add(b))
}

// Types of ICMPv6 (RFC 4443, RFC 4861, RFC 2710).
const (
	icmp6Unreachable = 1
	icmp6Parameter   = 4
	icmp6Echo        = 128
	icmp6EchoReply   = 129
	icmp6Query       = 130
	icmp6Done        = 132
	icmp6RouterAsk   = 133
	icmp6RouterSay   = 134
	icmp6Solicit     = 135
	icmp6Advertise   = 136
	icmp6Redirect    = 137
)

func (r *Redactor) icmp6(d datagram, b []byte) {
	if len(b) < 8 {
		return
	}
	d.rewriteSegment(b, 2, func() {
		switch kind := b[0]; {
		case kind >= icmp6Unreachable && kind <= icmp6Parameter:
			r.ip(b[8:])
		case kind >= icmp6Query && kind <= icmp6Done:
			r.addressAt(b, 8)
			clear(b[min(24, len(b)):])
		case kind == icmp6RouterAsk:
			r.neighbourOptions(b[8:])
		case kind == icmp6RouterSay:
			r.neighbourOptions(b[min(16, len(b)):])
		case kind == icmp6Solicit, kind == icmp6Advertise:
			r.addressAt(b, 8)
			r.neighbourOptions(b[min(24, len(b)):])
		case kind == icmp6Redirect:
			r.addressAt(b, 8)
			r.addressAt(b, 24)
			r.neighbourOptions(b[min(40, len(b)):])
		case kind == icmp6Echo, kind == icmp6EchoReply:
			clear(b[8:])
		default:
			r.gone("messages of ICMP that are not known here", b[4:])
		}
	})
}

func (r *Redactor) addressAt(b []byte, at int) {
	if len(b) >= at+16 {
		r.ip6(b[at : at+16])
		return
	}
	clear(b[min(at, len(b)):])
}

// neighbourOptions rewrites the options of neighbour discovery (RFC 4861 §4.6).
func (r *Redactor) neighbourOptions(b []byte) {
	for len(b) >= 8 && b[1] > 0 && int(b[1])*8 <= len(b) {
		n := int(b[1]) * 8
		switch kind := b[0]; {
		case (kind == 1 || kind == 2) && n == 8:
			r.mac(b[2:8])
		case kind == 3 && n == 32:
			r.ip6(b[16:32])
		case kind == 4:
			r.ip(b[8:n])
		case kind != 5 || n != 8: // MTU
			r.gone("options of neighbour discovery", b[2:n])
		}
		b = b[n:]
	}
	r.gone("options of neighbour discovery", b)
}
