package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dnatrace/capture/privilege"
)

// held is what the kernel says of a process: the values of one field in all threads.
func held(pid int, field string) (values []string) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range threads {
		b, _ := os.ReadFile(path)
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name == field {
				values = append(values, strings.TrimSpace(value))
			}
		}
	}
	return values
}

// bare says what a process holds that it should have given up; "" for nothing.
func bare(pid int) string {
	want := map[string]string{"CapInh": "0", "CapPrm": "0", "CapEff": "0", "CapAmb": "0", "NoNewPrivs": "1"}
	if os.Geteuid() == 0 {
		want["CapBnd"] = "0"
	}
	if privilege.Known().Seccomp {
		want["Seccomp"] = "2"
	}
	var faults []string
	for field, is := range want {
		values := held(pid, field)
		for _, v := range values {
			if strings.TrimLeft(v, "0") != strings.TrimLeft(is, "0") {
				faults = append(faults, field+" "+v)
			}
		}
		if len(values) == 0 {
			faults = append(faults, "no "+field)
		}
	}
	return strings.Join(faults, ", ")
}

// TestWhatReadsFilesHoldsNothing: each command is held up by an input that does not end
// and looked at meanwhile.
func TestWhatReadsFilesHoldsNothing(t *testing.T) {
	out := t.TempDir()
	for _, args := range [][]string{
		{"replay", "-"},
		{"diagnose", "-r", "-"},
		{"annotate", "-", "-w", filepath.Join(out, "a.pcapng")},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			c := process(t, args...)
			hold, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Wait()
			defer c.Process.Kill()
			defer hold.Close()
			faults := "it never looked"
			for end := time.Now().Add(20 * time.Second); faults != "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				faults = bare(c.Process.Pid)
			}
			if faults != "" {
				t.Error(faults)
			}
		})
	}
}
