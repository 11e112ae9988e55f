package decode

import "encoding/binary"

// Ports of VXLAN: IANA's, and the one that Linux took before there was one
// (drivers/net/vxlan); and of Geneve.
const (
	portVXLAN    = 4789
	portVXLANOld = 8472
	portGeneve   = 6081
)

const etherBridged = 0x6558 // transparent Ethernet bridging

// tunneled decodes the frame inside a VXLAN packet (RFC 7348 §5: flags, of which
// only the one for the network number is set, and the number) or a Geneve packet
// (RFC 8926 §3: length of options, flags, EtherType, number, options), in place of
// the datagram that carries it. b is the UDP header and what follows. What holds
// no IP or ARP stays a datagram, and so does a tunnel within a tunnel.
func (d *Decoder) tunneled(p *Packet, b []byte, wire uint32) {
	header := 8 + 8
	if len(b) < header+14 {
		return
	}
	if p.DstPort == portGeneve {
		header += int(b[8]&0x3f) * 4
		if b[8]>>6 != 0 || binary.BigEndian.Uint16(b[10:]) != etherBridged || len(b) < header+14 {
			return
		}
	} else if b[8] != 0x08 || b[9]|b[10]|b[11]|b[15] != 0 {
		return
	}
	switch binary.BigEndian.Uint16(b[header+12:]) {
	case etherIPv4, etherIPv6, etherARP, etherVLAN:
	default:
		return
	}
	inner := Packet{Time: p.Time, Frame: p.Frame, Point: p.Point, Dir: p.Dir, Tunneled: true}
	d.ethernet(&inner, b[header:], wire-uint32(header))
	if inner.Kind != Other {
		*p = inner
	}
}
