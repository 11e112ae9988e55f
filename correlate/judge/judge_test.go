package judge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode"
	"dnatrace/fixtures"
)

// judged replays a fixture with a target of one's own.
func judged(t *testing.T, name string, targets ...string) (*judge.Judge, *correlate.Document) {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	j, err := judge.New(judge.Options{Targets: targets, Keep: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := judge.NewReader()
	for b, err := range source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		j.Take(r.Decode(b, &decode.Batch{}))
	}
	return j, j.Finish()
}

func TestATargetThatNobodyHasIsToldWithWhatLooksLikeIt(t *testing.T) {
	j, _ := judged(t, "delivered", "wep")
	var unknown *target.UnknownError
	if err := j.Unknown(); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "web") {
		t.Errorf("the error is %v", err)
	}
	for _, known := range []string{"web", "web:80", "8080", "9999"} {
		if j, _ := judged(t, "delivered", known); j.Unknown() != nil {
			t.Errorf("%s: %v", known, j.Unknown())
		}
	}
}

func TestUpstreamIsBlamedOnlyWhereAllElseIsFine(t *testing.T) {
	for _, row := range []struct {
		fixture, target string
		want            correlate.Cause
	}{
		{"upstream", "8080", correlate.CauseUpstream},
		{"upstream", "web", correlate.CauseUpstream},
		{"upstream", "9999", correlate.CauseNone}, // nobody publishes that
		{"absent-and-broken", "8080", correlate.CauseNone},
	} {
		_, d := judged(t, row.fixture, row.target)
		if d.Verdict != correlate.Absent || d.Cause != row.want {
			t.Errorf("%s, asked for %s: %s for %s, want absent for %s", row.fixture, row.target, d.Verdict, d.Cause, row.want)
		}
	}
}

func TestTheStartIsToldBeforeAnyRequest(t *testing.T) {
	for _, name := range slices.Concat(fixtures.Names(), fixtures.Foreign()) {
		c, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		source, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		started := 0
		_, err = judge.Replay(t.Context(), source, judge.Options{
			OnStart: func(*correlate.Document) { started++ },
			OnIncident: func(i *correlate.Incident) {
				if started != 1 {
					t.Errorf("%s: request %s is told after %d starts", name, i.ID, started)
				}
			},
		})
		if err != nil || started != 1 {
			t.Errorf("%s: %d starts, %v", name, started, err)
		}
	}
}
