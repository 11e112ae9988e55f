package collector

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
)

// longestLine bounds a line: the snapshot of some ten thousand containers.
const longestLine = 64 << 20

// Listen reads what a collector is to do from in, and goes on reading what the
// engine says. The context that it returns ends when the other side says so, goes
// away, or has said nothing for too long.
func Listen(ctx context.Context, in io.Reader) (context.Context, *Request, *Relay, error) {
	lines := bufio.NewReaderSize(in, 64<<10)
	first, err := readLine(lines)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read what to collect: %w", err)
	}
	var r Request
	if err := json.Unmarshal(first, &r); err != nil {
		return nil, nil, nil, fmt.Errorf("read what to collect: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	relay := &Relay{news: make(chan struct{}, 1), known: make(chan struct{})}
	go func() { cancel(relay.run(lines)) }()
	go relay.guard(ctx, cancel)
	return ctx, &r, relay, nil
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := r.ReadSlice('\n')
		all = append(all, part...)
		switch {
		case err == nil:
			return all, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(all) > longestLine:
			return nil, errors.New("a line is too long")
		}
	}
}

// Relay is an engine that somebody else asks, who passes on what it says. It may be
// asked as live asks an engine.
type Relay struct {
	mu     sync.Mutex
	last   *engine.Snapshot
	absent string           // why there is none
	queue  []capture.Record // not handed on yet
	heard  time.Time
	told   bool
	known  chan struct{} // closed once there is a snapshot, or none to come
	news   chan struct{}
}

// errEnded is why a collector ends that was told to.
var errEnded = errors.New("the other side has ended the run")

// run takes in line after line.
func (r *Relay) run(lines *bufio.Reader) error {
	for {
		b, err := readLine(lines)
		if err != nil {
			return errEnded
		}
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("read what the engine says: %w", err)
		}
		r.take(l)
	}
}

func (r *Relay) take(l line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = time.Now()
	rec := capture.Record{Origin: capture.OriginEngine, Kind: l.Kind, Data: l.Data}
	switch l.Kind {
	case capture.KindSnapshot:
		var s engine.Snapshot
		if json.Unmarshal(l.Data, &s) != nil {
			return
		}
		r.last = &s
	case capture.KindEvent:
	case capture.KindSource:
		rec.Origin = capture.OriginMeta
	default:
		if l.Absent == "" {
			return
		}
		r.absent = l.Absent
	}
	if !r.told && (r.last != nil || r.absent != "") {
		r.told = true
		close(r.known)
	}
	if l.Kind == "" {
		return
	}
	r.queue = append(r.queue, rec)
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// guard ends a collector that nobody speaks to any more.
func (r *Relay) guard(ctx context.Context, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	r.heard = time.Now()
	r.mu.Unlock()
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		lost := time.Since(r.heard) > lineLimit
		r.mu.Unlock()
		if lost {
			cancel(errors.New("nothing was heard of the other side for " + lineLimit.String()))
			return
		}
	}
}

// Absent is why there is no engine to ask, once that is known; "" if there is one.
func (r *Relay) Absent(ctx context.Context) string {
	if _, err := r.Snapshot(ctx); err != nil && r.absent != "" {
		return r.absent
	}
	return ""
}

// Snapshot is the last one that was passed on. It waits for the first.
func (r *Relay) Snapshot(ctx context.Context) (*engine.Snapshot, error) {
	select {
	case <-r.known:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		return nil, errors.New(r.absent)
	}
	return r.last, nil
}

// SameKernel is always so: it is the engine that runs the collector.
func (r *Relay) SameKernel(*engine.Snapshot) error { return nil }

// Source is what the engine says, with the time of receipt.
func (r *Relay) Source() capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			pulse := time.NewTimer(capture.ToPulse())
			defer pulse.Stop()
			for ended := false; !ended; {
				select {
				case <-r.news:
				case <-ctx.Done():
					ended = true
				case <-pulse.C:
					pulse.Reset(capture.ToPulse())
				}
				if !yield(r.batch(), nil) {
					return
				}
			}
		}
	}
}

// batch is what came since the last one.
func (r *Relay) batch() *capture.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UnixNano()
	b := &capture.Batch{Records: r.queue, Until: now}
	r.queue = nil
	for i := range b.Records {
		b.Records[i].Time = now
	}
	return b
}
