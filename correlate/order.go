package correlate

import (
	"cmp"
	"math"
	"slices"

	"dnatrace/decode"
)

// Order puts batches and events in time order before a Tracker sees them.
// Sources promise how late they can be; what is in order passes as it is, batch
// by batch, and only what overlaps is sorted.
type Order struct {
	tracker *Tracker
	recycle func(*decode.Batch) // gets batches back that are done with; may be nil
	held    []stretch           // by from
}

// stretch is a run of packets, or events, that waits for its turn.
type stretch struct {
	from, to int64 // Unix ns
	sorted   bool
	packets  *decode.Batch
	events   []decode.Event
}

// NewOrder feeds t. The recycle function gets batches back once the tracker has
// seen them; it may be nil.
func NewOrder(t *Tracker, recycle func(*decode.Batch)) *Order {
	if recycle == nil {
		recycle = func(*decode.Batch) {}
	}
	return &Order{tracker: t, recycle: recycle}
}

// Packets takes a batch and keeps it until it is recycled.
func (o *Order) Packets(b *decode.Batch) {
	if len(b.Packets) == 0 {
		o.recycle(b)
		return
	}
	o.hold(stretchOf(b))
}

func stretchOf(b *decode.Batch) stretch {
	s := stretch{packets: b, from: b.Packets[0].Time, to: b.Packets[0].Time, sorted: true}
	last := s.from
	for i := range b.Packets {
		at := b.Packets[i].Time
		if at < last {
			s.sorted = false
			s.from = min(s.from, at)
		}
		last = at
		s.to = max(s.to, at)
	}
	return s
}

// Event takes an event. What describes the stream takes effect at once.
func (o *Order) Event(e decode.Event) {
	at, timed := timeOf(e)
	if !timed {
		o.tracker.Event(e)
		return
	}
	if n := len(o.held); n > 0 && o.held[n-1].packets == nil && o.held[n-1].to == at {
		o.held[n-1].events = append(o.held[n-1].events, e)
		return
	}
	o.hold(stretch{from: at, to: at, sorted: true, events: []decode.Event{e}})
}

// timeOf is when an event takes effect; false for those that describe the
// stream itself.
func timeOf(e decode.Event) (int64, bool) {
	switch e := e.(type) {
	case *decode.Conntrack:
		return e.Time, true
	case *decode.TraceStep:
		return e.Time, true
	case *decode.Drop:
		return e.Time, true
	case *decode.EngineSnapshot:
		return e.Time, true
	case *decode.EngineEvent:
		return e.Time, true
	case *decode.HostSample:
		return e.Time, true
	case *decode.Ruleset:
		return e.Time, true
	case *decode.End:
		return e.Time, true
	}
	return 0, false
}

// hold enters a stretch at its place. Nearly always that is the end.
func (o *Order) hold(s stretch) {
	i := len(o.held)
	for i > 0 && o.held[i-1].from > s.from {
		i--
	}
	o.held = slices.Insert(o.held, i, s)
}

// Release passes on everything up to until, than which nothing earlier will
// come.
func (o *Order) Release(until int64) {
	n := 0
	for n < len(o.held) && o.held[n].from <= until {
		together := o.overlapping(n)
		if s := &o.held[n]; together == 1 && s.sorted {
			if s.to > until {
				break // it waits as a whole
			}
			o.pass(s)
			n++
			continue
		}
		o.held = slices.Delete(o.held, 0, n)
		n = 0
		o.sort(together, until)
	}
	o.held = slices.Delete(o.held, 0, n)
	if len(o.held) > 0 {
		until = min(until, o.held[0].from-1)
	}
	if until != math.MaxInt64 {
		o.tracker.Advance(until)
	}
}

// overlapping is how many stretches from the n-th on overlap with it, or with
// one that does.
func (o *Order) overlapping(n int) int {
	to, i := o.held[n].to, n+1
	for ; i < len(o.held) && o.held[i].from <= to; i++ {
		to = max(to, o.held[i].to)
	}
	return i - n
}

func (o *Order) pass(s *stretch) {
	if s.packets != nil {
		o.tracker.Packets(s.packets)
		o.recycle(s.packets)
		return
	}
	for _, e := range s.events {
		o.tracker.Event(e)
	}
}

// single is one packet or event among others that overlap it.
type single struct {
	at     int64
	packet *decode.Packet
	quote  *decode.Quote
	event  decode.Event
}

// sort passes on, in order, all that lies up to until of the first stretches,
// which overlap, and holds the rest. Events come before packets of the same time,
// packets of the same time in the order of points and frames.
func (o *Order) sort(stretches int, until int64) {
	var due []single
	rest := &decode.Batch{}
	kept := o.held[:0]
	for i, s := range o.held {
		switch {
		case i >= stretches || s.from > until:
			kept = append(kept, s)
		case s.packets == nil:
			for _, e := range s.events {
				due = append(due, single{at: s.from, event: e})
			}
		default:
			due = o.split(s.packets, until, due, rest)
		}
	}
	o.held = kept
	slices.SortStableFunc(due, compareSingles)
	o.passSingles(due)
	if len(rest.Packets) > 0 {
		slices.SortStableFunc(rest.Packets, comparePackets)
		o.hold(stretchOf(rest))
	}
}

// split copies what is due of a batch and moves what is not to rest.
func (o *Order) split(b *decode.Batch, until int64, due []single, rest *decode.Batch) []single {
	for _, p := range b.Packets {
		var q *decode.Quote
		if p.Quote > 0 && int(p.Quote) <= len(b.Quotes) {
			copied := b.Quotes[p.Quote-1]
			q = &copied
		}
		if p.Time <= until {
			due = append(due, single{at: p.Time, packet: &p, quote: q})
			continue
		}
		p.Quote = appendQuote(rest, q)
		rest.Packets = append(rest.Packets, p)
	}
	o.recycle(b)
	return due
}

func appendQuote(b *decode.Batch, q *decode.Quote) uint16 {
	if q == nil || len(b.Quotes) == math.MaxUint16 {
		return 0
	}
	b.Quotes = append(b.Quotes, *q)
	return uint16(len(b.Quotes))
}

// passSingles hands packets on in runs between events.
func (o *Order) passSingles(due []single) {
	run := &decode.Batch{}
	flush := func() {
		o.tracker.Packets(run)
		run.Packets, run.Quotes = run.Packets[:0], run.Quotes[:0]
	}
	for _, s := range due {
		if s.event != nil {
			flush()
			o.tracker.Event(s.event)
			continue
		}
		p := *s.packet
		p.Quote = appendQuote(run, s.quote)
		run.Packets = append(run.Packets, p)
		if len(run.Packets) == 256 {
			flush()
		}
	}
	flush()
}

func compareSingles(a, b single) int {
	if a.at != b.at || a.event != nil && b.event != nil {
		return cmp.Compare(a.at, b.at)
	}
	if a.event != nil {
		return -1
	}
	if b.event != nil {
		return 1
	}
	return comparePackets(*a.packet, *b.packet)
}

func comparePackets(a, b decode.Packet) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Point, b.Point), cmp.Compare(a.Frame, b.Frame))
}
