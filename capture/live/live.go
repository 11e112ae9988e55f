// Package live watches a running Docker host: it opens every source there is
// privilege for, follows containers and interfaces as they come and go, and
// hands it all out as one stream in order of time. What cannot be opened costs
// that source, and is said.
//
// The package must not import decode, correlate or cmd.
package live

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/filter"
	"dnatrace/capture/opener"
	"dnatrace/capture/probe"
	"dnatrace/capture/recording"
	"dnatrace/capture/target"
)

// Config says what to watch.
type Config struct {
	Targets    []target.Target
	Everything bool           // capture all traffic, not the targets' alone
	Filter     *filter.Filter // of what would be captured, only what this passes; nil: all
	Interfaces []string       // only these of the host; empty: all
	SnapLen    int            // bytes kept of a frame; 0: all
	Netns      string         // path of the host's namespace; "": this process's
	Trace      bool           // have the rules traced that the targets' packets meet
	NoDrops    bool           // do not have the kernel say which packets it drops
	Window     time.Duration
	Program    string // "dnatrace 1.0", for the recording

	// Unrecorded is set where nobody keeps the stream: what is of use in a
	// recording alone is then not asked of the kernel.
	Unrecorded bool

	// NoConntrack does without translations as the kernel tracks them.
	NoConntrack bool

	// BlockSize and Blocks are those of every ring, as ring.Config has them; 0
	// leaves each ring its own default.
	BlockSize, Blocks int

	// Engine is asked what it publishes. Nil where there is none: NoEngine
	// then says why.
	Engine   Engine
	NoEngine string
	// Fixed stands in for an engine, with the namespaces of its containers by
	// name: for a lab that has no engine.
	Fixed      *engine.Snapshot
	FixedNetns map[string]string

	// Opener opens what needs privilege. The session does not close it.
	Opener *opener.Opener
}

// Engine is one that can be asked: here, or elsewhere by way of somebody who passes
// on what it says.
type Engine interface {
	Snapshot(context.Context) (*engine.Snapshot, error)
	// SameKernel says why the engine's containers do not run in this kernel; nil if
	// they do.
	SameKernel(*engine.Snapshot) error
	Source() capture.Source
}

// Session is a host being watched. Every source is armed when Open returns.
type Session struct {
	config  Config
	points  capture.Points
	merger  *capture.Merger
	rings   rings
	events  *os.File // conntrack's; nil where there are none. Its source closes it.
	watch   *watch
	dropped dropped
	states  []capture.SourceState // as they were when the session was opened
	before  []capture.Record      // taken while opening
	opened  time.Time
	armed   time.Time
	probe   []netip.Addr // clients that are made up
	haste   haste
}

// Open arms every source. It fails where nothing useful could be watched: no
// packets, or a target that does not exist.
func Open(ctx context.Context, c Config) (*Session, error) {
	giveWay()
	s := &Session{config: c, merger: capture.NewMerger(0), opened: time.Now(), haste: haste{set: hurrying()}}
	snapshot, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	resolved, err := s.resolve(snapshot)
	if err != nil {
		return nil, err
	}
	s.watch = newWatch(s)
	if err := s.openRings(snapshot, &resolved); err != nil {
		s.rings.close()
		return nil, err
	}
	s.openTrace(&resolved)
	if !s.config.NoDrops {
		s.openDrops(&resolved)
	}
	if !s.config.NoConntrack {
		s.openConntrack(&resolved)
	}
	s.watch.start(ctx, snapshot, &resolved)
	s.armed = time.Now()
	return s, nil
}

// resolve finds what the targets stand for. Names need an engine; where there
// is none, why is what the user has to mend.
func (s *Session) resolve(snapshot *engine.Snapshot) (target.Resolved, error) {
	if snapshot == nil && s.config.Everything {
		return target.Resolved{}, nil
	}
	resolved, err := target.ResolveAll(s.config.Targets, snapshot)
	if err != nil && snapshot == nil {
		return resolved, fmt.Errorf("%w (%s)", err, s.why(capture.OriginEngine))
	}
	return resolved, err
}

// why is what was said of a source when the session was opened.
func (s *Session) why(source string) string {
	for _, st := range s.states {
		if st.Name == source {
			return st.Why
		}
	}
	return ""
}

// ask gets the engine's first snapshot, or notes why there is none.
func (s *Session) ask(ctx context.Context) (*engine.Snapshot, error) {
	switch {
	case s.config.Fixed != nil:
		s.state(capture.OriginEngine, capture.SourceOK, "")
		return s.config.Fixed, nil
	case s.config.Engine == nil:
		s.state(capture.OriginEngine, capture.SourceAbsent, s.config.NoEngine)
		return nil, nil
	}
	snapshot, err := s.config.Engine.Snapshot(ctx)
	if err != nil {
		s.state(capture.OriginEngine, capture.SourceFailed, err.Error())
		return nil, nil
	}
	if err := s.config.Engine.SameKernel(snapshot); err != nil {
		return nil, fmt.Errorf("watch the engine's containers: %w", err)
	}
	s.state(capture.OriginEngine, capture.SourceOK, "")
	return snapshot, nil
}

func (s *Session) state(source string, is capture.Condition, why string) {
	s.states = append(s.states, capture.SourceState{Name: source, State: is, Why: why})
}

// Probe has the packets of a probe in the stream, as those of the host's interfaces
// by which they would have left. It is called before Source.
func (s *Session) Probe(p *probe.Probe, clients []netip.Addr) {
	s.probe = clients
	s.merger.Add(capture.OriginPackets+" of the probe", p.Source(s.hostPoint))
}

// hostPoint is the point of an interface of the host that is watched.
func (s *Session) hostPoint(link string) (capture.Point, bool) {
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	for _, p := range s.rings.host.Points() {
		if p.Name == link {
			return p, true
		}
	}
	return capture.Point{}, false
}

// Armed is the time from which on nothing is missed.
func (s *Session) Armed() time.Time { return s.armed }

// Points are the points watched now.
func (s *Session) Points() []capture.Point { return s.rings.points() }

// Sources says what became of each source when the session was opened.
func (s *Session) Sources() []capture.SourceState { return s.states }

// Source is the stream. It can be ranged over once, and ends when ctx does,
// with what was captured until then and a last look at the host.
func (s *Session) Source() capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			n := numbering{}
			if !yield(&capture.Batch{Records: s.opening()}, nil) {
				s.rings.close()
				return
			}
			last := int64(0)
			for b, err := range s.merger.Run(ctx) {
				if err == nil {
					n.renumber(b)
					last = max(last, b.Until)
				}
				if !yield(b, err) {
					return
				}
			}
			yield(&capture.Batch{Records: []capture.Record{s.closing(last)}, Until: time.Now().UnixNano()}, nil)
		}
	}
}

// opening are the records that describe the session.
func (s *Session) opening() []capture.Record {
	var names []string
	for _, t := range s.config.Targets {
		names = append(names, t.Text)
	}
	now := s.opened.UnixNano()
	start := capture.Start{
		Format: recording.Format, Program: s.config.Program, Target: strings.Join(names, " "), Kernel: runningKernel(), Host: hostIdentity(),
		Started: s.armed.UnixNano(), Window: int64(s.config.Window), Origin: "live", Probe: s.probe,
	}
	if f := s.config.Filter; f != nil {
		start.Filter = []string{f.Text}
	}
	out := []capture.Record{meta(now, capture.KindStart, start)}
	for _, st := range s.states {
		out = append(out, meta(now, capture.KindSource, st))
	}
	return out
}

// closing is the record that a session ends with when it ends in order.
func (s *Session) closing(last int64) capture.Record {
	packets, lost := s.rings.stats()
	now := max(last, time.Now().UnixNano())
	return meta(now, capture.KindEnd, capture.End{Ended: now, Packets: packets, Lost: lost})
}

// Stats returns how many packets were captured and lost so far.
func (s *Session) Stats() (packets, lost uint64) { return s.rings.stats() }

// Late is how many packets and records came too late to be put in order, so far.
func (s *Session) Late() uint64 { return s.merger.Late() }

// errNoPackets is why a session without a ring is of no use.
var errNoPackets = errors.New("no packets can be captured")
