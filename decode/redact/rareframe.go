package redact

import (
	"bytes"
	"encoding/binary"
)

// Link types beside those in frame.go that decode reads, and EtherTypes.
const (
	linkCHDLC    = 104 // Cisco's HDLC
	link80211    = 105
	linkRadiotap = 127
	linkPKTAPOld = 149
	linkPPI      = 192
	linkNFLog    = 239
	linkIPoIB    = 242
	linkPKTAP    = 258

	etherPPP = 0x880b
)

const ofLinks = "headers of link layers"

// rareFrame rewrites a frame of a rare link type in place; false if it is not known.
func (r *Redactor) rareFrame(link uint16, b []byte) bool {
	switch link {
	case linkCHDLC:
		r.behindHeader(b, 4)
	case linkIPoIB:
		r.ipoib(b)
	case linkPPI:
		r.ppi(b)
	case linkPKTAP, linkPKTAPOld:
		r.pktap(b)
	case linkRadiotap:
		r.radiotap(b)
	case link80211:
		r.wireless(b)
	case linkNFLog:
		r.nflog(b)
	default:
		return false
	}
	return true
}

// behindHeader rewrites what the EtherType at the end of a header of numbers
// announces.
func (r *Redactor) behindHeader(b []byte, size int) {
	if len(b) < size {
		clear(b)
		return
	}
	r.network(binary.BigEndian.Uint16(b[size-2:]), b[size:])
}

// ipoib rewrites IP over InfiniBand, behind a pseudo header of addresses or without
// one (RFC 4391 §6).
func (r *Redactor) ipoib(b []byte) {
	for _, at := range []int{0, 40} {
		if len(b) < at+4 {
			break
		}
		switch kind := binary.BigEndian.Uint16(b[at:]); kind {
		case etherIPv4, etherIPv6, etherARP:
			if b[at+2]|b[at+3] == 0 {
				r.gone(ofLinks, b[:at])
				r.network(kind, b[at+4:])
				return
			}
		}
	}
	r.gone(ofLinks, b)
}

// ppi leaves the lengths and the link type of a per-packet information header.
func (r *Redactor) ppi(b []byte) {
	if len(b) < 8 {
		clear(b)
		return
	}
	r.wrapped(b, 8, uint32(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:]))
}

// pktap leaves of the header of Darwin's pktap its length, its kind, the link type
// and the direction: not the name of the interface, nor of the process.
func (r *Redactor) pktap(b []byte) {
	if len(b) < 40 {
		clear(b)
		return
	}
	r.gone(ofLinks, b[12:36])
	direction := b[36] & 3
	clear(b[36:40])
	b[36] = direction
	r.wrapped(b, 40, binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[8:]))
}

// wrapped rewrites a frame of another link type behind a header, of which so many
// bytes stay.
func (r *Redactor) wrapped(b []byte, kept int, size, link uint32) {
	switch {
	case size > uint32(len(b)), int(size) < kept:
		if int(size) < kept && size <= uint32(len(b)) && link <= 0xffff { // the frame begins within the header
			r.gone(ofLinks, b[size:])
			return
		}
		r.gone(ofLinks, b[kept:])
	case link > 0xffff, link == linkPPI, link == linkPKTAP, link == linkPKTAPOld:
		r.gone(ofLinks, b[kept:])
	default:
		r.gone(ofLinks, b[kept:size])
		r.frame(uint16(link), b[size:])
	}
}

// radiotap leaves the length of the header (radiotap.org).
func (r *Redactor) radiotap(b []byte) {
	if len(b) < 4 {
		clear(b)
		return
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if size < 4 || size > len(b) {
		r.gone(ofLinks, b[4:])
		return
	}
	r.gone(ofLinks, b[4:size])
	r.wireless(b[size:])
}

// wireless rewrites a frame of IEEE 802.11: of data that is not encrypted addresses
// and what is behind them, of others nothing stays but what they are.
func (r *Redactor) wireless(b []byte) {
	const data, encrypted, fromStation, toStation, order, service = 2, 0x40, 1, 2, 0x80, 0x80
	if len(b) < 24 || b[0]>>2&3 != data || b[1]&encrypted != 0 {
		r.gone(ofLinks, b[min(2, len(b)):])
		return
	}
	size := 24
	if b[1]&(fromStation|toStation) == fromStation|toStation {
		size += 6
	}
	if b[0]&service != 0 {
		size += 2
		if b[1]&order != 0 {
			size += 4
		}
	}
	if size > len(b) {
		r.gone(ofLinks, b[2:])
		return
	}
	for _, at := range []int{4, 10, 16} {
		r.mac(b[at:])
	}
	r.gone(ofLinks, b[24:size])
	r.llc(b[size:])
}

// Attributes of a packet that netfilter's logger hands out (enum nfulnl_attr_type
// in linux/netfilter/nfnetlink_log.h).
const (
	nflogHeader  = 1
	nflogAddress = 8
	nflogPayload = 9

	afBridge = 7
)

// nflog rewrites a packet of netfilter's logger: address family, version and group,
// then attributes, of which the one with the packet is the last that is read.
func (r *Redactor) nflog(b []byte) {
	if len(b) < 8 {
		clear(b)
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[6] == 0 && b[7] != 0 {
		order = binary.BigEndian
	}
	family, etherType := b[0], uint16(0)
	rest := b[4:]
	for len(rest) >= 4 {
		size, kind := int(order.Uint16(rest)), order.Uint16(rest[2:])&0x7fff
		if size < 4 {
			break
		}
		value := rest[4:min(size, len(rest))]
		next := min((size+3)&^3, len(rest))
		clear(rest[min(size, len(rest)):next])
		switch {
		case kind == nflogPayload:
			if family == afBridge && etherType != 0 {
				r.network(etherType, value)
			} else {
				r.ip(value)
			}
			r.gone(ofLinks, rest[next:])
			return
		case size > len(rest):
			r.gone(ofLinks, value)
			return
		case kind == nflogHeader && len(value) >= 3:
			etherType = binary.BigEndian.Uint16(value)
			clear(value[3:])
		case kind == nflogAddress && len(value) >= 10 && binary.BigEndian.Uint16(value) == 6:
			clear(value[2:4])
			r.mac(value[4:10])
			r.gone(ofLinks, value[10:])
		default:
			r.gone(ofLinks, value)
		}
		rest = rest[next:]
	}
	r.gone(ofLinks, rest)
}

// isPPP are the protocols of PPP that carry IP, and labels before it.
var isPPP = [][]byte{{0x21}, {0x57}, {0, 0x21}, {0, 0x57}}

var labelledPPP = [][]byte{{0x02, 0x81}, {0x02, 0x83}}

func beginsWithOne(b []byte, of [][]byte) bool {
	for _, p := range of {
		if bytes.HasPrefix(b, p) {
			return true
		}
	}
	return false
}
