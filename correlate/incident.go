package correlate

import (
	"fmt"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode/programs"
)

// Verdict says what became of a request. The zero value is Undetermined.
type Verdict uint8

// The verdicts, in no order of gravity: see Worst.
const (
	Undetermined Verdict = iota // the evidence does not suffice
	Delivered                   // the answer left towards the client
	Misdelivered                // something other than what the mapping intends answered
	Refused                     // someone said no
	Dropped                     // vanished on the way in, at or before the host-side veth
	Unanswered                  // reached the container's namespace or the host process; no answer came
	AnswerLost                  // an answer was seen leaving, and did not come out
	Stalled                     // established, then bytes stopped getting through
	Absent                      // no request seen; of a run, never of a request
)

var verdictNames = [...]string{"undetermined", "delivered", "misdelivered", "refused", "dropped", "unanswered", "answer-lost", "stalled", "absent"}

func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return verdictNames[Undetermined]
}

// MarshalText writes the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a verdict's name.
func (v *Verdict) UnmarshalText(b []byte) error {
	got, err := ParseVerdict(string(b))
	*v = got
	return err
}

// ParseVerdict reads a verdict as String writes it.
func ParseVerdict(s string) (Verdict, error) {
	for i, n := range verdictNames {
		if n == s {
			return Verdict(i), nil
		}
	}
	return Undetermined, fmt.Errorf("parse verdict: %q is none of them: %s", s, strings.Join(verdictNames[:], ", "))
}

// Proof says how a verdict is known.
type Proof string

// Proven: every link is a kernel or engine record about this packet, or a state
// that was the same before and after.
const (
	Inferred Proof = "inferred"
	Proven   Proof = "proven"
)

// Via is by which way a request went in. The zero value is not known.
type Via string

// Ways in.
const (
	ViaDNAT   Via = "dnat"
	ViaIPVS   Via = "ipvs"
	ViaProxy  Via = "proxy"  // docker-proxy's own connection
	ViaDirect Via = "direct" // to the container's own address
	ViaHost   Via = "host"   // to a process of the host
)

// Incident is one request and what became of it, as the JSON document shows it.
type Incident struct {
	Host string `json:"host,omitempty"` // as in PointReport

	ID    string `json:"id"`
	Rev   int    `json:"rev"`
	Final bool   `json:"final"` // false while the window is open: told at once, since it is proven

	Revised bool `json:"-"` // an earlier judgement of it said something else

	Openings []Opening `json:"-"` // its own, and that of each leg that is another connection, or has another client end

	Protocol        string `json:"protocol"`
	Client          string `json:"client"`
	ClientContainer string `json:"client_container"`
	ClientSeen      string `json:"client_seen"` // source as the server saw it, when rewritten
	Requested       string `json:"requested"`
	Translated      string `json:"translated"`
	Container       string `json:"container"`
	Network         string `json:"network"`
	Project         string `json:"project"`
	Service         string `json:"service"`
	Via             Via    `json:"via"` // dnat, proxy, direct, host or ""

	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Attempts int       `json:"attempts"`
	Timing   Timing    `json:"timing"`

	Verdict Verdict     `json:"verdict"`
	Stage   stage.Stage `json:"stage"`
	Between []string    `json:"between"` // two names, or empty
	Cause   Cause       `json:"cause"`
	Why     string      `json:"why"`
	Proof   Proof       `json:"proof"`
	Rule    *RuleHit    `json:"rule,omitempty"`
	Hops    []Hop       `json:"hops"`
	Unseen  []Unseen    `json:"unseen"` // watched points on the expected way where it was not seen

	Evidence []Evidence `json:"evidence"`
	Blind    []string   `json:"blind"`
	Notes    []string   `json:"notes"`
	Fix      []string   `json:"fix"`
}

// Timing is in seconds; 0 is unknown.
type Timing struct {
	Connect   float64 `json:"connect"`
	FirstByte float64 `json:"first_byte"`
}

// RuleHit is the rule or policy that decided.
type RuleHit struct {
	Kind    string          `json:"kind"`
	Backend ruleset.Backend `json:"backend"`
	Table   string          `json:"table"`
	Chain   string          `json:"chain"`
	Handle  uint64          `json:"handle"`
	Text    string          `json:"text"`
	Owner   programs.Owner  `json:"owner"`
}

// Hop is one sighting on the way, or something that happened between two.
type Hop struct {
	Time      time.Time `json:"time"`
	Point     string    `json:"point"`
	Direction string    `json:"direction"` // request or reply
	Kind      HopKind   `json:"kind"`
	Before    string    `json:"before"` // destination of a request, source of a reply, as it was seen here
	After     string    `json:"after"`  // what it was translated to; "" unless Kind is translated
	Frame     uint64    `json:"frame"`  // number in the recording; 0 if not a packet
	Detail    string    `json:"detail"` // "SYN", "RST", "SYN ×3, last after 3.1 s", …
}

// Unseen is a point on the expected way that did not see the request, or the
// reply where the request was seen.
type Unseen struct {
	Point     string `json:"point"`
	Direction string `json:"direction"` // request or reply
	Detail    string `json:"detail"`    // "nothing lost", "not watched", "lost 12 packets meanwhile"
}

// HopKind says what a hop shows.
type HopKind string

// Kinds of hops.
const (
	HopSeen       HopKind = "seen"
	HopTranslated HopKind = "translated"
	HopFiltered   HopKind = "filtered"
	HopDropped    HopKind = "dropped"
	HopDelivered  HopKind = "delivered"
	HopAnswered   HopKind = "answered"
	HopRefused    HopKind = "refused"
)

// Evidence is one observation the verdict rests on.
type Evidence struct {
	Source string    `json:"source"`
	Time   time.Time `json:"time"`
	Text   string    `json:"text"`
}

// Summary counts requests by verdict. Open ones were too young to judge at the
// end; evicted ones were let go to keep memory bounded.
type Summary struct {
	Delivered    int `json:"delivered"`
	Misdelivered int `json:"misdelivered"`
	Refused      int `json:"refused"`
	Dropped      int `json:"dropped"`
	Unanswered   int `json:"unanswered"`
	AnswerLost   int `json:"answer-lost"`
	Stalled      int `json:"stalled"`
	Undetermined int `json:"undetermined"`
	Open         int `json:"open"`
	Evicted      int `json:"evicted"`
	Flooded      int `json:"flooded,omitempty"` // in the floods of the recording, and judged as nothing else
	Translated   int `json:"translated"`        // judged requests with a translation in evidence
}

// Document is the result of a run, schema dnatrace/1.
type Document struct {
	Schema    string        `json:"schema"`
	Target    string        `json:"target"`
	Recording Recording     `json:"recording"`
	Requests  []Incident    `json:"requests"`
	Open      []OpenRequest `json:"open,omitempty"` // requests without an outcome, the first of them
	Summary   Summary       `json:"summary"`
	Verdict   Verdict       `json:"verdict"`
	Cause     Cause         `json:"cause"`

	Next      []string  `json:"next,omitempty"`      // of a run that saw no request: what it saw instead, and where to look
	Selection *Selected `json:"selection,omitempty"` // of Requests, where not all are meant to be listed
}

// Selected says which requests are listed. Everything else in the document is of
// all of them.
type Selected struct {
	By       string `json:"by"`             // as it was asked for: "--verdict dropped --last 5"
	Requests int    `json:"requests"`       // how many that are
	Left     int    `json:"left,omitempty"` // how many more there was no room for
}

// Schema is the version of the JSON document.
const Schema = "dnatrace/1"

// Recording says what was watched, and what was lost.
type Recording struct {
	Points  []PointReport  `json:"points"`
	Rings   []RingReport   `json:"rings"`
	Sources []SourceReport `json:"sources"`
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Damage  []string       `json:"damage,omitempty"` // what could not be read of it
	Filter  []string       `json:"filter,omitempty"` // tcpdump expressions that it was narrowed by
	Floods  []FloodReport  `json:"floods,omitempty"` // requests that nobody waits for, told together
}

// PointReport is one point of a recording.
type PointReport struct {
	Host      string `json:"host,omitempty"` // where recordings of several hosts are read; "" of one
	Name      string `json:"name"`
	Netns     string `json:"netns"`
	Role      string `json:"role"`
	Container string `json:"container"`
	Packets   uint64 `json:"packets"`
}

// RingReport is one ring and what it lost.
type RingReport struct {
	Host      string           `json:"host,omitempty"` // as in PointReport
	Netns     string           `json:"netns"`
	Points    []string         `json:"points"`
	Lost      uint64           `json:"lost"`
	Intervals []IntervalReport `json:"intervals"`
}

// IntervalReport is a time in which a ring lost packets.
type IntervalReport struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Lost uint64    `json:"lost"`
}

// SourceReport says whether a source gave evidence.
type SourceReport struct {
	Name  string            `json:"name"`
	State capture.Condition `json:"state"`
	Why   string            `json:"why"`
}
