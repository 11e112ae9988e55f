package redact

import "encoding/binary"

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkPPP      = 9
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkPPPHDLC  = 50
	linkPPPoE    = 51
	linkRFC1483  = 100
	linkRaw      = 101
	linkLoop     = 108
	linkCooked   = 113
	linkMPLS     = 219
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked2  = 276
)

// EtherTypes (IEEE 802 numbers).
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherVLAN   = 0x8100
	etherIPv6   = 0x86dd
	etherMPLS   = 0x8847
	etherMPLSMC = 0x8848
	etherPPPoE  = 0x8864
	etherQinQ   = 0x88a8
	etherQOld   = 0x9100
	etherLeast  = 0x0600 // below is a length
)

// frame rewrites a frame in place. One whose link layer is not known is zeros
// afterwards.
func (r *Redactor) frame(link uint16, b []byte) {
	switch link {
	case linkEthernet:
		r.ethernet(b)
	case linkCooked:
		r.cooked(b, 16, 14, 6, 4)
	case linkCooked2:
		r.cooked(b, 20, 0, 12, 10)
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		r.ip(b)
	case linkNull, linkLoop:
		r.ip(b[min(4, len(b)):])
	case linkPPP, linkPPPHDLC:
		r.ppp(b)
	case linkPPPoE:
		r.ppp(b[min(6, len(b)):])
	case linkRFC1483:
		r.llc(b)
	case linkMPLS:
		r.mpls(b)
	default:
		if !r.rareFrame(link, b) {
			r.gone("frames of link layers that are not known here", b)
		}
	}
}

func (r *Redactor) ethernet(b []byte) {
	if len(b) < 14 {
		clear(b)
		return
	}
	r.mac(b[0:6])
	r.mac(b[6:12])
	r.network(binary.BigEndian.Uint16(b[12:]), b[14:])
}

// cooked rewrites a frame of LINKTYPE_LINUX_SLL or SLL2: size of the header, and
// where in it are the protocol, the address, and the length of that.
func (r *Redactor) cooked(b []byte, size, proto, addr, length int) {
	if len(b) < size {
		clear(b)
		return
	}
	n := int(b[length+1])
	if n == 6 {
		r.mac(b[addr:])
		n = 6
	} else {
		n = 0
	}
	clear(b[addr+n : addr+8])
	r.network(binary.BigEndian.Uint16(b[proto:]), b[size:])
}

// network rewrites what an EtherType announces, behind any VLAN tags.
func (r *Redactor) network(kind uint16, b []byte) {
	for (kind == etherVLAN || kind == etherQinQ || kind == etherQOld) && len(b) >= 4 {
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch {
	case kind == etherIPv4, kind == etherIPv6:
		r.ip(b)
	case kind == etherARP:
		r.arp(b)
	case kind == etherMPLS, kind == etherMPLSMC:
		r.mpls(b)
	case kind == etherPPP:
		r.ppp(b)
	case kind == etherPPPoE && len(b) >= 6 && b[1] == 0:
		r.ppp(b[6:])
	case kind < etherLeast:
		r.llc(b)
	default:
		r.gone("frames of protocols that are not known here", b)
	}
}

// mpls passes over labels, to the one at the bottom (RFC 3032 §2.1).
func (r *Redactor) mpls(b []byte) {
	for len(b) >= 4 {
		bottom := b[2]&1 != 0
		b = b[4:]
		if bottom {
			break
		}
	}
	r.ip(b)
}

// ppp passes over the address and control bytes, if they are there, and the
// protocol (RFC 1661, RFC 1662).
func (r *Redactor) ppp(b []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	size := 2
	if len(b) > 0 && b[0]&1 != 0 {
		size = 1
	}
	switch {
	case len(b) >= size && beginsWithOne(b, isPPP):
		r.ip(b[size:])
	case len(b) >= size && beginsWithOne(b, labelledPPP):
		r.mpls(b[size:])
	default:
		r.gone("frames of protocols that are not known here", b[min(size, len(b)):])
	}
}

// llc rewrites what follows a SNAP header; all else is cleared.
func (r *Redactor) llc(b []byte) {
	if len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa {
		r.network(binary.BigEndian.Uint16(b[6:]), b[8:])
		return
	}
	r.gone("frames of protocols that are not known here", b)
}

// arp rewrites the addresses of Ethernet and IPv4 (RFC 826).
func (r *Redactor) arp(b []byte) {
	if len(b) < 28 || b[4] != 6 || b[5] != 4 {
		r.gone("frames of protocols that are not known here", b[min(8, len(b)):])
		return
	}
	r.mac(b[8:14])
	r.ip4(b[14:18])
	r.mac(b[18:24])
	r.ip4(b[24:28])
	clear(b[28:])
}
