package main

import (
	"fmt"
	"strings"

	"dnatrace/correlate/catalogue"
	"dnatrace/fixtures"
)

// causesPage is the whole catalogue as one page.
func causesPage(known *recordings) (string, error) {
	var b strings.Builder
	all := catalogue.Entries()
	b.WriteString(written + "# Causes\n\n")
	b.WriteString("What makes a published port unreachable, slow or half working, and how dnatrace judges it. ")
	b.WriteString("A cause that has several shapes has a row for each. Each code has a page: what is seen, what the packets show, how to be sure, how to fix and how to reproduce it. ")
	b.WriteString("A recording of each fixture is in [fixtures/testdata](../fixtures/testdata): replay it with `dnatrace replay`.\n\n")
	if err := origins(&b, all, known); err != nil {
		return "", err
	}
	heading := ""
	for _, e := range all {
		if e.Section != heading {
			heading = e.Section
			fmt.Fprintf(&b, "\n## %s\n\n| # | cause | verdict, stage | code | proof | evidence | fix | shown by |\n|---|---|---|---|---|---|---|---|\n", heading)
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | [`%s`](%s/%s.md) | %s | %s | %s | %s |\n", e.ID, link(e), e.Title, verdict(e), e.Cause, pagesFolder, e.Cause, e.Proof, e.Evidence, e.Fix, reproduced(e))
	}
	return b.String(), nil
}

// link leads to an entry's section.
func link(e catalogue.Entry) string {
	return fmt.Sprintf("%s/%s.md#%s", pagesFolder, e.Cause, anchor(e))
}

func reproduced(e catalogue.Entry) string {
	if e.Missing != "" {
		return "none: " + e.Missing
	}
	return "`" + strings.Join(e.Fixtures, "` `") + "`"
}

// kinds are the origins, the strongest first, and what they mean.
var kinds = []struct{ origin, means string }{
	{fixtures.Live, "dnatrace recorded it, of a real kernel or engine that did just this"},
	{fixtures.Recorded, "other tools captured and dumped it, of such a kernel and engine"},
	{fixtures.Composed, "made by hand of what others dumped: never proven, and counted apart"},
	{"", "no recording; the row says why"},
}

// origins writes how many rows are shown by what, and how many fixtures there
// are of each origin.
func origins(b *strings.Builder, all []catalogue.Entry, known *recordings) error {
	rows, files := map[string]int{}, map[string]int{}
	for _, e := range all {
		best, err := origin(e, known)
		if err != nil {
			return err
		}
		rows[best]++
	}
	for _, name := range append(fixtures.Names(), fixtures.Foreign()...) {
		c, err := fixtures.Load(name)
		if err != nil {
			return err
		}
		files[c.Origin]++
	}
	fmt.Fprintf(b, "%d rows, %d of them shown by a live or recorded fixture.\n\n", len(all), rows[fixtures.Live]+rows[fixtures.Recorded])
	b.WriteString("| origin | rows | fixtures | what it means |\n|---|---|---|---|\n")
	for _, k := range kinds {
		name, count := k.origin, fmt.Sprint(files[k.origin])
		if name == "" {
			name, count = "none", "-"
		}
		fmt.Fprintf(b, "| %s | %d | %s | %s |\n", name, rows[k.origin], count, k.means)
	}
	return nil
}

// origin is the strongest of an entry's fixtures, "" if it has none.
func origin(e catalogue.Entry, known *recordings) (string, error) {
	have := map[string]bool{}
	for _, name := range e.Fixtures {
		r, err := known.load(name)
		if err != nil {
			return "", err
		}
		have[r.Origin] = true
	}
	for _, k := range kinds {
		if have[k.origin] {
			return k.origin, nil
		}
	}
	return "", nil
}
