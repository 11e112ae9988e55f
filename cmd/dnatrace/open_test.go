package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// What was captured ends before the request could be judged: whoever reads of it
// is told that it was seen, and what would help.
func TestARequestThatIsStillOpenIsToldAsSuch(t *testing.T) {
	fixture := filepath.Join("..", "..", "fixtures", "testdata", "server-silent", "recording.pcapng.gz")
	for _, args := range [][]string{
		{"replay", fixture, "--window", "100s"},
		{"report", fixture, "--window", "100s", "--for-issue"},
	} {
		out, err, _ := dnatrace(args...)
		said := strings.Join(strings.Fields(out+err), " ")
		if !strings.Contains(said, "1 request had no outcome yet when the capture ended: capture longer, or judge sooner with --window") {
			t.Errorf("%s: %q does not say why nothing is judged", args[0], said)
		}
		if strings.Contains(said, "No request seen") {
			t.Errorf("%s: %q", args[0], said)
		}
	}
}

func TestNoTickWhereNoPublishedPortIsKnown(t *testing.T) {
	rules := filepath.Join("..", "..", "fixtures", "testdata", "foreign-drop-each", "input", "iptables.txt")
	links := filepath.Join("..", "..", "fixtures", "testdata", "foreign-drop-each", "input", "ip-addr.json")
	out, err, _ := dnatrace("explain", "--all", "--from", rules, "--from", links)
	if strings.Contains(out, "✓") || !strings.Contains(out+err, "no published port is known") {
		t.Errorf("%q, %q", out, err)
	}
}
