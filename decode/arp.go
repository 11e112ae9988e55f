package decode

import "encoding/binary"

// arpEthernetIPv4 is the fixed start of an ARP message for IPv4 over Ethernet:
// hardware type 1, protocol type 0x0800, lengths 6 and 4 (RFC 826).
const arpEthernetIPv4 = 0x0001_0800_0604

func arp(p *Packet, b []byte) {
	if len(b) < 28 {
		p.Truncated = true
		return
	}
	if binary.BigEndian.Uint64(b[0:8])>>16 != arpEthernetIPv4 {
		return
	}
	p.Type = b[7]
	switch binary.BigEndian.Uint16(b[6:8]) {
	case 1:
		p.Kind = ARPRequest
	case 2:
		p.Kind = ARPReply
	default:
		return
	}
	p.SrcMAC = [6]byte(b[8:14])
	p.DstMAC = [6]byte(b[18:24])
	setIPv4(&p.Src, b[14:18])
	setIPv4(&p.Dst, b[24:28])
}
