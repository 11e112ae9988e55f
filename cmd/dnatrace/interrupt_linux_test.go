package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/netns/netnstest"
)

func TestWhatIsInterruptedSaysSoAndLeavesNoFile(t *testing.T) {
	in := longCapture(t, 300_000) // much longer than a timer may be late
	t.Setenv("TMPDIR", t.TempDir())
	for _, command := range [][]string{
		{"replay", in},
		{"replay", in, "-o", "json"},
		{"diff", in},
		{"report", in, "-o", "OUT.html"},
		{"annotate", in, "-w", "OUT.pcapng"},
		{"redact", in, "-w", "OUT.pcapng"},
		{"minimise", in, "-w", "OUT.pcapng.gz"},
	} {
		t.Run(strings.Join(append(command[:1:1], command[2:]...), " "), func(t *testing.T) {
			interrupted := 0
			for after := time.Duration(0); after < 2*time.Second; after = after*2 + 4*time.Millisecond {
				dir := t.TempDir()
				args := append([]string(nil), command...)
				for i := range args {
					args[i] = strings.Replace(args[i], "OUT", filepath.Join(dir, "out"), 1)
				}
				if !interruptedAfter(t, after, dir, args) {
					break // it was through before
				}
				interrupted++
			}
			if interrupted < 2 {
				t.Errorf("it was interrupted %d times", interrupted)
			}
		})
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAPipeThatNobodyWritesToIsGivenUp(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for wait := time.Second; ; wait *= 2 {
		c := process(t, "replay", fifo)
		var errs bytes.Buffer
		c.Stderr = &errs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		code, took := endedBy(t, c, syscall.SIGTERM)
		if code < 0 && took < 10*time.Second && wait < 10*time.Second {
			continue // it did not mind signals yet
		}
		if code != exitTrouble || took > 10*time.Second || !strings.Contains(errs.String(), "interrupted while waiting for who writes") {
			t.Errorf("exit %d after %s: %s", code, took, errs.String())
		}
		return
	}
}

// interruptedAfter reports whether a run that was interrupted ended before its
// time, and checks what it leaves.
func interruptedAfter(t *testing.T, after time.Duration, dir string, args []string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	if after == 0 {
		cancel()
	}
	var out, errs bytes.Buffer
	code := run(ctx, args, streams{out: &out, err: &errs})
	said := strings.Contains(errs.String(), ": interrupted after ")
	if said != (code == exitTrouble) {
		t.Errorf("after %s: exit %d: %s", after, code, errs.String())
	}
	if left, _ := os.ReadDir(dir); said && len(left) > 0 {
		t.Errorf("after %s: left behind: %v", after, left)
	}
	return said
}

// started starts the program, and ends it with the test if nothing else does.
func started(t *testing.T, c *exec.Cmd) (wait func() (code int, took time.Duration)) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() { c.Process.Kill() })
	return func() (int, time.Duration) {
		began := time.Now()
		select {
		case <-ended:
			return c.ProcessState.ExitCode(), time.Since(began)
		case <-time.After(20 * time.Second):
			t.Fatal("it does not end")
			return 0, 0
		}
	}
}

// drained waits until a process has read what was written to it, and so has begun to
// mind signals, and a moment more: it waits for the next by then.
func drained(t *testing.T, pipe io.WriteCloser) {
	t.Helper()
	fd := int(pipe.(interface{ Fd() uintptr }).Fd())
	until(t, "its input to be read", func() bool {
		left, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err == nil && left == 0
	})
	time.Sleep(300 * time.Millisecond)
}

func TestSignalsEndAReplayThatWaitsForItsInput(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		for _, args := range [][]string{{"replay", "-"}, {"annotate", "-", "-w", "OUT"}} {
			dir := t.TempDir()
			if len(args) > 2 {
				args[3] = filepath.Join(dir, "out.pcapng")
			}
			c := process(t, args...)
			c.Env = append(c.Env, "TMPDIR="+dir)
			var errs bytes.Buffer
			c.Stderr = &errs
			pipe, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			wait := started(t, c)
			if _, err := pipe.Write(pcap(syn())); err != nil {
				t.Fatal(err)
			}
			drained(t, pipe)
			c.Process.Signal(sig)
			if code, took := wait(); code != exitTrouble || took > 10*time.Second || !strings.Contains(errs.String(), "interrupted") {
				t.Errorf("%s, %s: exit %d after %s: %s", args[0], sig, code, took, errs.String())
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s, %s: left behind: %v", args[0], sig, left)
			}
		}
	}
}

func TestAPipelineThatIsInterruptedTogetherEndsInOrder(t *testing.T) {
	c := process(t, "replay", "-", "-o", "json")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	pipe, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	wait := started(t, c)
	whole, err := os.ReadFile(fixtureFile(t, "demo-forward-drop"))
	if err != nil {
		t.Fatal(err)
	}
	half := len(whole) / 2
	pipe.Write(whole[:half])
	drained(t, pipe)
	c.Process.Signal(syscall.SIGINT)
	time.Sleep(100 * time.Millisecond) // as long as the other side takes to end
	pipe.Write(whole[half:])
	pipe.Close()
	if code, _ := wait(); code != exitFailed || strings.Contains(errs.String(), "interrupted") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}

// heard is what a process has said so far.
type heard struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.Write(b)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.String()
}

// watching starts a diagnosis in a namespace of its own, and returns when it
// listens.
func watching(t *testing.T, c *exec.Cmd) (said *heard) {
	t.Helper()
	said = new(heard)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = w
	listening, ended := make(chan bool, 1), make(chan bool)
	go func() {
		defer close(ended)
		var all [4096]byte
		for {
			n, err := r.Read(all[:])
			said.Write(all[:n])
			if strings.Contains(said.String(), "listening on") {
				select {
				case listening <- true:
				default:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { r.Close() })
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { c.Process.Kill() })
	select {
	case <-listening:
	case <-ended:
		t.Fatalf("it ended: %s", said)
	case <-time.After(20 * time.Second):
		t.Fatal("it does not listen")
	}
	return said
}

// endedBy sends a signal and waits.
func endedBy(t *testing.T, c *exec.Cmd, sig syscall.Signal) (code int, took time.Duration) {
	t.Helper()
	began := time.Now()
	c.Process.Signal(sig)
	timer := time.AfterFunc(20*time.Second, func() { c.Process.Kill() })
	defer timer.Stop()
	c.Wait()
	return c.ProcessState.ExitCode(), time.Since(began)
}

func TestAClosedTerminalEndsALiveRunInOrder(t *testing.T) {
	netns := netnstest.New(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		path := filepath.Join(t.TempDir(), "out.pcapng")
		c := process(t, "diagnose", "8080", "--netns", netns, "-H", "unix:///nonexistent", "-o", "json", "-w", path)
		var out bytes.Buffer
		c.Stdout = &out
		watching(t, c)
		if code, _ := endedBy(t, c, sig); code != exitNothing || !strings.Contains(out.String(), `"absent"`) {
			t.Errorf("%s: exit %d: %s", sig, code, out.String())
		}
		if _, said, code := dnatrace("replay", path); code != exitNothing || strings.Contains(said, "cut") {
			t.Errorf("%s: the recording: exit %d: %s", sig, code, said)
		}
		b, _ := os.ReadFile(path)
		if !bytes.Contains(b, []byte("DNATRACE_KIND=end")) {
			t.Errorf("%s: the recording has no end", sig)
		}
	}
}

func TestNohupKeepsALiveRunGoing(t *testing.T) {
	netns := netnstest.New(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", `trap "" HUP; exec "$0" "$@"`, self, "diagnose", "8080", "--netns", netns, "-H", "unix:///nonexistent")
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stdout = io.Discard
	watching(t, c)
	c.Process.Signal(syscall.SIGHUP)
	time.Sleep(500 * time.Millisecond)
	if err := c.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatal("it ended")
	}
	if code, _ := endedBy(t, c, syscall.SIGTERM); code != exitNothing {
		t.Errorf("exit %d", code)
	}
}

func TestAStuckPipeDoesNotHoldUpTheEnd(t *testing.T) {
	netns := netnstest.New(t)
	for _, args := range [][]string{{"diagnose", "8080", "-o", "json"}, {"record", "-w", "-", "--target", "8080"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fill(t, w)
		path := filepath.Join(t.TempDir(), "out.pcapng")
		args = append(args, "--netns", netns, "-H", "unix:///nonexistent")
		if args[0] == "diagnose" {
			args = append(args, "-w", path)
		}
		c := process(t, args...)
		c.Stdout = w
		said := watching(t, c)
		code, took := endedBy(t, c, syscall.SIGINT)
		if code != exitTrouble || took > 10*time.Second || !strings.Contains(said.String(), "nobody reads it") {
			t.Errorf("%s: exit %d after %s: %s", args[0], code, took, said)
		}
		if b, _ := os.ReadFile(path); args[0] == "diagnose" && !bytes.Contains(b, []byte("DNATRACE_KIND=end")) {
			t.Errorf("%s: the recording has no end", args[0])
		}
		w.Close()
		r.Close()
	}
}

// fill writes into a pipe what it holds.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	w.SetWriteDeadline(time.Time{})
}
