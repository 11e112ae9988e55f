package metrics

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dnatrace/capture"
	"dnatrace/cmd/internal/render"
)

// health is whether the run does what it is there for.
type health struct {
	failed map[string]string // sources, and why
	ended  string            // why nothing more will come; "" while it does
}

func newHealth() health { return health{failed: map[string]string{}} }

// Source takes the state of a source of evidence, with the reason where it has one.
func (m *Metrics) Source(name string, state capture.Condition, why string) {
	name = clipped(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range []capture.Condition{capture.SourceOK, capture.SourceAbsent, capture.SourceFailed} {
		is := 0.
		if s == state {
			is = 1
		}
		m.states.WithLabelValues(name, string(s)).Set(is)
	}
	if delete(m.health.failed, name); state.Failed() {
		m.health.failed[name] = why
	}
}

// Ended takes that nothing more will come, and why.
func (m *Metrics) Ended(why string) {
	m.ended.Set(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.health.ended = why
}

// reasons are why the run is not well, one a line; none if it is.
func (m *Metrics) reasons() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, why := range m.health.failed {
		out = append(out, fmt.Sprintf("%s failed: %s", name, render.Clean(why)))
	}
	slices.Sort(out)
	if m.health.ended != "" {
		out = append(out, render.Clean(m.health.ended))
	}
	return out
}

// Handler answers /metrics and /healthz.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	scrape := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: mostScrapes, ErrorHandling: promhttp.ContinueOnError})
	mux.Handle("GET /metrics", scrape)
	mux.HandleFunc("GET /healthz", m.serveHealth)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "dnatrace watch: /metrics, /healthz")
	})
	return mux
}

// mostScrapes is how many are answered at once.
const mostScrapes = 4

func (m *Metrics) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if why := m.reasons(); len(why) > 0 {
		plain(w, http.StatusServiceUnavailable, strings.Join(why, "\n"))
		return
	}
	plain(w, http.StatusOK, "ok")
}

func plain(w http.ResponseWriter, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}
