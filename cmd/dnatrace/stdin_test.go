package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/fixtures"
)

// stdinIs has standard input be a pipe that a fixture's recording comes out of.
func stdinIs(t *testing.T, name string) {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	t.Cleanup(func() { os.Stdin = old; r.Close() })
	go func() {
		defer w.Close()
		_, _ = io.Copy(w, strings.NewReader(string(c.Recording)))
	}()
}

func TestARecordingIsReplayedFromStandardInput(t *testing.T) {
	stdinIs(t, "demo-forward-drop")
	out, errs, code := dnatrace("replay", "-", "-o", "json")
	if code != exitFailed || !strings.Contains(out, `"firewall-drop"`) {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestARecordingIsAnnotatedFromStandardInput(t *testing.T) {
	stdinIs(t, "demo-forward-drop")
	path := filepath.Join(t.TempDir(), "annotated.pcapng")
	if _, errs, code := dnatrace("annotate", "-", "-w", path); code != exitOK || !strings.Contains(errs, "1 request, dropped:firewall-drop") {
		t.Errorf("exit %d, %s", code, errs)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestAnnotateLeavesNothingBehindWhenItFails(t *testing.T) {
	dir := t.TempDir()
	stdinIs(t, "delivered")
	if _, errs, code := dnatrace("annotate", "-", "-w", filepath.Join(dir, "a.pcapng"), "--point", "eth9"); code != exitTrouble || !strings.Contains(errs, "there are only") {
		t.Errorf("exit %d, %s", code, errs)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Symlink("/nonexistent", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	stdinIs(t, "delivered")
	if _, errs, code := dnatrace("annotate", "-", "-w", filepath.Join(dir, "link")); code != exitTrouble || !strings.Contains(errs, "symbolic link") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
