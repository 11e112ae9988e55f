package excerpt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"dnatrace/capture"
	"dnatrace/decode"
)

// part returns what is kept of a record where not all are; false for nothing.
func (e *Excerpt) part(r capture.Record) (capture.Record, bool) {
	switch r.Origin {
	case capture.OriginConntrack, capture.OriginRuleTrace:
		r.Data = e.messages(r)
		return r, len(r.Data) > 0
	case capture.OriginDrops:
		events, err := decode.Control(r)
		return r, err != nil || e.mentions(events)
	case capture.OriginEngine, capture.OriginHost, capture.OriginRules:
		return r, e.stateKept(&r)
	}
	return r, true
}

const netlinkHeader = 16

// messages are the netlink messages of a record that concern the requests.
func (e *Excerpt) messages(r capture.Record) []byte {
	var kept []byte
	for b := r.Data; len(b) >= netlinkHeader; {
		size := int(binary.LittleEndian.Uint32(b))
		if big := int(binary.BigEndian.Uint32(b)); size > len(b) {
			size = big
		}
		if size < netlinkHeader || size > len(b) {
			return append(kept, b...) // damaged: kept, as damage is evidence too
		}
		size = min((size+3)&^3, len(b))
		one := r
		one.Data = b[:size]
		events, err := decode.Control(one)
		if err != nil || e.mentions(events) {
			kept = append(kept, one.Data...)
		}
		b = b[size:]
	}
	return kept
}

// mentions reports whether events are about the requests.
func (e *Excerpt) mentions(events []decode.Event) bool {
	for _, ev := range events {
		switch ev := ev.(type) {
		case *decode.Conntrack:
			if e.tuples[ev.Orig] || e.tuples[ev.Reply] {
				return true
			}
		case *decode.TraceStep:
			if e.traced[traceID{ev.Netns, ev.ID}] {
				return true
			}
		case *decode.Drop:
			if e.tuples[ev.Tuple] {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// history is what one source of state said, one record after the other.
type history struct {
	last    []byte
	before  int // number of the last record before the requests
	after   int // of the first one after them
	records int
	kept    int // records seen in the second pass
	repeats []bool
}

// sourceOf names the source of state that a record is from, and whether it says
// that nothing changed.
func sourceOf(r *capture.Record) (key string, same bool) {
	var said struct {
		Same           bool
		Backend, Table string
	}
	if r.Origin != capture.OriginEngine && json.Unmarshal(r.Data, &said) != nil {
		return "", false
	}
	return r.Origin + " " + r.Kind + " " + r.Netns + " " + said.Backend + " " + said.Table, said.Same
}

func isState(r *capture.Record) bool {
	switch r.Origin + " " + r.Kind {
	case capture.OriginEngine + " " + capture.KindSnapshot, capture.OriginHost + " " + capture.KindSample, capture.OriginRules + " " + capture.KindRuleset:
		return true
	}
	return false
}

// remember notes which records of state repeat the one before.
func (e *Excerpt) remember(r *capture.Record) {
	if !isState(r) {
		return
	}
	key, same := sourceOf(r)
	h := e.state[key]
	if h == nil {
		h = &history{before: -1, after: -1}
		e.state[key] = h
	}
	same = same || h.records > 0 && bytes.Equal(h.last, r.Data)
	if !same {
		h.last = bytes.Clone(r.Data)
	}
	h.repeats = append(h.repeats, same)
	switch {
	case r.Time <= e.want.First:
		h.before = h.records
	case r.Time >= e.want.Last && h.after < 0:
		h.after = h.records
	}
	h.records++
}

// stateKept reports whether a record of state says something new, or is next to
// the requests or the last one of its source.
func (e *Excerpt) stateKept(r *capture.Record) bool {
	if !isState(r) {
		return true
	}
	if r.Netns != "" && r.Netns != capture.HostNetns && !e.want.Netns[r.Netns] {
		return false
	}
	key, _ := sourceOf(r)
	h := e.state[key]
	if h == nil || h.kept >= len(h.repeats) {
		return true
	}
	n := h.kept
	h.kept++
	if e.extent == AllChanges {
		return !h.repeats[n] || n == h.before || n == h.after || n == h.records-1
	}
	switch {
	case n < h.before:
		return n == h.base()
	case h.after >= 0 && n > h.after:
		return false
	}
	return !h.repeats[n] || n == h.before || n == h.after || n == h.records-1
}

// base is the record that says in full what the last one before the requests
// says.
func (h *history) base() int {
	for n := h.before; n >= 0; n-- {
		if !h.repeats[n] {
			return n
		}
	}
	return h.before
}
