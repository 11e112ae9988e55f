package correlate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"dnatrace/correlate"
	"dnatrace/decode"
)

// feeding is a way to hand a stream over; the outcome must not depend on it.
type feeding struct {
	batch    int           // packets a batch at most
	lines    []happening   // in another order than that of time; nil: in order
	lateness time.Duration // how far out of order lines are at most
	advance  []int64       // offsets at which time is announced on top
}

// run feeds a story to a tracker.
func (st *story) run(f feeding) *correlate.Document {
	return st.feed(correlate.New(st.scene.config), f)
}

func (st *story) feed(t *correlate.Tracker, f feeding) *correlate.Document {
	o := correlate.NewOrder(t, nil)
	for _, e := range st.opening {
		o.Event(e)
	}
	lines := f.lines
	if lines == nil {
		lines = st.lines
	}
	b := &decode.Batch{}
	flush := func() {
		if len(b.Packets) > 0 {
			o.Packets(b)
			b = &decode.Batch{}
		}
	}
	advance := f.advance
	seen := int64(0)
	for _, l := range lines {
		for len(advance) > 0 && advance[0] <= l.at-int64(f.lateness) {
			flush()
			o.Release(advance[0])
			advance = advance[1:]
		}
		seen = max(seen, l.at)
		if l.event != nil {
			flush()
			o.Event(l.event)
			continue
		}
		b.Packets = append(b.Packets, l.pack(b))
		if len(b.Packets) >= f.batch {
			flush()
			o.Release(seen - int64(f.lateness) - 1)
		}
	}
	flush()
	o.Release(math.MaxInt64)
	return t.Finish()
}

// pack is the packet of a happening as part of a batch.
func (l *happening) pack(b *decode.Batch) decode.Packet {
	p := l.packet
	if l.quote != nil {
		b.Quotes = append(b.Quotes, *l.quote)
		p.Quote = uint16(len(b.Quotes))
	}
	return p
}

// row is one incident, or a few, told and judged.
type row struct {
	name  string
	scene func() *scene // nil: dockerHost
	but   func(*scene)  // what is different
	story string
	want  []string // a sentence for each request judged, as sentence tells it
	from  string   // who asks, of the first of them; "": not looked at
	seen  string   // where the last of them is shown to have been seen, in order; "": not looked at
	why   string   // must be part of the reason given
	blind string   // must be part of what is said to be missing
	note  string   // must be part of a note
	open  int      // requests too young to judge
}

// sentence is a judgement in short.
func sentence(i *correlate.Incident) string {
	var b strings.Builder
	b.WriteString(i.Verdict.String())
	if i.Stage != "" {
		b.WriteString(" at " + string(i.Stage))
	}
	if len(i.Between) == 2 {
		b.WriteString(" between " + i.Between[0] + " and " + i.Between[1])
	}
	if i.Cause != correlate.CauseNone {
		b.WriteString(": " + string(i.Cause))
	}
	if i.Translated != "" {
		b.WriteString(", via " + string(i.Via) + " to " + i.Translated)
	} else if i.Via == correlate.ViaDirect {
		b.WriteString(", direct")
	}
	if i.Attempts > 1 {
		fmt.Fprintf(&b, ", %d tries", i.Attempts)
	}
	fmt.Fprintf(&b, ", %s", i.Proof)
	if i.Rev > 1 {
		fmt.Fprintf(&b, ", rev %d", i.Rev)
	}
	return b.String()
}

// check runs rows, each in every way of feeding.
func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) { r.check(t) })
	}
}

func (r *row) tell() *story {
	s := dockerHost()
	if r.scene != nil {
		s = r.scene()
	}
	if r.but != nil {
		r.but(s)
	}
	return tell(s, r.story)
}

func (r *row) check(t *testing.T) {
	st := r.tell()
	d := st.run(feeding{batch: 256})
	var got []string
	for i := range d.Requests {
		got = append(got, sentence(&d.Requests[i]))
	}
	if !slices.Equal(got, r.want) {
		t.Errorf("judged\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(r.want, "\n  "))
	}
	if r.from != "" && (len(d.Requests) == 0 || d.Requests[0].Client != r.from) {
		t.Errorf("not asked by %s: %+v", r.from, d.Requests)
	}
	if seen := sights(d); r.seen != "" && seen != r.seen {
		t.Errorf("seen at %s, want %s", seen, r.seen)
	}
	if d.Summary.Open != r.open {
		t.Errorf("%d requests are open, want %d", d.Summary.Open, r.open)
	}
	if r.why != "" && !anyContains(d, r.why, func(i *correlate.Incident) []string { return []string{i.Why} }) {
		t.Errorf("the reason is not %q: %+v", r.why, d.Requests)
	}
	if r.blind != "" && !anyContains(d, r.blind, func(i *correlate.Incident) []string { return i.Blind }) {
		t.Errorf("blind does not say %q: %+v", r.blind, d.Requests)
	}
	if r.note != "" && !anyContains(d, r.note, func(i *correlate.Incident) []string { return i.Notes }) {
		t.Errorf("notes do not say %q: %+v", r.note, d.Requests)
	}
}

// sights are the points of the last request's hops.
func sights(d *correlate.Document) string {
	var at []string
	if n := len(d.Requests); n > 0 {
		for _, h := range d.Requests[n-1].Hops {
			if h.Kind != "translated" {
				at = append(at, h.Point)
			}
		}
	}
	return strings.Join(at, " ")
}

func anyContains(d *correlate.Document, text string, of func(*correlate.Incident) []string) bool {
	for i := range d.Requests {
		if slices.ContainsFunc(of(&d.Requests[i]), func(s string) bool { return strings.Contains(s, text) }) {
			return true
		}
	}
	return false
}
