package main

import (
	"os"
	"path/filepath"
	"testing"

	"dnatrace/fixtures"
)

// TestTheWalkFromARecordingToATest is the one in docs/FIXTURES.md.
func TestTheWalkFromARecordingToATest(t *testing.T) {
	dir := t.TempDir()
	incident, shareable, small := fixtureFile(t, "rules-missing"), filepath.Join(dir, "shareable.pcapng"), filepath.Join(dir, "shop.pcapng.gz")
	for _, args := range [][]string{
		{"redact", incident, "-w", shareable},
		{"minimise", shareable, "-w", small},
		{"replay", small, "--expect", "dropped:rules-missing"},
	} {
		if _, said, code := dnatrace(args...); code != exitOK {
			t.Fatalf("%v exits with %d: %s", args, code, said)
		}
	}
	golden, _, _ := dnatrace("replay", small, "-o", "json")
	again, _, _ := dnatrace("replay", small, "-o", "json")
	if golden == "" || golden != again {
		t.Error("two replays differ")
	}
	d := fixtures.Check(t, small, "dropped:rules-missing")
	if r := d.Requests[0]; r.Container == "web" || r.Container == "" {
		t.Errorf("the container is called %q", r.Container)
	}
	if was, err := os.Stat(shareable); err != nil || was.Size() <= sizeOf(t, small) {
		t.Errorf("it is no smaller: %v", err)
	}
}
