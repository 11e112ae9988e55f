package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"sync"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"

	"github.com/docker/docker/api/types/events"
)

const (
	// settleFor lets the events of one docker command arrive before the
	// snapshot they cause.
	settleFor = 50 * time.Millisecond
	// snapshotEvery bounds what a crash-looping container costs the engine.
	snapshotEvery = 250 * time.Millisecond
	// lastSnapshot bounds the snapshot taken at the end.
	lastSnapshot = 2 * time.Second
	// firstRetry and lastRetry bound the wait before a broken stream is opened
	// again; it doubles in between.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 3 * time.Second
)

// Source reports what the engine intends and every change of it: first a
// snapshot, then each event and, shortly after, a snapshot of what came of it,
// and one more when ctx ends. Records carry the time of receipt. A broken
// stream is said once in a KindSource record, opened again, and said to be ok
// with the next snapshot. The source never ends in an error.
func (e *Engine) Source() capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			w := &watch{engine: e, opened: make(chan stream), taken: make(chan taken)}
			w.run(ctx, yield)
		}
	}
}

// watch is one iteration of a Source.
type watch struct {
	engine *Engine
	now    int64 // Unix ns of the last promise; never goes back

	stream stream
	opened chan stream // a stream that was asked for
	taken  chan taken  // a snapshot that was asked for
	tasks  sync.WaitGroup

	opening, taking bool
	since           int64     // Unix ns: events up to here have been received
	retryAt         time.Time // when to open the stream again
	retryIn         time.Duration
	dueAt           time.Time // when to take the next snapshot; zero if none is due
	tookAt          time.Time

	state   capture.Condition // last state reported
	pending []capture.Record
}

// stream is an open stream of events.
type stream struct {
	messages <-chan events.Message
	errs     <-chan error
	stop     context.CancelFunc
}

// close ends the stream and waits for the client to let go of it.
func (s stream) close() {
	if s.stop == nil {
		return
	}
	s.stop()
	for range s.errs {
	}
}

type taken struct {
	snapshot *engine.Snapshot
	err      error
}

func (w *watch) run(ctx context.Context, yield func(*capture.Batch, error) bool) {
	tasks, cancel := context.WithCancel(ctx)
	defer w.release(cancel)
	w.advance()
	w.since = w.now
	pulse := time.NewTimer(capture.ToPulse())
	defer pulse.Stop()
	for {
		w.start(tasks, time.Now())
		select {
		case <-ctx.Done():
			w.last(ctx)
			w.flush(yield)
			return
		case s := <-w.opened:
			w.opening, w.stream, w.dueAt = false, s, time.Now()
		case m := <-w.stream.messages:
			w.event(m)
		case err := <-w.stream.errs:
			if ctx.Err() == nil { // the end of ctx breaks it too, and is no failure
				w.broken(err)
			}
		case t := <-w.taken:
			if t.err == nil || ctx.Err() == nil {
				w.snapshot(t)
			}
		case <-pulse.C:
			pulse.Reset(capture.ToPulse())
		}
		if !w.flush(yield) {
			return
		}
	}
}

// start begins what is due: opening the stream, taking a snapshot.
func (w *watch) start(ctx context.Context, now time.Time) {
	if w.stream.stop == nil && !w.opening && !now.Before(w.retryAt) {
		w.opening = true
		w.tasks.Go(func() { w.open(ctx) })
	}
	if !w.dueAt.IsZero() && !w.taking && !now.Before(w.dueAt) && now.Sub(w.tookAt) >= snapshotEvery {
		w.taking, w.dueAt, w.tookAt = true, time.Time{}, now
		w.tasks.Go(func() { w.take(ctx) })
	}
}

// open asks for events since the last one received, so that nothing is missed
// while the stream was down.
func (w *watch) open(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	s := stream{stop: stop}
	since := strconv.FormatInt(w.since/1e9, 10) + "." + fmt.Sprintf("%09d", w.since%1e9)
	s.messages, s.errs = w.engine.cli.Events(ctx, events.ListOptions{Since: since, Filters: eventFilter()})
	select {
	case w.opened <- s:
	case <-ctx.Done():
		s.close()
	}
}

func (w *watch) take(ctx context.Context) {
	s, err := w.engine.Snapshot(ctx)
	select {
	case w.taken <- taken{s, err}:
	case <-ctx.Done():
	}
}

func (w *watch) event(m events.Message) {
	ev, ok := fromMessage(m)
	if !ok {
		return
	}
	w.advance()
	w.since = max(w.since, m.TimeNano+1)
	w.add(capture.OriginEngine, capture.KindEvent, ev)
	if w.dueAt.IsZero() {
		w.dueAt = time.Now().Add(settleFor)
	}
}

// broken reports the end of the stream and plans another.
func (w *watch) broken(err error) {
	w.stream.close()
	w.stream = stream{}
	w.engine.forget()
	w.retryIn = min(max(2*w.retryIn, firstRetry), lastRetry)
	w.retryAt = time.Now().Add(w.retryIn)
	w.dueAt = time.Time{}
	if err == nil || errors.Is(err, io.EOF) {
		err = errors.New("the engine closed the connection")
	}
	w.report(capture.SourceFailed, fmt.Sprintf("read engine events: %v", err))
}

func (w *watch) snapshot(t taken) {
	w.taking = false
	if t.err != nil {
		w.report(capture.SourceFailed, fmt.Sprintf("take engine snapshot: %v", t.err))
		if w.stream.stop != nil { // otherwise the next stream brings one
			w.dueAt = time.Now().Add(firstRetry)
		}
		return
	}
	w.advance()
	w.add(capture.OriginEngine, capture.KindSnapshot, t.snapshot)
	if w.stream.stop != nil {
		w.retryIn = 0
		w.report(capture.SourceOK, "")
	}
}

// last takes the final snapshot, which may outlive ctx a little.
func (w *watch) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSnapshot)
	defer cancel()
	s, err := w.engine.Snapshot(ctx)
	w.advance()
	if err != nil {
		w.report(capture.SourceFailed, fmt.Sprintf("take last engine snapshot: %v", err))
		return
	}
	w.add(capture.OriginEngine, capture.KindSnapshot, s)
}

// report says what state the source is in, if that is new.
func (w *watch) report(is capture.Condition, why string) {
	if is == w.state {
		return
	}
	w.state = is
	w.advance()
	w.add(capture.OriginMeta, capture.KindSource, capture.SourceState{Name: capture.OriginEngine, State: is, Why: why})
}

// add stamps a record with the present.
func (w *watch) add(origin, kind string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		return // none of these types can fail
	}
	w.pending = append(w.pending, capture.Record{Time: w.now, Origin: origin, Kind: kind, Data: data})
}

// advance moves the present on; a clock that was set back holds it.
func (w *watch) advance() { w.now = max(w.now, time.Now().UnixNano()) }

// flush hands over what there is, and the promise that the past is complete.
func (w *watch) flush(yield func(*capture.Batch, error) bool) bool {
	w.advance()
	b := &capture.Batch{Records: w.pending, Until: w.now}
	w.pending = nil
	return yield(b, nil)
}

// release ends the tasks and waits for them.
func (w *watch) release(cancel context.CancelFunc) {
	cancel()
	w.stream.close()
	w.tasks.Wait()
}
