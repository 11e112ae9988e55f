// Package capture is where dnatrace meets the world: the kernel, the engine,
// the clock and files. Everything it learns leaves it in one form, a stream of
// Batches, whether it comes from a live host, from a recording or from a slice
// in a test.
//
// The sub-packages are the origins: ring (packets), conntrack, engine, host,
// rules, and recording (files). This package holds only what they share and
// must not import any of them, nor decode, correlate or cmd.
package capture

import (
	"context"
	"iter"
	"net/netip"
)

// Source is one origin of batches. It starts when it is ranged over, ends when
// ctx ends or the origin is exhausted, and has released everything it opened
// when the iteration returns. An error is yielded at most once, last: what came
// before it stays valid.
//
// A batch is valid until the next one is asked for.
type Source func(ctx context.Context) iter.Seq2[*Batch, error]

// BatchSize is the number of packets a batch holds at most.
const BatchSize = 256

// Batch is the unit in which records travel. Exactly one of Packets and Records
// is non-empty, or neither when only Until moves. Within a batch, times do not
// decrease unless the origin itself was out of order.
type Batch struct {
	// Packets are headers; their bytes are Arena[p.Off:p.Off+p.Len].
	Packets []Packet
	Arena   []byte
	// First is the frame number of Packets[0], counting from 1 over the whole
	// stream. Valid iff Packets is non-empty and the stream is merged or read
	// from a file.
	First uint64

	// Records are evidence other than packets, in order.
	Records []Record

	// Until promises that no later batch holds anything earlier (Unix ns).
	// Zero promises nothing.
	Until int64
}

// Packet is the header of one captured frame. The frame starts with the
// link-layer header of its point, VLAN tags in place.
type Packet struct {
	Time  int64  // Unix ns, the kernel's own time of the sighting
	Off   uint32 // first byte in Batch.Arena
	Len   uint32 // bytes captured
	Orig  uint32 // bytes on the wire, >= Len
	Point uint16 // Point.ID
	Dir   Direction
}

// Direction says which way a frame crossed its interface.
type Direction uint8

// The zero Direction is unknown: many files do not record it.
const (
	DirUnknown Direction = iota
	DirIn                // received by the interface (sll_pkttype HOST, BROADCAST, MULTICAST, OTHERHOST)
	DirOut               // sent by the interface (sll_pkttype OUTGOING)
)

// Record is one piece of evidence other than a packet, undecoded.
type Record struct {
	Time   int64  // Unix ns: the kernel's where it gives one, else the time of receipt
	Origin string // one of the Origin constants
	Kind   string // one of the Kind constants
	Netns  string // "host" or a container's name; "" where it does not apply
	Data   []byte // JSON, or the raw netlink messages, as Kind says
}

// Origins of records. All but OriginMeta are the source names of the JSON
// document.
const (
	OriginMeta      = "dnatrace" // about the recording itself
	OriginPackets   = "packets"
	OriginConntrack = "conntrack"
	OriginRuleTrace = "ruletrace"
	OriginDrops     = "drops"
	OriginEngine    = "engine"
	OriginHost      = "host"
	OriginRules     = "rules"
)

// Sources are the origins that the JSON document tells of, in its order.
var Sources = []string{OriginPackets, OriginConntrack, OriginRuleTrace, OriginDrops, OriginEngine, OriginHost, OriginRules}

// Kinds of records.
const (
	KindStart    = "start"    // OriginMeta, JSON Start: the first record
	KindEnd      = "end"      // OriginMeta, JSON End: the last record of a whole recording
	KindSource   = "source"   // OriginMeta, JSON SourceState: what became of a source
	KindPoint    = "point"    // OriginPackets, JSON Point: before the point's first packet
	KindLoss     = "loss"     // OriginPackets, JSON Loss
	KindRedacted = "redacted" // OriginMeta, JSON {}: names and addresses are pseudonyms; of what has no Start to say it
	KindDamage   = "damage"   // OriginMeta, JSON Damage: part of a file could not be read
	KindPulse    = "pulse"    // OriginMeta, no data: nothing earlier will come; of a recording that is read while it is made
	KindEvent    = "event"    // conntrack: one raw netlink message; engine: JSON engine.Event
	KindDump     = "dump"     // conntrack: raw netlink messages of a table dump, concatenated
	KindText     = "text"     // conntrack: what conntrack -L prints
	KindSnapshot = "snapshot" // engine: JSON engine.Snapshot
	KindSample   = "sample"   // host: JSON host.Sample
	KindRuleset  = "ruleset"  // rules: JSON rules.Ruleset
)

// Start opens a recording.
type Start struct {
	Format  int      `json:"format"`  // recording format version, recording.Format
	Program string   `json:"program"` // "dnatrace VERSION"
	Target  string   `json:"target"`  // as given on the command line, targets joined by a space; "" for all published ports
	Kernel  string   `json:"kernel,omitempty"`
	Host    string   `json:"host,omitempty"` // tells hosts apart, and nothing else; "" if unknown
	Started int64    `json:"started"`        // Unix ns: every source named is armed from here on
	Window  int64    `json:"window"`         // judgement window, ns; 0 is the default
	Filter  []string `json:"filter,omitempty"`
	Origin  string   `json:"origin,omitempty"` // of a fixture: live, recorded or composed
	// Probe are the clients that were made up: their requests were put into an
	// interface inside the host, and what would have left for them was stopped behind
	// the last hook, where it stands as sent by the interface.
	Probe []netip.Addr `json:"probe,omitempty"`
	// Redacted says that names and addresses are pseudonyms and payload is gone.
	Redacted bool `json:"redacted,omitempty"`
}

// End closes a recording that was ended in order. A recording without one was
// cut.
type End struct {
	Ended   int64  `json:"ended"` // Unix ns
	Packets uint64 `json:"packets"`
	Lost    uint64 `json:"lost"`
}

// Condition is whether a source gives evidence, in the words of the JSON document.
// The zero value is a source that was not spoken of.
type Condition string

// Conditions.
const (
	SourceOK     Condition = "ok"
	SourceAbsent Condition = "absent" // there is none here, or it was not given
	SourceFailed Condition = "failed"
)

// OK reports whether the source gives evidence.
func (c Condition) OK() bool { return c == SourceOK }

// Failed reports whether it was to give evidence, and does not.
func (c Condition) Failed() bool { return c == SourceFailed }

// SourceState says whether a source gives evidence from Record.Time on.
type SourceState struct {
	Name  string    `json:"name"` // an Origin
	State Condition `json:"state"`
	Why   string    `json:"why,omitempty"`
	// Outside are, of OriginPackets, the containers of the target that are not
	// watched from inside: their host-side veths alone stand for them.
	Outside []string `json:"outside,omitempty"`
}

// FromDumps is why a source gives evidence that was dumped by other tools: only
// what was saved, and of one time that nobody noted.
const FromDumps = "from dumps, which have no time"

// Loss says that a ring dropped packets within an interval.
type Loss struct {
	Ring uint16 `json:"ring"` // Point.Ring
	From int64  `json:"from"` // Unix ns, last moment known to be complete
	To   int64  `json:"to"`   // Unix ns
	Lost uint64 `json:"lost"` // packets
}

// Damage says which part of a file could not be read: a cut, a corrupt block,
// a packet whose own lengths contradict each other. Absences cannot be proven
// from what is missing.
type Damage struct {
	File   string `json:"file"`   // as named when it was opened
	Offset int64  `json:"offset"` // bytes from the start of the file, uncompressed, where reading failed
	Why    string `json:"why"`    // one plain sentence that names the file and the place
	Count  uint64 `json:"count"`  // blocks concerned; 0 if the rest of the file is missing
}
