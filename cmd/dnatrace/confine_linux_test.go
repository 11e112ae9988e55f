package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/opener"
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

// static skips a test in a binary that keeps what it holds.
func static(t *testing.T) {
	t.Helper()
	if privilege.Known().Cgo {
		t.Skip("nothing is taken from a binary built with cgo: set CGO_ENABLED=0")
	}
}

// TestWhatReadsFilesHoldsNothing: each command is held up by an input that does not end
// and looked at meanwhile.
func TestWhatReadsFilesHoldsNothing(t *testing.T) {
	static(t)
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

// TestWhatEachProcessOfALiveRunHolds reads of the kernel what the processes of a live run
// hold once everything is armed. Root has become nobody where nothing is written while
// the run goes on.
func TestWhatEachProcessOfALiveRunHolds(t *testing.T) {
	static(t)
	ns := netnstest.New(t)
	saved := publicDir(t)
	root := func(files uint64) string { return fmt.Sprintf("%016x", files) }
	for _, c := range []struct {
		name string
		args []string
		uid  string
		caps string
	}{
		{"diagnose", []string{"diagnose", "8080"}, "65534", root(0)},
		{"diagnose into a file", []string{"diagnose", "8080", "-w", filepath.Join(t.TempDir(), "a.pcapng")}, "65534", root(0)},
		{"record", []string{"record", "--target", "8080", "-w", filepath.Join(t.TempDir(), "b.pcapng")}, "65534", root(0)},
		{"watch", []string{"watch", "8080", "--lines"}, "65534", root(0)},
		{"diagnose that saves into root's directory", []string{"diagnose", "8080", "--save", filepath.Join(t.TempDir(), "saved")}, "0", root(0)},
		{"diagnose that saves, and runs a command", []string{"diagnose", "8080", "--save", filepath.Join(saved, "saved"), "--on-failure", "true"}, "0", root(opener.Files)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := process(t, append(c.args, "--netns", ns, "-H", "unix:///nonexistent")...)
			said := watching(t, p)
			defer endedBy(t, p, syscall.SIGTERM)
			pid := p.Process.Pid
			want := map[string]string{"CapInh": root(0), "CapAmb": root(0), "CapPrm": c.caps, "CapEff": c.caps, "CapBnd": c.caps, "NoNewPrivs": "1"}
			if privilege.Known().Seccomp {
				want["Seccomp"] = "2"
			}
			for field, is := range want {
				if got := slices.Compact(held(pid, field)); len(got) != 1 || got[0] != is {
					t.Errorf("%s is %q, want %s", field, got, is)
				}
			}
			for _, uids := range slices.Compact(held(pid, "Uid")) {
				if uids != strings.Join([]string{c.uid, c.uid, c.uid, c.uid}, "\t") {
					t.Errorf("it is user %q", uids)
				}
			}
			openers := 0
			for _, child := range childrenOf(pid) {
				name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
				if !strings.HasPrefix(string(name), "dnatrace-opener") {
					continue
				}
				openers++
				const needed = 1<<12 | 1<<13 | 1<<21 | 1<<19 | 1<<2 // as docs/SECURITY.md has them
				for _, field := range []string{"CapPrm", "CapEff", "CapBnd"} {
					if got := slices.Compact(held(child, field)); len(got) != 1 || got[0] != root(needed) {
						t.Errorf("opener: %s is %q, want %s", field, got, root(needed))
					}
				}
				for _, field := range []string{"NoNewPrivs", "Seccomp"} {
					if got := slices.Compact(held(child, field)); len(got) != 1 || got[0] != want[field] {
						t.Errorf("opener: %s is %q, want %q", field, got, want[field])
					}
				}
			}
			if openers != 1 {
				t.Errorf("%d openers: %s", openers, said)
			}
		})
	}
}
