package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
)

// labels tell targets apart, in the order of targetLabels.
type labels struct{ port, protocol, container, project, service string }

func (l labels) values() []string {
	return []string{l.port, l.protocol, l.container, l.project, l.service}
}

func (l labels) named() prometheus.Labels {
	out := prometheus.Labels{}
	for i, v := range l.values() {
		out[targetLabels[i]] = v
	}
	return out
}

// labelsOf are those of a row.
func labelsOf(w watch.Mapping) labels {
	l := labels{protocol: clipped(w.Protocol), container: clipped(w.Container), project: clipped(w.Project), service: clipped(w.Service)}
	switch {
	case w.Others:
		return labels{port: others}
	case w.Direct:
		l.port = "direct"
	case w.Port != 0:
		l.port = strconv.Itoa(int(w.Port))
	}
	return l
}

// target is what has labels of its own, with its series at hand.
type target struct {
	labels
	row      *watch.Port
	last     time.Time    // a request was settled, in the time of the stream
	led      [2]time.Time // samples had something that leads to a delivery, and to another request
	failures prometheus.Counter
	connect  prometheus.Observer
	first    prometheus.Observer
	outcomes map[outcome]prometheus.Counter
}

// outcome is what became of a request.
type outcome struct {
	verdict correlate.Verdict
	cause   correlate.Cause
}

// delivered is what becomes of nearly all.
var delivered = outcome{correlate.Delivered, correlate.CauseNone}

// listed has the series of published ports begin with 0: a counter that appears
// with its first failure has not grown.
func (m *Metrics) listed(rows []*watch.Port) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = make(map[*watch.Port]*target, len(rows)) // some are gone, and what is known of others may have changed
	for _, p := range rows {
		if p.Mapping().There {
			t := m.targetOf(p)
			m.counterOf(m.counting(t, delivered), delivered)
		}
	}
}

// targetOf is the target of a row, made if there is room.
func (m *Metrics) targetOf(p *watch.Port) *target {
	if t := m.rows[p]; t != nil {
		return t
	}
	l := labelsOf(p.Mapping())
	t := m.targets[l]
	if t == nil && l.port != others && m.room() {
		t = m.newTarget(l)
		m.targets[l] = t
		m.count()
	}
	if t == nil {
		t = m.rest()
	}
	t.row, m.rows[p] = p, t
	return t
}

func (m *Metrics) newTarget(l labels) *target {
	return &target{labels: l, last: m.now, outcomes: map[outcome]prometheus.Counter{}, failures: m.failures.WithLabelValues(l.values()...)}
}

// rest is the target of all that have no room.
func (m *Metrics) rest() *target {
	if m.outside == nil {
		m.outside = m.newTarget(labels{port: others})
	}
	return m.outside
}

// counting is the target that an outcome of one is counted at: of new ones, where
// there is no room, that of the others.
func (m *Metrics) counting(t *target, o outcome) *target {
	if t.outcomes[o] == nil && m.outcomes >= mostOutcomes {
		return m.rest()
	}
	return t
}

// counterOf counts what becomes of a target's requests in one way.
func (m *Metrics) counterOf(t *target, o outcome) prometheus.Counter {
	if c := t.outcomes[o]; c != nil {
		return c
	}
	c := m.requests.WithLabelValues(append(t.values(), o.verdict.String(), clipped(string(o.cause)))...)
	if t.outcomes[o] = c; t != m.outside { // of which there are as many as verdicts and causes
		m.outcomes++
		m.count()
	}
	return c
}

// observe adds how long a request took. A histogram is made when it is needed: it is
// many series.
func (m *Metrics) observe(t *target, times correlate.Timing, id prometheus.Labels) {
	if t.connect == nil && times.Connect > 0 {
		t.connect = m.connect.WithLabelValues(t.values()...)
	}
	if t.first == nil && times.FirstByte > 0 {
		t.first = m.first.WithLabelValues(t.values()...)
	}
	observe(t.connect, times.Connect, id)
	observe(t.first, times.FirstByte, id)
}

// room reports whether there is room for one more target, and makes some if need
// be.
func (m *Metrics) room() bool {
	if len(m.targets) < mostTargets {
		return true
	}
	if m.now.Sub(m.swept) >= releaseAfter/60 { // looking at all of them each time would cost
		m.swept = m.now
		m.release()
	}
	return len(m.targets) < mostTargets
}

// release lets targets go that nobody publishes any more, and nobody asked for a
// long time.
func (m *Metrics) release() {
	for l, t := range m.targets {
		if t.row.Mapping().There || m.now.Sub(t.last) < releaseAfter {
			continue
		}
		delete(m.targets, l)
		m.outcomes -= len(t.outcomes)
		m.requests.DeletePartialMatch(l.named())
		m.failures.Delete(l.named())
		m.connect.Delete(l.named())
		m.first.Delete(l.named())
		m.released.Inc()
	}
	for p, t := range m.rows {
		if t != m.outside && m.targets[t.labels] != t {
			delete(m.rows, p)
		}
	}
}

// count says how many label sets there are.
func (m *Metrics) count() {
	m.sets.WithLabelValues("targets").Set(float64(len(m.targets)))
	m.sets.WithLabelValues("outcomes").Set(float64(m.outcomes))
}
