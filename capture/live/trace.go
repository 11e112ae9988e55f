package live

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/ruletrace"
	"dnatrace/capture/target"
)

// trace is the rule trace in one namespace. The zero value is none.
type trace struct {
	table *os.File // the table is there as long as this is open
	note  string   // what it leaves out
	err   error    // why there is none
}

func (t *trace) close() {
	if t.table != nil {
		t.table.Close()
		t.table = nil
	}
}

// traced says what of the resolved targets is to be traced: nothing in a flood.
func (s *Session) traced(resolved *target.Resolved) ruletrace.Want {
	if s.rings.pace.resting {
		return ruletrace.Want{}
	}
	w := s.want(resolved)
	return ruletrace.Want{Ports: w.Ports, Ranges: w.Ranges, Endpoints: w.Endpoints, Hosts: w.Hosts}
}

// trace listens first and marks packets then. It is the zero trace where none
// is asked for.
func (s *Session) trace(netns, path string, resolved *target.Resolved) trace {
	if !s.config.Trace {
		return trace{}
	}
	f, err := s.config.Opener.RuleTrace(path)
	if err != nil {
		return trace{err: err}
	}
	var t trace
	if t.table, t.note, t.err = s.config.Opener.TraceTable(path, s.traced(resolved)); t.err != nil {
		f.Close()
		return t
	}
	name := capture.OriginRuleTrace
	if netns != capture.HostNetns {
		name += " of " + netns
	}
	s.merger.Add(name, ruletrace.Source(f, netns))
	return t
}

// openTrace traces rules in the host's namespace, and says where they are
// traced: containers have theirs from when they were entered.
func (s *Session) openTrace(resolved *target.Resolved) {
	if !s.config.Trace {
		return
	}
	r := &s.rings
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trace = s.trace(capture.HostNetns, s.config.Netns, resolved)
	var notes []string
	if r.trace.note != "" {
		notes = append(notes, r.trace.note)
	}
	for _, in := range r.inside {
		if in.trace.err != nil && !ruletrace.NoRules(in.trace.err) {
			notes = append(notes, fmt.Sprintf("not in %s: %v", in.container.Name, in.trace.err))
		}
	}
	slices.Sort(notes)
	is := capture.SourceOK
	if r.trace.err != nil {
		is, notes = capture.SourceAbsent, []string{r.trace.err.Error()}
	}
	s.state(capture.OriginRuleTrace, is, strings.Join(notes, "; "))
}

// retrace has what the targets stand for now traced in every namespace.
func (s *Session) retrace(resolved *target.Resolved) error {
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	return s.updateTraces(resolved)
}

func (s *Session) updateTraces(resolved *target.Resolved) error {
	var failed []error
	for _, t := range s.rings.traces() {
		failed = append(failed, s.config.Opener.TraceUpdate(t.table, s.traced(resolved)))
	}
	return errors.Join(failed...)
}

// pace has the traces rest, or go on, by how many packets were captured in the
// time since it was last asked. It reports whether that changed.
func (s *Session) pace(now time.Time, packets uint64, took time.Duration, resolved *target.Resolved) (changed bool, err error) {
	r := &s.rings
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.traces()) == 0 {
		r.pace.end(now)
		return false, nil
	}
	if !r.pace.next(now, packets, took) {
		return false, nil
	}
	err = s.updateTraces(resolved)
	r.pace.did(now, err)
	return true, err
}

// Paced tells how the rule trace rested, "" if it did not.
func (s *Session) Paced() string {
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	return s.rings.pace.why(time.Now())
}

// resting says whether the traces rest now.
func (s *Session) resting() bool {
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	return s.rings.pace.resting
}

// hostTraced says whether there is a trace in the host's namespace.
func (s *Session) hostTraced() bool {
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	return s.rings.trace.table != nil
}

// traceLate begins to trace where there were no rules before. It reports whether
// the host's namespace is one of those.
func (s *Session) traceLate(resolved *target.Resolved) bool {
	r := &s.rings
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.inside {
		if ruletrace.NoRules(in.trace.err) {
			in.trace = s.trace(in.container.Name, in.path, resolved)
		}
	}
	if !ruletrace.NoRules(r.trace.err) {
		return false
	}
	r.trace = s.trace(capture.HostNetns, s.config.Netns, resolved)
	return r.trace.err == nil
}

// traces are those that are there.
func (r *rings) traces() []*trace {
	all := []*trace{&r.trace}
	for _, in := range r.inside {
		all = append(all, &in.trace)
	}
	return slices.DeleteFunc(all, func(t *trace) bool { return t.table == nil })
}
