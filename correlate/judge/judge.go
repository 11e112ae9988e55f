// Package judge feeds a Tracker from a stream of batches: it decodes them, puts
// them in order and picks the requests that were asked about. Replay does all
// of it on the calling goroutine; who wants two calls Reader and Judge from one
// each.
//
// Like correlate it does no I/O and reads no clock; it must not import cmd.
package judge

import (
	"context"
	"math"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// Options say what to judge and whom to tell.
type Options struct {
	// Targets are what to judge requests to; none means what the recording was
	// made for, and all published ports live. All requests of a foreign capture
	// are judged.
	Targets    []string
	Window     time.Duration                // zero: the recording's own, else correlate.DefaultWindow
	Keep       int                          // incidents listed in the document, the worst; negative: all
	OnIncident func(*correlate.Incident)    // called for each judgement as soon as it stands; may be nil
	OnPlain    func(correlate.Plain) bool   // as correlate.Config has it; may be nil
	OnEvent    func(decode.Event)           // called for what each record says, as it comes; may be nil
	OnFlood    func(*correlate.FloodReport) // called once for each flood, when it is known to be one; may be nil
	Updates    bool                         // OnIncident is called for mere changes of an incident's numbers, too
	Memory     int                          // bytes that requests may take; zero: correlate.DefaultMemory
	Advise     func(memory []byte)          // as correlate.Config has it; may be nil
	OnStart    func(*correlate.Document)    // called once, when packets begin; may be nil
}

// Replay judges a whole stream on the calling goroutine.
func Replay(ctx context.Context, src capture.Source, o Options) (*correlate.Document, error) {
	var free []*decode.Batch
	j, err := New(o, func(b *decode.Batch) { free = append(free, b) })
	if err != nil {
		return nil, err
	}
	r := NewReader()
	for b, err := range src(ctx) {
		if err != nil {
			return j.Finish(), err
		}
		if len(free) == 0 {
			free = append(free, &decode.Batch{})
		}
		last := len(free) - 1
		it := r.Decode(b, free[last])
		if it.packets != nil {
			free = free[:last]
		}
		j.Take(it)
	}
	return j.Finish(), nil
}

// Judge is the correlating side. It is not safe for concurrent use.
type Judge struct {
	options Options
	tracker *correlate.Tracker
	order   *correlate.Order
	wanted  *selection
	started bool
	own     bool // the stream is dnatrace's own, not a foreign capture
	recycle func(*decode.Batch)
}

// New makes a Judge. The recycle function gets batches back that are done with;
// it may be nil. The error is a target that cannot be parsed.
func New(o Options, recycle func(*decode.Batch)) (*Judge, error) {
	s, err := newSelection(o.Targets)
	if err != nil {
		return nil, err
	}
	return &Judge{options: o, wanted: s, recycle: recycle}, nil
}

// begin makes the tracker once the first records have told how the stream was
// meant.
func (j *Judge) begin(start *decode.Start) {
	o := j.options
	if start != nil {
		if o.Window == 0 {
			o.Window = time.Duration(start.Window)
		}
		if len(o.Targets) == 0 {
			if s, err := newSelection(strings.Fields(start.Target)); err == nil {
				j.wanted = s
			}
		}
	}
	j.own = start != nil
	j.tracker = correlate.New(correlate.Config{
		Window: o.Window, Memory: o.Memory, Keep: o.Keep, Selects: j.wanted.selects(start != nil), OnIncident: j.telling(), OnPlain: o.OnPlain, OnFlood: o.OnFlood, Updates: o.Updates, Advise: o.Advise,
	})
	j.order = correlate.NewOrder(j.tracker, j.recycle)
}

// Take feeds one item to the tracker.
func (j *Judge) Take(it Item) {
	if j.tracker == nil {
		j.begin(it.start())
	}
	for _, e := range it.events {
		if s, ok := e.(*decode.EngineSnapshot); ok {
			j.wanted.learn(&s.Snapshot)
		}
		j.order.Event(e)
		if j.options.OnEvent != nil {
			j.options.OnEvent(e)
		}
	}
	for _, s := range it.skipped {
		j.tracker.Skip(s.origin, s.err)
	}
	j.tracker.Unread(it.unread)
	if it.packets != nil {
		j.order.Packets(it.packets)
	}
	if it.until != 0 {
		j.order.Release(it.until)
	}
	if it.packets != nil {
		j.announce()
	}
}

// telling tells of an incident, and before the first one what the recording looks
// like: a capture of many files can have requests judged before its packets come
// to an end.
func (j *Judge) telling() func(*correlate.Incident) {
	tell := j.options.OnIncident
	if tell == nil {
		return nil
	}
	return func(i *correlate.Incident) {
		j.announce()
		tell(i)
	}
}

// announce tells once what the recording looks like.
func (j *Judge) announce() {
	if j.started || j.options.OnStart == nil {
		return
	}
	j.started = true
	j.options.OnStart(j.tracker.Document())
}

// Unknown is the error of the first target that names no container, of all the
// engine ever listed, with the names that look like it, or because no engine is
// in evidence to know; nil if there is none.
func (j *Judge) Unknown() error {
	return j.wanted.unknown()
}

// Pending is the number of requests that wait for their judgement.
func (j *Judge) Pending() int {
	if j.tracker == nil {
		return 0
	}
	return j.tracker.Pending()
}

// Now is the time of the stream; the zero value before anything came.
func (j *Judge) Now() time.Time {
	if j.tracker == nil {
		return time.Time{}
	}
	return j.tracker.Now()
}

// Status says how far the run has come.
func (j *Judge) Status() correlate.Status {
	if j.tracker == nil {
		return correlate.Status{}
	}
	return j.tracker.Status()
}

// Finish judges what is left and returns the document. The Judge is spent.
func (j *Judge) Finish() *correlate.Document {
	if j.tracker == nil {
		j.begin(nil)
	}
	j.order.Release(math.MaxInt64)
	j.announce()
	d := j.tracker.Finish()
	switch {
	case j.addressUnanswered(d):
		d.Cause = correlate.CauseAddressUnanswered
	case j.upstream(d):
		d.Cause = correlate.CauseUpstream
	}
	if len(j.options.Targets) > 0 {
		d.Target = target.Shown(j.options.Targets)
	}
	d.Next = j.next(d)
	return d
}
