package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/correlate"
)

func TestWhichRequestsAnExpectationIsAbout(t *testing.T) {
	request := &correlate.Incident{
		Protocol: "tcp", Client: "203.0.113.7:50110", Requested: "198.51.100.1:8080", Translated: "172.17.0.2:80",
		Container: "shop-web-1", Project: "shop", Service: "web", Final: true, Verdict: correlate.Refused, Cause: correlate.CauseNoListener,
	}
	for line, want := range map[string]bool{
		"8080":              true,
		"8080/tcp":          true,
		"8080/udp":          false,
		"80":                false, // a number is the port that was asked for
		"8000-8090":         true,
		"198.51.100.1:8080": true,
		"198.51.100.2:8080": false,
		"localhost:8080":    false,
		"shop-web-1":        true,
		"shop-web-1:80":     true, // a name goes with the container's port
		"shop-web-1:8080":   false,
		"shop/web":          true,
		"shop/db":           false,
		"shop/*":            true,
		"shop":              true,
		"db":                false,
	} {
		e, err := parseExpectations(strings.NewReader(line + " refused:no-listener"))
		if err != nil {
			t.Fatal(err)
		}
		e.take(request)
		if unmet := e.unmet(); (len(unmet) == 0) != want {
			t.Errorf("%s: %q", line, unmet)
		}
	}
}

func TestExpectationsAreHeldAgainstTheWorstOfEachTarget(t *testing.T) {
	e, err := parseExpectations(strings.NewReader("# each port\n\n8080 delivered # the shop\n9000 absent\n9001 delivered\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []correlate.Incident{
		{Protocol: "tcp", Requested: "198.51.100.1:8080", Final: true, Verdict: correlate.Delivered},
		{Protocol: "tcp", Requested: "198.51.100.1:8080", Verdict: correlate.Refused}, // revised later
		{Protocol: "tcp", Requested: "198.51.100.1:8080", Final: true, Verdict: correlate.Dropped, Cause: correlate.CauseFirewallDrop},
		{Protocol: "tcp", Requested: "198.51.100.1:8080", Final: true, Verdict: correlate.Delivered},
	} {
		e.take(&i)
	}
	want := "8080: expected delivered, got dropped:firewall-drop; 9001: expected delivered, got absent:none"
	if got := strings.Join(e.unmet(), "; "); got != want {
		t.Errorf("got %q", got)
	}
}

func TestAFileOfExpectationsThatSaysNothingIsTrouble(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "there is none in it",
		"# 8080 delivered":  "there is none in it",
		"8080":              "line 1: write TARGET VERDICT[:CAUSE]",
		"\n8080 delivred":   "line 2: parse verdict: there is no \"delivred\": did you mean delivered?",
		"8080/tpc refused":  "line 1: parse target",
		"8080 dropped:mutt": "line 1: parse cause",
	} {
		if _, err := parseExpectations(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

const dropped = "../../fixtures/testdata/firewall-drop/recording.pcapng.gz"

func TestReplayHoldsEachTargetAgainstAFile(t *testing.T) {
	for text, want := range map[string]int{
		"8080 dropped:firewall-drop\n9000 absent\n": exitOK,
		"web dropped\n":                    exitOK,
		"8080 delivered\nweb:80 dropped\n": exitFailed,
		"8080\n":                           exitTrouble,
	} {
		file := filepath.Join(t.TempDir(), "expected.txt")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"table", "json", "jsonl", "tap"} {
			if _, errs, code := dnatrace("replay", dropped, "-o", format, "--expect-from", file); code != want {
				t.Errorf("%q, -o %s: exit %d, want %d: %s", text, format, code, want, errs)
			}
		}
	}
}

// The script of the action, as a job runs it.
func TestTheActionJudgesFiles(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	expected := filepath.Join(t.TempDir(), "expected.txt")
	if err := os.WriteFile(expected, []byte("8080 dropped:firewall-drop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		env  []string
		code int
		said string
	}{
		{"a failure is an annotation", []string{"FILES=" + dropped}, exitFailed, "::error"},
		{"what is expected is a success", []string{"FILES=" + dropped, "EXPECT=dropped"}, exitOK, "firewall-drop"},
		{"so is each target's", []string{"FILES=" + dropped, "EXPECT_FROM=" + expected, "TARGETS=8080 9000"}, exitOK, ""},
		{"a name with a space is one file", []string{"FILES=no such file\n" + dropped}, exitTrouble, "no such file"},
		{"there has to be something to judge", nil, exitTrouble, "give a command to run, or files"},
		{"and a program", []string{"FILES=" + dropped, "DNATRACE=/nonexistent"}, exitTrouble, "install it in an earlier step"},
	} {
		output := filepath.Join(t.TempDir(), "output")
		cmd := exec.Command("sh", "../../packaging/action/judge.sh")
		cmd.Env = append(append(os.Environ(), asProgram+"=1", "DNATRACE="+self, "GITHUB_OUTPUT="+output), c.env...)
		said, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(said), c.said) {
			t.Errorf("%s: exit %d, %v, want %d and %q:\n%s", c.why, code, err, c.code, c.said, said)
		}
		if told, _ := os.ReadFile(output); c.code < exitTrouble && !strings.Contains(string(told), "exit-code=") {
			t.Errorf("%s: the exit code is not told: %q", c.why, told)
		}
	}
}
