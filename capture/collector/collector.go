// Package collector watches a host that this process is not on: it has the host's
// engine run a container of dnatrace itself, which captures there and sends what it
// sees back as a recording, over the connection that the engine has to the
// container. The stream is then a Source like any other, and is judged here.
//
// One side is a Session, on the machine where the command was given. It speaks to
// the engine, passes on what the engine says, and takes everything away at the end.
// The other is what the container runs: it reads a Request and then what the engine
// says (Listen), and writes the recording (Sender) and a few words about itself
// (Tell).
//
// The package must not import decode, correlate or cmd.
package collector

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"dnatrace/capture"
)

// Jobs that a collector does.
const (
	Watch  = "watch"  // capture until told to end
	Look   = "look"   // the state of the host, once
	Doctor = "doctor" // which evidence the host can give
)

// Request is what a collector is to do: the first line that it reads.
type Request struct {
	Job        string        `json:"job"`
	Program    string        `json:"program,omitempty"` // "dnatrace 1.0" of the one who asks
	Targets    []string      `json:"targets,omitempty"`
	Everything bool          `json:"everything,omitempty"`
	Filter     string        `json:"filter,omitempty"`
	Interfaces []string      `json:"interfaces,omitempty"`
	SnapLen    int           `json:"snap,omitempty"`
	Window     time.Duration `json:"window,omitempty"`
	Trace      bool          `json:"trace,omitempty"`
	NoDrops    bool          `json:"no_drops,omitempty"`
	NoTracking bool          `json:"no_conntrack,omitempty"`
	Unrecorded bool          `json:"unrecorded,omitempty"`
}

// line is one of those that follow: what the engine says, or nothing but that the
// other side is still there.
type line struct {
	Kind   string          `json:"kind,omitempty"` // capture.KindSnapshot, KindEvent or KindSource; "" for nothing
	Data   json.RawMessage `json:"data,omitempty"`
	Absent string          `json:"absent,omitempty"` // why there is no engine to ask
}

// How often a line comes at least, and how long a collector waits for one before it
// takes the other side for lost.
const (
	lineEvery = 5 * time.Second
	lineLimit = 45 * time.Second
)

// Word is what a collector says of itself, a line of JSON on its standard error.
type Word struct {
	Armed   bool                  `json:"armed,omitempty"` // nothing is missed from here on
	Points  []capture.Point       `json:"points,omitempty"`
	Sources []capture.SourceState `json:"sources,omitempty"`
	Note    string                `json:"note,omitempty"` // to be shown
	Report  json.RawMessage       `json:"report,omitempty"`
	Error   string                `json:"error,omitempty"` // why it ends in trouble
}

// Tell says a word.
func Tell(w io.Writer, word Word) error {
	b, err := json.Marshal(word)
	if err != nil {
		return fmt.Errorf("say what a collector does: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
