package decode

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// What is rare is left to gopacket: it finds the IP header behind link layers
// that this package does not know, and what begins there is decoded here like
// any other. GRE is a packet of its own and not opened.

// maxLink is how many bytes in front of the IP header, and of it, gopacket gets
// to see: more is not a link layer, and bounds the work on stacks of labels.
const maxLink = 256

// Link types that gopacket is asked about, beside those in link.go.
const (
	linkPPP      = 9
	linkPPPHDLC  = 50 // PPP in HDLC-like framing: begins with ff 03
	linkPPPoE    = 51
	linkRFC1483  = 100 // LLC on ATM
	link80211    = 105
	linkRadiotap = 127
	linkMPLS     = 219
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
