// Package flight keeps what a live run has seen: in files that take turns, in a
// ring of the last minutes, and of each kind of failure a recording of its own.
// Every file can be replayed alone: what held when it was begun is repeated at its
// head.
//
// The package decides nothing about a request: what is judged is told to it, and
// what it saves is judged again by replaying it. It must not import render, nor any
// origin of capture that is live.
package flight

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// state is what a stream has said so far that still holds. The zero value is
// ready.
type state struct {
	start    *capture.Record
	redacted *capture.Record
	sources  map[string]capture.Record // by name
	points   []point                   // by capture.Point.ID
	engine   *capture.Record
	samples  map[string]*sampled // by namespace
	rulesets map[setKey]capture.Record
	entries  entries
}

// point is one that was announced.
type point struct {
	capture.Point
	record capture.Record
}

// ended is when it ended (Unix ns), by what is known; 0 if it has not.
func (p *point) ended() int64 { return max(p.Until, p.Gone) }

// sampled is the last sample of a namespace in full, and the counters of the last
// one that found nothing else changed.
type sampled struct {
	full capture.Record
	same *capture.Record
}

type setKey struct{ netns, backend, table string }

// take learns from records of the stream, and keeps none of their data.
func (s *state) take(records []capture.Record) {
	for i := range records {
		r := records[i]
		if r.Origin == capture.OriginRuleTrace || r.Origin == capture.OriginDrops {
			continue // what happened to packets is no state
		}
		r.Data = slices.Clone(r.Data)
		switch r.Origin + " " + r.Kind {
		case capture.OriginMeta + " " + capture.KindStart:
			s.start = &r
		case capture.OriginMeta + " " + capture.KindRedacted:
			s.redacted = &r
		case capture.OriginMeta + " " + capture.KindSource:
			s.source(r)
		case capture.OriginPackets + " " + capture.KindPoint:
			s.point(r)
		case capture.OriginEngine + " " + capture.KindSnapshot:
			s.engine = &r
		case capture.OriginHost + " " + capture.KindSample:
			s.sample(r)
		case capture.OriginRules + " " + capture.KindRuleset:
			s.ruleset(r)
		case capture.OriginConntrack + " " + capture.KindEvent, capture.OriginConntrack + " " + capture.KindDump:
			s.entries.take(r)
		}
	}
}

func (s *state) source(r capture.Record) {
	var st capture.SourceState
	if json.Unmarshal(r.Data, &st) != nil {
		return
	}
	if s.sources == nil {
		s.sources = map[string]capture.Record{}
	}
	s.sources[st.Name] = r
}

func (s *state) point(r capture.Record) {
	p := point{record: r}
	if json.Unmarshal(r.Data, &p.Point) != nil {
		return
	}
	if int(p.ID) < len(s.points) { // more is known about it
		p.record.Time = s.points[p.ID].record.Time
		s.points[p.ID] = p
	} else if int(p.ID) == len(s.points) {
		s.points = append(s.points, p)
	}
	if p.ended() != 0 {
		s.forget(p.Netns)
	}
}

// forget lets go of a namespace that is not watched any more.
func (s *state) forget(netns string) {
	if netns == capture.HostNetns || slices.ContainsFunc(s.points, func(p point) bool { return p.Netns == netns && p.ended() == 0 }) {
		return
	}
	delete(s.samples, netns)
	for k := range s.rulesets {
		if k.netns == netns {
			delete(s.rulesets, k)
		}
	}
}

func (s *state) sample(r capture.Record) {
	var said struct {
		Same bool `json:"same"`
	}
	if json.Unmarshal(r.Data, &said) != nil {
		return
	}
	if s.samples == nil {
		s.samples = map[string]*sampled{}
	}
	if !said.Same {
		s.samples[r.Netns] = &sampled{full: r}
	} else if before := s.samples[r.Netns]; before != nil {
		before.same = &r
	}
}

// record is the state of the namespace as of the last sample, in full.
func (s *sampled) record() capture.Record {
	if s.same == nil {
		return s.full
	}
	var full, same host.Sample
	if json.Unmarshal(s.full.Data, &full) != nil || json.Unmarshal(s.same.Data, &same) != nil {
		return s.full
	}
	full.Counters, full.Took = same.Counters, same.Took
	data, err := json.Marshal(full)
	if err != nil {
		return s.full
	}
	r := *s.same
	r.Data = data
	return r
}

func (s *state) ruleset(r capture.Record) {
	var said struct {
		Backend, Table string
		Same           bool
	}
	if json.Unmarshal(r.Data, &said) != nil {
		return
	}
	if s.rulesets == nil {
		s.rulesets = map[setKey]capture.Record{}
	}
	k := setKey{r.Netns, said.Backend, said.Table}
	before, known := s.rulesets[k]
	if said.Same && !known {
		return
	}
	if said.Same { // as it was, and it is so now
		before.Time = r.Time
		r = before
	}
	s.rulesets[k] = r
}

// oldest bounds how far back the times of a head go: state that holds does so
// whenever it was read, and readers of files distrust times that leap.
const oldest = int64(3000e9) // ns

// head are the records that a file which begins at a time (Unix ns) has to begin
// with, and the number that each point has in it.
func (s *state) head(at int64) (records []capture.Record, numbers []uint16) {
	var held []capture.Record
	for _, name := range sortedKeys(s.sources) {
		held = append(held, s.sources[name])
	}
	if s.engine != nil {
		held = append(held, *s.engine)
	}
	for _, netns := range sortedKeys(s.samples) {
		held = append(held, s.samples[netns].record())
	}
	held = append(held, s.heldRules()...)
	points, numbers := s.heldPoints(at)
	held = append(append(held, points...), s.entries.records(at)...)
	for i := range held {
		held[i].Time = min(max(held[i].Time, at-oldest), at)
		if i > 0 && isPoint(&held[i]) && isPoint(&held[i-1]) {
			held[i].Time = max(held[i].Time, held[i-1].Time) // numbers ascend, whenever each was found
		}
	}
	slices.SortStableFunc(held, func(a, b capture.Record) int { return int(a.Time/1000 - b.Time/1000) })
	return append(s.beginning(at, held), held...), numbers
}

func isPoint(r *capture.Record) bool {
	return r.Origin == capture.OriginPackets && r.Kind == capture.KindPoint
}

// beginning is the start, which comes first, as of then.
func (s *state) beginning(at int64, held []capture.Record) (out []capture.Record) {
	if s.start != nil {
		r := *s.start
		var start capture.Start
		if json.Unmarshal(r.Data, &start) == nil {
			start.Started = max(start.Started, at)
			if data, err := json.Marshal(start); err == nil {
				r.Data = data
			}
		}
		out = append(out, r)
	}
	if s.redacted != nil {
		out = append(out, *s.redacted)
	}
	for i := range out {
		out[i].Time = at
		if len(held) > 0 {
			out[i].Time = held[0].Time
		}
	}
	return out
}

func (s *state) heldRules() (out []capture.Record) {
	keys := make([]setKey, 0, len(s.rulesets))
	for k := range s.rulesets {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b setKey) int {
		return cmp.Or(cmp.Compare(a.netns, b.netns), cmp.Compare(a.backend, b.backend), cmp.Compare(a.table, b.table))
	})
	for _, k := range keys {
		out = append(out, s.rulesets[k])
	}
	return out
}

// heldPoints are the points still watched, numbered anew without gaps.
func (s *state) heldPoints(at int64) (out []capture.Record, numbers []uint16) {
	numbers = make([]uint16, len(s.points))
	for i, p := range s.points {
		if end := p.ended(); end != 0 && end+late < at {
			numbers[i] = gone
			s.points[i].record.Data = nil // it is not told of again
			continue
		}
		r := p.record
		numbers[i] = uint16(len(out))
		r.Data = numbered(p.Point, numbers[i], r.Data)
		out = append(out, r)
	}
	return out, numbers
}

// late is how long after its end a point may still be heard of, in ns.
const late = int64(10e9)

// gone is the number of a point that a file does not have.
const gone = 1<<16 - 1

// numbered is a point's record with another number; data is what it says of itself.
func numbered(p capture.Point, id uint16, data []byte) []byte {
	if p.ID == id {
		return data
	}
	p.ID = id
	out, err := json.Marshal(p)
	if err != nil {
		return data
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
