package collect

import (
	"cmp"
	"slices"

	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// maxCases is how many requests are told in full: the one that decided the run,
// and the first of each other kind.
const maxCases = 6

// kind is what makes two requests tell one story.
type kind struct {
	verdict              correlate.Verdict
	stage                stage.Stage
	cause                correlate.Cause
	requested, container string
}

// pick chooses the requests to tell in full: the first of each kind, those of
// the run's verdict first, delivered ones last but never left out.
func pick(d *correlate.Document) []report.Case {
	var cases []report.Case
	at := map[kind]int{}
	for _, i := range d.Requests {
		k := kind{i.Verdict, i.Stage, i.Cause, i.Requested, i.Container}
		n, known := at[k]
		if !known {
			n = len(cases)
			at[k] = n
			cases = append(cases, report.Case{Incident: i})
		}
		cases[n].Alike++
		if i.First.Before(cases[n].Incident.First) {
			cases[n].Incident = i
		}
	}
	slices.SortStableFunc(cases, func(a, b report.Case) int {
		return cmp.Or(cmp.Compare(rank(d, a), rank(d, b)), a.Incident.First.Compare(b.Incident.First))
	})
	if len(cases) <= maxCases {
		return cases
	}
	well := slices.IndexFunc(cases, func(c report.Case) bool { return c.Incident.Verdict == correlate.Delivered })
	if well >= maxCases {
		cases[maxCases-1] = cases[well]
	}
	return cases[:maxCases]
}

// rank puts the request that decided the run first, and those that nothing is
// wrong with last.
func rank(d *correlate.Document, c report.Case) int {
	switch {
	case c.Incident.Verdict == d.Verdict && c.Incident.Cause == d.Cause:
		return 0
	case c.Incident.Verdict == d.Verdict:
		return 1
	case c.Incident.Verdict == correlate.Delivered:
		return 3
	case c.Incident.Verdict == correlate.Undetermined:
		return 4
	}
	return 2
}
