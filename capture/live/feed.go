package live

import (
	"context"
	"iter"
	"time"

	"dnatrace/capture"
)

// feed is a source of records that are made elsewhere. Their time is when they
// are handed over, so that an idle feed can promise that nothing earlier will
// come.
type feed struct {
	records chan []capture.Record
	done    chan struct{} // closed when no more will be put
}

func newFeed() *feed {
	return &feed{records: make(chan []capture.Record, 64), done: make(chan struct{})}
}

// put hands records over. It blocks while the feed is full.
func (f *feed) put(records []capture.Record) {
	if len(records) > 0 {
		f.records <- records
	}
}

// source ends once done is closed and everything put was handed out; the
// context is the producer's concern.
func (f *feed) source() capture.Source {
	return func(context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			pulse := time.NewTimer(capture.ToPulse())
			defer pulse.Stop()
			for {
				var b capture.Batch
				select {
				case b.Records = <-f.records:
					stamp(b.Records)
				case <-f.done:
					if len(f.records) == 0 {
						return
					}
					continue
				case <-pulse.C:
					pulse.Reset(capture.ToPulse())
				}
				b.Until = time.Now().UnixNano()
				if !yield(&b, nil) {
					f.drain()
					return
				}
			}
		}
	}
}

// drain lets the producer end when nobody reads any more.
func (f *feed) drain() {
	for {
		select {
		case <-f.records:
		case <-f.done:
			return
		}
	}
}
