package rules

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

func TestARulesetIsWrittenOnlyWhenItChanged(t *testing.T) {
	nft := Ruleset{Backend: "nft", Data: []byte("one")}
	nat := Ruleset{Backend: "iptables-legacy", Table: "nat", Data: []byte("two")}
	changed := Ruleset{Backend: "nft", Data: []byte("three")}
	var h History
	for _, step := range []struct {
		name, netns, why string
		read             []Ruleset
		want             []Ruleset
	}{
		{"the first time all is written", "host", "start", []Ruleset{nft, nat}, []Ruleset{
			{Backend: "nft", Why: "start", Data: []byte("one")},
			{Backend: "iptables-legacy", Table: "nat", Why: "start", Data: []byte("two")}}},
		{"another namespace has a history of its own", "web", "start", []Ruleset{nft}, []Ruleset{
			{Backend: "nft", Why: "start", Data: []byte("one")}}},
		{"what did not change is repeated by name", "host", "change", []Ruleset{changed, nat}, []Ruleset{
			{Backend: "nft", Why: "change", Data: []byte("three")},
			{Backend: "iptables-legacy", Table: "nat", Why: "change", Same: true}}},
		{"what is gone is written empty, once", "host", "change", []Ruleset{changed}, []Ruleset{
			{Backend: "nft", Why: "change", Same: true},
			{Backend: "iptables-legacy", Table: "nat", Why: "change"}}},
		{"and not again", "host", "end", []Ruleset{changed}, []Ruleset{
			{Backend: "nft", Why: "end", Same: true}}},
	} {
		records, err := h.Records(step.netns, 42, step.why, step.read)
		if err != nil {
			t.Fatal(err)
		}
		var got []Ruleset
		for _, r := range records {
			if r.Time != 42 || r.Origin != capture.OriginRules || r.Kind != capture.KindRuleset || r.Netns != step.netns {
				t.Errorf("%s: got record %+v", step.name, r)
			}
			var s Ruleset
			if err := json.Unmarshal(r.Data, &s); err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
		}
		if d := cmp.Diff(step.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, d)
		}
	}
}
