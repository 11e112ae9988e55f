package multicast

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns a socket to say things on and one to hear them.
func pair(t *testing.T) (say, hear *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	say, hear = os.NewFile(uintptr(fds[0]), "say"), os.NewFile(uintptr(fds[1]), "hear")
	t.Cleanup(func() { say.Close() })
	return say, hear
}

func TestChangesThatGoOnAreReportedNowAndThen(t *testing.T) {
	say, heard := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	defer say.Close()
	go func() { // not quiet for as long as it takes to be over
		for ctx.Err() == nil {
			say.Write([]byte("change"))
			time.Sleep(time.Millisecond)
		}
	}()
	bursts := 0
	for range Bursts(ctx, heard, 20*time.Millisecond) {
		if bursts++; bursts == 3 {
			break
		}
	}
	if bursts != 3 {
		t.Errorf("%d changes reported while they went on", bursts)
	}
}

func TestListeningEndsWithItsContext(t *testing.T) {
	_, heard := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	for range Bursts(ctx, heard, time.Millisecond) {
		t.Error("nothing happened, and it was reported")
	}
	if err := heard.SetReadDeadline(time.Time{}); err == nil {
		t.Error("the socket is still open")
	}
}

func TestListeningEndsWithItsSocket(t *testing.T) {
	say, heard := pair(t)
	say.Write([]byte("change"))
	heard.Close()
	for range Bursts(t.Context(), heard, time.Millisecond) {
		t.Error("a closed socket spoke")
	}
}
