package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"sync"

	"dnatrace/capture"
	"dnatrace/correlate"
)

// surroundings keeps what a stream said last of the engine, the host and its rules,
// to have the ports listed from it, and explained, while the stream goes on.
type surroundings struct {
	mu      sync.Mutex
	last    map[saidBy]capture.Record
	changed bool // something that decides which ports there are
}

// saidBy tells states apart of which the last one counts.
type saidBy struct{ origin, kind, netns, part string }

// mostStates bounds how many states are kept: each container has a few.
const mostStates = 1 << 14

// tap keeps what goes by, and has ready called when packets begin.
func (s *surroundings) tap(src capture.Source, ready func()) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			begun := false
			for b, err := range src(ctx) {
				if err == nil {
					s.take(b.Records)
					if !begun && len(b.Packets) > 0 {
						begun = true
						ready()
					}
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

func (s *surroundings) take(records []capture.Record) {
	for i := range records {
		if r := &records[i]; decides(r) {
			s.keep(r)
		}
	}
}

// decides reports whether a record says what the state is.
func decides(r *capture.Record) bool {
	switch r.Kind {
	case capture.KindSnapshot, capture.KindSample, capture.KindRuleset, capture.KindSource:
		return true
	}
	return false
}

func (s *surroundings) keep(r *capture.Record) {
	k := saidBy{origin: r.Origin, kind: r.Kind, netns: r.Netns}
	var which struct {
		Name, Backend, Table string
		Same                 bool
	}
	switch r.Kind {
	case capture.KindSample: // they come by the second
		which.Same = bytes.HasPrefix(r.Data, []byte(`{"same":true`))
	case capture.KindSource, capture.KindRuleset:
		_ = json.Unmarshal(r.Data, &which) // what is damaged is so for who judges it, too
		k.part = which.Name + " " + which.Backend + " " + which.Table
	}
	if which.Same {
		return // the one before stands
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[saidBy]capture.Record{}
	}
	was, had := s.last[k]
	if !had && len(s.last) >= mostStates {
		return
	}
	if r.Kind != capture.KindSample && !bytes.Equal(was.Data, r.Data) || !had {
		s.changed = true
	}
	kept := *r
	kept.Data = append(was.Data[:0:0], r.Data...)
	s.last[k] = kept
}

// news reports whether the ports may have changed since it was asked last.
func (s *surroundings) news() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.changed
	s.changed = false
	return was
}

// state is what is known now.
func (s *surroundings) state() *correlate.State {
	s.mu.Lock()
	records := slices.Collect(maps.Values(s.last))
	s.mu.Unlock()
	slices.SortFunc(records, func(a, b capture.Record) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Netns, b.Netns), bytes.Compare(a.Data, b.Data))
	})
	st := correlate.NewState()
	st.Read(records)
	return st
}
