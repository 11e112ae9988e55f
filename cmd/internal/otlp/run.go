package otlp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// counts are what became of what was to be told.
type counts struct{ spans, logs, full, refused, left, failures atomic.Uint64 }

// Counts are what became of what was to be told, so far.
type Counts struct {
	Spans, Logs uint64 // the receiver took
	Full        uint64 // requests that there was no room for
	Refused     uint64 // requests that the receiver would not have
	Left        uint64 // requests that were not sent when the run ended
	Failures    uint64 // tries that failed
	Waiting     int    // requests
}

// Counts tells.
func (e *Exporter) Counts() Counts {
	c := &e.counts
	return Counts{Spans: c.spans.Load(), Logs: c.logs.Load(), Full: c.full.Load(), Refused: c.refused.Load(), Left: c.left.Load(), Failures: c.failures.Load(), Waiting: e.queue.len()}
}

// Run sends what is to be told until ctx ends, and then, for a moment, what is left.
func (e *Exporter) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if items := e.queue.await(ctx); ctx.Err() == nil {
			e.deliver(ctx, items)
		}
	}
	e.finish(context.WithoutCancel(ctx))
	if n := e.queue.len(); n > 0 {
		e.counts.left.Add(uint64(n))
		e.trouble("left", fmt.Sprintf("traces: %d requests were not sent to %s before the end", n, e.endpoint))
	}
	e.queue.halt()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	e.to.close(closing)
}

// finish sends what is left: within a moment, or, where files are read, as long as the
// receiver takes it.
func (e *Exporter) finish(ctx context.Context) {
	end := time.Now().Add(farewell)
	for {
		if e.config.Waits {
			end = time.Now().Add(farewell)
		}
		items, _ := e.queue.head()
		if len(items) == 0 || !e.lastly(ctx, end, items) {
			return
		}
		e.queue.done(len(items))
	}
}

func (e *Exporter) lastly(ctx context.Context, end time.Time, items []*item) bool {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	return e.try(ctx, e.writer.batch(e, items))
}

// deliver sends items until the receiver has them, or ctx ends: they stay in the queue
// then.
func (e *Exporter) deliver(ctx context.Context, items []*item) {
	b := e.writer.batch(e, items)
	for wait := firstWait; !e.try(ctx, b); wait = min(2*wait, mostWait) {
		e.queue.halt()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
	e.queue.done(len(items))
}

// try sends what is not sent yet of a batch, and reports whether that is settled: what
// the receiver would not have is not offered again.
func (e *Exporter) try(ctx context.Context, b *batch) bool {
	if len(b.spans) > 0 {
		if !e.settled(e.to.spans.ExportSpans(ctx, b.spans), b) {
			return false
		}
		e.counts.spans.Add(uint64(len(b.spans)))
		b.spans = nil
	}
	if len(b.logs) > 0 {
		if !e.settled(e.to.logs.Export(ctx, b.logs), b) {
			return false
		}
		e.counts.logs.Add(uint64(len(b.logs)))
		b.logs = nil
	}
	return true
}

// settled takes what came of one sending.
func (e *Exporter) settled(err error, b *batch) bool {
	if err == nil {
		return true
	}
	t := classify(err)
	if t.sort == "" { // the run is over
		return false
	}
	e.counts.failures.Add(1)
	e.trouble(t.sort, fmt.Sprintf("traces: send to %s: %s", e.endpoint, t.words(err)))
	if t.final {
		e.counts.refused.Add(uint64(b.requests))
		b.spans, b.logs = b.spans[:0], b.logs[:0]
	}
	return t.final
}
