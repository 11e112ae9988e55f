package decode

import (
	"encoding/binary"
	"errors"
	"fmt"

	"dnatrace/capture"
)

// traceRecord decodes the netlink messages of a rule trace record.
func traceRecord(r capture.Record) ([]Event, error) {
	if r.Kind != capture.KindEvent {
		return nil, unknown(r)
	}
	var events []Event
	var bad error // the first
	for b := r.Data; len(b) > 0; {
		at := len(r.Data) - len(b)
		m, rest, err := nextMessage(b)
		if err != nil {
			return events, fmt.Errorf("decode %s %s at byte %d: %w", r.Origin, r.Kind, at, err)
		}
		b = rest
		if m.kind != traceMessage {
			continue
		}
		s := &TraceStep{Time: r.Time, Netns: r.Netns, Family: Family(m.family)}
		if err := s.read(m); err == nil {
			events = append(events, s)
		} else if bad == nil {
			bad = fmt.Errorf("decode %s %s at byte %d: %w", r.Origin, r.Kind, at, err)
		}
	}
	return events, bad
}

// Attributes of a trace message (enum nft_trace_attributes). Numbers are in
// network byte order.
const (
	traceTable       = 1
	traceChain       = 2
	traceHandle      = 3
	traceType        = 4
	traceVerdict     = 5
	traceID          = 6
	traceLink        = 7
	traceNetwork     = 8
	traceTransport   = 9
	traceIIF         = 10
	traceIIFType     = 11
	traceOIF         = 12
	traceMark        = 14
	traceProtocol    = 15
	tracePolicy      = 16
	traceCTID        = 18
	traceCTDirection = 19
	traceCTStatus    = 20
	traceCTState     = 21

	verdictCode  = 1 // in traceVerdict
	verdictChain = 2
)

// traceHeaders are the parts of the packet in a trace message.
type traceHeaders struct {
	link, network, transport []byte
	linkType                 uint16 // ARPHRD_* of the incoming interface
}

// read fills s from the attributes of m. A step that no rule or chain could be
// named for is an error.
func (s *TraceStep) read(m message) error {
	var h traceHeaders
	err := m.attributes(m.body, func(kind uint16, v []byte) (err error) {
		var n uint32
		switch kind {
		case traceTable:
			s.Table = cString(v)
		case traceChain:
			s.Chain = cString(v)
		case traceHandle:
			var handle int64
			handle, err = be64(v)
			s.Handle = uint64(handle)
		case traceType:
			n, err = be32(v)
			s.Type = TraceType(min(n, 0xff))
		case traceVerdict:
			err = s.verdict(m, v)
		case tracePolicy:
			n, err = be32(v)
			s.Verdict.Code = verdictOf(n)
		case traceID:
			s.ID, err = be32(v)
		case traceLink:
			h.link = v
		case traceNetwork:
			h.network = v
		case traceTransport:
			h.transport = v
		case traceIIF:
			s.IIF, err = be32(v)
		case traceIIFType:
			h.linkType, err = be16(v)
		case traceOIF:
			s.OIF, err = be32(v)
		case traceMark:
			s.Mark, err = be32(v)
		case traceProtocol:
			n, err = be32(v)
			s.Network = Family(min(n, 0xff))
		case traceCTID:
			s.Conntrack = true
			s.CTID, err = be32(v)
		case traceCTDirection:
			s.CTDirection, err = u8(v)
		case traceCTStatus:
			s.CTStatus, err = be32(v)
		case traceCTState:
			s.CTState, err = be32(v)
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.Table == "" || s.Chain == "" {
		return errors.New("trace step without table and chain")
	}
	h.decode(&s.Packet)
	return nil
}

func (s *TraceStep) verdict(m message, b []byte) error {
	return m.attributes(b, func(kind uint16, v []byte) (err error) {
		switch kind {
		case verdictCode:
			var n uint32
			n, err = be32(v)
			s.Verdict.Code = verdictOf(n)
		case verdictChain:
			s.Verdict.Chain = cString(v)
		}
		return err
	})
}

// verdictOf takes what a verdict carries off it: the upper half of one that is
// not negative holds a queue's number or an errno.
func verdictOf(code uint32) VerdictCode {
	if v := VerdictCode(code); v < 0 {
		return v
	}
	return VerdictCode(code & 0xff)
}

// cString is v up to its first NUL.
func cString(v []byte) string {
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

// decode reads the headers into p. The transport header is a message's own: the
// network header may not reach to it.
func (h traceHeaders) decode(p *Packet) {
	const ethernet = 1 // ARPHRD_ETHER
	if len(h.network) == 0 {
		return
	}
	switch h.network[0] >> 4 {
	case 4:
		h.ipv4(p)
	case 6:
		h.ipv6(p)
	}
	if h.linkType == ethernet && len(h.link) >= 12 {
		p.DstMAC, p.SrcMAC = [6]byte(h.link[0:6]), [6]byte(h.link[6:12])
	}
}

func (h traceHeaders) ipv4(p *Packet) {
	b := h.network
	if len(b) < 20 {
		p.Truncated = true
		return
	}
	header := uint32(b[0]&0x0f) * 4
	length := uint32(binary.BigEndian.Uint16(b[2:4]))
	if header < 20 {
		return
	}
	p.IPID = binary.BigEndian.Uint16(b[4:6])
	p.TTL = b[8]
	p.Proto = Proto(b[9])
	setIPv4(&p.Src, b[12:16])
	setIPv4(&p.Dst, b[16:20])
	part := binary.BigEndian.Uint16(b[6:8])
	switch {
	case part&0x1fff != 0:
		p.Fragment, p.Kind = LaterFragment, Tail
		return
	case part&0x2000 != 0:
		p.Fragment = FirstFragment
	}
	h.upper(p, max(length, header)-header)
}

func (h traceHeaders) ipv6(p *Packet) {
	b := h.network
	if len(b) < 40 {
		p.Truncated = true
		return
	}
	p.TTL = b[7]
	p.Proto = Proto(b[6])
	p.Src = IP(b[8:24])
	p.Dst = IP(b[24:40])
	if x := extensions(b[:40], p.Proto); x.cut {
		p.Kind, p.Proto, p.Truncated = Tail, 0, true // the message does not have them
		return
	}
	h.upper(p, uint32(binary.BigEndian.Uint16(b[4:6])))
}

// upper reads the transport header of a packet that has length bytes behind its
// IP headers.
func (h traceHeaders) upper(p *Packet, length uint32) {
	b := h.transport
	length = max(length, uint32(len(b))) // 0 of a TSO packet
	switch p.Proto {
	case TCP:
		tcp(p, b, length)
		p.Truncated = len(b) < 20
	case UDP:
		udp(p, b, length)
	case SCTP:
		sctp(p, b, length)
	case ICMP, ICMPv6:
		icmpHeader(p, b, length)
	}
}

// icmpHeader reads the eight bytes that an ICMP message begins with.
func icmpHeader(p *Packet, b []byte, length uint32) {
	if len(b) < 8 {
		p.Kind, p.Truncated = Tail, true
		return
	}
	p.Type, p.Code = b[0], b[1]
	p.Payload = length - 8
	switch is4 := p.Proto == ICMP; {
	case is4 && p.Type == icmpEcho, !is4 && p.Type == icmp6Echo:
		echo(p, b, EchoRequest)
	case is4 && p.Type == icmpEchoReply, !is4 && p.Type == icmp6EchoReply:
		echo(p, b, EchoReply)
	case is4 && (p.Type == icmpUnreachable || p.Type == icmpExceeded || p.Type == icmpParameter),
		!is4 && p.Type >= icmp6Unreachable && p.Type <= icmp6Parameter:
		p.Kind, p.Truncated = ICMPError, true
	}
}
