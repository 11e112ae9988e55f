package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportIsToldWhatToWrite(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"report", "no file to report on"},
		{"report f.pcapng", "no file to write: name one with -o"},
		{"report f.pcapng -o incident.pdf", "whose ending says the format (.html, .md, .json)"},
		{"report f.pcapng -o incident", "whose ending says the format (.html, .md, .json)"},
		{"report f.pcapng -o -", "add --format html, markdown or json"},
		{"report f.pcapng -o x.html --format pdf", `--format "pdf"`},
		{"report f.pcapng -o x.html --for-issue --format html", "--for-issue writes Markdown"},
		{"report f.pcapng -o x.md --embed", "--embed: only a page"},
		{"report f.pcapng -o x.md --window 0", "--window 0"},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, err, code := dnatrace(strings.Fields(c.args)...)
			if code != exitTrouble || out != "" || !strings.Contains(err, c.want) || !strings.HasSuffix(err, " --help\n") {
				t.Errorf("exit %d, %q on standard output, standard error %q: want 2 and %q", code, out, err, c.want)
			}
		})
	}
}

func TestReportWritesEachFormat(t *testing.T) {
	in := fixtureFile(t, "firewall-drop")
	for name, want := range map[string]string{"a.html": "<!DOCTYPE html>", "a.md": "# Dropped in FORWARD", "a.json": `"schema": "dnatrace/1"`, "A.HTML": "<!DOCTYPE html>"} {
		file := filepath.Join(t.TempDir(), name)
		out, err, code := dnatrace("report", in, "-o", file)
		if code != exitOK || out != "" {
			t.Errorf("%s: exit %d, %q on standard output, standard error %q", name, code, out, err)
		}
		b, _ := os.ReadFile(file)
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %q", name, want)
		}
		st, errno := os.Stat(file)
		if errno != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", name, st.Mode(), errno)
		}
	}
}

func TestReportAsJSONIsWhatReplayPrints(t *testing.T) {
	in := fixtureFile(t, "reply-filtered")
	want, _, _ := dnatrace("replay", in, "-o", "json")
	got, _, code := dnatrace("report", in, "-o", "-", "--format", "json")
	if d := cmp.Diff(want, got); code != exitOK || d != "" {
		t.Errorf("exit %d:\n%s", code, d)
	}
}

func TestReportForAnIssueGoesToStandardOutput(t *testing.T) {
	out, _, code := dnatrace("report", fixtureFile(t, "firewall-reject"), "--for-issue")
	for _, want := range []string{"### Description", "### Reproduce", "### Expected behavior", "### Actual behavior", "docker version", "### Rules concerned", "kernel:", "SHA-256"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, %q is missing", code, want)
		}
	}
}

func TestReportReplacesAFileWholeAndNeverFollowsALink(t *testing.T) {
	in, dir := fixtureFile(t, "delivered"), t.TempDir()
	file, victim, link := filepath.Join(dir, "incident.html"), filepath.Join(dir, "victim"), filepath.Join(dir, "link.html")
	for _, f := range []string{file, victim} {
		if err := os.WriteFile(f, []byte("before"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err, code := dnatrace("report", filepath.Join(dir, "none.pcapng"), "-o", file); code != exitTrouble || err == "" {
		t.Errorf("a missing recording: exit %d, %q", code, err)
	}
	if b, _ := os.ReadFile(file); string(b) != "before" {
		t.Error("trouble took the earlier report away")
	}
	if _, err, code := dnatrace("report", in, "-o", file); code != exitOK {
		t.Errorf("exit %d, %q", code, err)
	}
	if st, _ := os.Stat(file); runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v of a file that was there before, want 0600", st.Mode())
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Skipf("make a symbolic link: %v", err)
	}
	if _, err, code := dnatrace("report", in, "-o", link); code != exitTrouble || !strings.Contains(err, "symbolic link") {
		t.Errorf("a link: exit %d, %q", code, err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "before" {
		t.Error("the report was written through a symbolic link")
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".dnatrace-report-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReportEmbedsTheRecordingByteForByte(t *testing.T) {
	in := fixtureFile(t, "firewall-drop")
	out, _, code := dnatrace("report", in, "-o", "-", "--format", "html", "--embed")
	m := regexp.MustCompile(`href="data:application/octet-stream;base64,([^"]+)"`).FindStringSubmatch(out)
	if code != exitOK || m == nil {
		t.Fatalf("exit %d, nothing is embedded", code)
	}
	b, err := base64.StdEncoding.DecodeString(strings.NewReplacer("&#43;", "+", "&#61;", "=").Replace(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if !strings.Contains(out, hex.EncodeToString(sum[:])) {
		t.Error("what is embedded does not have the SHA-256 that the page tells")
	}
}

func TestReportExplainsItsExitCode(t *testing.T) {
	out, _, code := dnatrace("report", "--help")
	if code != exitOK || !strings.Contains(out, "0 when the report was written") {
		t.Errorf("exit %d: %s", code, out)
	}
	if _, _, code := dnatrace("report", fixtureFile(t, "firewall-drop"), "-o", filepath.Join(t.TempDir(), "a.html")); code != exitOK {
		t.Errorf("a report of a failure: exit %d, want 0", code)
	}
}
