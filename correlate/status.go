package correlate

import (
	"strconv"
	"time"
)

// Status is how far a run has come. It is for somebody who watches: nothing of it
// is judged.
type Status struct {
	Packets uint64
	Lost    uint64   // packets that the rings lost
	Points  []string // where packets were seen
	Summary Summary  // of what was judged so far; Open are those that wait
	Now     time.Time
	Waiting *Waiting // the one that has waited longest; nil if none does
}

// Waiting is a request that has no outcome yet.
type Waiting struct {
	OpenRequest           // Why is what is suspected so far
	Due         time.Time // when it will be judged, if nothing comes
}

// mostLooked bounds what a Status costs: in a flood, nobody asks for one request.
const mostLooked = 1 << 16

// Now is the time of the stream: nothing earlier is expected any more. The zero
// value if nothing has come yet.
func (t *Tracker) Now() time.Time { return unix(t.now) }

// Status says how far the run has come.
func (t *Tracker) Status() Status {
	s := Status{Now: unix(t.now), Summary: t.journal.summary}
	for i := range t.points {
		if p := &t.points[i]; p.packets > 0 {
			s.Packets += p.packets
			s.Points = append(s.Points, p.Name)
		}
	}
	for _, l := range t.journal.losses {
		for _, n := range l.all() {
			s.Lost += n.Lost
		}
	}
	if t.requests.used > mostLooked {
		return s
	}
	longest, found := uint32(0), false
	for i := range t.requests.used {
		r := t.requests.at(i)
		if r.number == 0 || r.phase != waiting || r.rev > 0 || r.answered != 0 || t.dormant(r) {
			continue
		}
		s.Summary.Open++
		if !found || r.opened < t.requests.at(longest).opened {
			longest, found = i, true
		}
	}
	if found {
		s.Waiting = t.waits(longest)
	}
	return s
}

// waits tells of a request that has no outcome yet.
func (t *Tracker) waits(req uint32) *Waiting {
	p := t.layOut(req, t.now)
	r := p.r
	w := &Waiting{OpenRequest: p.openRequest(), Due: unix(max(r.lastNew, r.asked) + int64(t.patience(req, r)))}
	w.Why = p.suspected(w)
	return w
}

// openRequest is what is known of a request without an outcome.
func (p *path) openRequest() OpenRequest {
	r := p.r
	o := OpenRequest{
		ID: strconv.FormatUint(uint64(r.number), 10), Protocol: p.tuple.Proto.String(), Client: p.tuple.SrcEnd(), Requested: p.tuple.DstEnd(),
		First: unix(r.opened), Last: unix(r.lastNew), Attempts: int(max(1, r.attempts)), Accepted: r.synAck != 0, Seen: []string{}, Answer: []string{},
	}
	for _, s := range p.going {
		o.Seen = appendNew(o.Seen, s.at.Name)
	}
	for _, s := range p.coming {
		o.Answer = appendNew(o.Answer, s.at.Name)
	}
	return o
}

// suspected says what the silence may come from, by how far things were seen.
func (p *path) suspected(w *Waiting) string {
	last := ""
	if len(w.Seen) > 0 {
		last = w.Seen[len(w.Seen)-1]
	}
	switch {
	case p.r.marks&markMiddle != 0:
		return "it was under way before"
	case p.r.asked != 0:
		return "accepted and asked: the server is silent so far"
	case w.Accepted:
		return "accepted, the client has not asked yet"
	case len(w.Answer) > 0:
		return "an answer got to " + w.Answer[len(w.Answer)-1] + ", not to the client so far"
	case p.inside != nil:
		return "it reached " + last + ", and nothing has come back"
	case p.inner != nil:
		return "translated, not beyond " + last + " so far"
	}
	return "not beyond " + last + " so far"
}
