package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"dnatrace/correlate"
)

// sighting is a place where a request, or its answer, was seen.
type sighting struct{ direction, point string }

// measure observes the times between the first sightings of a request at one point
// and the next, on its way and on the answer's. Points go by their roles: their
// names are as many as containers.
func (m *Metrics) measure(i *correlate.Incident, id prometheus.Labels) {
	been := map[sighting]bool{}
	var last *correlate.Hop
	for n := range i.Hops {
		h := &i.Hops[n]
		at := sighting{h.Direction, h.Point}
		if h.Frame == 0 || h.Time.IsZero() || been[at] {
			continue // a rule, or a later packet
		}
		been[at] = true
		if last != nil && last.Direction == h.Direction {
			observe(m.hops.WithLabelValues(h.Direction, m.role(last.Point), m.role(h.Point)), h.Time.Sub(last.Time).Seconds(), id)
		}
		last = h
	}
}

func (m *Metrics) role(point string) string {
	if r := m.roles[point]; r != "" {
		return r
	}
	return "other"
}
