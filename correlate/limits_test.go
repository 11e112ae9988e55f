package correlate

import (
	"slices"
	"testing"

	"dnatrace/capture"
)

func TestWhatIsOutOfReach(t *testing.T) {
	all := []string{"packets", "rules", "ruletrace", "conntrack", "engine", "host", "drops"}
	for _, row := range []struct {
		name    string
		missing []string
		want    []string
	}{
		{"nothing where every source works", nil, nil},
		{"proof of the deciding rule without the rule trace", []string{"ruletrace"}, []string{"ruletrace"}},
		{"the rule itself without rulesets, which says all that the trace could add", []string{"rules", "ruletrace"}, []string{"rules"}},
		{"everything without packets", []string{"packets"}, []string{"packets"}},
		{"two things without two sources, the weightier first", []string{"drops", "engine"}, []string{"engine", "drops"}},
	} {
		var sources []SourceReport
		for _, name := range all {
			if !slices.Contains(row.missing, name) {
				sources = append(sources, SourceReport{Name: name, State: capture.SourceOK})
			} else if name != "drops" { // one that is not even named is missing too
				sources = append(sources, SourceReport{Name: name, State: capture.SourceAbsent})
			}
		}
		var got []string
		for _, l := range OutOfReach(sources) {
			got = append(got, l.Source)
			if l.Why == "" || len(l.Causes)+len(l.Verdicts) == 0 {
				t.Errorf("%s: the limit of %s says nothing", row.name, l.Source)
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}
