package judge_test

import (
	"fmt"
	"slices"
	"testing"

	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/fixtures"
)

// TestWhatWasToldAtOnceHolds: in every recording, what is told of a request before
// its window is over is what is said in the end, and everything told ends with a
// final word of a higher rev.
func TestWhatWasToldAtOnceHolds(t *testing.T) {
	early := 0
	for _, name := range slices.Concat(fixtures.Names(), fixtures.Foreign()) {
		c, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		source, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		told := map[string][]*correlate.Incident{}
		if _, err := judge.Replay(t.Context(), source, judge.Options{OnIncident: func(i *correlate.Incident) { told[i.ID] = append(told[i.ID], i) }}); err != nil {
			t.Fatal(err)
		}
		for id, list := range told {
			last := list[len(list)-1]
			if !last.Final {
				t.Errorf("%s: the last word on request %s is not final", name, id)
			}
			if n := slices.IndexFunc(list, func(i *correlate.Incident) bool { return i.Final }); n > 1 && !readLate[name] {
				t.Errorf("%s: request %s is told %d times before it is final", name, id, n)
			}
			for n, i := range list {
				if n > 0 && i.Rev <= list[n-1].Rev {
					t.Errorf("%s: rev %d of request %s comes after rev %d", name, i.Rev, id, list[n-1].Rev)
				}
				if i.Final {
					continue
				}
				early++
				if readLate[name] && i.Agrees(last) {
					continue
				}
				if was, is := words(i), words(last); was != is && was+", proven" != is { // counters may prove it later
					t.Errorf("%s: request %s is %s at once, and %s in the end", name, id, was, is)
				}
			}
		}
	}
	if early < 60 {
		t.Errorf("only %d requests were told of at once", early)
	}
}

// readLate are recordings whose rules were read after they had dropped something: what
// is told at once is the drop, and its rule is named when the rules are known.
var readLate = map[string]bool{"firewall-drop-briefly": true}

func words(i *correlate.Incident) string {
	said := fmt.Sprintf("%s/%s/%s", i.Verdict, i.Stage, i.Cause)
	if i.Proof == correlate.Proven {
		said += ", proven"
	}
	return said
}
