package decode

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
)

// What is rare is left to gopacket: it finds the IP header behind link layers
// that this package does not know, and what begins there is decoded here like
// any other. GRE is a packet of its own and not opened.

// maxLink is how many bytes in front of the IP header, and of it, gopacket gets
// to see: more is not a link layer, and bounds the work on stacks of labels.
const maxLink = 256

// Link types that gopacket is asked about, beside those in link.go.
const (
	linkSLIP     = 8
	linkPPP      = 9
	linkFDDI     = 10
	linkPPPHDLC  = 50 // PPP in HDLC-like framing: begins with ff 03
	linkPPPoE    = 51
	linkRFC1483  = 100 // LLC on ATM
	link80211    = 105
	linkRadiotap = 127
	linkCHDLC    = 104 // Cisco's PPP in HDLC-like framing: ends with an EtherType
	linkENC      = 109 // OpenBSD's, of IPsec
	linkPFLOG    = 117 // OpenBSD's, of its packet filter
	linkPrism    = 119
	linkFC       = 138 // IP over Fibre Channel
	linkAVS      = 163
	linkPPPD     = 166 // PPP with a direction in place of its address
	linkPKTAPOld = 149 // what Darwin's tcpdump wrote before
	linkPPI      = 192
	linkPPPDir   = 204 // PPP with a direction in front
	linkMPLS     = 219
	linkIPoIB    = 242
	linkPKTAP    = 258
	linkMPacket  = 274 // Ethernet with its preamble
)

// EtherTypes that gopacket is asked about. Below etherLeast is no type but the
// length of an 802.3 frame, and in cooked headers 4 for the same; LLC follows.
const (
	etherLeast  = 0x0600
	etherPPP    = 0x880b
	etherMPLS   = 0x8847
	etherMPLSMC = 0x8848
	etherPPPoE  = 0x8864 // session stage
)

// rareLink decodes a frame of a link type without a fast path.
func (d *Decoder) rareLink(p *Packet, link uint16, b []byte, wire uint32) {
	switch link {
	case linkPPP, linkPPPHDLC:
		d.behind(p, layers.LayerTypePPP, b, wire)
	case linkPPPoE:
		d.pppoe(p, b, wire)
	case linkRFC1483:
		d.llc(p, b, wire)
	case link80211:
		d.behind(p, layers.LayerTypeDot11, b, wire)
	case linkRadiotap:
		d.radiotap(p, b, wire)
	case linkMPLS:
		d.behind(p, layers.LayerTypeMPLS, b, wire)
	case linkNFLog:
		d.nflog(p, b, wire)
	case linkCHDLC:
		d.behindHeader(p, b, wire, 4)
	case linkIPoIB:
		d.ipoib(p, b, wire)
	case linkPPI:
		d.ppi(p, b, wire)
	case linkPKTAP, linkPKTAPOld:
		d.pktap(p, b, wire)
	default:
		if !d.olderLink(p, link, b, wire) {
			d.skip(p, linkName(link))
		}
	}
}

// behindHeader decodes what the EtherType at the end of a header announces.
func (d *Decoder) behindHeader(p *Packet, b []byte, wire uint32, size int) {
	if len(b) < size {
		p.Truncated = true
		return
	}
	d.network(p, binary.BigEndian.Uint16(b[size-2:]), b[size:], wire-uint32(size))
}

// ipoib decodes IP over InfiniBand: EtherType and two reserved bytes (RFC 4391
// §6), behind 40 bytes of a pseudo header where the capture has it.
func (d *Decoder) ipoib(p *Packet, b []byte, wire uint32) {
	for _, at := range []int{0, 40} {
		if len(b) < at+4 {
			break
		}
		switch etherType := binary.BigEndian.Uint16(b[at:]); etherType {
		case etherIPv4, etherIPv6, etherARP:
			if b[at+2]|b[at+3] == 0 {
				d.network(p, etherType, b[at+4:], wire-uint32(at)-4)
				return
			}
		}
	}
	p.Truncated = len(b) < 44 && uint32(len(b)) < wire
}

// ppi skips a per-packet information header: version, flags, length (2 bytes,
// little-endian), link type (4).
func (d *Decoder) ppi(p *Packet, b []byte, wire uint32) {
	if len(b) < 8 {
		p.Truncated = true
		return
	}
	size, link := uint32(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:])
	d.wrapped(p, b, wire, size, link)
}

// pktap skips the header of Darwin's pktap (bsd/net/pktap.h): length, kind of
// header, link type (4 bytes each, little-endian), name of the interface (24),
// flags, of which 1 is in and 2 is out.
func (d *Decoder) pktap(p *Packet, b []byte, wire uint32) {
	if len(b) < 40 {
		p.Truncated = true
		return
	}
	if p.Dir == capture.DirUnknown {
		switch binary.LittleEndian.Uint32(b[36:]) & 3 {
		case 1:
			p.Dir = capture.DirIn
		case 2:
			p.Dir = capture.DirOut
		}
	}
	d.wrapped(p, b, wire, binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[8:]))
}

// wrapped decodes a frame of another link type behind a header of its own.
func (d *Decoder) wrapped(p *Packet, b []byte, wire, size, link uint32) {
	switch {
	case size > uint32(len(b)):
		p.Truncated = true
	case link > 0xffff, link == linkPPI, link == linkPKTAP, link == linkPKTAPOld:
		d.skip(p, "a header within a header")
	default:
		d.ofLink(p, uint16(link), b[size:], wire-size)
	}
}

// rareNetwork decodes what an EtherType without a fast path announces.
func (d *Decoder) rareNetwork(p *Packet, etherType uint16, b []byte, wire uint32) {
	switch {
	case etherType == etherPPPoE:
		d.pppoe(p, b, wire)
	case etherType == etherPPP:
		d.behind(p, layers.LayerTypePPP, b, wire)
	case etherType == etherMPLS, etherType == etherMPLSMC:
		d.behind(p, layers.LayerTypeMPLS, b, wire)
	case etherType < etherLeast:
		d.llc(p, b, wire)
	case carriers[etherType] != "":
		d.skip(p, carriers[etherType])
	}
}

// llc decodes what follows a logical link control header. Only that of SNAP can
// have IP behind it; all others, of which spanning trees send many, are nothing.
func (d *Decoder) llc(p *Packet, b []byte, wire uint32) {
	switch {
	case len(b) < 2:
		p.Truncated = uint32(len(b)) < wire
	case b[0] == 0xaa && b[1] == 0xaa:
		d.behind(p, layers.LayerTypeLLC, b, wire)
	}
}

// pppoe skips the header of a session (RFC 2516 §4): version, code 0, session,
// length. gopacket would want all of the length to have been captured.
func (d *Decoder) pppoe(p *Packet, b []byte, wire uint32) {
	if len(b) < 6 {
		p.Truncated = true
		return
	}
	if b[1] != 0 {
		return // discovery
	}
	length := min(wire-6, uint32(binary.BigEndian.Uint16(b[4:6])))
	b = b[6:]
	d.behind(p, layers.LayerTypePPP, b[:min(uint32(len(b)), length)], length)
}

// radiotap skips the header (radiotap.org), whose length is its second 16-bit
// number. gopacket would move what follows it.
func (d *Decoder) radiotap(p *Packet, b []byte, wire uint32) {
	if len(b) < 4 {
		p.Truncated = true
		return
	}
	size := uint32(binary.LittleEndian.Uint16(b[2:4]))
	if size > uint32(len(b)) {
		p.Truncated = true
		return
	}
	d.behind(p, layers.LayerTypeDot11, b[size:], wire-size)
}

// isIP are the layers that end the search.
var isIP = gopacket.NewLayerClass([]gopacket.LayerType{layers.LayerTypeIPv4, layers.LayerTypeIPv6})

// behind decodes the IP packet behind link layers, the first of which is given.
func (d *Decoder) behind(p *Packet, first gopacket.Decoder, b []byte, wire uint32) {
	ip, at := d.search(first, b)
	switch {
	case at > len(b), ip == nil && len(b) < maxLink && uint32(len(b)) < wire:
		p.Truncated = true
	case ip == nil:
	case ip.LayerType() == layers.LayerTypeIPv4:
		d.ipv4(p, b[at:], wire-uint32(at))
	default:
		d.ipv6(p, b[at:], wire-uint32(at))
	}
}

// search finds the first IP header and where it begins; nil if there is none.
// gopacket works on a copy with zeros behind, so that headers cut by the capture
// do not make it fail before it has said what it can. Its decoders cut layers
// from one slice: what is left of its capacity tells how far they got. Panics in
// them are recovered by gopacket itself and end the search.
func (d *Decoder) search(first gopacket.Decoder, b []byte) (gopacket.Layer, int) {
	n := copy(d.link[:], b)
	clear(d.link[n:])
	packet := gopacket.NewPacket(d.link[:], first, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	ip := packet.LayerClass(isIP)
	if ip == nil {
		return nil, 0
	}
	return ip, max(0, maxLink-cap(ip.LayerContents()))
}
