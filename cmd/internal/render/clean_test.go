package render

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
	"dnatrace/decode/programs"
)

func TestCleanShowsWhatWouldAct(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a plain name stays", "web-1.internal", "web-1.internal"},
		{"arrows and accents stay", "café → web", "café → web"},
		{"an escape sequence is shown", "\x1b[2J", `\x1b[2J`},
		{"an eight-bit sequence is shown", "\u009b31m", `\x9b31m`},
		{"lines stay one", "a\nb\tc\r", `a\nb\tc\x0d`},
		{"a bidirectional override is shown", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"invisible characters are shown", "a\u200bb\u00adc\ufeff", `a\u200bb\xadc\ufeff`},
		{"separators are shown", "a\u2028b\u2029c\u00a0d", `a\u2028b\u2029c\xa0d`},
		{"bytes that are not UTF-8 are shown", "a\xffb\xc0\xafc", `a\xffb\xc0\xafc`},
		{"a replacement character was there before", "a\ufffdb", "a\ufffdb"},
		{"tag characters are shown", "a\U000e0041", `a\U000e0041`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Clean(c.in)); d != "" {
				t.Error(d)
			}
		})
	}
}

// sgr are the colours that the table itself may write, and no others.
var sgr = regexp.MustCompile("\x1b\\[(0|1;31|32|1;33|2)m")

// FuzzNothingReachesTheTerminal proves that whatever a stranger writes into a
// document, no output holds a control character but the newlines of the layout,
// no invisible character, and nothing that is not UTF-8.
func FuzzNothingReachesTheTerminal(f *testing.F) {
	f.Add("web\x1b[2J", "\u202egnp.exe", "\xff\xfe", uint8(0))
	f.Add("\x9b31m", "\r\n\x00", "→ ✗ \u2066", uint8(3))
	f.Add("not seen\x07", "a\u2028b", strings.Repeat("é ", 100), uint8(4))
	f.Fuzz(func(t *testing.T, name, text, more string, verdict uint8) {
		d := strewn(name, text, more, correlate.Verdict(verdict%8))
		for _, o := range []Options{{Width: 80, UTF8: true, Color: true}, {UTF8: true}, {Width: 40}} {
			for _, format := range []Format{FormatTable, FormatJSON, FormatJSONL} {
				out := printed(t, format, o, d)
				if bad := offending(out); bad != "" {
					t.Fatalf("%s with %+v wrote %s:\n%q", format, o, bad, out)
				}
				if !o.UTF8 && format == FormatTable && bytes.ContainsFunc(out, func(r rune) bool { return r > '~' }) {
					t.Fatalf("an ASCII reader got %q", out)
				}
			}
		}
	})
}

func strewn(name, text, more string, v correlate.Verdict) *correlate.Document {
	i := hostile()
	i.ID, i.Client, i.Requested, i.Translated, i.Protocol = name, text, more, name, text
	i.ClientContainer, i.Container, i.Stage, i.Via = name, name, stage.Stage(text), correlate.Via(more)
	i.Verdict, i.Why, i.Cause, i.Proof = v, text, correlate.Cause(more), correlate.Proof(name)
	i.Between = []string{name, more}
	i.Hops = append(i.Hops, correlate.Hop{Time: at(1), Point: name, Kind: correlate.HopSeen, Before: text, Detail: more})
	i.Unseen = []correlate.Unseen{{Point: more, Direction: name, Detail: text}}
	i.Fix, i.Blind, i.Notes = []string{text}, []string{more}, []string{name}
	i.Rule = &correlate.RuleHit{Kind: name, Table: text, Chain: more, Text: name, Owner: programs.Owner(text)}
	d := document(i, i)
	d.Target = text
	d.Recording.Points[0].Name = name
	d.Recording.Damage = []string{more}
	d.Recording.Sources = []correlate.SourceReport{{Name: name, State: "failed", Why: text}}
	return d
}

// offending names the first thing in out that has no place on a terminal.
func offending(out []byte) string {
	for s := sgr.ReplaceAllString(string(out), ""); len(s) > 0; {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			return "a byte that is not UTF-8"
		}
		if r != '\n' && !unicode.IsPrint(r) {
			return escape(r)
		}
		s = s[n:]
	}
	return ""
}
