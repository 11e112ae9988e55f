// Package pipeline runs a stream through the stages: capture's batches are
// decoded on one goroutine and correlated on another. It is the only place
// outside capture with goroutines, and holds no judgement of its own.
package pipeline

import (
	"context"
	"fmt"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// Options say what to judge and whom to tell.
type Options struct {
	// Targets are what to judge requests to; none means what the recording was
	// made for, and all published ports live.
	Targets []string
	Window  time.Duration // zero: the recording's own, else correlate.DefaultWindow
	Keep    int           // incidents listed in the document, the worst; negative: all
	// MaxRequests ends the run after so many judged requests; zero never.
	MaxRequests int
	OnIncident  func(*correlate.Incident) // called for each judgement as soon as it stands; may be nil
	OnStart     func(*correlate.Document) // called once, with what is known at the start; may be nil
	Record      *recording.Writer         // gets everything before it is judged; may be nil
	// Drain, once closed, ends the run as soon as no request is waiting for
	// its judgement. Nil never does.
	Drain <-chan struct{}
}

// item is what the decoding goroutine hands over: packets or events.
type item struct {
	packets *decode.Batch
	events  []decode.Event
	skipped []skip
	until   int64
}

type skip struct {
	origin string
	err    error
}

// Items travel in groups: as many as have come while the judging side was busy,
// at most groupSize. When it waits, it gets the next one at once, so that
// grouping costs no latency; when it does not, a hand-over is paid for once a
// group. Depth bounds the groups under way.
const (
	groupSize = 16
	depth     = 4
)

// Run judges a whole stream. It returns the document with an error of the
// source: what was seen before it stays judged.
func Run(ctx context.Context, src capture.Source, o Options) (*correlate.Document, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := newDecoder(o.Record)
	go d.run(ctx, src)

	j, err := newJudge(o, cancel, d.recycle)
	if err != nil {
		cancel()
		for range d.out { // let the other goroutine end
		}
		return nil, err
	}
	for group := range d.out {
		for _, it := range group {
			j.take(it)
		}
	}
	return j.finish(), d.err
}

// decoder is the reading side: source, recording, decoding.
type decoder struct {
	out    chan []item
	free   chan *decode.Batch
	dec    *decode.Decoder
	record *recording.Writer
	err    error // valid once out is closed
}

func newDecoder(w *recording.Writer) *decoder {
	return &decoder{out: make(chan []item, depth), free: make(chan *decode.Batch, 2*depth*groupSize), dec: decode.NewDecoder(), record: w}
}

func (d *decoder) run(ctx context.Context, src capture.Source) {
	defer close(d.out)
	var group []item
	for b, err := range src(ctx) {
		if err == nil {
			err = d.keep(b)
		}
		if err != nil {
			d.err = err
			break
		}
		group = append(group, d.decode(b))
		if len(group) < groupSize && len(d.out) > 0 {
			continue
		}
		// Not a select with ctx: when ctx ends, the source still delivers what
		// it has, and Run reads to the end.
		d.out <- group
		group = make([]item, 0, groupSize)
	}
	d.out <- group
}

// keep writes a batch to the recording. Flushing at control records and on idle
// batches keeps what a crash can lose small, at no cost under load.
func (d *decoder) keep(b *capture.Batch) error {
	if d.record == nil {
		return nil
	}
	if err := d.record.Write(b); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	if len(b.Packets) < capture.BatchSize {
		if err := d.record.Flush(); err != nil {
			return fmt.Errorf("write recording: %w", err)
		}
	}
	return nil
}

func (d *decoder) decode(b *capture.Batch) item {
	it := item{until: b.Until}
	if len(b.Packets) > 0 {
		it.packets = d.batch()
		d.dec.Packets(b, it.packets)
		return it
	}
	for _, r := range b.Records {
		events, err := decode.Control(r)
		if err != nil {
			it.skipped = append(it.skipped, skip{r.Origin, err})
		}
		for _, e := range events {
			if p, ok := e.(*decode.Point); ok {
				d.dec.Point(p.Point)
			}
		}
		it.events = append(it.events, events...)
	}
	return it
}

func (d *decoder) batch() *decode.Batch {
	select {
	case b := <-d.free:
		return b
	default:
		return &decode.Batch{}
	}
}

// recycle gives a batch back.
func (d *decoder) recycle(b *decode.Batch) {
	select {
	case d.free <- b:
	default:
	}
}
