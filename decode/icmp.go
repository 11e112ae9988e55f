package decode

import "encoding/binary"

// ICMP types (RFC 792).
const (
	icmpEchoReply   = 0
	icmpUnreachable = 3
	icmpQuench      = 4
	icmpEcho        = 8
	icmpExceeded    = 11
	icmpParameter   = 12

	icmpFragNeeded = 4 // code of icmpUnreachable, RFC 1191 §4
)

// ICMPv6 types (RFC 4443, RFC 4861).
const (
	icmp6Unreachable = 1
	icmp6TooBig      = 2
	icmp6Exceeded    = 3
	icmp6Parameter   = 4
	icmp6Echo        = 128
	icmp6EchoReply   = 129
	icmp6Solicit     = 135
	icmp6Advertise   = 136
)

// controlMessage decodes ICMP in IPv4 and ICMPv6 in IPv6; the other way round
// they mean nothing. Without the eight bytes that begin every message of
// interest, nobody is told what it concerns: a truncated Tail.
func (d *Decoder) controlMessage(p *Packet, b []byte, wire uint32) {
	if len(b) < 8 {
		p.Kind, p.Truncated = Tail, true
		return
	}
	p.Type, p.Code = b[0], b[1]
	p.Payload = wire - 8
	switch is4 := p.Src.Is4(); {
	case is4 && p.Proto == ICMP:
		d.icmp(p, b)
	case !is4 && p.Proto == ICMPv6:
		d.icmp6(p, b)
	}
}

func (d *Decoder) icmp(p *Packet, b []byte) {
	switch p.Type {
	case icmpEcho:
		echo(p, b, EchoRequest)
	case icmpEchoReply:
		echo(p, b, EchoReply)
	case icmpUnreachable:
		mtu := uint32(0)
		if p.Code == icmpFragNeeded {
			mtu = uint32(binary.BigEndian.Uint16(b[6:8]))
		}
		d.icmpError(p, b[8:], mtu)
	case icmpQuench, icmpExceeded, icmpParameter:
		d.icmpError(p, b[8:], 0)
	}
}

func (d *Decoder) icmp6(p *Packet, b []byte) {
	switch p.Type {
	case icmp6Echo:
		echo(p, b, EchoRequest)
	case icmp6EchoReply:
		echo(p, b, EchoReply)
	case icmp6Solicit:
		neighbour(p, b, Solicit)
	case icmp6Advertise:
		neighbour(p, b, Advertise)
	case icmp6TooBig:
		d.icmpError(p, b[8:], binary.BigEndian.Uint32(b[4:8]))
	case icmp6Unreachable, icmp6Exceeded, icmp6Parameter:
		d.icmpError(p, b[8:], 0)
	}
}

func echo(p *Packet, b []byte, kind Kind) {
	p.Kind = kind
	p.SrcPort = binary.BigEndian.Uint16(b[4:6])
	p.DstPort = p.SrcPort
	p.Seq = uint32(binary.BigEndian.Uint16(b[6:8]))
}

// neighbour reads a neighbour solicitation or advertisement (RFC 4861 §4.3,
// §4.4): the target and its or the sender's link-layer address, which the frame
// stands in for where the option is left out.
func neighbour(p *Packet, b []byte, kind Kind) {
	if len(b) < 24 {
		p.Truncated = true
		return
	}
	p.Kind = kind
	option := byte(1) // source link-layer address
	if kind == Advertise {
		option = 2 // target link-layer address
		p.Src = IP(b[8:24])
	} else {
		p.Dst = IP(b[8:24])
	}
	for b = b[24:]; len(b) >= 8 && b[1] != 0; b = b[min(int(b[1])*8, len(b)):] {
		if b[0] == option && b[1] == 1 {
			p.SrcMAC = [6]byte(b[2:8])
		}
	}
}

// icmpError keeps what the quoted packet b says.
func (d *Decoder) icmpError(p *Packet, b []byte, mtu uint32) {
	p.Kind = ICMPError
	q, ok := quote(b)
	if !ok || len(d.quotes) == 1<<16-1 {
		p.Truncated = true
		return
	}
	q.MTU = mtu
	d.quotes = append(d.quotes, q)
	p.Quote = uint16(len(d.quotes))
}

// quote reads a packet that may end anywhere after its addresses.
func quote(b []byte) (q Quote, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[0]&0x0f >= 5:
		setIPv4(&q.Src, b[12:16])
		setIPv4(&q.Dst, b[16:20])
		q.Proto = Proto(b[9])
		later := binary.BigEndian.Uint16(b[6:8])&0x1fff != 0
		if header := int(b[0]&0x0f) * 4; !later && header <= len(b) {
			quoteTransport(&q, b[header:])
		}
	case len(b) >= 40 && b[0]>>4 == 6:
		q.Src, q.Dst = IP(b[8:24]), IP(b[24:40])
		x := extensions(b, Proto(b[6]))
		q.Proto = x.proto
		if x.part != LaterFragment && !x.cut && x.offset <= uint32(len(b)) {
			quoteTransport(&q, b[x.offset:])
		}
	default:
		return q, false
	}
	return q, true
}

func quoteTransport(q *Quote, b []byte) {
	switch q.Proto {
	case TCP, UDP, SCTP:
		if q.Ports = len(b) >= 4; q.Ports {
			q.SrcPort = binary.BigEndian.Uint16(b[0:2])
			q.DstPort = binary.BigEndian.Uint16(b[2:4])
		}
		if q.HasSeq = q.Proto == TCP && len(b) >= 8; q.HasSeq {
			q.Seq = binary.BigEndian.Uint32(b[4:8])
		}
	case ICMP, ICMPv6:
		if q.Ports = len(b) >= 6 && isEcho(q.Proto, b[0]); q.Ports {
			q.SrcPort = binary.BigEndian.Uint16(b[4:6])
			q.DstPort = q.SrcPort
		}
	}
}

func isEcho(proto Proto, icmpType uint8) bool {
	if proto == ICMP {
		return icmpType == icmpEcho || icmpType == icmpEchoReply
	}
	return icmpType == icmp6Echo || icmpType == icmp6EchoReply
}
