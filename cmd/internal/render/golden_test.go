package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with: go test ./cmd/internal/render -update)", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// printed runs a Document through a Printer as the pipeline would.
func printed(t *testing.T, f Format, o Options, d *correlate.Document) []byte {
	t.Helper()
	var b bytes.Buffer
	p := New(&b, f, o)
	p.Start(d)
	for n := range d.Requests {
		p.Incident(&d.Requests[n])
	}
	if err := p.End(d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var stories = []struct {
	name string
	doc  *correlate.Document
}{
	{"dropped-by-a-rule", document(droppedByRule())},
	{"dropped-between-two-points", document(droppedBetween())},
	{"delivered", document(delivered())},
	{"refused", document(refused())},
	{"unanswered", document(unanswered())},
	{"answer-lost", document(answerLost())},
	{"undetermined", document(undetermined())},
	{"hostile", document(hostile())},
	{"nothing-seen", document()},
	{"mixed", document(delivered(), droppedByRule(), droppedByRule(), droppedByRule(), delivered(), refused())},
}

func TestTableTellsTheStory(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			golden(t, s.name+".table", printed(t, FormatTable, Options{Width: 100, UTF8: true}, s.doc))
		})
	}
}

func TestTableFitsWhatTheReaderHas(t *testing.T) {
	for _, s := range []struct {
		name string
		o    Options
		doc  *correlate.Document
	}{
		{"an-ascii-locale", Options{Width: 100}, document(droppedByRule(), delivered())},
		{"a-narrow-terminal", Options{Width: 60, UTF8: true}, document(refused(), delivered())},
		{"a-colour-terminal", Options{Width: 100, UTF8: true, Color: true}, document(droppedByRule(), delivered(), undetermined())},
		{"a-pipe", Options{UTF8: true}, document(delivered(), droppedByRule())},
		{"no-names", Options{UTF8: true, Numeric: true}, document(delivered())},
	} {
		t.Run(s.name, func(t *testing.T) { golden(t, s.name+".table", printed(t, FormatTable, s.o, s.doc)) })
	}
}

func TestJSONIsTheContract(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			golden(t, s.name+".json", printed(t, FormatJSON, Options{}, s.doc))
			golden(t, s.name+".jsonl", printed(t, FormatJSONL, Options{}, s.doc))
		})
	}
}
