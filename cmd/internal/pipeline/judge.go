package pipeline

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"dnatrace/capture/engine"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// judge is the correlating side.
type judge struct {
	options Options
	cancel  func()
	tracker *correlate.Tracker
	order   *correlate.Order
	wanted  *selection
	judged  map[string]bool // ids, counted for MaxRequests
	started bool
	recycle func(*decode.Batch)
}

func newJudge(o Options, cancel func(), recycle func(*decode.Batch)) (*judge, error) {
	j := &judge{options: o, cancel: cancel, recycle: recycle, judged: map[string]bool{}}
	s, err := newSelection(o.Targets)
	if err != nil {
		return nil, err
	}
	j.wanted = s
	return j, nil
}

// begin makes the tracker once the first records have told how the stream was
// meant.
func (j *judge) begin(start *decode.Start) {
	o := j.options
	if start != nil {
		if o.Window == 0 {
			o.Window = time.Duration(start.Window)
		}
		if len(o.Targets) == 0 {
			if s, err := newSelection(strings.Fields(start.Target)); err == nil {
				j.wanted = s
			}
		}
	}
	j.tracker = correlate.New(correlate.Config{
		Window: o.Window, Keep: o.Keep, Selects: j.wanted.selects(start != nil), OnIncident: j.incident(),
	})
	j.order = correlate.NewOrder(j.tracker, j.recycle)
}

func (j *judge) incident() func(*correlate.Incident) {
	if j.options.OnIncident == nil && j.options.MaxRequests == 0 {
		return nil
	}
	return func(i *correlate.Incident) {
		if j.options.OnIncident != nil {
			j.options.OnIncident(i)
		}
		if j.options.MaxRequests > 0 {
			if j.judged[i.ID] = true; len(j.judged) >= j.options.MaxRequests {
				j.cancel()
			}
		}
	}
}

// take feeds one item to the tracker.
func (j *judge) take(it item) {
	if j.tracker == nil {
		j.begin(startOf(it.events))
	}
	for _, e := range it.events {
		j.order.Event(e)
	}
	for _, s := range it.skipped {
		j.tracker.Skip(s.origin, s.err)
	}
	if it.packets != nil {
		j.order.Packets(it.packets)
	}
	if it.until != 0 {
		j.order.Release(it.until)
	}
	j.announce(it)
	if j.draining() && j.tracker.Pending() == 0 {
		j.cancel()
	}
}

func startOf(events []decode.Event) *decode.Start {
	for _, e := range events {
		if s, ok := e.(*decode.Start); ok {
			return s
		}
	}
	return nil
}

// announce tells once what the recording looks like, when its packets begin.
func (j *judge) announce(it item) {
	if j.started || j.options.OnStart == nil || it.packets == nil {
		return
	}
	j.started = true
	j.options.OnStart(j.tracker.Document())
}

func (j *judge) draining() bool {
	select {
	case <-j.options.Drain:
		return true
	default:
		return false
	}
}

func (j *judge) finish() *correlate.Document {
	if j.tracker == nil {
		j.begin(nil)
	}
	j.order.Release(math.MaxInt64)
	if !j.started && j.options.OnStart != nil {
		j.options.OnStart(j.tracker.Document())
	}
	d := j.tracker.Finish()
	if len(j.options.Targets) > 0 {
		d.Target = strings.Join(j.options.Targets, " ")
	}
	return d
}

// selection is which requests are asked about. What the targets stand for is
// worked out anew for every snapshot of the engine.
type selection struct {
	targets  []target.Target
	latest   *engine.Snapshot
	resolved target.Resolved
	ready    bool
}

func newSelection(args []string) (*selection, error) {
	targets, err := target.ParseAll(args)
	if err != nil {
		return nil, err
	}
	return &selection{targets: targets}, nil
}

// selects returns nil, which selects everything, for a foreign capture without
// targets: every request in it is asked about.
func (s *selection) selects(own bool) func(decode.Proto, netip.AddrPort, *engine.Snapshot) bool {
	if len(s.targets) == 0 && !own {
		return nil
	}
	return func(proto decode.Proto, dst netip.AddrPort, e *engine.Snapshot) bool {
		if e == nil && len(s.targets) == 0 {
			return true
		}
		if !s.ready || e != s.latest {
			s.resolved, _ = target.ResolveAll(s.targets, orEmpty(e))
			s.latest, s.ready = e, true
		}
		return s.resolved.Match(uint8(proto), dst.Addr(), dst.Port())
	}
}

func orEmpty(e *engine.Snapshot) *engine.Snapshot {
	if e == nil {
		return &engine.Snapshot{}
	}
	return e
}
