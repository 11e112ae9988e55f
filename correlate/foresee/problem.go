package foresee

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// Problem is a cause that keeps ports from being reached as they are meant to.
type Problem struct {
	Verdict correlate.Verdict  `json:"verdict"`
	Stage   stage.Stage        `json:"stage"`
	Cause   correlate.Cause    `json:"cause"`
	Rule    *correlate.RuleHit `json:"rule,omitempty"`
	Why     string             `json:"why"` // of the first port
	Fix     []string           `json:"fix"`
	Ports   []string           `json:"ports"` // "web 80/tcp on 198.51.100.1:8080 from outside"

	declared bool // nobody asked to have any of the ports published
}

// gravity orders verdicts, the worst first, as a document's own verdict does.
var gravity = []correlate.Verdict{correlate.Dropped, correlate.Misdelivered, correlate.Refused, correlate.AnswerLost, correlate.Unanswered, correlate.Stalled, correlate.Undetermined}

// Everything asks for every port of every container from where it is meant to be
// reached: from outside if it is published there, from loopback if it is
// published on that, else from a container of the same network. What fails is
// gathered by cause.
func Everything(s *correlate.State, o Options) *Explanation {
	a, out := newAsker(s, o), &Explanation{Schema: correlate.Schema, Paths: []Path{}, Missing: Missing(s)}
	for _, v := range services(s) {
		for _, r := range a.from(meant(&v), &v) {
			out.Checked++
			if p := a.foresee(r, &v); p.Verdict != correlate.Delivered {
				out.Paths = append(out.Paths, p)
				out.gather(&p, &v)
			}
		}
	}
	slices.SortStableFunc(out.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(weight(&a), weight(&b)), len(b.Ports)-len(a.Ports))
	})
	return out
}

// weight is how bad a problem is. A container that somebody stopped is less of a
// worry than one that runs and cannot be reached, and a port that an image
// declares and nobody published is the least of all.
func weight(p *Problem) int {
	w := slices.Index(gravity, p.Verdict)
	if p.Cause == correlate.CauseContainerNotRunning {
		w += len(gravity)
	}
	if p.declared {
		w += 2 * len(gravity)
	}
	return w
}

// meant is where a service is meant to be reached from.
func meant(v *service) string {
	switch {
	case v.hostIP.IsLoopback():
		return Loopback
	case v.onHost():
		return Outside
	}
	return SameNetwork
}

func (e *Explanation) gather(p *Path, v *service) {
	port := fmt.Sprintf("%s %d/%s on %s from %s", v.container.Name, v.port, v.proto, p.Requested, strings.ReplaceAll(p.From, "-", " "))
	for i := range e.Problems {
		if q := &e.Problems[i]; q.same(p) {
			q.Ports, q.declared = append(q.Ports, port), q.declared && !v.asked
			return
		}
	}
	e.Problems = append(e.Problems, Problem{Verdict: p.Verdict, Stage: p.Stage, Cause: p.Cause, Rule: p.Rule, Why: p.Why, Fix: p.Fix, Ports: []string{port}, declared: !v.asked && !v.own})
}

// same reports whether one thing to mend is behind both: the rule, or what the
// sentence says.
func (q *Problem) same(p *Path) bool {
	if q.Cause != p.Cause || q.Stage != p.Stage || (q.Rule == nil) != (p.Rule == nil) {
		return false
	}
	if q.Rule != nil {
		return *q.Rule == *p.Rule
	}
	return slices.Equal(q.Fix, p.Fix) && len(q.Fix) > 0 || q.Why == p.Why
}
