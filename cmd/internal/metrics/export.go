package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"dnatrace/correlate"
)

// Export is what became of requests that were to be sent to a receiver of traces.
type Export struct {
	Spans, Logs          uint64 // sent
	Full, Refused, Ended uint64 // requests that were not: no room, the receiver would not have them, the run was over
	Failures             uint64 // tries that failed
	Waiting              int    // requests
}

// Exports has somebody asked, at each scrape, what became of what was to be sent, and in
// which trace a request is told: samples lead there, too. It is for before anything is
// counted.
func (m *Metrics) Exports(counts func() Export, trace func(*correlate.Incident) string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.export, m.trace = counts, trace
}

// exported are the series of what is sent: 0 where nothing is to be.
func (m *Metrics) exported() (out []prometheus.Collector) {
	ask := func() Export {
		m.mu.Lock()
		counts := m.export
		m.mu.Unlock()
		if counts == nil {
			return Export{}
		}
		return counts()
	}
	count := func(of Metric, label string, n func(Export) uint64) {
		o := prometheus.CounterOpts{Name: of.Name, Help: of.Help}
		if label != "" {
			o.ConstLabels = prometheus.Labels{of.Labels[0]: label}
		}
		out = append(out, prometheus.NewCounterFunc(o, func() float64 { return float64(n(ask())) }))
	}
	count(otlpSent, "spans", func(e Export) uint64 { return e.Spans })
	count(otlpSent, "logs", func(e Export) uint64 { return e.Logs })
	count(otlpDropped, "full", func(e Export) uint64 { return e.Full })
	count(otlpDropped, "refused", func(e Export) uint64 { return e.Refused })
	count(otlpDropped, "end", func(e Export) uint64 { return e.Ended })
	count(otlpFailures, "", func(e Export) uint64 { return e.Failures })
	return append(out, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: otlpWaiting.Name, Help: otlpWaiting.Help}, func() float64 { return float64(ask().Waiting) }))
}
