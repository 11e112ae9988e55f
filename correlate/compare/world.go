package compare

import (
	"net/netip"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// World is the state that a request met: of each kind what was known last when
// it came, or else what was known first.
type World struct {
	*correlate.State
	Program string // what recorded it; "" for none of ours
	Kernel  string

	at   int64
	have map[string]bool
}

// NewWorld makes a World for a request that came at a time.
func NewWorld(at time.Time) *World {
	return &World{State: correlate.NewState(), at: at.UnixNano(), have: map[string]bool{}}
}

// Take keeps what an event says of the state.
func (w *World) Take(e decode.Event) {
	switch e := e.(type) {
	case *decode.Start:
		w.Program, w.Kernel = e.Program, e.Kernel
	case *decode.EngineSnapshot:
		w.take(e, e.Time, capture.OriginEngine)
	case *decode.HostSample:
		w.take(e, e.Time, capture.OriginHost+" "+e.Netns)
	case *decode.Ruleset:
		w.take(e, e.Time, capture.OriginRules+" "+e.Netns+" "+e.Backend+" "+e.Table)
	case *decode.Source:
		w.State.Take(e)
	}
}

func (w *World) take(e decode.Event, at int64, kind string) {
	if at <= w.at || !w.have[kind] {
		w.have[kind] = true
		w.State.Take(e)
	}
}

func (w *World) known() bool { return w != nil && w.Host(capture.HostNetns) != nil }

func (w *World) isHost(a netip.Addr) bool { return w != nil && a.IsValid() && w.IsHost(a) }
