package main

import (
	"encoding/json"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
)

func TestTheLastStateOfEachKindIsKept(t *testing.T) {
	record := func(origin, kind, netns string, v any) capture.Record {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return capture.Record{Time: 1, Origin: origin, Kind: kind, Netns: netns, Data: data}
	}
	sample := func(s host.Sample) capture.Record {
		return record(capture.OriginHost, capture.KindSample, capture.HostNetns, s)
	}
	set := func(s rules.Ruleset) capture.Record {
		return record(capture.OriginRules, capture.KindRuleset, capture.HostNetns, s)
	}
	var s surroundings
	all := []capture.Record{
		record(capture.OriginEngine, capture.KindSnapshot, "", engine.Snapshot{Version: "1"}),
		sample(host.Sample{State: host.State{Inode: 1}}),
		set(rules.Ruleset{Backend: "iptables-save", Data: []byte("a")}),
		set(rules.Ruleset{Backend: "nft-text", Data: []byte("b")}),
	}
	s.take(all)
	if len(s.last) != 4 || !s.news() || s.news() {
		t.Fatalf("%d states are kept, want 4, with news once", len(s.last))
	}
	s.take([]capture.Record{sample(host.Sample{Same: true}), set(rules.Ruleset{Backend: "nft-text", Same: true})})
	if s.news() {
		t.Error("that nothing changed is news")
	}
	if got := s.state().Host(capture.HostNetns); got == nil || got.Inode != 1 {
		t.Errorf("the host is %+v", got)
	}
	s.take([]capture.Record{record(capture.OriginEngine, capture.KindSnapshot, "", engine.Snapshot{Version: "2"})})
	if got := s.state().Engine(); len(s.last) != 4 || !s.news() || got == nil || got.Version != "2" {
		t.Errorf("the engine is %+v, and %d states are kept", got, len(s.last))
	}
	s.take([]capture.Record{{Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: "x", Data: []byte("{broken")}})
	for n := range 2 * mostStates {
		s.take([]capture.Record{record(capture.OriginHost, capture.KindSample, string(rune(n)), host.Sample{})})
	}
	if len(s.last) > mostStates {
		t.Errorf("%d states are kept", len(s.last))
	}
}
