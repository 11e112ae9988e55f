package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dnatrace/correlate"
	"dnatrace/correlate/catalogue"
	"dnatrace/fixtures"
)

const docs = "../../../docs"

// read returns the pages as they are in docs, by their path there.
func read(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(docs, pagesFolder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, filepath.Join(docs, "CAUSES.md"), filepath.Join(docs, "REASONS.md")) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(docs, f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.ToSlash(name)] = string(b)
	}
	return out
}

const regenerate = "run go generate ./correlate/catalogue"

func TestEveryCauseHasItsPage(t *testing.T) {
	have := read(t)
	for _, c := range correlate.Causes() {
		if have[pagesFolder+"/"+string(c)+".md"] == "" {
			t.Errorf("no page of %s: %s", c, regenerate)
		}
	}
	if want := len(correlate.Causes()) + 2; len(have) != want {
		t.Errorf("%d pages, want %d: %s", len(have), want, regenerate)
	}
}

func TestEveryReasonOfTheKernelHasItsRow(t *testing.T) {
	page := read(t)["REASONS.md"]
	for _, name := range correlate.DropReasons() {
		means, cause := correlate.ExplainDrop(name)
		if row := fmt.Sprintf("| `%s` | %s | ", name, means); !strings.Contains(page, row) || cause != "" && !strings.Contains(page, row+fmt.Sprintf("[`%s`]", cause)) {
			t.Errorf("REASONS.md lacks %q, cause %q: %s", row, cause, regenerate)
		}
	}
}

// TestPagesSayWhatTheCatalogueSays looks for every shape on its page, as the
// catalogue has it and as its recordings are judged, and for its row.
func TestPagesSayWhatTheCatalogueSays(t *testing.T) {
	have := read(t)
	for _, e := range catalogue.Entries() {
		page := have[pagesFolder+"/"+string(e.Cause)+".md"]
		wants := []string{"## " + e.ID + ": " + e.Title + "\n\nJudged: " + verdict(e) + ", `" + string(e.Cause) + "`", e.Evidence, e.Fix}
		for _, name := range e.Fixtures {
			c, err := fixtures.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			wants = append(wants, fmt.Sprintf("(%s): %s", c.Origin, c.Story))
		}
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("the page of %s lacks %q: %s", e.Cause, want, regenerate)
			}
		}
		if row := fmt.Sprintf("| [%s](%s) | %s | %s |", e.ID, link(e), e.Title, verdict(e)); !strings.Contains(have["CAUSES.md"], row) {
			t.Errorf("CAUSES.md lacks %q: %s", row, regenerate)
		}
	}
}

// TestPagesShowTheRecordingAsItIsJudged compares what is printed on a page with
// what its first recording is judged to be now.
func TestPagesShowTheRecordingAsItIsJudged(t *testing.T) {
	have := read(t)
	known := &recordings{byName: map[string]*recording{}}
	for _, e := range catalogue.Entries() {
		if len(e.Fixtures) == 0 {
			continue
		}
		r, err := known.load(e.Fixtures[0])
		if err != nil {
			t.Fatal(err)
		}
		page := have[pagesFolder+"/"+string(e.Cause)+".md"]
		_, section, _ := strings.Cut(page, "\n## "+e.ID+": ")
		_, shown, _ := strings.Cut(section, "```text\n")
		shown, _, _ = strings.Cut(shown, "```")
		if i := r.last(); i != nil && !strings.Contains(strings.ToLower(shown), i.Verdict.String()) {
			t.Errorf("%s: the page shows\n%s\nand %s is judged %s", e.ID, shown, r.Name, i.Verdict)
		}
		if shown == "" {
			t.Errorf("%s: nothing is printed", e.ID)
		}
	}
}

var linkTo = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestNoLinkOfThePagesIsDead(t *testing.T) {
	have := read(t)
	links := 0
	for name, text := range have {
		for _, m := range linkTo.FindAllStringSubmatch(outsideOfCode(text), -1) {
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			if file == "" {
				file = filepath.Base(name)
			}
			target := filepath.Join(docs, filepath.Dir(name), filepath.FromSlash(file))
			body, err := os.ReadFile(target)
			if st, statErr := os.Stat(target); statErr == nil && st.IsDir() {
				err = nil
			}
			if err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
			if anchor != "" && !strings.Contains(string(body), `<a id="`+anchor+`">`) {
				t.Errorf("%s links to %s, and there is no such place", name, m[1])
			}
		}
	}
	if links < 2*len(catalogue.Entries()) {
		t.Errorf("only %d links were found", links)
	}
}

// outsideOfCode cuts blocks and spans of code out.
func outsideOfCode(text string) string {
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "x")
}

// TestPagesHoldNothingOfTheMachineTheyWereMadeOn looks for paths of a machine,
// and for bytes beyond ASCII in what is printed.
func TestPagesHoldNothingOfTheMachineTheyWereMadeOn(t *testing.T) {
	machine := regexp.MustCompile(`/(work|tmp|root|home|farm|opt)/|/proc/\d|dnalab-`)
	for name, text := range read(t) {
		if m := machine.FindString(text); m != "" {
			t.Errorf("%s has %q", name, m)
		}
		for _, block := range regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(text, -1) {
			if i := strings.IndexFunc(block[1], func(r rune) bool { return r > 126 }); i >= 0 {
				t.Errorf("%s prints other than ASCII: %q", name, block[1][i:min(len(block[1]), i+20)])
			}
		}
	}
}
