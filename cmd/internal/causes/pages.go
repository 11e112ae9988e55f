package main

import (
	"fmt"
	"strings"

	"dnatrace/correlate"
	"dnatrace/correlate/catalogue"
)

const (
	written     = "<!-- Written by go generate from correlate/catalogue and the fixtures: change it there. -->\n\n"
	pagesFolder = "causes"
)

// pages are all there are, by their path below docs.
func pages() (map[string]string, error) {
	known := &recordings{byName: map[string]*recording{}}
	table, err := causesPage(known)
	if err != nil {
		return nil, err
	}
	out := map[string]string{"CAUSES.md": table, "REASONS.md": reasonsPage()}
	for _, code := range catalogue.Codes() {
		text, err := codePage(code, known)
		if err != nil {
			return nil, fmt.Errorf("page of %s: %w", code.Cause, err)
		}
		out[pagesFolder+"/"+string(code.Cause)+".md"] = text
	}
	return out, nil
}

// entriesOf are the shapes of a cause.
func entriesOf(c correlate.Cause) []catalogue.Entry {
	var out []catalogue.Entry
	for _, e := range catalogue.Entries() {
		if e.Cause == c {
			out = append(out, e)
		}
	}
	return out
}

// codePage is the page of one cause.
func codePage(code catalogue.Code, known *recordings) (string, error) {
	var b strings.Builder
	entries := entriesOf(code.Cause)
	fmt.Fprintf(&b, "%s# %s\n\n%s\n\n", written, code.Cause, code.About)
	fmt.Fprintf(&b, "One of the [causes](../CAUSES.md) that dnatrace tells apart; it has %s.\n\n", plural(len(entries), "shape"))
	for _, e := range entries {
		fmt.Fprintf(&b, "- [%s: %s](#%s)\n", e.ID, e.Title, anchor(e))
	}
	for _, e := range entries {
		if err := section(&b, code, e, known); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// section is one shape of a cause.
func section(b *strings.Builder, code catalogue.Code, e catalogue.Entry, known *recordings) error {
	fmt.Fprintf(b, "\n<a id=\"%s\"></a>\n\n## %s: %s\n\nJudged: %s, `%s`, %s at best.\n", anchor(e), e.ID, e.Title, verdict(e), e.Cause, e.Proof)
	var first *recording
	if len(e.Fixtures) > 0 {
		var err error
		if first, err = known.load(e.Fixtures[0]); err != nil {
			return err
		}
	}
	sees(b, e, first)
	if first != nil {
		if err := shows(b, first); err != nil {
			return err
		}
	}
	sure(b, code, e, first)
	fixes(b, e, first)
	return reproduce(b, e, known)
}

// anchor is the name of a section that other pages link to.
func anchor(e catalogue.Entry) string { return "shape-" + e.ID }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func verdict(e catalogue.Entry) string {
	if e.Stage == "" {
		return e.Verdict.String()
	}
	return e.Verdict.String() + ", " + string(e.Stage)
}
