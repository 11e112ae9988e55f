package rules

import (
	"context"
	"iter"
	"os"
	"time"

	"dnatrace/capture/internal/multicast"
)

// quiet is how long the ruleset must have been left alone for a change to be
// over: an engine that starts a container changes dozens of rules in a row.
const quiet = 50 * time.Millisecond

// Changes yields the time whenever nf_tables rules have changed in the
// namespace where Watch opened f: once for changes that follow each other
// closely, at least every half second while they go on. Legacy tables announce
// nothing. It blocks in between, ends when ctx ends or f fails, and closes f
// then.
func Changes(ctx context.Context, f *os.File) iter.Seq[time.Time] {
	return multicast.Bursts(ctx, f, quiet)
}
