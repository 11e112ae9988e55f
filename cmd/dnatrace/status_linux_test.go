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
func longCapture(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eth0.pcap")
	frames := make([][]byte, 200_000)
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
	path := longCapture(t)
	const columns = 60
	for _, command := range [][]string{
		{"replay", path},
		{"report", path, "-o", filepath.Join(t.TempDir(), "out.md")},
		{"redact", path, "-w", filepath.Join(t.TempDir(), "out.pcapng")},
	} {
		tty, written := terminal(t, columns)
		t.Setenv("TERM", "xterm")
		t.Setenv("NO_COLOR", "1")
		code := run(context.Background(), command, streamsOf(tty, tty))
		out := written()
		if code == exitTrouble {
			t.Fatalf("%v: exit %d: %s", command[0], code, out)
		}
		shown := strings.Split(out, clear)
		if len(shown) < 3 {
			t.Fatalf("%s: nothing was shown meanwhile:\n%q", command[0], out)
		}
		told := 0
		for _, line := range shown[1 : len(shown)-1] {
			line, _, _ = strings.Cut(line, "\r\n")
			if !strings.HasPrefix(line, command[0]+"  ") {
				continue // a result, for which the line was taken back
			}
			told++
			if !strings.Contains(line, "B of 14.0 MB (") || len([]rune(line)) >= columns {
				t.Errorf("%s: shown is %q", command[0], line)
			}
		}
		if told == 0 {
			t.Errorf("%s: how long it goes on was not shown:\n%q", command[0], out)
		}
		if last := shown[len(shown)-1]; strings.Contains(last, "B of 14.0 MB") || !strings.Contains(last, "\r\n") {
			t.Errorf("%s: the line was not taken back before the result: %q", command[0], last)
		}
	}
}

func TestAPipeIsToldNothingUnlessItAsks(t *testing.T) {
	hasty(t)
	path := longCapture(t)
	_, errs, code := dnatrace("replay", path)
	if code == exitTrouble || strings.Contains(errs, clear) || strings.Contains(errs, " of ") {
		t.Errorf("exit %d: %q", code, errs)
	}
	_, errs, code = dnatrace("replay", path, "-v")
	if code == exitTrouble || strings.Contains(errs, clear) || !strings.Contains(errs, "replay  ") || !strings.Contains(errs, "/s") {
		t.Errorf("with -v: exit %d: %q", code, errs)
	}
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
