// Package multicast hears what the kernel announces to netlink multicast
// groups: firewall changes, conntrack events, changes of links and addresses.
//
// The package must not import anything of dnatrace.
package multicast

import (
	"context"
	"errors"
	"iter"
	"os"
	"syscall"
	"time"
)

// Bursts yields the end of each burst of messages on f, a socket from Join: the
// time when nothing had been heard for quiet, or when the burst had lasted ten
// times that. What the messages say is thrown away, and so an overrun of the
// socket's buffer is just another message. It blocks in between, ends when ctx
// ends or the socket fails, and closes f then.
func Bursts(ctx context.Context, f *os.File, quiet time.Duration) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		defer f.Close()
		stop := Interrupt(ctx, f)
		defer stop()
		buf := make([]byte, 1<<16)
		for hear(ctx, f, buf, time.Time{}) == nil {
			end := time.Now().Add(10 * quiet)
			for time.Now().Before(end) && hear(ctx, f, buf, time.Now().Add(quiet)) == nil {
			}
			if ctx.Err() != nil || !yield(time.Now()) {
				return
			}
		}
	}
}

// Interrupt makes a read that waits on f return when ctx ends. Whoever sets a
// deadline of his own afterwards must look at ctx once more before he reads.
func Interrupt(ctx context.Context, f *os.File) (stop func() bool) {
	return context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
}

// hear waits for one message until the deadline; the zero time waits for ever.
func hear(ctx context.Context, f *os.File, buf []byte, deadline time.Time) error {
	if err := f.SetReadDeadline(deadline); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := f.Read(buf); err != nil && !errors.Is(err, syscall.ENOBUFS) {
		return err
	}
	return nil
}
