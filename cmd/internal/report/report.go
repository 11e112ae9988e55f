// Package report writes what was found about an incident for people who were
// not there: one self-contained HTML page, the same in Markdown, and a block for
// the maintainers of an engine.
//
// It decides nothing: what became of a request is in the correlate.Document,
// and what else the recording holds was gathered by report/collect. Names,
// rules, errors and payload come from strangers. Every text passes through
// render.Clean, then through html/template's contextual escaping or Markdown's;
// nothing is ever put together to HTML by hand.
//
// The same Report gives the same bytes: the package reads no clock, opens
// nothing, and must not import capture or decode.
package report

import (
	"time"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
	"dnatrace/decode/programs"
)

// MaxRequests is how many requests a report lists, the worst; the others are
// counted.
const MaxRequests = 500

// Report is all that is told. Its strings are as hostile as the recording.
type Report struct {
	Document *correlate.Document
	Files    []File
	Command  string // that judges the same recording again
	Lang     lang.Language
	Findings
}

// File is one file that was read.
type File struct {
	Name   string // without its folder
	Size   int64  // bytes
	SHA256 string // of its bytes, hexadecimal
	Data   []byte // its bytes, to be embedded; nil to leave it out
}

// Findings are what a recording holds beside the verdicts.
type Findings struct {
	Cases    []Case // the requests told in full, the one that decided the run first
	Timeline []Happening
	Omitted  int // happenings left out, of those further from the deciding request
	Mappings []Mapping
	Rules    []Rule
	Routes   []State
	Settings []State // settings and sockets concerned
	Versions []Version
	Redacted bool   // names and addresses are pseudonyms
	Filter   string // what the recording was limited to; "" for nothing
	Cut      bool   // it was not ended in order: what came last may be missing
}

// Case is one request told in full.
type Case struct {
	Incident correlate.Incident
	Alike    int      // requests listed that ended the same way, this one included
	Flights  []Flight // its packets, in order of their first sighting
	Left     int      // flights left out, behind the first ones and before the last ones
	LeftFrom int      // index of the first flight behind those left out; valid iff Left > 0
}

// Flight is one packet and all its sightings.
type Flight struct {
	Reply  bool   // of the way back
	Label  string // "SYN", "78 bytes", "ICMP port unreachable"
	Class  string // "reset", "error", "close", or "" for all others
	Again  int    // how often the same bytes were sent before
	Detail string // sequence numbers, window, lengths
	Seen   []Sighting
}

// Sighting is a packet at a point.
type Sighting struct {
	Time  time.Time
	Point string
	Frame uint64
	Src   string
	Dst   string
	TTL   int
}

// Happening is something that happened on the host.
type Happening struct {
	Time  time.Time
	Lane  string // LaneRequests, or one of changes' lanes
	Where string // a container, a namespace, a ring; "" for the host
	Text  string
}

// LaneRequests is the lane of the timeline that requests are in.
const LaneRequests = "requests"

// Mapping is one container concerned and how it is published.
type Mapping struct {
	Container string
	Image     string
	State     string
	Mode      string
	Networks  []string // "bridge 172.17.0.2"
	Published []string // "0.0.0.0:8080 → 80/tcp"
	Exposed   []string // "80/tcp"
	Error     string
	Run       string // the docker command that publishes alike
}

// Rule is one rule concerned.
type Rule struct {
	Netns   string
	Table   string
	Chain   string
	Handle  uint64
	Text    string
	Owner   programs.Owner
	Backend string
	Why     string // why it is shown: "decided", "this request passed it: accept", "names 172.17.0.2"
	Decided bool
}

// State is one entry of a kernel table, or a setting.
type State struct {
	Netns string
	What  string // "route to 172.17.0.2", "setting", "listener"
	Text  string
}

// Version is a program or format and its version.
type Version struct{ Name, Value string }
