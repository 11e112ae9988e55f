// Package render writes Documents and Incidents for their readers: a table for
// people, JSON for programs. It decides nothing: what became of a request is
// known before it gets here.
//
// Names, rules, errors and payload come from outside and are hostile until
// shown otherwise; everything that is written passes through Clean. The package
// reads no clock, opens nothing, and must not import capture or decode.
package render

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
)

// Printer writes the result of one run. Start comes first, End last; between
// them one Incident for every request judged, again with a higher Rev when its
// judgement changes, and one Flood for each when it is first known to be one. A
// Printer is not safe for concurrent use. What is written
// for one call is written at once.
//
// End reports the first error of any of the writes (a closed pipe, a full disk).
type Printer interface {
	Start(*correlate.Document)
	Incident(*correlate.Incident)
	Flood(*correlate.FloodReport)
	// Changed tells, between requests, of a change of the host's that may explain
	// them. Formats that programs read leave it out.
	Changed(at time.Time, what string)
	End(*correlate.Document) error
}

// Format names an output.
type Format string

// The formats of -o.
const (
	FormatTable    Format = "table"
	FormatJSON     Format = "json"
	FormatJSONL    Format = "jsonl"
	FormatMarkdown Format = "markdown"
)

// ParseFormat reads the value of -o.
func ParseFormat(s string) (Format, error) {
	f := Format(s)
	if slices.Contains([]Format{FormatTable, FormatJSON, FormatJSONL, FormatMarkdown}, f) {
		return f, nil
	}
	return "", fmt.Errorf("parse output format: %q is none of table, json, jsonl, markdown", s)
}

// ParseRunFormat is ParseFormat for runs that judge requests, which have those for what
// runs tests too.
func ParseRunFormat(s string) (Format, error) {
	if f := Format(s); isCaseFormat(f) {
		return f, nil
	}
	f, err := ParseFormat(s)
	if err != nil {
		err = fmt.Errorf("%w, junit, tap, github", err)
	}
	return f, err
}

// Options say what the reader's side can show. The zero value suits a file:
// plain ASCII, no colour, lines that must stay one line are left whole.
type Options struct {
	Width   int  // columns; 0 is not a terminal: prose wraps at 100, and nothing else does
	Color   bool // ANSI colours
	UTF8    bool // glyphs and arrows; otherwise plain ASCII
	Numeric bool // leave container names out where an address says the same

	// Lang is that of sentences; formats that programs read are in English whatever it is.
	Lang lang.Language

	// Zone is that of times of day; nil leaves them out.
	Zone *time.Location

	// Apart says that nothing stands above the end of the output: it tells of a single
	// failure, too.
	Apart bool

	// Worst is how many requests JSON lists, the worst; 0 lists all.
	Worst int

	// Overflow opens an empty file of its own, for what a long result would take
	// of memory; nil holds all of it there.
	Overflow func() (*os.File, error)
}

// New returns the Printer of a format, writing to w.
func New(w io.Writer, f Format, o Options) Printer {
	out := &output{w: w}
	if p := newCases(out, f); p != nil {
		return p
	}
	switch f {
	case FormatJSON:
		return &jsonPrinter{out: out, held: newSpool(o.Overflow), worst: o.Worst}
	case FormatJSONL:
		return &jsonlPrinter{out: out}
	case FormatMarkdown:
		return &markdownPrinter{out: out, lang: o.Lang, kinds: map[kind]*tally{}}
	case FormatTable, FormatJUnit, FormatTAP, FormatGitHub:
	}
	return newTable(out, o)
}

// output remembers the first error, so that a Printer need not stop for it.
type output struct {
	w   io.Writer
	err error
}

func (o *output) write(b []byte) {
	if o.err == nil && len(b) > 0 {
		_, o.err = o.w.Write(b)
	}
}

// fail keeps err unless an earlier one is kept.
func (o *output) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

func (o *output) result() error {
	if o.err != nil {
		return fmt.Errorf("write result: %w", o.err)
	}
	return nil
}
