package correlate

import (
	"math"
	"time"

	"dnatrace/decode"
)

// In here, a time of 0 is none. But there are captures whose clock starts at 0:
// of test generators, of machines that have just been started. Their times are
// moved to where no other's can be, behind the year 2200, and moved back where
// they are told. Whoever tells a time goes through unix, and whoever compares one
// with what a record says in its content, through told.
const (
	moved = int64(7_300_000_000e9) // how far, in ns
	slack = int64(time.Hour)       // how much earlier than 0, or later than the first, a packet may be

	farthest = math.MaxInt64 - moved - slack // a later one is not told apart from it
)

// clock is how the times of a stream are kept.
type clock uint8

const (
	clockUnset clock = iota // there was none yet
	clockAsIs               // as they are
	clockMoved              // moved away from 0
)

// setClock takes the first time of a stream.
func (t *Tracker) setClock(at int64) {
	t.clock = clockAsIs
	if at < slack {
		t.clock = clockMoved
	}
}

// kept is a time of the stream as it is kept.
func (t *Tracker) kept(at int64) int64 {
	if t.clock == clockUnset {
		t.setClock(at)
	}
	if t.clock == clockMoved {
		return max(min(at, farthest), -slack) + moved
	}
	return at
}

// told is a kept time as the stream has it.
func told(at int64) int64 {
	if at >= moved-slack {
		return at - moved
	}
	return at
}

// unix is a kept time for readers; the zero time for none.
func unix(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return capturedAt(told(at))
}

// capturedAt is a time of the stream for readers.
func capturedAt(at int64) time.Time { return time.Unix(0, at).UTC() }

// movedPacket is a packet with its time as it is kept.
func (t *Tracker) movedPacket(p *decode.Packet) *decode.Packet {
	q := *p
	q.Time = t.kept(p.Time)
	return &q
}

// movedEvent is an event with its time as it is kept. Events that describe the
// stream itself stay as they are.
func (t *Tracker) movedEvent(e decode.Event) decode.Event {
	switch e := e.(type) {
	case *decode.End:
		c := *e
		c.Time = t.kept(e.Time)
		return &c
	case *decode.Conntrack:
		c := *e
		c.Time = t.kept(e.Time)
		if e.Started != 0 {
			c.Started = t.kept(e.Started)
		}
		return &c
	case *decode.TraceStep:
		c := *e
		c.Time = t.kept(e.Time)
		return &c
	case *decode.Drop:
		c := *e
		c.Time, c.At = t.kept(e.Time), t.kept(e.At)
		return &c
	case *decode.EngineSnapshot:
		c := *e
		c.Time = t.kept(e.Time)
		return &c
	case *decode.EngineEvent:
		c := *e
		c.Time = t.kept(e.Time)
		return &c
	case *decode.HostSample:
		c := *e
		c.Time = t.kept(e.Time)
		return &c
	case *decode.Ruleset:
		c := *e
		c.Time = t.kept(e.Time)
		return &c
	}
	return e
}

// watchedFrom and watchedTo report whether a point was watched at a kept time and
// before, or after.
func watchedFrom(p *point, at int64) bool { return p.since == 0 || p.since <= told(at) }
func watchedTo(p *point, at int64) bool   { return p.until == 0 || p.until >= told(at) }
