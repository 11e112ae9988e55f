package correlate

import (
	"cmp"
	"math"
	"slices"

	"dnatrace/correlate/stage"
)

// outcome is what makes two judgements of a request the same.
type outcome struct {
	verdict Verdict
	stage   stage.Stage
	cause   Cause
}

// outcome numbers what a judgement says, from 1. There are as many as the
// vocabulary has combinations; should there be more, the last number is none's.
func (g *journal) outcome(j *judgement) uint16 {
	o := outcome{j.verdict, j.stage, j.cause}
	n, ok := g.known[o]
	if !ok && len(g.known) < math.MaxUint16-1 {
		n = uint16(len(g.known) + 1)
		g.known[o] = n
	}
	return n
}

// caused notes the cause of a judgement where it can become that of the run.
func (g *journal) caused(r *reqRecord, j *judgement) {
	g.uncaused(r)
	r.outcome = g.outcome(j)
	if j.verdict == Delivered {
		return // has none
	}
	f := g.causes[j.verdict]
	if f == nil {
		f = &firsts{}
		g.causes[j.verdict] = f
	}
	f.add(caused{r.opened, r.number, j.cause})
}

// uncaused takes back what the last judgement of a request caused.
func (g *journal) uncaused(r *reqRecord) {
	if r.outcome == 0 {
		return
	}
	for _, f := range g.causes {
		f.remove(r.opened, r.number)
	}
}

// caused is a request, when it was opened (Unix ns), and its cause.
type caused struct {
	opened int64
	number uint32
	cause  Cause
}

// firsts are the earliest requests of a verdict. There are more than one because
// a request may be judged anew, and be of another verdict then.
type firsts struct{ list []caused }

const firstsKept = 64

func (f *firsts) add(c caused) {
	i, _ := slices.BinarySearchFunc(f.list, c, func(a, b caused) int {
		return cmp.Or(cmp.Compare(a.opened, b.opened), cmp.Compare(a.number, b.number))
	})
	if i == firstsKept {
		return
	}
	f.list = slices.Insert(f.list, i, c)
	f.list = f.list[:min(len(f.list), firstsKept)]
}

func (f *firsts) remove(opened int64, number uint32) {
	if n := len(f.list); n == 0 || f.list[n-1].opened < opened {
		return
	}
	f.list = slices.DeleteFunc(f.list, func(c caused) bool { return c.number == number })
}

// earliest is the cause of the earliest request, false if none is known.
func (f *firsts) earliest() (Cause, bool) {
	if f == nil || len(f.list) == 0 {
		return "", false
	}
	return f.list[0].cause, true
}
