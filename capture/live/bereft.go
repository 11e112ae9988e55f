package live

import (
	"dnatrace/capture"
)

// rested are the sources that rest on the opener for as long as a session runs: what
// it read of the host, and rule traces, which nobody could have rest in a flood any
// more. Sockets that it opened go on; drop reasons end by themselves, with the program
// in the kernel.
var rested = []string{capture.OriginHost, capture.OriginRules, capture.OriginRuleTrace}

// bereft goes on without the opener, and says of every source that rested on it that
// it has failed.
func (w *watch) bereft() {
	w.alone = true
	s := w.session
	s.untrace()
	why := s.config.Opener.Loss().Error()
	var out []capture.Record
	for _, name := range rested {
		if s.was(name) == capture.SourceOK {
			out = append(out, meta(0, capture.KindSource, capture.SourceState{Name: name, State: capture.SourceFailed, Why: why}))
		}
	}
	w.feed.put(out)
}

// bereft reports whether the opener is gone.
func (s *Session) bereft() bool {
	select {
	case <-s.config.Opener.Lost():
		return true
	default:
		return false
	}
}

// untrace ends the rule traces in all namespaces: the kernel takes the tables away.
func (s *Session) untrace() {
	r := &s.rings
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.traces() {
		t.close()
	}
}

// was is the state of a source when the session was opened.
func (s *Session) was(source string) capture.Condition {
	for _, st := range s.states {
		if st.Name == source {
			return st.State
		}
	}
	return ""
}
