package decode

import (
	"encoding/binary"

	"dnatrace/capture"
)

// Link types (https://www.tcpdump.org/linktypes.html). The raw ones beside 101
// are what BSDs write in its place.
const (
	linkNull     = 0
	linkEthernet = 1
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkRaw      = 101
	linkLoop     = 108
	linkCooked   = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkNFLog    = 239
	linkCooked2  = 276
)

// EtherTypes (IEEE 802 numbers).
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherIPv6 = 0x86dd
	etherQinQ = 0x88a8
	etherQOld = 0x9100
)

// maxTags is how many VLAN tags are skipped: more is not traffic.
const maxTags = 4

// In this package b is what was captured from a header on, and wire the number
// of bytes there were on the wire from the same place on.

func (d *Decoder) frame(p *Packet, b []byte, wire uint32) {
	link := uint16(linkEthernet)
	if int(p.Point) < len(d.links) {
		link = d.links[p.Point]
	}
	if link == linkEthernet { // most frames, one call less
		d.ethernet(p, b, wire)
		return
	}
	d.ofLink(p, link, b, wire)
}

// ofLink decodes a frame of any link type.

func (d *Decoder) ofLink(p *Packet, link uint16, b []byte, wire uint32) {
	switch link {
	case linkEthernet:
		d.ethernet(p, b, wire)
	case linkCooked:
		d.cooked(p, b, wire)
	case linkCooked2:
		d.cooked2(p, b, wire)
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		d.raw(p, b, wire)
	case linkNull, linkLoop:
		d.loopback(p, b, wire)
	default:
		d.rareLink(p, link, b, wire)
	}
}

func (d *Decoder) ethernet(p *Packet, b []byte, wire uint32) {
	if len(b) < 14 {
		p.Truncated = true
		return
	}
	p.DstMAC = [6]byte(b[0:6])
	p.SrcMAC = [6]byte(b[6:12])
	switch etherType := binary.BigEndian.Uint16(b[12:14]); etherType {
	case etherIPv4: // most frames, one call less
		d.ipv4(p, b[14:], wire-14)
	default:
		d.network(p, etherType, b[14:], wire-14)
	}
}

// cooked decodes LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length,
// address (8 bytes), protocol.
func (d *Decoder) cooked(p *Packet, b []byte, wire uint32) {
	if len(b) < 16 {
		p.Truncated = true
		return
	}
	cookedDirection(p, binary.BigEndian.Uint16(b[0:2]))
	if binary.BigEndian.Uint16(b[4:6]) == 6 {
		p.SrcMAC = [6]byte(b[6:12])
	}
	d.network(p, binary.BigEndian.Uint16(b[14:16]), b[16:], wire-16)
}

// cooked2 decodes LINKTYPE_LINUX_SLL2: protocol, reserved (2 bytes), interface
// index, ARPHRD, packet type, address length, address (8 bytes). The index has
// told the point already.
func (d *Decoder) cooked2(p *Packet, b []byte, wire uint32) {
	if len(b) < 20 {
		p.Truncated = true
		return
	}
	cookedDirection(p, uint16(b[10]))
	if b[11] == 6 {
		p.SrcMAC = [6]byte(b[12:18])
	}
	d.network(p, binary.BigEndian.Uint16(b[0:2]), b[20:], wire-20)
}

// cookedDirection fills in the direction where the capture does not record it:
// packet type 4 is PACKET_OUTGOING, 0 to 3 were received (linux/if_packet.h), 1 and 2
// of them by everyone and by a group.
func cookedDirection(p *Packet, packetType uint16) {
	if packetType == 1 || packetType == 2 {
		p.DstMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	switch {
	case p.Dir != capture.DirUnknown:
	case packetType == 4:
		p.Dir = capture.DirOut
	case packetType < 4:
		p.Dir = capture.DirIn
	}
}

// raw decodes a packet that begins with its IP header.
func (d *Decoder) raw(p *Packet, b []byte, wire uint32) {
	if len(b) == 0 {
		p.Truncated = true
		return
	}
	switch b[0] >> 4 {
	case 4:
		d.ipv4(p, b, wire)
	case 6:
		d.ipv6(p, b, wire)
	}
}

// loopback decodes the BSD loopback header: the sender's AF_ number in the
// sender's byte order (LINKTYPE_NULL) or the network's (LINKTYPE_LOOP). The IP
// version says the same, for every system's numbers.
func (d *Decoder) loopback(p *Packet, b []byte, wire uint32) {
	if len(b) < 4 {
		p.Truncated = true
		return
	}
	switch family := b[0] | b[3]; family {
	case 2, 10, 24, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD, FreeBSD, Darwin
		d.raw(p, b[4:], wire-4)
	}
}

// network decodes what an EtherType announces, behind any VLAN tags.
func (d *Decoder) network(p *Packet, etherType uint16, b []byte, wire uint32) {
	for range maxTags {
		if etherType != etherVLAN && etherType != etherQinQ && etherType != etherQOld {
			break
		}
		if len(b) < 4 {
			p.Truncated = true
			return
		}
		etherType = binary.BigEndian.Uint16(b[2:4])
		b, wire = b[4:], wire-4
	}
	switch etherType {
	case etherIPv4:
		d.ipv4(p, b, wire)
	case etherIPv6:
		d.ipv6(p, b, wire)
	case etherARP:
		arp(p, b)
	default:
		d.rareNetwork(p, etherType, b, wire)
	}
}
