// Package catalogue lists what makes a published port unreachable, slow or half
// working, and how each is judged: by which evidence, how surely, and which
// recording shows it. docs/CAUSES.md and the pages in docs/causes are written
// from it, and its tests hold it
// against the recordings, so that neither says what the program does not do.
//
// It is data: it must import nothing of ours but correlate.
package catalogue

import (
	"slices"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

//go:generate go run ../../cmd/internal/causes ../../docs

// Entry is one cause, or one shape of it.
type Entry struct {
	ID       string // number in the catalogue; a letter tells shapes of one cause apart
	Section  string
	Title    string
	Verdict  correlate.Verdict
	Stage    stage.Stage // as in the JSON document
	Cause    correlate.Cause
	Proof    correlate.Proof // the best that can be had
	Evidence string          // what proves it, or makes it likely
	Fix      string          // one sentence
	Fixtures []string        // recordings that show it; each says just this
	Missing  string          // why there is no recording; "" iff there are some
}

// Entries lists all of them, in order.
func Entries() []Entry {
	return slices.Concat(
		in("Publishing", publishing), in("Application and container", application), in("Engine, proxy and port allocation", daemon),
		in("Host firewall and filter rules", filters), in("NAT and connection tracking", nat), in("Routing and the way back", routing),
		in("Links and neighbours", slices.Concat(links, queues)), in("MTU and offload", sizes), in("Swarm and overlay", swarm),
		in("Desktops and nesting", nested), in("Names and clients", clients),
	)
}

func in(section string, entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		out[i].Section = section
	}
	return out
}

// judged is what a verdict is made of.
type judged struct {
	verdict correlate.Verdict
	stage   stage.Stage
	cause   correlate.Cause
	proof   correlate.Proof
}

func fine(proof correlate.Proof) judged {
	return judged{correlate.Delivered, "", correlate.CauseNone, proof}
}

func refused(at stage.Stage, cause correlate.Cause, proof correlate.Proof) judged {
	return judged{correlate.Refused, at, cause, proof}
}

func dropped(at stage.Stage, cause correlate.Cause, proof correlate.Proof) judged {
	return judged{correlate.Dropped, at, cause, proof}
}

func silent(at stage.Stage, cause correlate.Cause, proof correlate.Proof) judged {
	return judged{correlate.Unanswered, at, cause, proof}
}

func lost(at stage.Stage, cause correlate.Cause, proof correlate.Proof) judged {
	return judged{correlate.AnswerLost, at, cause, proof}
}

func stalled(at stage.Stage, cause correlate.Cause) judged {
	return judged{correlate.Stalled, at, cause, correlate.Inferred}
}

func wrong(at stage.Stage, cause correlate.Cause, proof correlate.Proof) judged {
	return judged{correlate.Misdelivered, at, cause, proof}
}

func absent(cause correlate.Cause) judged {
	return judged{correlate.Absent, "", cause, correlate.Inferred}
}

// shown is an entry with recordings.
func shown(id, title string, j judged, evidence, fix string, fixtures ...string) Entry {
	return Entry{ID: id, Title: title, Verdict: j.verdict, Stage: j.stage, Cause: j.cause, Proof: j.proof, Evidence: evidence, Fix: fix, Fixtures: fixtures}
}

// unshown is an entry that nothing here reproduces.
func unshown(id, title string, j judged, evidence, fix, why string) Entry {
	e := shown(id, title, j, evidence, fix)
	e.Missing = why
	return e
}

// Short words for the tables.
const (
	proven   = correlate.Proven
	inferred = correlate.Inferred
)
