package correlate

import (
	"cmp"
	"fmt"
	"slices"

	"dnatrace/capture"
	"dnatrace/decode"
)

// journal keeps what the document will say: the recording, the incidents worth
// listing, the counts.
type journal struct {
	keepMost   int // negative: all
	onIncident func(*Incident)
	onPlain    func(Plain) bool
	onFlood    func(*FloodReport)
	lastWords  bool // of connections joined in the middle the client's last packet was seen, and is not told
	updates    bool // onIncident is told whatever changes

	opening *decode.Start
	closing *decode.End
	filters filters
	probes  probes
	sources map[string]capture.SourceState
	losses  map[uint16]*losses // by ring
	damage  []string
	skips   map[string]int
	unread  map[decode.Unread]int // packets, by all else

	summary Summary
	open    int
	opened  []OpenRequest // the first of them
	evicted int
	flooded []*flood
	kept    map[Verdict][]*Incident // by verdict, earliest first
	causes  map[Verdict]*firsts
	known   map[outcome]uint16 // numbers of the outcomes there were
	byID    map[uint32]*Incident
}

func (g *journal) init(c Config) {
	g.keepMost, g.onIncident, g.onFlood, g.updates = c.Keep, c.OnIncident, c.OnFlood, c.Updates
	g.onPlain = c.OnPlain
	g.sources = map[string]capture.SourceState{}
	g.losses = map[uint16]*losses{}
	g.skips = map[string]int{}
	g.unread = map[decode.Unread]int{}
	g.kept = map[Verdict][]*Incident{}
	g.causes = map[Verdict]*firsts{}
	g.known = map[outcome]uint16{}
	g.byID = map[uint32]*Incident{}
}

func (g *journal) start(e *decode.Start) {
	g.opening = e
	g.filters.add(e.Filter)
	g.probes.add(e.Probe)
}

func (g *journal) end(e *decode.End) { g.closing = e }

// source takes what became of a source. Of one whose state cannot be read,
// nothing is claimed.
func (g *journal) source(e *decode.Source) {
	s := e.SourceState
	if s.State != capture.SourceOK && s.State != capture.SourceAbsent && s.State != capture.SourceFailed {
		s = capture.SourceState{Name: s.Name, State: capture.SourceAbsent, Why: fmt.Sprintf("its state in the recording, %q, is none of ok, absent, failed", s.State)}
	}
	g.sources[s.Name] = s
}

func (g *journal) lost(e *decode.Loss) {
	if g.losses[e.Ring] == nil {
		g.losses[e.Ring] = &losses{}
	}
	g.losses[e.Ring].add(e.Loss)
}

func (g *journal) skipped(origin string, err error) {
	g.skips[origin]++
	if g.skips[origin] == 1 {
		g.damage = appendNew(g.damage, fmt.Sprintf("a record of %s could not be read: %v", origin, err))
	}
}

func (g *journal) damaged(what string) { g.damage = appendNew(g.damage, what) }

// lostBetween is how many packets a ring lost in intervals that touch a time.
func (g *journal) lostBetween(ring uint16, from, to int64) uint64 {
	return g.losses[ring].between(told(from), told(to))
}

// counter is the place where a verdict is counted.
func (s *Summary) counter(v Verdict) *int {
	switch v {
	case Delivered:
		return &s.Delivered
	case Misdelivered:
		return &s.Misdelivered
	case Refused:
		return &s.Refused
	case Dropped:
		return &s.Dropped
	case Unanswered:
		return &s.Unanswered
	case AnswerLost:
		return &s.AnswerLost
	case Stalled:
		return &s.Stalled
	case Undetermined, Absent:
	}
	return &s.Undetermined
}

// tells reports whether judgements are told as they come, to somebody who waits for
// the word that one is final.
func (g *journal) tells() bool { return g.onIncident != nil && !g.updates }

func (g *journal) count(v Verdict)   { *g.summary.counter(v)++ }
func (g *journal) uncount(v Verdict) { *g.summary.counter(v)-- }

// reads reports whether somebody reads what is judged of a request, whatever its
// verdict: it is told, or listed already.
func (g *journal) reads(r *reqRecord) bool {
	return g.onIncident != nil || g.keepMost < 0 || r.rev > 0 && g.byID[r.number] != nil
}

// lists reports whether one more request of a verdict would be listed.
func (g *journal) lists(v Verdict) bool {
	return g.keepMost < 0 || len(g.kept[v]) < g.keepMost
}

// unchanged reports whether a new judgement says what the last one said.
func (g *journal) unchanged(r *reqRecord, j *judgement) bool {
	if g.updates {
		return r.outcome == g.outcome(j)
	}
	was := g.byID[r.number]
	return was != nil && was.Verdict == j.verdict && was.Stage == j.stage && was.Cause == j.cause
}

// recount brings what a listed incident counts up to date.
func (g *journal) recount(p *path, j *judgement) {
	if g.byID[p.r.number] == nil && !g.updates {
		return // it is not listed
	}
	now := p.incident(j)
	if was := g.byID[p.r.number]; was != nil {
		now.Rev = was.Rev
		*was = *now
	}
	if g.updates {
		g.onIncident(now)
	}
}

// report lists and tells an incident. One that is unread is only counted.
func (g *journal) report(p *path, j *judgement) {
	if p.r.rev == 1 && p.isTranslated() {
		g.summary.Translated++
	}
	g.caused(p.r, j)
	if p.unread {
		return
	}
	i := p.incident(j)
	i.Revised = p.r.rev > 1
	if was := g.byID[p.r.number]; was != nil {
		i.Revised = was.Revised || was.Verdict != i.Verdict || was.Stage != i.Stage || was.Cause != i.Cause
		g.kept[was.Verdict] = slices.DeleteFunc(g.kept[was.Verdict], func(o *Incident) bool { return o == was })
		delete(g.byID, p.r.number)
	}
	if g.lists(i.Verdict) {
		g.kept[i.Verdict] = append(g.kept[i.Verdict], i)
		g.byID[p.r.number] = i
	}
	if g.onIncident != nil {
		copied := *i
		g.onIncident(&copied)
	}
}

// finish tells that a judgement is final. False if it is not at hand, and somebody
// waits for that word.
func (g *journal) finish(r *reqRecord) bool {
	i := g.byID[r.number]
	if !g.tells() || i == nil {
		return !g.tells()
	}
	r.rev++
	i.Rev, i.Final = int(r.rev), true
	copied := *i
	g.onIncident(&copied)
	return true
}

// gravity orders verdicts as rule "worst" does: the worst first.
var gravity = []Verdict{Dropped, Misdelivered, Refused, AnswerLost, Unanswered, Stalled, Delivered, Undetermined}

// Gravity orders verdicts: the lower, the worse.
func Gravity(v Verdict) int {
	if i := slices.Index(gravity, v); i >= 0 {
		return i
	}
	return len(gravity) // absent
}

// document is the result of the run.
func (g *journal) document(t *Tracker) *Document {
	d := &Document{Schema: Schema, Recording: g.recording(t), Summary: g.summary}
	d.Summary.Open, d.Summary.Evicted = g.open, g.evicted
	if g.opening != nil {
		d.Target = g.opening.Target
	}
	d.Requests, d.Open = g.listed(), g.opened
	d.Verdict, d.Cause = g.worst()
	return d
}

// listed are the worst incidents, in order of opening.
func (g *journal) listed() []Incident {
	out := []Incident{}
	for _, v := range gravity {
		for _, i := range g.kept[v] {
			if g.keepMost < 0 || len(out) < g.keepMost {
				i.Final = true
				out = append(out, *i)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// worst is the verdict of the run, with the cause of the earliest request that
// has it.
func (g *journal) worst() (Verdict, Cause) {
	for _, v := range gravity {
		if *g.summary.counter(v) == 0 {
			continue
		}
		cause := CauseUnknown
		if v == Delivered {
			cause = CauseNone
		}
		if c, ok := g.causes[v].earliest(); ok {
			cause = c
		}
		return v, cause
	}
	if g.open > 0 || g.evicted > 0 {
		return Undetermined, CauseUnknown // some were seen
	}
	if g.summary.Flooded > 0 || g.lastWords {
		return Undetermined, CauseUnknown
	}
	return Absent, CauseNone
}

// recording says what was watched and what was lost.
func (g *journal) recording(t *Tracker) Recording {
	r := Recording{Damage: g.damage, Filter: g.filters.texts(), Floods: g.floodReports(), Started: unix(t.began), Ended: unix(t.now), Points: []PointReport{}, Rings: []RingReport{}}
	if g.opening != nil {
		r.Started = unix(g.opening.Started)
	}
	if g.closing != nil {
		r.Ended = unix(g.closing.Ended)
	}
	rings := map[uint16]*RingReport{}
	var order []uint16
	for i := range t.points {
		pt := &t.points[i]
		packets := pt.packets
		if pt.same != pt.ID { // of another file: they are the point's, and count once
			r.Points[pt.same].Packets += packets
			packets = 0
		}
		r.Points = append(r.Points, PointReport{Name: pt.Name, Netns: pt.Netns, Role: pt.Role.String(), Container: t.containerOf(pt), Packets: packets})
		if rings[pt.Ring] == nil {
			rings[pt.Ring] = &RingReport{Netns: pt.Netns, Points: []string{}, Intervals: []IntervalReport{}}
			order = append(order, pt.Ring)
		}
		rings[pt.Ring].Points = append(rings[pt.Ring].Points, pt.Name)
	}
	for _, n := range order {
		for _, l := range g.losses[n].all() {
			rings[n].Lost += l.Lost
			rings[n].Intervals = append(rings[n].Intervals, IntervalReport{From: capturedAt(l.From), To: capturedAt(l.To), Lost: l.Lost})
		}
		r.Rings = append(r.Rings, *rings[n])
	}
	r.Sources = g.sourceReports(len(t.points) > 0)
	r.Damage = append(slices.Clone(r.Damage), g.undecoded(t)...)
	return r
}

// undecoded says how many packets of which kind there were at each point that
// may have carried requests and are not decoded.
func (g *journal) undecoded(t *Tracker) []string {
	var out []string
	for u, n := range g.unread {
		at := "a point that was not announced"
		if int(u.Point) < len(t.points) {
			at = t.points[u.Point].Name
		}
		out = append(out, fmt.Sprintf("not decoded: %d packets at %s: %s", n, at, u.What))
	}
	slices.Sort(out)
	return out
}

// sourceReports lists every source, the ones that said nothing as absent.
func (g *journal) sourceReports(packets bool) []SourceReport {
	var out []SourceReport
	for _, name := range capture.Sources {
		s, told := g.sources[name]
		if !told {
			s = capture.SourceState{Name: name, State: capture.SourceAbsent}
			if len(g.sources) == 0 {
				s.Why = "not in the capture"
			}
			if name == capture.OriginPackets && packets {
				s.State, s.Why = capture.SourceOK, ""
			}
		}
		if n := g.skips[name]; n > 0 {
			s.Why = fmt.Sprintf("%d records could not be read", n)
		}
		out = append(out, SourceReport{Name: name, State: s.State, Why: s.Why})
	}
	return out
}
