package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/cmd/internal/lang"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// interval counts what was judged, or judged otherwise, since the last one was
// told.
type interval struct {
	from           time.Time
	sum            tally
	ports          map[*Port]*tally
	connect, first latency
}

type tally struct {
	verdicts [int(correlate.Absent) + 1]int
	requests int // told for the first time
}

func (v *interval) count(c, was counted, is correlate.Verdict, times correlate.Timing, n news) {
	if v.ports == nil {
		v.ports = map[*Port]*tally{}
	}
	at := v.ports[c.port]
	if at == nil {
		at = &tally{}
		v.ports[c.port] = at
	}
	for _, t := range []*tally{&v.sum, at} {
		t.count(was.verdict, is, n)
	}
	if n.first {
		v.connect.add(time.Time{}, times.Connect)
		v.first.add(time.Time{}, times.FirstByte)
	}
}

func (t *tally) count(was, is correlate.Verdict, n news) {
	switch {
	case n.first:
		t.requests++
	case was == is:
		return
	case t.verdicts[was] > 0:
		t.verdicts[was]--
	}
	t.verdicts[is]++
}

// Interval is what came of the requests of a time: of those that were judged in
// it, and of those that were judged otherwise than before. It is an object of
// -o jsonl, fit to be shown.
type Interval struct {
	Type     string            `json:"type"` // interval
	From     time.Time         `json:"from"`
	To       time.Time         `json:"to"`
	Requests int               `json:"requests"` // told for the first time
	Rate     float64           `json:"rate"`     // of them a second
	Summary  correlate.Summary `json:"summary"`
	Waiting  int               `json:"waiting"` // requests without an outcome at its end
	Timing   Quantiles         `json:"timing"`
	Ports    []PortInterval    `json:"ports"`   // to which there was something; those with failures first
	Packets  uint64            `json:"packets"` // since the beginning
	Lost     uint64            `json:"lost"`    // of them
}

// Quantiles are in seconds; 0 is unknown.
type Quantiles struct {
	Connect   Quantile `json:"connect"`
	FirstByte Quantile `json:"first_byte"`
}

// Quantile is a median and a 99th percentile, at most an eighth too high.
type Quantile struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// PortInterval is what came of the requests to one port.
type PortInterval struct {
	Port      string            `json:"port"`
	Container string            `json:"container"`
	State     string            `json:"state"`
	Requests  int               `json:"requests"`
	Summary   correlate.Summary `json:"summary"`
	failed    int
}

// Interval ends the interval at the time of the stream and begins the next one.
func (m *Model) Interval() Interval {
	v := &m.interval
	from := v.from
	if from.IsZero() {
		from = m.began
	}
	out := Interval{Type: "interval", From: from.UTC(), To: m.now.UTC(), Requests: v.sum.requests, Summary: v.sum.summary(), Ports: []PortInterval{},
		Waiting: m.status.Summary.Open, Packets: m.status.Packets, Lost: m.status.Lost}
	if took := m.now.Sub(from).Seconds(); took > 0 {
		out.Rate = float64(v.sum.requests) / took
	}
	out.Timing = Quantiles{v.connect.whole(), v.first.whole()}
	for p, t := range v.ports {
		if *t == (tally{}) {
			continue // nothing but the word that a judgement is final
		}
		out.Ports = append(out.Ports, PortInterval{Port: render.Clean(p.Name()), Container: render.Clean(p.container), State: render.Clean(p.State()), Requests: t.requests, Summary: t.summary(), failed: t.failed()})
	}
	slices.SortFunc(out.Ports, func(a, b PortInterval) int {
		return cmp.Or(cmp.Compare(b.failed, a.failed), cmp.Compare(b.Requests, a.Requests), cmp.Compare(len(a.Port), len(b.Port)), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Container, b.Container))
	})
	m.interval = interval{from: m.now}
	return out
}

func (t *tally) failed() (n int) {
	for v, k := range t.verdicts {
		if failed(correlate.Verdict(v)) {
			n += k
		}
	}
	return n
}

func (t *tally) summary() correlate.Summary {
	v := &t.verdicts
	return correlate.Summary{Delivered: v[correlate.Delivered], Misdelivered: v[correlate.Misdelivered], Refused: v[correlate.Refused], Dropped: v[correlate.Dropped],
		Unanswered: v[correlate.Unanswered], AnswerLost: v[correlate.AnswerLost], Stalled: v[correlate.Stalled], Undetermined: v[correlate.Undetermined]}
}

func (l *latency) whole() Quantile { return Quantile{quantile(l.all, 50), quantile(l.all, 99)} }

// Line tells an interval in one line, with times of day in a zone; nil leaves them
// out.
func (v *Interval) Line(zone *time.Location) string { return v.LineIn(zone, lang.English) }

// LineIn is Line in a language.
func (v *Interval) LineIn(zone *time.Location, l lang.Language) string {
	parts := []string{l.Say("%.1f s: %s", v.To.Sub(v.From).Seconds(), render.CountsIn(v.Summary, l))}
	if zone != nil && !v.To.IsZero() {
		parts[0] = v.To.In(zone).Format("15:04:05") + "  " + parts[0]
	}
	if v.Requests > 0 {
		parts = append(parts, fmt.Sprintf("%.1f/s", v.Rate))
	}
	for _, t := range []struct {
		name string
		Quantile
	}{{"connect", v.Timing.Connect}, {"first byte", v.Timing.FirstByte}} {
		if t.P50 > 0 {
			parts = append(parts, l.Say("%s p50 %s p99 %s", t.name, render.Millis(t.P50), render.Millis(t.P99)))
		}
	}
	if s := v.failing(); s != "" {
		parts = append(parts, l.Sentence(s))
	}
	if v.Waiting > 0 {
		parts = append(parts, l.Say("%d waiting", v.Waiting))
	}
	return strings.Join(append(parts, l.Sentence(fmt.Sprintf("%d %s, %d lost", v.Packets, inflected(v.Packets, "packets"), v.Lost))), " · ")
}

// failing names the ports where requests failed.
func (v *Interval) failing() string {
	const most = 4
	var said []string
	for k := range v.Ports {
		p := &v.Ports[k]
		if p.failed == 0 {
			break
		}
		if k == most {
			said = append(said, "and others")
			break
		}
		said = append(said, strings.TrimSpace(fmt.Sprintf("%s %s", p.Port, p.Container))+fmt.Sprintf(" ×%d", p.failed))
	}
	if len(said) == 0 {
		return ""
	}
	return "failing: " + strings.Join(said, ", ")
}
