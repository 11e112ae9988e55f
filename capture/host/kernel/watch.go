package kernel

import (
	"context"
	"iter"
	"os"
	"time"

	"dnatrace/capture/internal/multicast"
)

// quiet is how long links and routes must have been left alone for a change to
// be over: a container that starts makes a few dozen in a row.
const quiet = 50 * time.Millisecond

// Changes yields the time whenever links, addresses, routes, policy rules or
// the forwarding and rp_filter settings have changed in the namespace where
// Watch opened f: once for changes that follow each other closely, at least
// every half second while they go on. Neighbours and sockets come and go
// unannounced. It blocks in between, ends when ctx ends or f fails, and closes
// f then.
func Changes(ctx context.Context, f *os.File) iter.Seq[time.Time] {
	return multicast.Bursts(ctx, f, quiet)
}
