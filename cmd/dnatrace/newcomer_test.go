package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copied is a fixture's file under another name.
func copied(t *testing.T, from string, to ...string) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const eth0 = "../../fixtures/testdata/foreign-drop-each/input/eth0.pcap"

func TestAFileGivenTwiceIsReadOnce(t *testing.T) {
	out, errs, _ := dnatrace("replay", eth0, eth0)
	if !strings.Contains(out, "10 packets captured") || !strings.Contains(errs, "eth0.pcap was given already: it is read once") {
		t.Errorf("%s\n%s", out, errs)
	}
	out, _, _ = dnatrace("replay", eth0, copied(t, eth0, t.TempDir(), "eth0.pcap"))
	if !strings.Contains(out, "20 packets captured") {
		t.Errorf("the packets of a copy are counted otherwise than once:\n%s", out)
	}
}

func TestAnEmptyFileIsNamed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "docker0.pcap")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, _ := dnatrace("replay", eth0, empty); !strings.Contains(errs, "docker0.pcap is empty") {
		t.Error(errs)
	}
}

func TestAPointWithoutPacketsIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lo.pcapng")
	_, errs, code := dnatrace("annotate", dropped, "--point", "lo", "-w", path)
	if _, err := os.Stat(path); err == nil || code != exitTrouble || !strings.Contains(errs, "no packet was seen at lo") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestTwoFilesOfOneNameAreToldApart(t *testing.T) {
	dir := t.TempDir()
	good := copied(t, "../../fixtures/testdata/delivered/recording.pcapng.gz", dir, "a", "x", "web.pcapng.gz")
	bad := copied(t, dropped, dir, "b", "x", "web.pcapng.gz")
	out, _, _ := dnatrace("diff", good, bad)
	if !strings.Contains(out, "in a/x/web.pcapng.gz") || !strings.Contains(out, "in b/x/web.pcapng.gz") {
		t.Error(out)
	}
}

func TestErrorsNameTheFileThatWasAskedFor(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, args := range [][]string{
		{"report", dropped, "-o", nowhere + "/incident.html"},
		{"redact", dropped, "-w", nowhere + "/shared.pcapng"},
		{"annotate", dropped, "-w", nowhere + "/annotated.pcapng"},
		{"minimise", dropped, "-w", nowhere + "/small.pcapng"},
	} {
		_, errs, code := dnatrace(args...)
		if code != exitTrouble || !strings.Contains(errs, args[3]) || strings.Contains(errs, ".dnatrace") {
			t.Errorf("%s: exit %d, %s", args[0], code, errs)
		}
	}
}

func TestWhatWasMeantIsSaid(t *testing.T) {
	for args, want := range map[string]string{
		"replay x --expcet delivered":      "did you mean --expect?",
		"replay x --taget 8080":            "did you mean --target?",
		"report x -o json":                 "(as in -o incident.json)",
		"report x -o x.html --format page": "(as in -o incident.html)",
		"report x -o incident.pdf":         "whose ending says the format",
		"replay x --window 0":              "must be longer than 0",
	} {
		if _, errs, code := dnatrace(strings.Fields(args)...); code != exitTrouble || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
	if _, errs, _ := dnatrace("ports", "--frobnicate"); strings.Contains(errs, "did you mean") {
		t.Errorf("a flag like no other: %s", errs)
	}
}
