package events

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// flood keeps a socket full until the test ends.
func flood(t *testing.T) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	sender.Go(func() {
		defer unix.Close(fds[0])
		for ctx.Err() == nil {
			unix.Sendto(fds[0], []byte("news"), unix.MSG_DONTWAIT, nil)
		}
	})
	t.Cleanup(func() { cancel(); sender.Wait() })
	return os.NewFile(uintptr(fds[1]), "flooded")
}

func TestASourceEndsInTheMiddleOfAFlood(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended time.Time
	batches := 0
	for _, err := range Source(flood(t), Kind{Origin: capture.OriginConntrack, Name: "conntrack events"})(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // events come faster than they are taken
		if batches++; batches == 20 {
			ended = time.Now()
			cancel()
		}
		if batches > 20 && time.Since(ended) > 2*time.Second {
			t.Fatalf("still going on %v after the end", time.Since(ended))
		}
	}
	if batches < 20 {
		t.Fatalf("ended after %d batches, before it was told to", batches)
	}
}
