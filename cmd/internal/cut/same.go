package cut

import (
	"fmt"
	"strings"

	"dnatrace/correlate"
)

// Difference says in one sentence where two judgements of requests part, which
// should be the same; "" if they do not. Points go by their place among the
// points, as their names may be pseudonyms.
func Difference(was, is *correlate.Document) string {
	if len(was.Requests) != len(is.Requests) {
		return fmt.Sprintf("%d requests were judged, now %d", len(was.Requests), len(is.Requests))
	}
	samePoint := byPlace(was, is)
	for i := range was.Requests {
		a, b := &was.Requests[i], &is.Requests[i]
		if d := differs(a, b, samePoint); d != "" {
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

// byPlace has points be the same that are at one place among the points.
func byPlace(was, is *correlate.Document) func(a, b string) bool {
	before, after := placesOf(was), placesOf(is)
	return func(a, b string) bool { return before[a] == after[b] }
}

// byName has points be the same that have one name.
func byName(a, b string) bool { return a == b }

// ruleOf names the deciding rule by what no pseudonym changes.
func ruleOf(r *correlate.Incident) string {
	if r.Rule == nil {
		return "no rule"
	}
	return fmt.Sprintf("%s %d of %s, of %s", r.Rule.Kind, r.Rule.Handle, r.Rule.Backend, r.Rule.Owner)
}

// sources are the origins of what a judgement rests on, one for each observation.
func sources(r *correlate.Incident) string {
	var all []string
	for _, e := range r.Evidence {
		all = append(all, e.Source)
	}
	return strings.Join(all, ", ")
}

// differs says where two judgements of one request part.
func differs(a, b *correlate.Incident, samePoint func(a, b string) bool) string {
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
	case ruleOf(a) != ruleOf(b):
		return fmt.Sprintf("decided by %s is now decided by %s", ruleOf(a), ruleOf(b))
	case sources(a) != sources(b):
		return fmt.Sprintf("what it rests on, %s, is now %s", sources(a), sources(b))
	case len(a.Fix) != len(b.Fix):
		return fmt.Sprintf("%d lines of what to do about it are now %d", len(a.Fix), len(b.Fix))
	}
	for i := range a.Between {
		if !samePoint(a.Between[i], b.Between[i]) {
			return fmt.Sprintf("between %v is now between %v", a.Between, b.Between)
		}
	}
	for i := range a.Hops {
		x, y := &a.Hops[i], &b.Hops[i]
		if x.Kind != y.Kind || x.Direction != y.Direction || !samePoint(x.Point, y.Point) || !x.Time.Equal(y.Time) {
			return fmt.Sprintf("hop %d, %s at %s, is now %s at %s", i+1, x.Kind, x.Point, y.Kind, y.Point)
		}
	}
	return ""
}
