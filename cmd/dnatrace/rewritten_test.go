package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/fixtures"
)

// A folder of others' captures was redacted, and the file, though said to be
// judged as before, gave another verdict when it was replayed: its points, once
// split out of a capture of all interfaces, were split again.
func TestWhatIsMadeOfOthersCapturesReplaysToTheSameVerdict(t *testing.T) {
	for _, name := range fixtures.Foreign() {
		in := filepath.Join("..", "..", "fixtures", "testdata", name, "input")
		_, d := fixtures.Judged(t, name)
		for _, command := range []string{"redact", "minimise", "annotate"} {
			out := filepath.Join(t.TempDir(), command+".pcapng")
			_, said, code := dnatrace(command, in, "-w", out)
			if command == "minimise" && code == exitNothing {
				continue // nobody asked anything
			}
			if code != exitOK {
				t.Errorf("%s %s: exit %d: %s", command, name, code, said)
				continue
			}
			if _, said, code := dnatrace("replay", out, "--expect", outcome(d)); code != exitOK {
				t.Errorf("%s %s: replay exits with %d: %s", command, name, code, said)
			}
		}
	}
}

// redact mine.pcapng -w mine.pcapng replaced the only recording of an incident.
func TestNoCommandWritesOverItsInput(t *testing.T) {
	in := fixtureFile(t, "delivered")
	was, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"redact", in, "-w", in}, {"minimise", in, "-w", in}, {"annotate", in, "-w", in},
		{"report", in, "--format", "html", "-o", in},
		{"redact", filepath.Dir(in), "-w", in},
	} {
		_, said, code := dnatrace(args...)
		if code != exitTrouble || !strings.Contains(said, "it is one of the inputs") {
			t.Errorf("%s: exit %d: %s", args[0], code, said)
		}
		if is, _ := os.ReadFile(in); !bytes.Equal(is, was) {
			t.Fatalf("%s changed its input", args[0])
		}
	}
}
