package decode

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"

	"dnatrace/capture"
)

// olderLink decodes a frame of a link type that is hardly met any more, or on other
// systems (https://www.tcpdump.org/linktypes.html). False if there is none.
func (d *Decoder) olderLink(p *Packet, link uint16, b []byte, wire uint32) bool {
	switch link {
	case linkFDDI:
		d.behind(p, layers.LayerTypeFDDI, b, wire)
	case linkPrism:
		d.behind(p, layers.LayerTypePrismHeader, b, wire)
	case linkAVS: // version and length (4 bytes each, big-endian)
		if rest, left, ok := d.sized(p, b, wire, 8, func() uint32 { return binary.BigEndian.Uint32(b[4:]) }); ok {
			d.behind(p, layers.LayerTypeDot11, rest, left)
		}
	case linkPFLOG: // its length, which is filled up to a multiple of 4
		if rest, left, ok := d.sized(p, b, wire, 4, func() uint32 { return (uint32(b[0]) + 3) &^ 3 }); ok {
			d.raw(p, rest, left)
		}
	case linkENC: // address family, SPI, flags
		d.rawBehind(p, b, wire, 12)
	case linkSLIP: // direction, and the compressed header in full
		wayOf(p, b)
		d.rawBehind(p, b, wire, 16)
	case linkFC: // both addresses
		if rest, left, ok := d.sized(p, b, wire, 16, func() uint32 { return 16 }); ok {
			d.llc(p, rest, left)
		}
	case linkPPPD: // direction, control
		wayOf(p, b)
		if rest, left, ok := d.sized(p, b, wire, 2, func() uint32 { return 2 }); ok {
			d.behind(p, layers.LayerTypePPP, rest, left)
		}
	case linkPPPDir:
		wayOf(p, b)
		if rest, left, ok := d.sized(p, b, wire, 1, func() uint32 { return 1 }); ok {
			d.behind(p, layers.LayerTypePPP, rest, left)
		}
	case linkMPacket:
		if rest, left, ok := d.sized(p, b, wire, 8, func() uint32 { return 8 }); ok {
			d.ethernet(p, rest, left)
		}
	default:
		return false
	}
	return true
}

// sized is what is behind a header, whose length is told by its first bytes, of which
// least are needed. A header that is not whole is Truncated.
func (d *Decoder) sized(p *Packet, b []byte, wire uint32, least int, size func() uint32) (rest []byte, left uint32, ok bool) {
	if len(b) >= least {
		if n := size(); n <= uint32(len(b)) {
			return b[n:], wire - n, true
		}
	}
	p.Truncated = true
	return nil, 0, false
}

func (d *Decoder) rawBehind(p *Packet, b []byte, wire uint32, size int) {
	if rest, left, ok := d.sized(p, b, wire, size, func() uint32 { return uint32(size) }); ok {
		d.raw(p, rest, left)
	}
}

// wayOf fills in the direction that the first byte of serial links tells: 0 is
// received, all else sent.
func wayOf(p *Packet, b []byte) {
	switch {
	case len(b) == 0, p.Dir != capture.DirUnknown:
	case b[0] == 0:
		p.Dir = capture.DirIn
	default:
		p.Dir = capture.DirOut
	}
}
