package collect

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"dnatrace/cmd/internal/changes"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
)

// maxHappenings is how many happenings a report tells: those closest to the
// deciding request.
const maxHappenings = 200

// maxCompared is how many changes of rules a report tells rule by rule.
const maxCompared = 64

// timeline is what happened on the host, as far as a report tells it.
type timeline struct {
	near int64 // Unix ns of the deciding request
	log  *changes.Log
	said []report.Happening
	left int
}

func (l *timeline) init(i *correlate.Incident) {
	l.log = changes.New(l.add, maxCompared)
	if i != nil {
		l.near = i.First.UnixNano()
	}
}

func (l *timeline) add(c changes.Change) {
	l.said = append(l.said, report.Happening{Time: time.Unix(0, c.Time).UTC(), Lane: c.Lane, Where: c.Where, Text: c.Text})
	if len(l.said) >= 4*maxHappenings {
		l.thin()
	}
}

// thin leaves those closest to the deciding request.
func (l *timeline) thin() {
	if len(l.said) <= maxHappenings {
		return
	}
	slices.SortStableFunc(l.said, func(a, b report.Happening) int { return cmp.Compare(l.distance(a), l.distance(b)) })
	l.left += len(l.said) - maxHappenings
	l.said = l.said[:maxHappenings]
}

func (l *timeline) distance(h report.Happening) int64 {
	return max(h.Time.UnixNano()-l.near, l.near-h.Time.UnixNano())
}

// finish returns what happened and the requests told in full, in order.
func (l *timeline) finish(cases []report.Case) ([]report.Happening, int) {
	l.thin()
	for _, c := range cases {
		l.said = append(l.said, report.Happening{Time: c.Incident.First.UTC(), Lane: report.LaneRequests, Where: "",
			Text: fmt.Sprintf("%s → %s: %s", c.Incident.Client, c.Incident.Requested, c.Incident.Verdict)})
	}
	slices.SortStableFunc(l.said, func(a, b report.Happening) int { return a.Time.Compare(b.Time) })
	return l.said, l.left
}
