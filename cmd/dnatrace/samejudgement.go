package main

import (
	"fmt"

	"dnatrace/correlate"
)

// difference says in one sentence where two judgements of requests part, which
// should be the same; "" if they do not. Points go by their place among the
// points, as their names may be pseudonyms.
func difference(was, is *correlate.Document) string {
	if len(was.Requests) != len(is.Requests) {
		return fmt.Sprintf("%d requests were judged, now %d", len(was.Requests), len(is.Requests))
	}
	before, after := placesOf(was), placesOf(is)
	for i := range was.Requests {
		a, b := &was.Requests[i], &is.Requests[i]
		if d := differs(a, b, before, after); d != "" {
			return fmt.Sprintf("request %s to %s: %s", a.ID, a.Requested, d)
		}
	}
	if was.Verdict != is.Verdict || was.Cause != is.Cause {
		return fmt.Sprintf("%s:%s is now %s:%s", was.Verdict, was.Cause, is.Verdict, is.Cause)
	}
	return ""
}

// placesOf numbers the points of a document by name.
func placesOf(d *correlate.Document) map[string]int {
	place := map[string]int{}
	for i, p := range d.Recording.Points {
		place[p.Name] = i + 1
	}
	return place
}

func differs(a, b *correlate.Incident, before, after map[string]int) string {
	switch {
	case a.Verdict != b.Verdict || a.Cause != b.Cause:
		return fmt.Sprintf("%s:%s is now %s:%s", a.Verdict, a.Cause, b.Verdict, b.Cause)
	case a.Stage != b.Stage:
		return fmt.Sprintf("stage %q is now %q", a.Stage, b.Stage)
	case a.Via != b.Via:
		return fmt.Sprintf("via %q is now %q", a.Via, b.Via)
	case a.Proof != b.Proof:
		return fmt.Sprintf("%s is now %s", a.Proof, b.Proof)
	case len(a.Between) != len(b.Between):
		return fmt.Sprintf("between %v is now between %v", a.Between, b.Between)
	case len(a.Hops) != len(b.Hops):
		return fmt.Sprintf("%d hops are now %d", len(a.Hops), len(b.Hops))
	}
	for i := range a.Between {
		if before[a.Between[i]] != after[b.Between[i]] {
			return fmt.Sprintf("between %v is now between %v", a.Between, b.Between)
		}
	}
	for i := range a.Hops {
		x, y := &a.Hops[i], &b.Hops[i]
		if x.Kind != y.Kind || x.Direction != y.Direction || before[x.Point] != after[y.Point] || !x.Time.Equal(y.Time) {
			return fmt.Sprintf("hop %d, %s at %s, is now %s at %s", i+1, x.Kind, x.Point, y.Kind, y.Point)
		}
	}
	return ""
}
