package correlate

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/decode"
)

// icmpError is an ICMP error about a request or its reply, seen at one point.
type icmpError struct {
	time      int64
	tried     int64 // the client's last try before it, at its own point
	frame     uint64
	point     uint16
	leg       uint32
	way       way // which direction the quoted packet went
	from      decode.IP
	typ, code uint8
	v6        bool
	mtu       uint32
	facing    capture.Direction // in which it crossed the point
}

// Types and codes that more is known of (RFC 792, RFC 4443).
const (
	sourceQuench = 4 // ICMP only: asks to slow down, and refuses nothing (RFC 6633)
	reassembly   = 1 // code of time exceeded: of the fragments of one packet some did not come
)

// same reports whether two errors say the same.
func (e *icmpError) same(o *icmpError) bool {
	return e.typ == o.typ && e.code == o.code && e.v6 == o.v6
}

// is compares type and code of each family.
func (e *icmpError) is(typ4, code4, typ6, code6 uint8) bool {
	if e.v6 {
		return e.typ == typ6 && e.code == code6
	}
	return e.typ == typ4 && e.code == code4
}

func (e *icmpError) portUnreachable() bool { return e.is(3, 3, 1, 4) }
func (e *icmpError) hostUnreachable() bool { return e.is(3, 1, 1, 3) }
func (e *icmpError) netUnreachable() bool  { return e.is(3, 0, 1, 0) }
func (e *icmpError) timeExceeded() bool    { return e.typ == 11 && !e.v6 || e.typ == 3 && e.v6 }

// refuses reports whether an error says no to the packet it quotes.
func (e *icmpError) refuses() bool { return e.mtu == 0 && (e.v6 || e.typ != sourceQuench) }

// saysNobody reports whether an error is what a kernel says where nobody takes
// what it quotes: a datagram to a port (RFC 1122 §4.1.3.1), or a protocol it does
// not speak.
func (e *icmpError) saysNobody(proto decode.Proto) bool {
	switch proto {
	case decode.UDP:
		return e.portUnreachable()
	case decode.SCTP:
		return e.portUnreachable() || e.is(3, 2, 4, 1)
	}
	return false
}

// rejectable reports whether a rule can have sent an error: REJECT of iptables and
// nftables knows these types and no others.
func (e *icmpError) rejectable() bool {
	if e.v6 {
		return e.typ == 1 && e.code != 2 && e.code <= 6
	}
	if e.typ != 3 {
		return false
	}
	switch e.code {
	case 0, 1, 2, 3, 9, 10, 13:
		return true
	}
	return false
}

// deniedBy is the type of route that has the kernel send such an error; "" if
// none does.
func (e *icmpError) deniedBy() string {
	switch {
	case e.is(3, 1, 1, 0):
		return "unreachable"
	case e.is(3, 13, 1, 1):
		return "prohibit"
	}
	return ""
}

var icmpNames = map[[2]uint8]string{
	{3, 0}: "net unreachable", {3, 1}: "host unreachable", {3, 2}: "protocol unreachable", {3, 3}: "port unreachable",
	{3, 4}: "fragmentation needed", {3, 5}: "source route failed", {3, 6}: "net unknown", {3, 7}: "host unknown",
	{3, 8}: "source isolated", {3, 9}: "net prohibited", {3, 10}: "host prohibited", {3, 11}: "net unreachable for this type of service",
	{3, 12}: "host unreachable for this type of service", {3, 13}: "administratively prohibited", {3, 14}: "host precedence violation",
	{3, 15}: "precedence cutoff", {sourceQuench, 0}: "source quench", {11, 0}: "time exceeded", {11, reassembly}: "fragment reassembly time exceeded",
	{12, 0}: "parameter problem", {12, 1}: "missing a required option", {12, 2}: "bad length",
}

var icmp6Names = map[[2]uint8]string{
	{1, 0}: "no route", {1, 1}: "administratively prohibited", {1, 2}: "beyond scope of source address", {1, 3}: "address unreachable",
	{1, 4}: "port unreachable", {1, 5}: "source address failed policy", {1, 6}: "reject route to destination", {1, 7}: "error in source routing header",
	{2, 0}: "packet too big", {3, 0}: "time exceeded", {3, reassembly}: "fragment reassembly time exceeded",
	{4, 0}: "erroneous header field", {4, 1}: "unrecognized next header", {4, 2}: "unrecognized option",
}

// icmpName names an error as RFC 792, RFC 1812 §5.2.7.1 and RFC 4443 do.
func icmpName(e *icmpError) string {
	names := icmpNames
	if e.v6 {
		names = icmp6Names
	}
	if name := names[[2]uint8{e.typ, e.code}]; name != "" {
		return name
	}
	return fmt.Sprintf("type %d code %d", e.typ, e.code)
}

// errorToClient is the ICMP error about the request at the client's point that
// decided: the first that says what the last one says. What became of a packet
// that came further than one whose time ran out says more.
func (p *path) errorToClient() *icmpError {
	var found *icmpError
	for i := range p.x.errors {
		e := &p.x.errors[i]
		if !p.toClient(e) || !e.refuses() || found != nil && e.timeExceeded() && !found.timeExceeded() {
			continue
		}
		if found == nil || !found.same(e) || found.from != e.from {
			found = e
		}
	}
	return found
}

// toClient reports whether an error is about the request and came by at the
// client's point.
func (p *path) toClient(e *icmpError) bool {
	return e.leg == p.r.client && e.point == p.r.point && e.way == request
}

// tellErrors adds what the client was told in ICMP, each thing once.
func (p *path) tellErrors(j *judgement) {
	for i := range p.x.errors {
		e := &p.x.errors[i]
		equal := func(o *icmpError) bool { return p.toClient(o) && o.same(e) && o.from == e.from }
		if !p.toClient(e) {
			continue
		}
		n, told := 0, false
		for k := range p.x.errors {
			if equal(&p.x.errors[k]) {
				n++
				told = told || k < i
			}
		}
		if told {
			continue
		}
		times := ""
		if n > 1 {
			times = fmt.Sprintf(", %d times", n)
		}
		j.fact("packets", e.time, "ICMP %s from %s at %s%s", icmpName(e), e.from.Addr(), p.t.pointName(e.point), times)
	}
}
