package render

import (
	"fmt"
	"strings"

	"dnatrace/correlate"
)

// maxKinds bounds what a table remembers: kinds of failures printed in full,
// and notes printed once.
const maxKinds = 4096

// table prints for people: the first failure of a kind in full, later ones
// counted, deliveries one line each.
type table struct {
	out   *output
	o     Options
	g     glyphs
	text  func(string) string
	paint painter
	kinds map[kind]*tally
	order []*tally
	notes map[string]bool
	said  bool // something stands right above
}

// kind is what makes two failures equal to a reader.
type kind struct {
	verdict              correlate.Verdict
	stage                string
	cause                correlate.Cause
	requested, container string
}

// tally counts the failures of a kind.
type tally struct {
	count, said int
	line        string // the kind in words
	verdict     correlate.Verdict
}

func newTable(out *output, o Options) *table {
	t := &table{out: out, o: o, g: asciiGlyphs, text: cleanASCII, paint: painter(o.Color),
		kinds: map[kind]*tally{}, notes: map[string]bool{}, said: o.Width > 0} // a terminal shows standard error above
	if o.UTF8 {
		t.g, t.text = utf8Glyphs, Clean
	}
	return t
}

// Start prints nothing: what is being watched is told on standard error.
func (t *table) Start(*correlate.Document) {}

func (t *table) Incident(raw *correlate.Incident) {
	i := cleaned(*raw, t.text)
	if i.Verdict == correlate.Delivered {
		t.out.write([]byte(t.deliveredLine(&i) + "\n" + t.newNotes(&i)))
		t.said = true
		return
	}
	k := kind{i.Verdict, i.Stage, i.Cause, i.Requested, i.Container}
	seen := t.kinds[k]
	if seen == nil {
		t.remember(k, &i)
		t.full(&i)
		return
	}
	t.again(seen, &i)
}

func (t *table) remember(k kind, i *correlate.Incident) {
	if len(t.kinds) >= maxKinds {
		return
	}
	n := &tally{count: 1, said: 1, verdict: i.Verdict, line: t.kindLine(i)}
	t.kinds[k] = n
	t.order = append(t.order, n)
}

func (t *table) kindLine(i *correlate.Incident) string {
	parts := []string{i.Verdict.String(), requestedOf(i), where(i), string(i.Cause)}
	return flow(parts, 0, "")
}

// full prints the whole story of a failure.
func (t *table) full(i *correlate.Incident) {
	var b strings.Builder
	if t.said {
		b.WriteByte('\n')
	}
	b.WriteString(t.headline(i))
	b.WriteByte('\n')
	lines, err := ladder(i, t.g, t.inner(4))
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
	parts := []string{word, clientOf(i, t.o.Numeric) + " " + t.g.to + " " + requestedOf(i), where(i), tries(i)}
	if i.Revised {
		parts = append(parts, fmt.Sprintf("judged again, revision %d of %s", i.Rev, i.ID))
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
	}
	return t.g.bad
}

// again counts an equal failure, and says so at 2, 5, 10, 20, 50 … of them.
func (t *table) again(n *tally, i *correlate.Incident) {
	if i.Rev > 1 {
		return // the same request, judged the same
	}
	n.count++
	if !round(n.count) {
		return
	}
	n.said = n.count
	word := fmt.Sprintf("%s again %s%d", t.mark(i.Verdict), t.g.times, n.count)
	parts := []string{word, i.Verdict.String() + " " + clientOf(i, t.o.Numeric) + " " + t.g.to + " " + requestedOf(i), where(i)}
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
