// Package pipeline runs a stream through the stages: capture's batches are
// decoded on one goroutine and judged on another. It is the only place outside
// capture with goroutines, and holds no judgement of its own.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode"
)

// Options say what to judge, whom to tell, and when to end.
type Options struct {
	judge.Options
	MaxRequests int      // ends the run after so many judged requests; zero never
	Record      Recorder // gets everything before it is judged; may be nil
	// OnTrouble is told once that Record can no longer be written to, and the run
	// goes on without it. Nil has it end the run. It is called on the reading side.
	OnTrouble func(error)
	// Drain, once closed, ends the run as soon as no request is waiting for
	// its judgement. Nil never does.
	Drain <-chan struct{}
	// OnStatus is told now and then how far the run has come, as long as anything
	// comes; a live source says every moment that nothing did. May be nil.
	OnStatus func(correlate.Status)
	// OnTime is told the time of the stream, after what is due by then was told,
	// and may ask how far the run has come. May be nil.
	OnTime func(now time.Time, status func() correlate.Status)
}

// Recorder keeps a stream: a recording, or several that take turns.
type Recorder interface {
	Write(*capture.Batch) error
	Flush() error
	Packets() uint64 // written so far
	Close() error
}

// ErrEnough is what a Recorder says that takes no more: nothing is wrong.
var ErrEnough = errors.New("all that is to be recorded was")

// statusEvery is the least time between two calls of OnStatus.
const statusEvery = 200 * time.Millisecond

// Items travel in groups: as many as have come while the judging side was busy,
// at most groupSize. When it waits, it gets the next one at once, so that
// grouping costs no latency; when it does not, a hand-over is paid for once a
// group. Depth bounds the groups under way, groupBytes what a few large records
// make of them.
const (
	groupSize  = 16
	groupBytes = 1 << 20
	depth      = 4
	spares     = 256 // batches kept to be used again: as many as are released at once, where they had to wait for others
)

// Run judges a whole stream. It returns the document with an error of the
// source: what was seen before it stays judged. A target that names nothing is an
// error without a document.
func Run(ctx context.Context, src capture.Source, o Options) (*correlate.Document, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &decoder{out: make(chan []judge.Item, depth), free: make(chan *decode.Batch, spares), reader: judge.NewReader(), record: o.Record, trouble: o.OnTrouble}
	j, err := judge.New(o.counting(cancel), d.recycle)
	if err != nil {
		return nil, err
	}
	go d.run(ctx, src)
	said := time.Now()
	for group := range d.out {
		for _, it := range group {
			j.Take(it)
			if o.OnTime != nil {
				o.OnTime(j.Now(), j.Status)
			}
		}
		if o.OnStatus != nil && time.Since(said) >= statusEvery {
			said = time.Now()
			o.OnStatus(j.Status())
		}
		if closed(o.Drain) && j.Pending() == 0 {
			cancel()
		}
	}
	document := j.Finish()
	if err := j.Unknown(); err != nil && d.err == nil {
		return nil, err
	}
	return document, d.err
}

// counting ends the run when enough requests were judged.
func (o *Options) counting(cancel func()) judge.Options {
	tell, most := o.OnIncident, o.MaxRequests
	if most == 0 {
		return o.Options
	}
	counted := o.Options
	seen := map[string]bool{}
	counted.OnIncident = func(i *correlate.Incident) {
		if tell != nil {
			tell(i)
		}
		if seen[i.ID] = true; len(seen) >= most {
			cancel()
		}
	}
	return counted
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// decoder is the reading side: source, recording, decoding.
type decoder struct {
	out     chan []judge.Item
	free    chan *decode.Batch
	reader  *judge.Reader
	record  Recorder
	trouble func(error)
	err     error // valid once out is closed
}

func (d *decoder) run(ctx context.Context, src capture.Source) {
	defer close(d.out)
	var group []judge.Item
	var said int // bytes of the records in group
	for b, err := range src(ctx) {
		if err == nil {
			err = d.keep(b)
		}
		if err != nil {
			d.err = err
			break
		}
		group = append(group, d.reader.Decode(b, d.spare(b)))
		for i := range b.Records {
			said += len(b.Records[i].Data)
		}
		if len(group) < groupSize && said < groupBytes && len(d.out) > 0 {
			continue
		}
		// Not a select with ctx: when ctx ends, the source still delivers what
		// it has, and Run reads to the end.
		d.out <- group
		group, said = make([]judge.Item, 0, groupSize), 0
	}
	d.out <- group
}

// keep writes a batch to the recording. Flushing whenever the stream pauses
// keeps what a crash can lose small, at no cost under load.
func (d *decoder) keep(b *capture.Batch) error {
	if d.record == nil {
		return nil
	}
	err := write(d.record, b)
	if err == nil || d.trouble == nil {
		return err
	}
	d.record = nil
	d.trouble(err)
	return nil
}

func write(w Recorder, b *capture.Batch) error {
	if err := w.Write(b); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	if len(b.Packets) < capture.BatchSize {
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write recording: %w", err)
		}
	}
	return nil
}

// spare is what the packets of b are decoded into.
func (d *decoder) spare(b *capture.Batch) *decode.Batch {
	if len(b.Packets) == 0 {
		return nil
	}
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
