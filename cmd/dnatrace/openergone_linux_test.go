package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/fixtures/lab"
)

// TestAKilledOpenerCostsWhatRestedOnIt: the host is changed once nobody reads it any
// more. What was read before explains nothing then: the sources have failed, and no
// rule and no setting is accused.
func TestAKilledOpenerCostsWhatRestedOnIt(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for network namespaces: run the tests with sudo")
	}
	for _, c := range []struct {
		scenario string
		causes   []correlate.Cause
	}{
		{"none", []correlate.Cause{correlate.CauseNone}},
		{"forward-drop", []correlate.Cause{correlate.CauseUnknown}},
		{"forward-reject", []correlate.Cause{correlate.CauseUnknown}},
		{"forwarding-off", []correlate.Cause{correlate.CauseUnknown}},
		{"no-listener", []correlate.Cause{correlate.CauseUnknown, correlate.CauseNoListener}},
		{"rules-missing", []correlate.Cause{correlate.CauseUnknown}},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			d, said := withoutOpener(t, c.scenario)
			if n := strings.Count(said, "the process that keeps the privilege is gone (signal: killed)"); n != 1 {
				t.Errorf("it was said %d times:\n%s", n, said)
			}
			for _, name := range []string{capture.OriginHost, capture.OriginRules, capture.OriginRuleTrace, capture.OriginDrops} {
				i := slices.IndexFunc(d.Recording.Sources, func(s correlate.SourceReport) bool { return s.Name == name })
				if s := d.Recording.Sources[i]; s.State == capture.SourceOK {
					t.Errorf("source %s is %s: %s", name, s.State, s.Why)
				}
			}
			if len(d.Requests) != 1 {
				t.Fatalf("%d requests:\n%s", len(d.Requests), said)
			}
			if r := d.Requests[0]; !slices.Contains(c.causes, r.Cause) || r.Rule != nil || strings.Contains(r.Why, " of 's") {
				t.Errorf("%s %s, rule %v: %s", r.Verdict, r.Cause, r.Rule, r.Why)
			}
		})
	}
}

// withoutOpener diagnoses a scenario that begins when the opener has been killed.
func withoutOpener(t *testing.T, name string) (d *correlate.Document, told string) {
	t.Helper()
	all := lab.Scenarios()
	s := all[slices.IndexFunc(all, func(s lab.Scenario) bool { return s.Name == name })]
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := process(t, "diagnose", "8080", "--netns", l.HostNetns(), "-H", "unix:///nonexistent", "-o", "json")
	var out bytes.Buffer
	c.Stdout = &out
	said := watching(t, c)
	killOpener(t, c)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(said.String(), "is gone"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is said of the opener's end:\n%s", said)
		}
	}
	time.Sleep(100 * time.Millisecond) // the record of it is in the stream
	if err := s.Setup(l); err != nil {
		t.Fatal(err)
	}
	_ = s.Request(t.Context(), l) // what the client gets is the scenario's own test
	time.Sleep(time.Second)
	endedBy(t, c, syscall.SIGTERM)
	d = new(correlate.Document)
	if err := json.Unmarshal(out.Bytes(), d); err != nil {
		t.Fatalf("%v: %s\n%s", err, &out, said)
	}
	return d, said.String()
}

// killOpener kills the opener that a program started.
func killOpener(t *testing.T, c *exec.Cmd) {
	t.Helper()
	for _, pid := range childrenOf(c.Process.Pid) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.HasPrefix(string(name), "dnatrace-opener\x00") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("it has no opener")
}

// childrenOf are the processes whose parent is pid.
func childrenOf(pid int) (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		b, _ := os.ReadFile(path)
		for _, f := range strings.Fields(string(b)) {
			var child int
			if _, err := fmt.Sscan(f, &child); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
