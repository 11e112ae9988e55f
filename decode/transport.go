package decode

import (
	"encoding/binary"
	"math/bits"
)

// transport decodes the L4 header of p.Proto; b ends where the datagram does.
func (d *Decoder) transport(p *Packet, b []byte, wire uint32) {
	switch p.Proto {
	case TCP:
		tcp(p, b, wire)
	case UDP:
		udp(p, b, wire)
		if (p.DstPort == portVXLAN || p.DstPort == portVXLANOld || p.DstPort == portGeneve) && !p.Tunneled && p.Fragment == Whole {
			d.tunneled(p, b, wire)
		}
	case ICMP, ICMPv6:
		d.controlMessage(p, b, wire)
	case SCTP:
		sctp(p, b, wire)
	default:
		if what := tunnels[p.Proto]; what != "" {
			d.skip(p, what)
		}
	}
}

func tcp(p *Packet, b []byte, wire uint32) {
	if len(b) < 20 {
		cutTCP(p, b)
		return
	}
	p.Kind = Segment
	p.SrcPort = binary.BigEndian.Uint16(b[0:2])
	p.DstPort = binary.BigEndian.Uint16(b[2:4])
	p.Seq = binary.BigEndian.Uint32(b[4:8])
	p.Ack = binary.BigEndian.Uint32(b[8:12])
	p.Flags = TCPFlags(b[13])
	p.Window = binary.BigEndian.Uint16(b[14:16])
	header := uint32(b[12]>>4) * 4
	if header < 20 || header > wire {
		p.Truncated = true
		return
	}
	p.Payload = wire - header
	if header == 20 {
		return
	}
	if uint32(len(b)) < header {
		p.Truncated = true
		header = uint32(len(b))
	}
	tcpOptions(p, b[20:header])
}

// cutTCP takes what there is of a TCP header.
func cutTCP(p *Packet, b []byte) {
	if !ports(p, b, Segment) {
		return
	}
	p.Truncated = true
	if len(b) >= 8 {
		p.Seq = binary.BigEndian.Uint32(b[4:8])
	}
	if len(b) >= 12 {
		p.Ack = binary.BigEndian.Uint32(b[8:12])
	}
	if len(b) >= 14 {
		p.Flags = TCPFlags(b[13])
	}
}

// ports reads the ports that begin TCP, UDP and SCTP headers and gives p its
// kind; without them p is a truncated Tail.
func ports(p *Packet, b []byte, kind Kind) bool {
	if len(b) < 4 {
		p.Kind, p.Truncated = Tail, true
		return false
	}
	p.Kind = kind
	p.SrcPort = binary.BigEndian.Uint16(b[0:2])
	p.DstPort = binary.BigEndian.Uint16(b[2:4])
	return true
}

// TCP options (RFC 9293 §3.1, RFC 7323 §3).
const (
	optionEnd  = 0
	optionNop  = 1
	optionMSS  = 2
	optionTime = 8

	// timeAlone is how the timestamp option begins in segments that carry
	// nothing else, as RFC 7323 appendix A recommends: NOP, NOP, 8, 10.
	timeAlone = 0x0101_080a
)

func tcpOptions(p *Packet, b []byte) {
	if len(b) >= 12 && binary.BigEndian.Uint32(b[0:4]) == timeAlone {
		p.TSVal = binary.BigEndian.Uint32(b[4:8])
		b = b[12:]
	}
	for len(b) >= 2 {
		switch b[0] {
		case optionEnd:
			return
		case optionNop:
			b = b[1:]
			continue
		}
		size := int(b[1])
		if size < 2 || size > len(b) {
			return
		}
		switch {
		case b[0] == optionMSS && size == 4 && p.Flags&SYN != 0:
			p.MSS = binary.BigEndian.Uint16(b[2:4])
		case b[0] == optionTime && size == 10:
			p.TSVal = binary.BigEndian.Uint32(b[2:6])
		}
		b = b[size:]
	}
}

func udp(p *Packet, b []byte, wire uint32) {
	if !ports(p, b, Datagram) {
		return
	}
	if len(b) < 8 {
		p.Truncated = true
		return
	}
	p.Payload = wire - 8
	p.Seq = digest(b[8:], p.Payload)
}

// digested is how much of a datagram's payload its digest covers: what captures
// of 96 bytes, the usual short ones, hold of IPv4 and IPv6 alike.
const digested = 32

// digest tells datagrams of one client apart by what translation leaves alone:
// the first bytes of their payload. It is 0 where the capture cut one of those
// off, and where there are none. It is no defence against who makes two payloads
// alike on purpose.
func digest(payload []byte, wire uint32) uint32 {
	n := int(min(wire, digested))
	if n == 0 || len(payload) < n {
		return 0
	}
	h := uint64(n) * 0x9E3779B97F4A7C15
	for payload = payload[:n]; len(payload) >= 8; payload = payload[8:] {
		h = mixed(h, binary.LittleEndian.Uint64(payload))
	}
	if len(payload) > 0 {
		var rest [8]byte
		copy(rest[:], payload)
		h = mixed(h, binary.LittleEndian.Uint64(rest[:]))
	}
	return max(uint32(h>>32)^uint32(h), 1)
}

func mixed(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v, 0xD6E8FEB86659FD93)
	return hi ^ lo
}

// Chunk types of SCTP that set up an association (RFC 9260 §3.2).
const (
	chunkInit    = 1
	chunkInitAck = 2
)

func sctp(p *Packet, b []byte, wire uint32) {
	if !ports(p, b, Chunk) {
		return
	}
	if len(b) < 16 { // common header, chunk header
		p.Truncated = true
		return
	}
	p.Ack = binary.BigEndian.Uint32(b[4:8])
	p.Type = b[12]
	p.Payload = wire - 12
	if p.Type != chunkInit && p.Type != chunkInitAck {
		return
	}
	if len(b) < 20 {
		p.Truncated = true
		return
	}
	p.Seq = binary.BigEndian.Uint32(b[16:20])
}
