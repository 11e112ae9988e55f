package render

import (
	"strings"
	"time"

	"dnatrace/correlate"
)

// maxKinds bounds what a table remembers: kinds of failures, and notes printed
// once.
const maxKinds = 4096

// mostInFull is how many kinds of failures are printed in full. Nobody reads more
// of them, and a scan of ten thousand ports is as many.
const mostInFull = 100

// table prints for people: the first failure of a kind in full, later ones
// counted, deliveries one line each.
type table struct {
	out    *output
	o      Options
	g      glyphs
	text   func(string) string
	paint  painter
	kinds  map[kind]*tally
	order  []*tally
	others map[correlate.Verdict]int // failures of kinds that there was no room for
	open   map[string]*tally         // by id: what was not final when it was counted
	notes  map[string]bool
	said   bool // something stands right above
}

func newTable(out *output, o Options) *table {
	t := &table{out: out, o: o, g: asciiGlyphs, text: cleanASCII, paint: painter(o.Color),
		kinds: map[kind]*tally{}, others: map[correlate.Verdict]int{}, open: map[string]*tally{}, notes: map[string]bool{},
		said: o.Width > 0} // a terminal shows standard error above
	if o.UTF8 {
		t.g, t.text = utf8Glyphs, Clean
	}
	return t
}

// Start prints nothing: what is being watched is told on standard error.
func (t *table) Start(*correlate.Document) {}

// Flood says in a line that a flood is under way. What came of it is told at the
// end.
func (t *table) Flood(f *correlate.FloodReport) {
	what, _, to := floodWords(f)
	line := t.say("flood of %s to %s", what, to)
	if at := t.clock(f.First); at != "" {
		line = t.say("flood of %s to %s since %s", what, to, at)
	}
	t.out.write([]byte(t.mark(correlate.Undetermined) + " " + line + t.say(": told as one, at the end") + "\n"))
	t.said = true
}

// Changed is a line between requests.
func (t *table) Changed(at time.Time, what string) {
	what = t.tell(t.text(what))
	line := t.g.dot + " " + what
	if clock := t.clock(at); clock != "" {
		line = t.g.dot + " " + clock + "  " + what
	}
	t.out.write([]byte(t.paint.dim(line) + "\n"))
	t.said = true
}

func (t *table) Incident(raw *correlate.Incident) {
	k := kindOf(raw)
	was := t.open[raw.ID]
	delete(t.open, raw.ID)
	if was != nil && was.kind == k {
		was.seen(raw)
		t.wait(was, raw)
		return // the same request, judged the same
	}
	if was != nil {
		was.count--
	}
	if raw.Verdict == correlate.Delivered {
		i := cleaned(*raw, t.text)
		t.out.write([]byte(t.deliveredLine(&i) + "\n" + t.newNotes(&i)))
		t.said = true
		return
	}
	n := t.kinds[k]
	switch {
	case n != nil && was == nil && raw.Rev > 1:
		// The same request, judged the same.
	case n != nil:
		t.again(n, raw)
	case len(t.kinds) < maxKinds:
		n = t.remember(k, raw)
	default:
		t.others[raw.Verdict]++
	}
	t.wait(n, raw)
}

// wait remembers how a request was counted that may be judged again.
func (t *table) wait(n *tally, i *correlate.Incident) {
	if n != nil && !i.Final && len(t.open) < mostOpen {
		t.open[i.ID] = n
	}
}

// remember tells of the first failure of a kind.
func (t *table) remember(k kind, raw *correlate.Incident) *tally {
	i := cleaned(*raw, t.text)
	n := newTally(k, &i, t.o.Lang)
	n.said = 1
	t.kinds[k] = n
	t.order = append(t.order, n)
	if len(t.order) <= mostInFull {
		t.full(&i)
		return n
	}
	t.out.write([]byte(t.headline(&i) + "\n"))
	t.said = true
	return n
}

// full prints the whole story of a failure.
func (t *table) full(i *correlate.Incident) {
	var b strings.Builder
	if t.said {
		b.WriteByte('\n')
	}
	b.WriteString(t.headline(i))
	b.WriteByte('\n')
	lines, err := ladder(i, t.g, t.inner(4), t.o.Lang)
	if err != nil {
		t.out.fail(err)
	}
	if len(lines) > 0 {
		b.WriteByte('\n')
	}
	for _, l := range lines {
		b.WriteString(t.ladderLine(l, i.Verdict))
	}
	b.WriteByte('\n')
	t.facts(&b, i)
	b.WriteByte('\n')
	t.out.write([]byte(b.String()))
	t.said = false
}

// tell is a sentence of ours in the reader's language, say what is formatted.
func (t *table) tell(s string) string { return t.o.Lang.Sentence(s) }

func (t *table) say(format string, args ...any) string { return t.o.Lang.Say(format, args...) }

// inner is the width left beside an indent; 0 stays unbounded.
func (t *table) inner(indent int) int {
	if t.o.Width == 0 {
		return 0
	}
	return max(1, t.o.Width-indent)
}

// proseWidth is where prose wraps.
func (t *table) proseWidth() int {
	if t.o.Width > 0 {
		return t.o.Width
	}
	return DefaultWidth
}

func (t *table) ladderLine(l string, v correlate.Verdict) string {
	if strings.HasPrefix(l, t.g.bad) || strings.HasPrefix(l, t.g.unsure) {
		l = t.paint.verdict(v, l)
	}
	return "  " + l + "\n"
}

func (t *table) headline(i *correlate.Incident) string {
	word := t.mark(i.Verdict) + " " + strings.ToUpper(i.Verdict.String())
	parts := []string{word, t.clock(i.First), clientOf(i, t.o.Numeric) + " " + t.g.to + " " + requestedOf(i), t.tell(where(i)), t.tell(tries(i))}
	if i.Revised {
		parts = append(parts, t.say("judged again, revision %d of %s", i.Rev, i.ID))
	}
	line := flow(parts, t.o.Width, "  ")
	return t.paint.verdict(i.Verdict, word) + strings.TrimPrefix(line, word)
}

func (t *table) mark(v correlate.Verdict) string {
	switch v {
	case correlate.Delivered:
		return t.g.good
	case correlate.Undetermined:
		return t.g.unsure
	case correlate.Misdelivered, correlate.Refused, correlate.Dropped, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled, correlate.Absent:
	}
	return t.g.bad
}

// again counts an equal failure, and says so at 2, 5, 10, 20, 50 … of them.
func (t *table) again(n *tally, raw *correlate.Incident) {
	n.count++
	n.seen(raw)
	if !round(n.count) {
		return
	}
	n.said = n.count
	i := cleaned(*raw, t.text)
	word := t.mark(i.Verdict) + " " + t.say("again %s%d", t.g.times, n.count)
	parts := []string{word, t.clock(i.First), i.Verdict.String() + " " + clientOf(&i, t.o.Numeric) + " " + t.g.to + " " + requestedOf(&i), t.tell(where(&i))}
	t.out.write([]byte(t.paint.verdict(i.Verdict, word) + strings.TrimPrefix(flow(parts, t.o.Width, "  "), word) + "\n"))
	t.said = true
}

// round reports whether n is 1, 2 or 5 times a power of ten.
func round(n int) bool {
	for n%10 == 0 && n > 0 {
		n /= 10
	}
	return n == 1 || n == 2 || n == 5
}
