package decode

import (
	"encoding/binary"

	"dnatrace/capture"
)

// Attributes of a packet that netfilter's logger hands out (enum nfulnl_attr_type
// in linux/netfilter/nfnetlink_log.h).
const (
	nflogHeader  = 1 // EtherType, in network byte order, and hook
	nflogAddress = 8 // length, in network byte order, padding, hardware address
	nflogPayload = 9

	afBridge = 7
)

// nflog decodes LINKTYPE_NFLOG: address family, version 0, group (2 bytes), then
// attributes: length, type, and a value that is filled up to a multiple of 4.
// Their numbers are in the byte order of the machine that captured, which the
// first type tells: none is above 255.
func (d *Decoder) nflog(p *Packet, b []byte, wire uint32) {
	if len(b) < 8 {
		p.Truncated = true
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[6] == 0 && b[7] != 0 {
		order = binary.BigEndian
	}
	family, etherType := b[0], uint16(0)
	for rest := b[4:]; len(rest) >= 4; {
		size, kind := int(order.Uint16(rest)), order.Uint16(rest[2:])&0x7fff
		if size < 4 {
			return
		}
		value := rest[4:min(max(size, 4), len(rest))]
		switch {
		case kind == nflogPayload:
			d.logged(p, family, etherType, value, uint32(size-4))
			return
		case size > len(rest):
			p.Truncated = true
			return
		case kind == nflogHeader && len(value) >= 3:
			etherType = binary.BigEndian.Uint16(value)
			hookDirection(p, value[2])
		case kind == nflogAddress && len(value) >= 10 && binary.BigEndian.Uint16(value) == 6:
			p.SrcMAC = [6]byte(value[4:10])
		}
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	p.Truncated = uint32(len(b)) < wire
}

// logged decodes what a logged packet's rule saw: it begins with the network
// header.
func (d *Decoder) logged(p *Packet, family byte, etherType uint16, b []byte, wire uint32) {
	if family == afBridge && etherType != 0 {
		d.network(p, etherType, b, wire)
		return
	}
	d.raw(p, b, wire)
}

// hookDirection fills in the direction by the hook (linux/netfilter.h).
func hookDirection(p *Packet, hook byte) {
	const input, forward, output, postrouting = 1, 2, 3, 4
	switch {
	case p.Dir != capture.DirUnknown:
	case hook <= input:
		p.Dir = capture.DirIn
	case hook == output, hook == postrouting:
		p.Dir = capture.DirOut
	}
}
