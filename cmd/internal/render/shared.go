package render

import (
	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
)

// What other writers of documents share with the table: one wording for all.

// Cleaned returns a deep copy of v, of whose strings each is passed through
// Clean. It walks structs, slices and pointers, whose fields must be exported;
// nil slices become empty ones, times UTC.
func Cleaned[T any](v T) T { return cleaned(v, Clean) }

// Where says in words where a request ended, and by whose rule; "" if it did
// not end.
func Where(i *correlate.Incident) string { return where(i) }

// Tries says how often and for how long the client tried: "3 tries in 3.0 s".
func Tries(i *correlate.Incident) string { return tries(i) }

// Without names the sources that gave nothing, with why.
func Without(sources []correlate.SourceReport) []string { return without(sources) }

// Nothing says what was watched in vain.
func Nothing(d *correlate.Document, l lang.Language) string {
	t := table{o: Options{Lang: l}}
	return t.nothing(d)
}
