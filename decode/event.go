package decode

import (
	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
)

// Event is what one control record says: *Start, *End, *Source, *Point, *Loss, *Damage, *Redacted,
// *Conntrack, *TraceStep, *EngineSnapshot, *EngineEvent, *HostSample, *Ruleset or *Drop.
// The set is closed.
type Event interface{ event() }

// Start is the first event of a stream.
type Start struct {
	Time int64
	capture.Start
}

// End is the last event of a stream that was not cut.
type End struct {
	Time int64
	capture.End
}

// Source is a change of a source's state.
type Source struct {
	Time int64
	capture.SourceState
}

// Point announces a point, before its first packet.
type Point struct {
	Time int64
	capture.Point
}

// Loss is an interval in which a ring lost packets.
type Loss struct {
	Time int64
	capture.Loss
}

// Damage is a part of a file that could not be read.
type Damage struct {
	Time int64
	capture.Damage
}

// Redacted says that names and addresses are pseudonyms, and payload is gone.
type Redacted struct{ Time int64 }

// EngineSnapshot is what the engine said at Time.
type EngineSnapshot struct {
	Time int64
	Size int // bytes of the record it was read from
	engine.Snapshot
}

// EngineEvent is something the engine reported at Time.
type EngineEvent struct {
	Time int64
	engine.Event
}

// HostSample is the state of the namespace Netns at Time.
type HostSample struct {
	Time  int64
	Netns string
	Size  int // bytes of the record it was read from
	host.Sample
}

// Ruleset is a back end's rules in the namespace Netns at Time.
type Ruleset struct {
	Time  int64
	Netns string
	Size  int // bytes of the record it was read from
	rules.Ruleset
}

// Conntrack is one connection tracking entry: an event, or a line of a dump.
type Conntrack struct {
	Time    int64 // Unix ns: of the change as the kernel stamped it, else the record's
	Netns   string
	Change  ConntrackChange
	ID      uint32 // CTA_ID; 0 if not given
	Zone    uint16
	Orig    Tuple  // as the first packet came
	Reply   Tuple  // as answers are expected; Orig.Reverse() iff nothing is translated
	Status  uint32 // IPS_* bits; valid iff Change is not ConntrackDestroyed
	State   uint8  // TCP_CONNTRACK_*; valid iff TCP
	Undated bool   // printed at a time that nobody noted
	Started int64  // Unix ns: when the entry was confirmed; 0 unless the kernel keeps times (net.netfilter.nf_conntrack_timestamp)
}

// ConntrackChange says what happened to an entry.
type ConntrackChange uint8

// The zero value is an entry found in a dump.
const (
	ConntrackListed ConntrackChange = iota
	ConntrackNew
	ConntrackUpdated
	ConntrackDestroyed
)

// IPS_* bits of Conntrack.Status (linux/netfilter/nf_conntrack_common.h).
const (
	StatusSeenReply = 1 << 1
	StatusAssured   = 1 << 2
	StatusConfirmed = 1 << 3
	StatusSrcNAT    = 1 << 4
	StatusDstNAT    = 1 << 5
)

// States of TCP entries (enum tcp_conntrack,
// linux/netfilter/nf_conntrack_tcp.h). The zero value is none.
const (
	StateSynSent     = 1
	StateSynRecv     = 2
	StateEstablished = 3
	StateFinWait     = 4
	StateCloseWait   = 5
	StateLastAck     = 6
	StateTimeWait    = 7
	StateClose       = 8
	StateSynSent2    = 9 // simultaneous open
)

func (*Start) event()          {}
func (*End) event()            {}
func (*Source) event()         {}
func (*Point) event()          {}
func (*Loss) event()           {}
func (*Damage) event()         {}
func (*Redacted) event()       {}
func (*Conntrack) event()      {}
func (*TraceStep) event()      {}
func (*EngineSnapshot) event() {}
func (*EngineEvent) event()    {}
func (*HostSample) event()     {}
func (*Ruleset) event()        {}
