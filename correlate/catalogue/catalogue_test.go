package catalogue_test

import (
	"encoding/json"
	"strings"
	"testing"

	"dnatrace/correlate"
	"dnatrace/correlate/catalogue"
	"dnatrace/correlate/stage"
	"dnatrace/fixtures"
)

// golden reads what a recording is judged to be: its last request, or the run.
func golden(t *testing.T, name string) (correlate.Document, correlate.Incident) {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	var d correlate.Document
	if err := json.Unmarshal(c.Want, &d); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(d.Requests) == 0 {
		return d, correlate.Incident{Verdict: d.Verdict, Cause: d.Cause, Proof: correlate.Inferred}
	}
	return d, d.Requests[len(d.Requests)-1]
}

func TestEveryRecordingSaysJustWhatItsEntryDoes(t *testing.T) {
	for _, e := range catalogue.Entries() {
		for _, name := range e.Fixtures {
			_, got := golden(t, name)
			if got.Verdict != e.Verdict || got.Stage != e.Stage || got.Cause != e.Cause {
				t.Errorf("%s %s: %s is judged %s/%s/%s, and the entry says %s/%s/%s", e.ID, e.Title, name, got.Verdict, got.Stage, got.Cause, e.Verdict, e.Stage, e.Cause)
			}
			if got.Proof == correlate.Proven && e.Proof != correlate.Proven {
				t.Errorf("%s %s: %s is proven, and the entry says that it is inferred", e.ID, e.Title, name)
			}
		}
	}
}

func TestEveryEntryIsWhole(t *testing.T) {
	seen := map[string]bool{}
	numbers := map[string]bool{}
	for _, e := range catalogue.Entries() {
		if seen[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		seen[e.ID] = true
		numbers[strings.TrimRight(e.ID, "abcdefghijklmnopqrstuvwxyz")] = true
		if e.Title == "" || e.Evidence == "" || e.Fix == "" || (len(e.Fixtures) == 0) != (e.Missing != "") {
			t.Errorf("%s is not whole: %+v", e.ID, e)
		}
		if _, err := correlate.ParseCause(string(e.Cause)); err != nil {
			t.Errorf("%s: %v", e.ID, err)
		}
		for _, text := range []string{e.Title, e.Evidence, e.Fix, e.Missing} {
			if strings.ContainsAny(text, "|\n") {
				t.Errorf("%s: %q breaks the table", e.ID, text)
			}
		}
	}
	if len(numbers) != 88 {
		t.Errorf("%d causes, want 88", len(numbers))
	}
}

// TestWhatIsDecidedIsInTheCatalogue looks the other way: every failure that a
// recording of a real engine shows is one that the catalogue knows.
func TestWhatIsDecidedIsInTheCatalogue(t *testing.T) {
	type key struct {
		verdict correlate.Verdict
		stage   stage.Stage
		cause   correlate.Cause
	}
	known := map[key]bool{}
	for _, e := range catalogue.Entries() {
		known[key{e.Verdict, e.Stage, e.Cause}] = true
	}
	for _, name := range fixtures.Names() {
		d, _ := golden(t, name)
		for _, r := range d.Requests {
			failed := r.Verdict != correlate.Delivered && r.Verdict != correlate.Undetermined && r.Cause != correlate.CauseUnknown
			if failed && !known[key{r.Verdict, r.Stage, r.Cause}] {
				t.Errorf("%s: %s/%s/%s is in no entry", name, r.Verdict, r.Stage, r.Cause)
			}
		}
	}
}

func TestEveryCauseHasAnEntry(t *testing.T) {
	known := map[correlate.Cause]bool{}
	for _, e := range catalogue.Entries() {
		known[e.Cause] = true
	}
	for _, c := range correlate.Causes() {
		if !known[c] {
			t.Errorf("no entry has the cause %s", c)
		}
	}
}

func TestThereIsAWordOnEveryCode(t *testing.T) {
	for _, c := range catalogue.Codes() {
		if c.About == "" || len(c.ByHand) == 0 {
			t.Errorf("%s: what it means is not said, or not how to see it by hand", c.Cause)
		}
	}
}
