package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// kind is what makes two failures equal to a reader.
type kind struct {
	verdict              correlate.Verdict
	stage                stage.Stage
	cause                correlate.Cause
	requested, container string
	rule                 string
}

func kindOf(i *correlate.Incident) kind {
	k := kind{i.Verdict, i.Stage, i.Cause, i.Requested, i.Container, ""}
	if r := i.Rule; r != nil {
		k.rule = r.Table + " " + r.Chain + " " + r.Text
	}
	return k
}

// tally counts the failures of a kind.
type tally struct {
	kind        kind
	count, said int
	first, last time.Time // when the requests began
	line        string    // the kind in words
	why, rule   string    // of the first of them
	fix         []string
}

// newTally is that of a kind of which one failure is known, which is clean.
func newTally(k kind, i *correlate.Incident, l lang.Language) *tally {
	n := &tally{kind: k, count: 1, first: i.First, last: i.First, why: i.Why, fix: i.Fix}
	n.line = flow([]string{requestedOf(i), l.Sentence(where(i)), string(i.Cause)}, 0, "")
	if i.Rule != nil {
		n.rule = ruleLine(i.Rule)
	}
	return n
}

// seen widens the time of a kind to that of one more of them.
func (n *tally) seen(i *correlate.Incident) {
	if i.First.Before(n.first) {
		n.first = i.First
	}
	if i.First.After(n.last) {
		n.last = i.First
	}
}

// worstFirst are the kinds there still are: the gravest verdict first, of those
// what came most.
func worstFirst(all []*tally) []*tally {
	all = slices.DeleteFunc(slices.Clone(all), func(n *tally) bool { return n.count <= 0 })
	slices.SortStableFunc(all, func(a, b *tally) int {
		return cmp.Or(cmp.Compare(correlate.Gravity(a.kind.verdict), correlate.Gravity(b.kind.verdict)), cmp.Compare(b.count, a.count), a.first.Compare(b.first))
	})
	return all
}

// kindsShown is how many kinds the end of a run tells with what to do about them,
// kindsListed how many more it names.
const (
	kindsShown  = 20
	kindsListed = 30
)

// failures sums up what failed, unless it was one request alone: that stands above.
func (t *table) failures(b *strings.Builder) {
	all, total := worstFirst(t.order), 0
	for _, n := range all {
		total += n.count
	}
	others := 0
	for _, n := range t.others {
		others += n
	}
	if total+others < 2 && !t.o.Apart {
		return
	}
	for at, n := range all[:min(len(all), kindsShown+kindsListed)] {
		word := fmt.Sprintf("%s %s %s%d", t.mark(n.kind.verdict), n.kind.verdict, t.g.times, n.count)
		b.WriteString(t.paint.verdict(n.kind.verdict, word) + strings.TrimPrefix(flow([]string{word, n.line}, t.o.Width, "    "), word) + "\n")
		if at >= kindsShown {
			continue
		}
		if s := t.between(n.first, n.last); s != "" {
			t.verbatim(b, "when", s)
		}
		t.prose(b, "why", n.why)
		if n.rule != "" {
			t.verbatim(b, "rule", n.rule)
		}
		for k, f := range n.fix {
			t.verbatim(b, once(k, "fix"), t.tell(f))
		}
		b.WriteByte('\n')
	}
	if left := all[min(len(all), kindsShown+kindsListed):]; len(left) > 0 || others > 0 {
		for _, n := range left {
			others += n.count
		}
		b.WriteString("  " + t.say("and %s of other kinds: -o json lists them all", plural(others, "request", "requests")) + "\n")
	}
	if len(all) > kindsShown || others > 0 {
		b.WriteByte('\n')
	}
}

// clock is a time of day for a line of its own; "" where none is shown.
func (t *table) clock(at time.Time) string {
	if t.o.Zone == nil || at.IsZero() {
		return ""
	}
	return at.In(t.o.Zone).Format("15:04:05.000")
}

// between says from when to when: with the day, which a recording may be from any
// time ago.
func (t *table) between(first, last time.Time) string {
	if t.o.Zone == nil || first.IsZero() {
		return ""
	}
	const day = "2006-01-02"
	first, last = first.In(t.o.Zone), last.In(t.o.Zone)
	s := first.Format(day + " 15:04:05.000")
	switch {
	case first.Equal(last):
		return s
	case first.Format(day) == last.Format(day):
		return t.say("%s to %s", s, last.Format("15:04:05.000"))
	}
	return t.say("%s to %s", s, last.Format(day+" 15:04:05.000"))
}
