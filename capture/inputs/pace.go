package inputs

import (
	"context"
	"iter"
	"time"

	"dnatrace/capture"
)

// Bounds of how exactly a paced source keeps time: how long it waits at once, and
// which packets it hands out together.
const (
	paceBeat  = 50 * time.Millisecond
	paceSlice = 20 * time.Millisecond
)

// Paced hands out what a source holds at the pace at which its packets came, or so
// many times faster. While it waits it promises, as a live source does, that
// nothing earlier comes: of packets far out of order that is not true, and those
// count as late.
func Paced(src capture.Source, speed float64) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			p := &pacer{ctx: ctx, speed: speed, yield: yield}
			for b, err := range src(ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !p.hand(b) {
					return
				}
			}
		}
	}
}

// pacer knows which time of the stream it is.
type pacer struct {
	ctx    context.Context
	speed  float64
	yield  func(*capture.Batch, error) bool
	began  time.Time // by the wall clock, when the first packet was due
	origin int64     // its time, Unix ns; 0 before there was one
	until  int64     // what was promised
}

// now is the time of the stream, Unix ns.
func (p *pacer) now() int64 { return p.origin + int64(float64(time.Since(p.began))*p.speed) }

// hand hands out a batch when it is due, in slices of what was captured at about
// the same time. False if nobody asks for more.
func (p *pacer) hand(b *capture.Batch) bool {
	if len(b.Packets) == 0 {
		if len(b.Records) > 0 && p.origin > 0 && !p.wait(b.Records[0].Time) {
			return false
		}
		return p.give(b)
	}
	all, first := b.Packets, b.First
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && all[to].Time-all[from].Time < int64(float64(paceSlice)*p.speed) {
			to++
		}
		if !p.wait(all[from].Time) {
			return false
		}
		slice := capture.Batch{Packets: all[from:to], Arena: b.Arena}
		if first > 0 {
			slice.First = first + uint64(from)
		}
		if to == len(all) {
			slice.Until = b.Until
		}
		if !p.give(&slice) {
			return false
		}
		from = to
	}
	return true
}

func (p *pacer) give(b *capture.Batch) bool {
	p.until = max(p.until, b.Until)
	return p.yield(b, nil)
}

// wait waits for a time of the stream. What came before the first packet is due at
// once.
func (p *pacer) wait(at int64) bool {
	if at <= 0 {
		return true
	}
	if p.origin == 0 {
		p.origin, p.began = at, time.Now()
	}
	for {
		now := p.now()
		if now >= at {
			return p.ctx.Err() == nil
		}
		select {
		case <-p.ctx.Done():
			return false
		case <-time.After(min(paceBeat, time.Duration(float64(at-now)/p.speed))):
		}
		if now = min(p.now(), at); now > p.until && !p.give(&capture.Batch{Until: now}) {
			return false
		}
	}
}
