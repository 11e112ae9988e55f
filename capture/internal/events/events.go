// Package events makes a source of what a netlink socket hears: conntrack
// changes, steps of a rule trace. The messages stay as the kernel sent them.
//
// The package must not import anything of dnatrace but capture and multicast.
package events

// Kind says what a socket hears.
type Kind struct {
	Origin string // of the records, a capture.Origin
	Netns  string // of the records
	Name   string // in sentences: "conntrack events"
	// Together makes one record of the messages that are there at the same
	// time, one after the other; otherwise each is a record of its own.
	Together bool
}
