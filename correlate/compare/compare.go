// Package compare says where two requests part: the first stage of their ways
// that differs, and what differs there and in the state that they met.
//
// It does no I/O, decides nothing about either request, and must not import cmd,
// nor anything of capture but the types for what origins say.
package compare

import (
	"cmp"
	"slices"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// Schema is the version of the JSON of a Result.
const Schema = "dnatrace-diff/1"

// Side is one of the two requests.
type Side struct {
	File     string
	Incident *correlate.Incident
	Points   []correlate.PointReport
	World    *World
}

// Result is how two requests differ.
type Result struct {
	Schema string  `json:"schema"`
	Good   Request `json:"good"`
	Bad    Request `json:"bad"`
	Same   bool    `json:"same"`
	// Stage is the first one where the requests part, in the words of the
	// document, or "client", "requested", "published" before them and "answer"
	// behind; "" if only state differs that neither of them met, or nothing.
	Stage       stage.Stage  `json:"stage"`
	Why         string       `json:"why"` // one plain sentence
	Differences []Difference `json:"differences"`
	Unknown     []string     `json:"unknown"` // what could not be compared
}

// Request is one side in short.
type Request struct {
	File       string            `json:"file"`
	ID         string            `json:"id"`
	Protocol   string            `json:"protocol"`
	Client     string            `json:"client"`
	Origin     string            `json:"origin"` // where the client is
	Requested  string            `json:"requested"`
	Translated string            `json:"translated"`
	Via        correlate.Via     `json:"via"`
	Container  string            `json:"container"`
	Verdict    correlate.Verdict `json:"verdict"`
	Stage      stage.Stage       `json:"stage"`
	Cause      correlate.Cause   `json:"cause"`
	Why        string            `json:"why"`
	Fix        []string          `json:"fix"`
}

// Difference is one thing that is not the same on both sides; "" is absent there.
type Difference struct {
	Stage stage.Stage `json:"stage"` // where it acts; "" anywhere
	What  string      `json:"what"`  // client, requested, mapping, container, via, translation, rule, route, setting, neighbour, socket, proxy, version, way, outcome
	Name  string      `json:"name"`  // which one, where there are several
	Good  string      `json:"good"`
	Bad   string      `json:"bad"`
	// Way says that it is of the requests themselves, not of the state around
	// them.
	Way bool `json:"way"`
}

// Places where requests can part, ahead of all stages and behind them.
const (
	client    stage.Stage = "client"
	requested stage.Stage = "requested"
	published stage.Stage = "published"
	answer    stage.Stage = "answer"
)

// order is the way of a request, first to last.
var order = slices.Concat([]stage.Stage{client, requested, published}, stage.All(), []stage.Stage{answer})

func rank(at stage.Stage) int {
	if i := slices.Index(order, at); i >= 0 {
		return i
	}
	return len(order)
}

// Compare tells two requests apart.
func Compare(good, bad Side) *Result {
	r := &Result{Schema: Schema, Good: good.request(), Bad: bad.request(), Differences: []Difference{}, Unknown: []string{}}
	r.way(&good, &bad)
	r.state(&good, &bad)
	slices.SortStableFunc(r.Differences, func(a, b Difference) int { return cmp.Compare(rank(a.Stage), rank(b.Stage)) })
	r.Same = len(r.Differences) == 0
	for _, d := range r.Differences {
		if d.Way {
			r.Stage = d.Stage
			break
		}
	}
	r.Why = r.why()
	return r
}

func (s *Side) request() Request {
	i := s.Incident
	return Request{
		File: s.File, ID: i.ID, Protocol: i.Protocol, Client: i.Client, Origin: s.origin(), Requested: i.Requested,
		Translated: i.Translated, Via: i.Via, Container: i.Container, Verdict: i.Verdict, Stage: i.Stage, Cause: i.Cause, Why: i.Why, Fix: i.Fix,
	}
}

// add notes a difference, unless there is none.
func (r *Result) add(d Difference) {
	if d.Good != d.Bad {
		r.Differences = append(r.Differences, d)
	}
}
