// Package foresee says what would become of a request that nobody has made, by
// the state of the host and of the engine alone: it walks the request through
// rules, routes, links and sockets, stage by stage, and back. It also lists what
// is published, and from where it can be reached.
//
// What state cannot show (a server that hangs, a network in front of the host)
// is named in Blind, and everything is inferred: nothing was seen. The package
// does no I/O, reads no clock and must not import cmd.
package foresee

import (
	"slices"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// Places that a request is made from.
const (
	Outside      = "outside"       // another machine
	Host         = "host"          // the host itself, asking its own address
	Loopback     = "loopback"      // the host itself, asking loopback
	SameNetwork  = "same-network"  // another container of the network
	OtherNetwork = "other-network" // a container that shares no network with it
)

// Places are all of them, in the order in which they are told.
var Places = []string{Outside, Host, Loopback, SameNetwork, OtherNetwork}

// Path is what would become of one request, as the JSON document shows it.
type Path struct {
	Target     string             `json:"target"`  // what of the targets asked about it belongs to; of a range, its port
	From       string             `json:"from"`    // one of Places
	Network    string             `json:"network"` // of the engine's, that the request ends in; "" for none
	Protocol   string             `json:"protocol"`
	Client     string             `json:"client"` // the address it is thought to be made from
	Requested  string             `json:"requested"`
	Via        correlate.Via      `json:"via"` // dnat, proxy, direct, host or ""
	Translated string             `json:"translated"`
	Container  string             `json:"container"`
	Project    string             `json:"project"`
	Service    string             `json:"service"`
	Verdict    correlate.Verdict  `json:"verdict"`
	Stage      stage.Stage        `json:"stage"`
	Cause      correlate.Cause    `json:"cause"`
	Rule       *correlate.RuleHit `json:"rule,omitempty"`
	Why        string             `json:"why"`
	Proof      correlate.Proof    `json:"proof"` // always inferred: nothing was seen
	Blind      []string           `json:"blind"` // what was not looked at, or cannot be seen in state
	Fix        []string           `json:"fix"`
	Stages     []Stage            `json:"stages"`
}

// Stage is one stop of a Path.
type Stage struct {
	Stage   stage.Stage        `json:"stage"` // in the words of the JSON document
	Outcome Outcome            `json:"outcome"`
	Rule    *correlate.RuleHit `json:"rule,omitempty"` // that let it pass by name, translated or stopped it
	Detail  string             `json:"detail"`
}

// Outcome is what happens at a stage.
type Outcome string

// Outcomes.
const (
	Pass       Outcome = "pass"
	Translated Outcome = "translated"
	Drop       Outcome = "drop"
	Refuse     Outcome = "refuse"
	Unknown    Outcome = "unknown"
)

// Request is one that is not made.
type Request struct {
	From  string // one of Places
	Tuple decode.Tuple
	// Link is the host's interface that it comes in by, a bridge rather than
	// its port. "" if a process of the host sends it.
	Link string
}

// Foresee says what would become of a request.
func Foresee(s *correlate.State, r Request) Path {
	w := newWalk(s, r)
	w.forth()
	return w.path()
}

// path writes the walk down.
func (w *walk) path() Path {
	w.settle()
	f, c := w.end, w.end.Container
	p := Path{
		From: w.r.From, Protocol: w.r.Tuple.Proto.String(), Client: w.r.Tuple.Src.Addr().String(), Requested: w.r.Tuple.DstEnd(),
		Via: w.via, Verdict: f.Verdict, Stage: f.Stage, Cause: f.Cause, Rule: f.Rule, Why: f.Why, Proof: correlate.Inferred,
		Blind: append([]string{}, w.blind...), Fix: append([]string{}, f.Fix...), Stages: append([]Stage{}, w.stages...),
	}
	if c == nil {
		c = w.h.Container
	}
	if c == nil && w.h.Target != (decode.Tuple{}) {
		c = w.s.ContainerAt(w.h.Target.Dst.Addr())
	}
	if c != nil {
		p.Container, p.Project, p.Service = c.Name, c.Project, c.Service
	}
	if t := w.h.Target; t != (decode.Tuple{}) {
		p.Network = w.s.Network(t.Dst.Addr())
		if t.Dst != w.r.Tuple.Dst || t.DstPort != w.r.Tuple.DstPort {
			p.Translated = t.DstEnd()
		}
	}
	return p
}

// doubt takes back that something stops the request, where it is not known that it
// gets there.
func (w *walk) doubt() {
	w.unseen()
	if len(w.holes) == 0 || w.end.Verdict == correlate.Undetermined {
		return
	}
	w.end = correlate.Finding{Verdict: correlate.Undetermined, Cause: correlate.CauseUnknown, Container: w.end.Container,
		Why: "What becomes of it cannot be told, as not all is known: " + join(w.holes) + ". As far as it is: " + w.end.Why}
	if n := len(w.stages); n > 0 {
		w.stages[n-1].Outcome = Unknown
	}
}

// unseen tells of what is missing on the way, once.
func (w *walk) unseen() {
	for _, h := range w.holes {
		if !slices.Contains(w.blind, h) {
			w.blind = append(w.blind, h)
		}
	}
}

// settle takes back what cannot be claimed with something missing on the way.
func (w *walk) settle() {
	atHost := w.end.Verdict == correlate.Refused && w.end.Stage == stage.Host && w.end.Cause == correlate.CauseUnknown
	if w.s.Engine() == nil && (atHost || w.end.Verdict == correlate.Delivered) {
		w.hole("what the engine publishes is not in evidence")
	}
	if w.end.Verdict != correlate.Delivered {
		w.doubt()
		return
	}
	if w.stray != nil { // whoever answers there
		w.end = *w.stray
		w.unseen()
		return
	}
	if len(w.holes) > 0 {
		w.end = correlate.Finding{Verdict: correlate.Undetermined, Cause: correlate.CauseUnknown, Container: w.end.Container,
			Why: "Nothing that is known stops it, but not all is known: " + join(w.holes) + "."}
		w.unseen()
		return
	}
	w.blind = append(w.blind, "what the server does with the request once it has it")
	if w.r.Tuple.Proto == decode.UDP {
		w.blind = append(w.blind, "connections that are tracked already: a sender's datagrams keep going where its first one went")
	}
	if w.r.From == Outside {
		w.blind = append(w.blind, "what lies in front of this host: other firewalls, load balancers, the MTU of the way")
	}
}
