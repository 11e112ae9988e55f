package catalogue

import (
	"fmt"
	"strings"
)

// Markdown is the catalogue as a page.
func Markdown() string {
	var b strings.Builder
	all := Entries()
	b.WriteString("<!-- Written by go generate from correlate/catalogue: change it there. -->\n\n# Causes\n\n")
	b.WriteString("What makes a published port unreachable, slow or half working, and how dnatrace judges it. ")
	b.WriteString("A cause that has several shapes has a row for each. A recording of each fixture is in [fixtures/testdata](../fixtures/testdata): replay it with `dnatrace replay`.\n\n")
	shown, recordings := count(all)
	fmt.Fprintf(&b, "%d rows, %d of them with recordings (%d in all); the others say why there is none.\n", len(all), shown, recordings)
	section := ""
	for _, e := range all {
		if e.Section != section {
			section = e.Section
			fmt.Fprintf(&b, "\n## %s\n\n| # | cause | verdict, stage | code | proof | evidence | fix | shown by |\n|---|---|---|---|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` | %s | %s | %s | %s |\n", e.ID, e.Title, verdict(e), e.Cause, e.Proof, e.Evidence, e.Fix, reproduced(e))
	}
	return b.String()
}

func verdict(e Entry) string {
	if e.Stage == "" {
		return e.Verdict.String()
	}
	return e.Verdict.String() + ", " + e.Stage
}

func reproduced(e Entry) string {
	if e.Missing != "" {
		return "none: " + e.Missing
	}
	return "`" + strings.Join(e.Fixtures, "` `") + "`"
}

// count is how many entries have recordings, and how many those are.
func count(all []Entry) (shown, recordings int) {
	seen := map[string]bool{}
	for _, e := range all {
		if len(e.Fixtures) > 0 {
			shown++
		}
		for _, f := range e.Fixtures {
			seen[f] = true
		}
	}
	return shown, len(seen)
}
