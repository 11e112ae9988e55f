package collect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/cmd/internal/changes"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// world is what held when the deciding request came: of each state the last one
// before it, or the first one of all.
type world struct {
	about    *correlate.Incident // nil without a request
	at       int64
	flights  *flights
	opening  *decode.Start
	own      bool
	engine   *engine.Snapshot
	hosts    map[string]*host.State
	rules    map[changes.RuleKey]*decode.Ruleset
	backends map[string]bool
	state    *correlate.State    // of the same, for what is asked of it
	steps    []*decode.TraceStep // of packets of the request
	traced   map[uint32]bool     // their ids
	asked    string              // what was asked for, where no request was seen
}

func (w *world) init(d *correlate.Document, i *correlate.Incident, f *flights) {
	w.about, w.flights, w.asked, w.state = i, f, d.Target, correlate.NewState()
	w.hosts, w.rules = map[string]*host.State{}, map[changes.RuleKey]*decode.Ruleset{}
	w.backends, w.traced = map[string]bool{}, map[uint32]bool{}
	if i != nil {
		w.at = i.First.UnixNano()
	}
}

func (w *world) start(e *decode.Start) {
	w.own = true
	if w.opening == nil {
		w.opening = e
	}
}

func (w *world) event(e decode.Event) {
	switch e := e.(type) {
	case *decode.EngineSnapshot:
		if w.engine == nil || e.Time <= w.at {
			w.engine = &e.Snapshot
			w.state.Take(e)
		}
	case *decode.HostSample:
		if !e.Same && (w.hosts[e.Netns] == nil || e.Time <= w.at) {
			w.hosts[e.Netns] = &e.State
			w.state.Take(e)
		}
	case *decode.Ruleset:
		w.backends[e.Backend] = w.backends[e.Backend] || len(e.Data) > 0
		k := changes.RuleKey{Netns: e.Netns, Backend: e.Backend, Table: e.Table}
		if !e.Same && (w.rules[k] == nil || e.Time <= w.at) {
			w.rules[k] = e
			w.state.Take(e)
		}
	case *decode.TraceStep:
		w.step(e)
	}
}

// step keeps the steps of packets of the deciding request.
func (w *world) step(e *decode.TraceStep) {
	const most = 512
	if w.about == nil || len(w.steps) >= most {
		return
	}
	if e.Packet.Kind != decode.Other && w.flights.concerns(&e.Packet, 0, e.Time) {
		w.traced[e.ID] = true
	} else if e.Packet.Kind != decode.Other {
		delete(w.traced, e.ID) // the kernel has used the id again
	}
	if w.traced[e.ID] {
		w.steps = append(w.steps, e)
	}
}

// concerns reports whether a packet belongs to a case.
func (f *flights) concerns(p *decode.Packet, n int, at int64) bool {
	t := p.Tuple
	if t.Proto == decode.ICMP || t.Proto == decode.ICMPv6 {
		t.SrcPort, t.DstPort = 0, 0
	}
	for _, l := range f.legs[t] {
		if l.of == n && at >= l.from && at <= l.to {
			return true
		}
	}
	return false
}

func (w *world) findings(f *report.Findings) {
	f.Mappings = w.mappings()
	f.Rules = w.ruleList()
	f.Routes = w.routes()
	f.Settings = w.settings()
	f.Versions = w.versions()
}

// versions are what the recording says about what it was made with and on.
func (w *world) versions() []report.Version {
	var out []report.Version
	say := func(name, value string) {
		if value != "" {
			out = append(out, report.Version{Name: name, Value: value})
		}
	}
	if o := w.opening; o != nil {
		say("recorded by", o.Program)
		say("recording format", fmt.Sprint(o.Format))
		say("kernel", o.Kernel)
	}
	if e := w.engine; e != nil {
		say("Docker Engine", e.Version)
		say("Engine API", e.API)
		say("engine's firewall back end", e.Firewall)
		say("userland proxy", e.Proxy)
		say("operating system", e.OS)
		if w.opening == nil || !strings.Contains(w.opening.Kernel, e.Kernel) {
			say("kernel, says the engine", e.Kernel)
		}
		if e.Rootless {
			say("rootless", "yes")
		}
	}
	var seen []string
	for _, b := range slices.Sorted(maps.Keys(w.backends)) {
		if w.backends[b] {
			seen = append(seen, b)
		}
	}
	say("rules read through", strings.Join(seen, ", "))
	return out
}
