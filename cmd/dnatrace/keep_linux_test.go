package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dnatrace/capture/netns/netnstest"
	"dnatrace/correlate"
	"dnatrace/fixtures"
)

// publicDir is a directory that any user may come to, and write to.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dnatrace-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestALiveFailureIsSavedAndTheCommandRun(t *testing.T) {
	ns, dir := netnstest.New(t), publicDir(t)
	saved, out := filepath.Join(dir, "saved"), filepath.Join(dir, "out")
	c := process(t, "diagnose", "8080", "--netns", ns, "-H", "unix:///nonexistent", "-o", "json", "--save", saved, "--on-failure",
		`echo "$DNATRACE_VERDICT $DNATRACE_TARGET $(id -u) $(head -c 4 "$DNATRACE_FILE" | od -An -tx1 | tr -d ' ')" >> `+out)
	c.Env = append(c.Env, "SUDO_UID=12345", "SUDO_GID=12345")
	var json1 bytes.Buffer
	c.Stdout = &json1
	said := watching(t, c)
	n := 0
	askUntil(t, ns, func(uint16) bool { n++; return n > 5 })
	code, took := endedBy(t, c, syscall.SIGTERM)
	var d correlate.Document
	if err := json.Unmarshal(json1.Bytes(), &d); err != nil || code != exitFailed || len(d.Requests) < 20 {
		t.Fatalf("exit %d after %s, %d requests (%v): %s", code, took, len(d.Requests), err, said)
	}
	files, _ := filepath.Glob(filepath.Join(saved, "*"))
	if len(files) != 1 || !strings.Contains(said.String(), "saved "+files[0]) {
		t.Fatalf("saved: %v: %s", files, said)
	}
	is := fixtures.Check(t, files[0], d.Verdict.String()+":"+string(d.Cause))
	if len(is.Requests) != 1 || is.Requests[0].Why != d.Requests[0].Why {
		t.Errorf("it tells of %d requests: %v", len(is.Requests), is.Requests)
	}
	if st, err := os.Stat(saved); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v (%v)", st, err)
	}
	if b, _ := os.ReadFile(out); string(b) != "refused 127.0.0.1:8080 12345 0a0d0d0a\n" {
		t.Errorf("the command saw %q: %s", b, said)
	}
}

func TestACommandThatHangsDoesNotHoldUpTheRun(t *testing.T) {
	ns, dir := netnstest.New(t), publicDir(t)
	c := process(t, "diagnose", "8080", "--netns", ns, "-H", "unix:///nonexistent", "-o", "json", "--save", filepath.Join(dir, "saved"), "--on-failure", "sleep 1000")
	said := watching(t, c)
	n := 0
	askUntil(t, ns, func(uint16) bool { n++; return n > 2 })
	if code, took := endedBy(t, c, syscall.SIGTERM); code != exitFailed || took > 18*time.Second {
		t.Errorf("exit %d after %s: %s", code, took, said)
	}
}

func TestADirectoryThatIsGoneIsToldOnceAndTheRunGoesOn(t *testing.T) {
	ns, dir := netnstest.New(t), publicDir(t)
	saved := filepath.Join(dir, "saved")
	c := process(t, "diagnose", "8080", "--netns", ns, "-H", "unix:///nonexistent", "-o", "json", "--save", saved)
	var out bytes.Buffer
	c.Stdout = &out
	said := watching(t, c)
	if err := os.RemoveAll(saved); err != nil {
		t.Fatal(err)
	}
	n := 0
	askUntil(t, ns, func(uint16) bool { n++; return n > 5 })
	code, _ := endedBy(t, c, syscall.SIGTERM)
	if code != exitFailed || !strings.Contains(out.String(), `"verdict": "refused"`) {
		t.Errorf("exit %d: %s", code, said)
	}
	// Once that nothing can be saved there, and once that nothing can be kept, if it
	// came to that.
	told := map[string]int{}
	for line := range strings.Lines(said.String()) {
		if strings.HasPrefix(line, "dnatrace: ") && strings.Contains(line, saved) {
			told[line]++
		}
	}
	if len(told) < 1 || len(told) > 2 {
		t.Errorf("told: %v", told)
	}
	for line, n := range told {
		if n > 1 {
			t.Errorf("told %d times: %s", n, line)
		}
	}
}

func TestKeepingThatMakesNoSenseIsRefused(t *testing.T) {
	refuses(t, "diagnose", map[string]string{
		"--keep 5m":             "--keep: say with --save",
		"--on-failure true":     "--on-failure: say with --save",
		"--save-limit 1GiB":     "--save-limit: say with --save",
		"--save d --keep 10kB":  "at least 1MiB",
		"--save d --keep often": "neither a time (5m) nor a size",
	})
	for in, want := range map[string]keepFlag{"10m": {10 * time.Minute, 1}, "64MiB": {1, 64 << 20}, "1h,1GiB": {time.Hour, 1 << 30}, "90s|2MB": {90 * time.Second, 2_000_000}} {
		k := keepFlag{1, 1}
		if err := k.Set(in); err != nil || k != want {
			t.Errorf("%s is %v (%v)", in, k, err)
		}
	}
}

func TestWatchSavesFailuresToo(t *testing.T) {
	ns, dir := netnstest.New(t), publicDir(t)
	saved := filepath.Join(dir, "saved")
	c := process(t, "watch", "8080", "--netns", ns, "-H", "unix:///nonexistent", "--save", saved)
	said := watching(t, c)
	n := 0
	askUntil(t, ns, func(uint16) bool { n++; return n > 2 })
	code, _ := endedBy(t, c, syscall.SIGHUP)
	files, _ := filepath.Glob(filepath.Join(saved, "*"))
	if code != exitFailed || len(files) != 1 || !strings.Contains(said.String(), "saved "+files[0]) {
		t.Fatalf("exit %d, saved: %v: %s", code, files, said)
	}
	if _, errs, code := dnatrace("replay", files[0], "--expect", "refused"); code != exitOK {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestWhatIsSaidBesideAScreenIsSaidAfterIt(t *testing.T) {
	var b bytes.Buffer
	n := notices{to: &b}
	n.say("before")
	n.hold()
	n.say("saved %s", "f")
	if b.String() != "before\n" {
		t.Errorf("said: %q", b.String())
	}
	n.release()
	n.say("after")
	if b.String() != "before\nsaved f\nafter\n" {
		t.Errorf("said: %q", b.String())
	}
}
