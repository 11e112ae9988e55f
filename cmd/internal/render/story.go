package render

import (
	"io"

	"dnatrace/correlate"
)

// WriteIncident writes the whole story of one request, delivered or not: the
// answer, the ladder of its hops, the sentence, what to type, and what it rests
// on.
func WriteIncident(w io.Writer, i *correlate.Incident, o Options) error {
	t := newTable(&output{w: w}, o)
	t.said = false
	c := cleaned(*i, t.text)
	t.full(&c)
	return t.out.result()
}

// Kind is what makes two failures equal to a reader. It is comparable.
type Kind = kind

// KindOf is the kind of a failure.
func KindOf(i *correlate.Incident) Kind { return kindOf(i) }

// Verdict of failures of the kind.
func (k kind) Verdict() correlate.Verdict { return k.verdict }

// ClientOf names the client, its container first.
func ClientOf(i *correlate.Incident, numeric bool) string { return clientOf(i, numeric) }

// Millis is a time in seconds as milliseconds: "1.2 ms".
func Millis(s float64) string { return millis(s) }

// Columns is the number of terminal columns s takes.
func Columns(s string) int { return columns(s) }

// Wrap breaks s at spaces into lines of at most width columns. A word that is
// longer stays whole.
func Wrap(s string, width int) []string { return wrap(s, width) }

// Mark is the one-column sign of a verdict.
func (o Options) Mark(v correlate.Verdict) string {
	t := table{g: o.glyphs()}
	return t.mark(v)
}

// Verdict colours text as that verdict is, where colours are to be had.
func (o Options) Verdict(v correlate.Verdict, s string) string { return painter(o.Color).verdict(v, s) }

// Dim, Bold and Reverse set text apart, where colours are to be had.
func (o Options) Dim(s string) string { return painter(o.Color).dim(s) }

// Bold is as Dim says.
func (o Options) Bold(s string) string { return painter(o.Color).bold(s) }

// Reverse is as Dim says.
func (o Options) Reverse(s string) string { return painter(o.Color).in(reverse, s) }
