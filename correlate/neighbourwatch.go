package correlate

import (
	"time"

	"dnatrace/capture"
	"dnatrace/decode"
)

// neighbourWatch is what was heard of one address in ARP or ND on the
// containers' side.
type neighbourWatch struct {
	asked, answered int64 // Unix ns of the last one; 0 never
	firstAsked      int64 // of the row of questions since the last answer
	alone           bool  // at most one request had been opened just before that
	asks            int   // in that row
	point           uint16
	frame           uint64
	mac, other      [6]byte // who answered last, and who else did within a second; zero: nobody
}

// aside takes a packet that is no part of a flow but may tell of one.
func (t *Tracker) aside(p *decode.Packet, pt *point, quotes []decode.Quote) {
	switch p.Kind {
	case decode.ARPRequest, decode.Solicit:
		t.learnFromARP(p, pt)
		switch {
		case p.Src == p.Dst:
			t.neighbourAnswered(p, pt) // it announces itself (RFC 5227 §3)
		case !p.Src.Addr().IsValid() || p.Src.Addr().IsUnspecified():
			// It asks whether its own address is free, and hopes for silence.
		case pt.Role == capture.RoleBridge || pt.Role == capture.RoleVeth || pt.Role == capture.RoleOther:
			t.asked(p, pt)
		default:
			t.seek(p, pt)
		}
	case decode.ARPReply, decode.Advertise:
		t.neighbourAnswered(p, pt)
	case decode.ICMPError:
		if p.Quote > 0 && int(p.Quote) <= len(quotes) {
			t.complaint(p, &quotes[p.Quote-1], pt)
		} else if p.Truncated {
			t.cutErrors.Put(p.Dst, p.Time)
		}
	}
}

// neighboursKept bounds the addresses that somebody asked for and that are
// remembered.
const neighboursKept = 8192

func (t *Tracker) asked(p *decode.Packet, pt *point) {
	n := t.neighbours.Use(p.Dst)
	if n == nil {
		n = &neighbourWatch{}
		t.neighbours.Put(p.Dst, n)
	}
	if n.answered > n.asked || n.asks == 0 || p.Time-n.asked > int64(neighbourWindow) {
		n.firstAsked, n.asks = p.Time, 0
		n.alone = p.Time-t.opened[0] > int64(nearby)
	}
	if n.asks == 0 || pt.same == n.point {
		n.asks++
		n.point, n.frame = pt.same, p.Frame
	}
	n.asked = p.Time
}

func (t *Tracker) neighbourAnswered(p *decode.Packet, pt *point) {
	t.found(p.Src, pt)
	n := t.neighbours.Get(p.Src)
	if n == nil {
		return
	}
	if n.mac != p.SrcMAC && n.mac != [6]byte{} && p.Time-n.answered < int64(time.Second) {
		n.other = n.mac
	}
	n.answered, n.mac = p.Time, p.SrcMAC
}

// unanswered returns the questions for ip that nobody answered within a time,
// or nil.
func (t *Tracker) unansweredNeighbour(ip decode.IP, from, to int64) *neighbourWatch {
	n := t.neighbours.Get(ip)
	if n == nil || n.asked < from || n.firstAsked > to || n.answered >= n.firstAsked {
		return nil
	}
	return n
}

// neighbourOutstanding reports whether ARP or ND for where a request goes is
// still without an answer.
func (t *Tracker) neighbourOutstanding(req uint32, r *reqRecord) bool {
	if t.neighbours.Len() == 0 {
		return false
	}
	for _, ip := range t.destinations(req, r) {
		if t.unansweredNeighbour(ip, r.opened, t.now) != nil {
			return true
		}
	}
	return false
}

// destinations are the addresses a request was or would be delivered to.
func (t *Tracker) destinations(req uint32, r *reqRecord) []decode.IP {
	var out []decode.IP
	for n := r.client + 1; n != 0; n = t.legs.slab.at(n - 1).next {
		out = append(out, t.legs.slab.at(n-1).tuple.Dst)
	}
	if x := t.extras[req]; x != nil && x.conntrack != nil {
		out = append(out, x.conntrack.Reply.Src)
	}
	tuple := t.legs.slab.at(r.client).tuple
	if c, _ := t.world.mapping(t.world.engine(), tuple); c != nil {
		for _, ep := range c.Endpoints {
			if tuple.Dst.Is4() {
				out = append(out, decode.IPFrom(ep.IPv4))
			} else {
				out = append(out, decode.IPFrom(ep.IPv6))
			}
		}
	}
	return out
}

// said reports whether a sequence number can be of what was seen of one direction of a
// leg, or of about that time.
func (t *Tracker) said(g *leg, w way, seq uint32) bool {
	known := [2]legFlags{legISN, legReplyISN}[w]
	if g.flags&known == 0 {
		return true
	}
	end := uint32(0)
	t.legs.each(g, func(s *sighting) {
		if s.way == w {
			end = max(end, s.end)
		}
	})
	at := seq - g.isn[w]
	return at-end < leastApart || at <= end || -at < leastApart
}

// complaint enters an ICMP error into the request whose packet it quotes.
func (t *Tracker) complaint(p *decode.Packet, q *decode.Quote, pt *point) {
	if !q.Ports && q.Proto != decode.ICMP && q.Proto != decode.ICMPv6 {
		return
	}
	n, w, ok := t.legs.lookup(q.Tuple, pt.space)
	if !ok {
		return
	}
	g := t.legs.slab.at(n)
	if g.req == 0 {
		return
	}
	if q.HasSeq && !t.said(g, w, q.Seq) {
		return // it is about another connection of the same ends, which was not seen
	}
	req := g.req - 1
	r := t.requests.at(req)
	const most = 32
	x := t.extra(req)
	e := icmpError{time: p.Time, tried: r.lastNew, frame: p.Frame, point: pt.same, leg: n, way: w, from: p.Src, typ: p.Type, code: p.Code, v6: p.Proto == decode.ICMPv6, mtu: q.MTU, facing: t.facing(p, pt)}
	if len(x.errors) == most {
		x.errors = x.errors[:most-1] // the last one says what decided
	}
	x.errors = append(x.errors, e)
	r.lastSeen = p.Time
	if n == r.client && w == request && pt.same == r.point && e.refuses() && r.answered == 0 {
		if !t.refuses(req, r) {
			t.decide(req, r, p.Time)
		}
	}
}
