package collect

import (
	"net/netip"
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
	"dnatrace/correlate/recent"
	"dnatrace/decode"
)

// Bounds of the flights that are kept of a case: the first ones, and the last
// ones.
const (
	maxFirst = 80
	maxLast  = 20
)

// Packets of a request are looked for from a little before it was seen first
// until its window has passed.
const (
	leadIn  = int64(time.Millisecond)
	leadOut = int64(6 * time.Second)
)

// together is within what time one packet is seen at all points.
const together = int64(time.Second)

// twice is within what time the same packet at the same point is the same
// sighting: the loopback shows each as it leaves and as it arrives. Nobody sends
// again as soon as that.
const twice = int64(10 * time.Millisecond)

// flightsKnown is how many packets of a case are known again at the next point.
const flightsKnown = 8192

// flights joins the sightings of packets of the cases.
type flights struct {
	points []string
	legs   map[decode.Tuple][]leg
	cases  []tracked
	from   int64 // no packet of a case is earlier, or later than to; valid iff there are legs
	to     int64
}

// leg is a tuple of a case.
type leg struct {
	of       int // index of the case
	reply    bool
	from, to int64 // Unix ns
}

// tracked is the flights of one case so far.
type tracked struct {
	all    []*flight
	left   int
	latest recent.Map[sign, *flight]
	sent   recent.Map[sign, int] // how often the same bytes were sent
}

type flight struct {
	report.Flight
	started int64
}

// sign is what a packet keeps from point to point, and tells it from others.
type sign struct {
	reply         bool
	kind          decode.Kind
	seq, ack, len uint32
	flags         decode.TCPFlags
	id            uint16
	code          uint16
}

func (f *flights) init(cases []report.Case) {
	f.legs = map[decode.Tuple][]leg{}
	f.cases = make([]tracked, len(cases))
	for n := range cases {
		f.cases[n] = tracked{latest: recent.Map[sign, *flight]{Most: flightsKnown}, sent: recent.Map[sign, int]{Most: flightsKnown}}
		f.learn(n, &cases[n].Incident)
	}
}

// learn notes every tuple that packets of a request may have.
func (f *flights) learn(n int, i *correlate.Incident) {
	from, to := i.First.UnixNano()-leadIn, i.Last.UnixNano()+leadOut
	for _, src := range []string{i.Client, i.ClientSeen} {
		for _, dst := range []string{i.Requested, i.Translated} {
			t, ok := tupleOf(i.Protocol, src, dst)
			if !ok {
				continue
			}
			f.add(t, leg{of: n, from: from, to: to})
			f.add(t.Reverse(), leg{of: n, reply: true, from: from, to: to})
		}
	}
}

// mayHold reports whether a batch of packets between two times may hold one of a
// case. Times that are out of order are so by less than a second.
func (f *flights) mayHold(first, last int64) bool {
	const slack = int64(time.Second)
	return len(f.legs) > 0 && last >= f.from-slack && first <= f.to+slack
}

func (f *flights) add(t decode.Tuple, l leg) {
	if len(f.legs) == 0 {
		f.from, f.to = l.from, l.to
	}
	f.from, f.to = min(f.from, l.from), max(f.to, l.to)
	if !slices.Contains(f.legs[t], l) {
		f.legs[t] = append(f.legs[t], l)
	}
}

// tupleOf reads two ends as the document writes them.
func tupleOf(proto, src, dst string) (decode.Tuple, bool) {
	s, okS := endOf(src)
	d, okD := endOf(dst)
	t := decode.Tuple{Proto: decode.ParseProto(proto), Src: decode.IPFrom(s.Addr()), Dst: decode.IPFrom(d.Addr()), SrcPort: s.Port(), DstPort: d.Port()}
	return t, okS && okD && t.Proto != 0
}

// endOf reads an address with its port, or one without.
func endOf(s string) (netip.AddrPort, bool) {
	if end, err := netip.ParseAddrPort(s); err == nil {
		return end, true
	}
	a, err := netip.ParseAddr(s)
	return netip.AddrPortFrom(a, 0), err == nil
}

func (f *flights) point(p capture.Point) {
	for int(p.ID) >= len(f.points) {
		f.points = append(f.points, "")
	}
	f.points[p.ID] = p.Name
}

func (f *flights) packets(b *decode.Batch) {
	for n := range b.Packets {
		p := &b.Packets[n]
		if p.Kind < decode.ICMPError {
			continue
		}
		if p.Kind != decode.ICMPError {
			f.packet(p, p.Tuple, nil)
		} else if p.Quote > 0 && int(p.Quote) <= len(b.Quotes) {
			q := &b.Quotes[p.Quote-1]
			f.packet(p, q.Tuple.Reverse(), q)
		}
	}
}

// packet takes a sighting in. An error goes the way of an answer to what it
// quotes.
func (f *flights) packet(p *decode.Packet, t decode.Tuple, q *decode.Quote) {
	if t.Proto == decode.ICMP || t.Proto == decode.ICMPv6 {
		t.SrcPort, t.DstPort = 0, 0
	}
	for _, l := range f.legs[t] {
		if p.Time < l.from || p.Time > l.to || p.Kind == decode.EchoRequest && l.reply || p.Kind == decode.EchoReply && !l.reply {
			continue
		}
		f.cases[l.of].sighted(p, q, l.reply, f.name(p.Point))
		return
	}
}

func (f *flights) name(point uint16) string {
	if int(point) < len(f.points) {
		return f.points[point]
	}
	return ""
}

// sighted joins a sighting with the latest flight of the same packet that was
// not seen at this point yet, or begins a flight.
func (c *tracked) sighted(p *decode.Packet, q *decode.Quote, reply bool, point string) {
	s := signOf(p, q, reply)
	fl := c.latest.Use(s)
	if fl != nil && fl.seenAt(point) && p.Time-fl.started < twice {
		return
	}
	if fl == nil || p.Time-fl.started > together || fl.seenAt(point) {
		fl = c.begin(p, q, reply, s)
	}
	fl.Seen = append(fl.Seen, report.Sighting{Time: time.Unix(0, p.Time).UTC(), Point: point, Frame: p.Frame, Src: srcOf(p), Dst: dstOf(p), TTL: int(p.TTL)})
}

func (c *tracked) begin(p *decode.Packet, q *decode.Quote, reply bool, s sign) *flight {
	same := s
	same.id = 0
	fl := &flight{started: p.Time, Flight: report.Flight{Reply: reply, Again: c.sent.Use(same), Label: labelOf(p), Class: classOf(p), Detail: detailOf(p, q)}}
	if !repeats(p) {
		fl.Again = 0
	}
	c.sent.Put(same, c.sent.Get(same)+1)
	c.latest.Put(s, fl)
	c.all = append(c.all, fl)
	if len(c.all) > maxFirst+maxLast {
		c.all = slices.Delete(c.all, maxFirst, maxFirst+1)
		c.left++
	}
	return fl
}

func (fl *flight) seenAt(point string) bool {
	return slices.ContainsFunc(fl.Seen, func(s report.Sighting) bool { return s.Point == point })
}

func signOf(p *decode.Packet, q *decode.Quote, reply bool) sign {
	s := sign{reply: reply, kind: p.Kind, seq: p.Seq, ack: p.Ack, len: p.Payload, flags: p.Flags, id: p.IPID, code: uint16(p.Type)<<8 | uint16(p.Code)}
	if q != nil {
		s.seq = q.Seq
	}
	return s
}

// repeats reports whether the same packet again is the same bytes again: a bare
// acknowledgement or a datagram may well be sent twice.
func repeats(p *decode.Packet) bool {
	return p.Kind == decode.Segment && (p.Payload > 0 || p.Flags&(decode.SYN|decode.FIN) != 0) || p.Kind == decode.EchoRequest || p.Kind == decode.Chunk
}

// finish hands the flights to their cases.
func (f *flights) finish(cases []report.Case) {
	for n := range cases {
		t := &f.cases[n]
		cases[n].Flights = make([]report.Flight, len(t.all))
		for k, fl := range t.all {
			cases[n].Flights[k] = fl.Flight
		}
		if t.left > 0 {
			cases[n].Left, cases[n].LeftFrom = t.left, maxFirst
		}
	}
}
