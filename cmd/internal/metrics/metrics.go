// Package metrics holds what watch serves to Prometheus: counters of settled
// requests, histograms of how long they took, and how the run itself does. It is
// fed by a watch.Model and from the stream, by any goroutine, and answers over HTTP
// whoever asks, with as many series as its bounds allow whatever is sent.
//
// It decides nothing about a request, opens no socket, starts no goroutine and reads
// no clock: a server is its caller's. Of capture it knows the words alone,
// and it must not import decode.
package metrics

import (
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"dnatrace/capture"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
)

// Bounds of what is kept.
const (
	mostTargets  = 512  // ports, as their labels tell them apart, each with two histograms
	mostOutcomes = 4096 // verdicts and causes of all of them together
	mostNetns    = 64   // namespaces that packets were lost in
	mostPoints   = 1 << 16
	longestText  = 128 // bytes of a label

	releaseAfter  = time.Hour // without a request, of a target that is published no more
	nativeBuckets = 100
	nativeReset   = time.Hour
)

// Upper bounds of the classic buckets, in seconds.
var (
	requestBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	hopBounds     = []float64{.000005, .00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .1, 1}
)

// others is the label of what there was no room for.
const others = "others"

// Metrics are those of one run.
type Metrics struct {
	registry *prometheus.Registry

	requests, failures, revised, lost *prometheus.CounterVec
	connect, first, hops              *prometheus.HistogramVec
	states, sets                      *prometheus.GaugeVec
	open, streamTime, ended           prometheus.Gauge
	packets, floods, flooded          prometheus.Counter
	roomless, released                prometheus.Counter

	mu       sync.Mutex
	now      time.Time // of the stream
	rows     map[*watch.Port]*target
	targets  map[labels]*target
	outside  *target // of all that had no room; nil while there is
	outcomes int     // counters that the targets have together
	swept    time.Time
	losers   map[string]bool   // namespaces in lost
	roles    map[string]string // of points, by name
	told     int               // flooded requests that were counted
	health   health
	export   func() Export                    // may be nil
	trace    func(*correlate.Incident) string // likewise
}

// New makes the metrics of a run of a version. The sources are those of evidence
// there may be; each is absent until something else is said.
func New(version string, sources []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: requestsTotal.counters(), failures: failuresTotal.counters(), revised: revisedTotal.counters(), lost: lostTotal.counters(),
		connect: connectSeconds.histograms(requestBounds), first: firstByteSeconds.histograms(requestBounds), hops: hopSeconds.histograms(hopBounds),
		states: sourceState.gauges(), sets: labelSets.gauges(), open: openRequests.gauge(), streamTime: streamTime.gauge(), ended: streamEnded.gauge(),
		packets: packetsTotal.counter(), floods: floodsTotal.counter(), flooded: floodedTotal.counter(),
		roomless: withoutRoom.counter(), released: releasedSets.counter(),
		rows: map[*watch.Port]*target{}, targets: map[labels]*target{}, losers: map[string]bool{}, roles: map[string]string{},
		health: newHealth(),
	}
	build := buildInfo.gauges()
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.requests, m.failures, m.revised, m.lost, m.connect, m.first, m.hops, m.states, m.sets, m.open, m.streamTime, m.ended,
		m.packets, m.floods, m.flooded, m.roomless, m.released, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.exported()...)
	for _, s := range sources {
		m.Source(s, capture.SourceAbsent, "")
	}
	m.lostIn("host")
	m.count()
	return m
}

// Observer feeds the metrics from a Model.
func (m *Metrics) Observer() watch.Observer {
	return watch.Observer{Settled: m.settled, Listed: m.listed}
}

// settled counts a request.
func (m *Metrics) settled(s watch.Settled) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.targetOf(s.Port)
	t.last = m.now
	o := outcome{s.Verdict, s.Cause}
	id := m.leads(t, s.Incident, o)
	if s.Failed {
		add(t.failures, id)
	}
	if s.Again {
		m.revised.WithLabelValues(s.Was.String(), s.Verdict.String()).Inc()
		return
	}
	at := m.counting(t, o)
	if at == m.outside {
		m.roomless.Inc()
	}
	add(m.counterOf(at, o), id)
	m.observe(t, s.Timing, id)
	if id != nil && s.Verdict == correlate.Delivered {
		m.measure(s.Incident, id)
	}
}

// leadEvery is how often samples of a target lead to a request, in the time of the
// stream: to write them costs more than to count.
const leadEvery = 500 * time.Millisecond

// leads is what leads to a request from the samples it is counted in; nil for
// nothing. The first of an outcome has it always.
func (m *Metrics) leads(t *target, i *correlate.Incident, o outcome) prometheus.Labels {
	kind := 0
	if o != delivered {
		kind = 1
	}
	if i == nil || t.outcomes[o] != nil && i.Last.Sub(t.led[kind]).Abs() < leadEvery {
		return nil
	}
	t.led[kind] = i.Last
	return m.exemplar(i)
}

// exemplar is what leads from a sample to a request, and to its trace where that is
// sent.
func (m *Metrics) exemplar(i *correlate.Incident) prometheus.Labels {
	l := prometheus.Labels{"request_id": clipped(i.ID)}
	if m.trace != nil {
		if id := m.trace(i); id != "" {
			l["trace_id"] = id
		}
	}
	return l
}

// add counts one, with what leads to it.
func add(c prometheus.Counter, id prometheus.Labels) {
	if e, ok := c.(prometheus.ExemplarAdder); ok && id != nil {
		e.AddWithExemplar(1, id)
		return
	}
	c.Inc()
}

// observe adds a time in seconds; 0 is unknown.
func observe(h prometheus.Observer, seconds float64, id prometheus.Labels) {
	if seconds <= 0 {
		return
	}
	if e, ok := h.(prometheus.ExemplarObserver); ok && id != nil {
		e.ObserveWithExemplar(seconds, id)
		return
	}
	h.Observe(seconds)
}

// Advance takes the time of the stream.
func (m *Metrics) Advance(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// Status takes how far the run has come.
func (m *Metrics) Status(s correlate.Status) {
	m.open.Set(float64(s.Summary.Open))
	if !s.Now.IsZero() {
		m.streamTime.Set(float64(s.Now.UnixNano()) / 1e9)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := s.Summary.Flooded - m.told; n > 0 { // floods only grow
		m.flooded.Add(float64(n))
		m.told += n
	}
}

// Flood takes that a flood is under way.
func (m *Metrics) Flood() { m.floods.Inc() }

// Packets takes that some were captured.
func (m *Metrics) Packets(n int) { m.packets.Add(float64(n)) }

// Lost takes that a ring in a namespace lost packets.
func (m *Metrics) Lost(netns string, n uint64) { m.lostIn(netns).Add(float64(n)) }

func (m *Metrics) lostIn(netns string) prometheus.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if netns = clipped(netns); !m.losers[netns] && len(m.losers) >= mostNetns {
		netns = others
	}
	m.losers[netns] = true
	return m.lost.WithLabelValues(netns)
}

// Point takes what kind of place a point is.
func (m *Metrics) Point(name, role string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.roles[name]; known || len(m.roles) < mostPoints {
		m.roles[name] = role
	}
}

// clipped is a text of a stranger's as a label: on one line, in valid UTF-8, and
// not longer than it may be.
func clipped(s string) string {
	if s = render.Clean(s); len(s) <= longestText {
		return s
	}
	s = s[:longestText]
	for !utf8.ValidString(s) { // not within a character
		s = s[:len(s)-1]
	}
	return s + "…"
}
