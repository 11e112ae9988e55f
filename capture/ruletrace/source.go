package ruletrace

import (
	"os"

	"dnatrace/capture"
	"dnatrace/capture/internal/events"
)

// Source yields the trace that f, a socket from Listen, hears: records of
// KindEvent, raw netlink messages (NFT_MSG_TRACE), those that were there at the
// same time in one record, at the time of their receipt. They arrive about a
// millisecond late and carry no time of their own. Messages that the kernel
// could not queue are lost for good: a record of KindSource says so and the
// stream goes on. Batches promise as those of conntrack.Source.
//
// The source owns f and closes it when the iteration ends.
func Source(f *os.File, netns string) capture.Source {
	return events.Source(f, events.Kind{Origin: capture.OriginRuleTrace, Netns: netns, Name: "rule trace steps", Together: true})
}
