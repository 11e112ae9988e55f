package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/correlate"
	"dnatrace/decode"
)

// terminal is a pseudoterminal of so many columns: what a program takes for one,
// and all that was written to it.
func terminal(t *testing.T, columns uint16) (tty *os.File, written func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs pseudoterminals: %v", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("needs pseudoterminals: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skipf("needs pseudoterminals: %v", err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("needs pseudoterminals: %v", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(&all, master) // ends when the last of the other side is closed
	}()
	return tty, func() string {
		tty.Close()
		<-ended
		master.Close()
		return all.String()
	}
}

// hasty shows progress sooner than people want to see it.
func hasty(t *testing.T) {
	every, long, verbose := progressEvery, longWork, verboseEvery
	t.Cleanup(func() { progressEvery, longWork, verboseEvery = every, long, verbose })
	progressEvery, longWork, verboseEvery = 2*time.Millisecond, 0, 5*time.Millisecond
}

// flagsOfSYN is where the TCP flags are in the frame of syn: behind 14 bytes of
// Ethernet, 20 of IPv4 and 13 of TCP.
const flagsOfSYN = 14 + 20 + 13

// longCapture takes a moment to replay.
func longCapture(t *testing.T, packets int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eth0.pcap")
	frames := make([][]byte, packets)
	frames[0] = syn()
	for i := range frames[1:] { // as many SYNs would be a flood, which has lines of its own
		frames[i+1] = syn()
		frames[i+1][flagsOfSYN] = byte(decode.ACK)
	}
	if err := os.WriteFile(path, pcap(frames...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestATerminalIsToldHowLongWorkGoesOn(t *testing.T) {
	hasty(t)
	const columns = 60
	for _, command := range [][]string{
		{"replay"},
		{"report", "-o", filepath.Join(t.TempDir(), "out.md")},
		{"redact", "-w", filepath.Join(t.TempDir(), "out.pcapng")},
	} {
		// What is done at once shows nothing, and how long a moment is depends on
		// what else the machine does.
		for packets := 200_000; ; packets *= 2 {
			told := linesOfProgress(t, append(command, longCapture(t, packets)), columns)
			for _, line := range told {
				if want := fmt.Sprintf("B of %s (", bytesText(float64(24+packets*70))); !strings.Contains(line, want) || len([]rune(line)) >= columns {
					t.Errorf("%s: shown is %q, without %q or too wide", command[0], line, want)
				}
			}
			if len(told) > 0 {
				break
			}
			if packets > 2_000_000 {
				t.Fatalf("%s: how long it goes on was not shown for %d packets", command[0], packets)
			}
		}
	}
}

// linesOfProgress are the lines that a terminal was shown while a command ran, and
// not after it.
func linesOfProgress(t *testing.T, command []string, columns uint16) (lines []string) {
	t.Helper()
	tty, written := terminal(t, columns)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	code := run(context.Background(), command, streamsOf(context.Background(), tty, tty))
	out := written()
	if code == exitTrouble {
		t.Fatalf("%v: exit %d: %s", command[0], code, out)
	}
	shown := strings.Split(out, clear)
	for _, line := range shown[1:] {
		line, after, ended := strings.Cut(line, "\r\n")
		if !strings.HasPrefix(line, command[0]+"  ") {
			continue // a result, for which the line was taken back
		}
		if lines = append(lines, line); ended {
			t.Errorf("%s: %q was not taken back before %q", command[0], line, after)
		}
	}
	if last := shown[len(shown)-1]; !strings.Contains(last, "\r\n") {
		t.Errorf("%s: the last line is no result: %q", command[0], last)
	}
	return lines
}

func TestAPipeIsToldNothingUnlessItAsks(t *testing.T) {
	hasty(t)
	path := longCapture(t, 200_000)
	_, errs, code := dnatrace("replay", path)
	if code == exitTrouble || strings.Contains(errs, clear) || strings.Contains(errs, " of ") {
		t.Errorf("exit %d: %q", code, errs)
	}
	fifo, told := slowPipe(t, path)
	var stderr bytes.Buffer
	code = run(context.Background(), []string{"replay", fifo, "-v"}, streams{out: io.Discard, err: io.MultiWriter(&stderr, told)})
	errs = stderr.String()
	if code == exitTrouble || strings.Contains(errs, clear) || !strings.Contains(errs, "replay  ") || !strings.Contains(errs, "/s") {
		t.Errorf("with -v: exit %d: %q", code, errs)
	}
}

// slowPipe is a named pipe that brings the first half of a file, and the second
// once something was written to told: that work goes on does not hang on how fast
// it is done. Where nothing is written, the rest comes after a while.
func slowPipe(t *testing.T, path string) (fifo string, told io.Writer) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fifo = filepath.Join(t.TempDir(), "eth0.pcap")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	first := make(firstWrite, 1)
	ended := make(chan struct{})
	t.Cleanup(func() { <-ended })
	go func() {
		defer close(ended)
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Errorf("open pipe %s: %v", fifo, err)
			return
		}
		defer w.Close()
		half := len(whole) / 2
		w.Write(whole[:half])
		select {
		case <-first:
		case <-time.After(10 * time.Second):
		}
		w.Write(whole[half:])
	}()
	return fifo, first
}

// firstWrite tells that something was written.
type firstWrite chan struct{}

func (f firstWrite) Write(b []byte) (int, error) {
	select {
	case f <- struct{}{}:
	default:
	}
	return len(b), nil
}

func TestWhatWaitsIsToldInALine(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 4, 5, 0, time.UTC)
	s := correlate.Status{Packets: 9, Points: []string{"eth0", "docker0", "a\x1bb", "c", "d", "e"}, Now: now, Summary: correlate.Summary{Delivered: 2, Open: 1},
		Waiting: &correlate.Waiting{Due: now.Add(1200 * time.Millisecond), OpenRequest: correlate.OpenRequest{Client: "198.51.100.100:50110", Requested: "198.51.100.1:8080",
			Protocol: "tcp", Attempts: 3, Seen: []string{"eth0", "docker0"}, Why: "translated, not beyond docker0 so far"}}}
	want := `12 s · 198.51.100.100:50110 → 198.51.100.1:8080/tcp, 3 tries, seen at eth0, docker0, judged in 1.2 s: translated, not beyond docker0 so far · ` +
		`3 requests: 2 delivered, 1 still open · 9 packets at eth0, docker0, a\x1bb, c and 2 more`
	if got := statusText(s, 12*time.Second); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := statusText(correlate.Status{}, 0); got != "0 s · 0 packets" {
		t.Errorf("at the beginning: %s", got)
	}
}

func TestTheStatusIsPlainWhereTheLocaleIs(t *testing.T) {
	hasty(t)
	var b bytes.Buffer
	a := &app{streams: streams{err: &b}}
	tell := a.telling(true)
	time.Sleep(verboseEvery)
	tell.say("1 s · 198.51.100.100:50110 → 198.51.100.1:8080/tcp")
	if want := "1 s - 198.51.100.100:50110 -> 198.51.100.1:8080/tcp\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if a.telling(false) != nil {
		t.Error("a pipe is told without being asked for it")
	}
}

func TestProgressSaysHowMuchIsLeft(t *testing.T) {
	for _, row := range []struct {
		done, size int64
		ran        time.Duration
		want       string
	}{
		{1_500_000_000, 6_000_000_000, 10 * time.Second, "replay  1.5 GB of 6.0 GB (25 %)  150.0 MB/s  30 s left"},
		{1000, 0, 10 * time.Second, "replay  1.0 kB  100 B/s"},
		{7, 7, time.Second, "replay  7 B of 7 B (100 %)  7 B/s"},
	} {
		if got := progressText("replay", row.done, row.size, row.ran); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}
