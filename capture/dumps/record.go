package dumps

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
)

// Records are what was dumped as records of a stream, all at one time (Unix
// ns).
func (s *Set) Records(at int64) []capture.Record {
	var out []capture.Record
	put := func(origin, kind, netns string, v any) {
		data, err := json.Marshal(v)
		if err != nil { // only our own types come here
			panic(fmt.Sprintf("marshal %s: %v", kind, err))
		}
		out = append(out, capture.Record{Time: at, Origin: origin, Kind: kind, Netns: netns, Data: data})
	}
	for _, src := range s.sources() {
		put(capture.OriginMeta, capture.KindSource, "", capture.SourceState{Name: src, State: capture.SourceOK, Why: capture.FromDumps})
	}
	if e := s.Engine(); e != nil {
		put(capture.OriginEngine, capture.KindSnapshot, "", e)
	}
	hosts := s.Hosts()
	for _, netns := range slices.Sorted(maps.Keys(hosts)) {
		put(capture.OriginHost, capture.KindSample, netns, host.Sample{Undated: true, State: hosts[netns]})
	}
	for _, netns := range slices.Sorted(maps.Keys(s.places)) {
		p := s.places[netns]
		for _, r := range slices.Concat(p.rulesets, p.tableSets()) {
			put(capture.OriginRules, capture.KindRuleset, nameOf(netns), rules.Ruleset{Backend: r.backend, Table: r.table, Why: "start", Data: r.text, Error: r.err, Undated: true})
		}
		if len(p.conntrack) > 0 {
			out = append(out, capture.Record{Time: at, Origin: capture.OriginConntrack, Kind: capture.KindText, Netns: nameOf(netns), Data: joinedText(p.conntrack)})
		}
	}
	return out
}

// sources are the sources of which there is a dump.
func (s *Set) sources() []string {
	var out []string
	if s.ofEngine() {
		out = append(out, capture.OriginEngine)
	}
	if s.has((*place).told) {
		out = append(out, capture.OriginHost)
	}
	if s.has(func(p *place) bool {
		return len(p.tables) > 0 || slices.ContainsFunc(p.rulesets, func(r ruleset) bool { return !rules.Sets(r.backend) })
	}) {
		out = append(out, capture.OriginRules)
	}
	if s.has(func(p *place) bool { return len(p.conntrack) > 0 }) {
		out = append(out, capture.OriginConntrack)
	}
	return out
}
