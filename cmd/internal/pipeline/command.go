package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/live"
)

// aftermath is how long after the end of a command its last packets are waited
// for: rings hand over what they have within a few tens of milliseconds.
const aftermath = 200 * time.Millisecond

// Start runs a command beside a run, and interrupts it when ctx ends. The channel
// closes a moment after its end, for Options.Drain. What the command prints goes
// to out; how it exits is its own affair.
func Start(ctx context.Context, args []string, out io.Writer) (<-chan struct{}, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	if err := live.Ordinarily(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return Do(ctx, func(context.Context) { cmd.Wait() }), nil
}

// Do calls f beside a run. The channel closes a moment after its end, for
// Options.Drain.
func Do(ctx context.Context, f func(context.Context)) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
		select {
		case <-time.After(aftermath):
		case <-ctx.Done():
		}
	}()
	return ended
}

// Copy writes a stream to a recording without judging it, up to a number of
// packets (0: all), and returns how many were written.
func Copy(ctx context.Context, src capture.Source, w Recorder, most uint64) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for b, err := range src(ctx) {
		if err != nil {
			return w.Packets(), err
		}
		if left := most - w.Packets(); most > 0 && uint64(len(b.Packets)) > left {
			b.Packets = b.Packets[:left]
		}
		switch err := write(w, b); {
		case errors.Is(err, ErrEnough):
			return w.Packets(), nil
		case err != nil:
			return w.Packets(), err
		}
		if most > 0 && w.Packets() >= most {
			cancel()
		}
	}
	return w.Packets(), nil
}
