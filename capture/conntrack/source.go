package conntrack

import (
	"os"

	"dnatrace/capture"
	"dnatrace/capture/internal/events"
)

// Source yields the events that f, a socket from Listen, hears: records of
// KindEvent, each one raw netlink message, at the time of their receipt. Events
// that the kernel could not queue are lost for good: a record of KindSource says
// so and the stream goes on. Every batch promises, and while nothing happens an
// empty one does with each capture.Pulse: as times are those of receipt, nothing earlier
// than the last look at the empty socket can follow.
//
// The source owns f and closes it when the iteration ends.
func Source(f *os.File, netns string) capture.Source {
	return events.Source(f, events.Kind{Origin: capture.OriginConntrack, Netns: netns, Name: "conntrack events"})
}
