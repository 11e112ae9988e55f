package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/opener"
	"dnatrace/capture/recording"
	"dnatrace/capture/rules"
)

// Glance says what to look at once.
type Glance struct {
	Netns   string // path of the host's namespace; "": this process's
	Program string // "dnatrace 1.0"

	// Engine is asked what it publishes. Nil where there is none: NoEngine
	// then says why.
	Engine   Engine
	NoEngine string

	// Opener reads what needs privilege. Look does not close it.
	Opener *opener.Opener
}

// Look reads the state of a host once, without capturing a packet: what the
// engine says, and links, addresses, routes, settings, sockets and rules of the
// host and of every container that runs. The records are those that a recording
// has. What cannot be read is said in the state of its source; it fails only for
// an engine whose containers are in another machine.
func Look(ctx context.Context, g Glance) ([]capture.Record, error) {
	l := &look{Glance: g}
	snapshot, err := l.engine(ctx)
	if err != nil {
		return nil, err
	}
	defer l.enter(snapshot)()
	l.samples()
	l.rulesets()
	start := meta(time.Now().UnixNano(), capture.KindStart, capture.Start{
		Format: recording.Format, Program: g.Program, Kernel: runningKernel(), Started: time.Now().UnixNano(), Origin: "live",
	})
	return append([]capture.Record{start}, l.records...), nil
}

// look is one reading under way.
type look struct {
	Glance
	places  []place
	records []capture.Record
}

func (l *look) engine(ctx context.Context) (*engine.Snapshot, error) {
	if l.Engine == nil {
		l.state(capture.OriginEngine, capture.SourceAbsent, l.NoEngine)
		return nil, nil
	}
	s, err := l.Engine.Snapshot(ctx)
	if err != nil {
		l.state(capture.OriginEngine, capture.SourceFailed, err.Error())
		return nil, nil
	}
	if err := l.Engine.SameKernel(s); err != nil && !errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("look at the engine's containers: %w", err)
	}
	l.add(capture.OriginEngine, capture.KindSnapshot, "", s)
	l.state(capture.OriginEngine, capture.SourceOK, "")
	return s, nil
}

// enter finds the namespaces of the host and of the containers, one each, and
// returns what lets them go.
func (l *look) enter(s *engine.Snapshot) (release func()) {
	l.places = []place{{netns: capture.HostNetns, path: l.Netns}}
	var open []*os.File
	release = func() {
		for _, f := range open {
			f.Close()
		}
	}
	if s == nil {
		return release
	}
	seen := map[uint64]bool{}
	if inode, err := l.Opener.Inode(l.Netns); err == nil {
		seen[inode] = true // of containers in host mode
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.PID == 0 {
			continue
		}
		f, inode, err := l.Opener.Netns(c.PID)
		if err != nil {
			continue // it is gone again, or not ours to enter: its state stays unknown
		}
		open = append(open, f)
		if !seen[inode] {
			seen[inode] = true
			l.places = append(l.places, place{inode: inode, netns: c.Name, path: opener.PathOf(f), container: c.ID})
		}
	}
	return release
}

func (l *look) samples() {
	var peers []string
	for _, p := range l.places[1:] {
		peers = append(peers, p.path)
	}
	var failed error
	for i, p := range l.places {
		s, err := l.Opener.Sample(p.path, host.Options{Container: p.container, Peers: peers})
		switch {
		case err == nil:
			l.add(capture.OriginHost, capture.KindSample, p.netns, s)
		case i == 0:
			l.state(capture.OriginHost, capture.SourceFailed, err.Error())
			return
		case failed == nil:
			failed = fmt.Errorf("sample %s: %w", p.netns, err)
		}
	}
	l.settle(capture.OriginHost, failed)
}

func (l *look) rulesets() {
	var history rules.History
	var failed error
	for _, p := range l.places {
		sets, err := l.Opener.Rules(p.path)
		if err == nil {
			var records []capture.Record
			records, err = history.Records(p.netns, time.Now().UnixNano(), "start", sets)
			l.records = append(l.records, records...)
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("read the rules of %s: %w", p.netns, err)
		}
	}
	l.settle(capture.OriginRules, failed)
}

// settle says what became of a source.
func (l *look) settle(source string, err error) {
	if err != nil {
		l.state(source, capture.SourceFailed, err.Error())
		return
	}
	l.state(source, capture.SourceOK, "")
}

func (l *look) state(source string, is capture.Condition, why string) {
	l.records = append(l.records, meta(time.Now().UnixNano(), capture.KindSource, capture.SourceState{Name: source, State: is, Why: why}))
}

func (l *look) add(origin, kind, netns string, content any) {
	l.records = append(l.records, record(time.Now().UnixNano(), origin, kind, netns, content))
}
