package otlp

import (
	"context"
	"sync"
	"time"

	"dnatrace/correlate"
	"dnatrace/decode"
)

// Bounds of the queue, and of what is sent at once.
const (
	mostItems   = 4096
	mostBytes   = 12 << 20 // by estimate
	batchItems  = 64
	batchBytes  = 1 << 20
	forFailures = 4 // a quarter of the queue is theirs alone
)

// item is what is told of a request at once.
type item struct {
	incident  *correlate.Incident
	parent    *decode.Traceparent
	recording string // where it is; "" for a judgement
	revised   bool
	was       correlate.Verdict // if revised
	size      int
}

// weigh is about how many bytes an item takes.
func (it *item) weigh() int {
	i, n := it.incident, 1024+len(it.recording)
	for _, list := range [][]string{i.Blind, i.Notes, i.Fix, i.Between} {
		for _, s := range list {
			n += 16 + len(s)
		}
	}
	for k := range i.Evidence {
		n += 64 + len(i.Evidence[k].Text)
	}
	for k := range i.Hops {
		n += 160 + len(i.Hops[k].Detail)
	}
	if i.Rule != nil {
		n += 128 + len(i.Rule.Text)
	}
	return n + len(i.Why)
}

// queue keeps what is to be told until it was.
type queue struct {
	mu      sync.Mutex
	items   []*item
	bytes   int
	stuck   bool          // the receiver takes nothing at the moment
	news    chan struct{} // something was put
	room    chan struct{} // something was taken, or it is stuck
	arrived time.Time     // of the first that waits
}

func newQueue() *queue {
	return &queue{news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put takes an item, and reports whether there was room. Where it may wait, it does
// as long as the receiver takes anything.
func (q *queue) put(it *item, wait bool) bool {
	for {
		q.mu.Lock()
		most := mostItems
		if !failed(it.incident.Verdict) {
			most -= mostItems / forFailures
		}
		if len(q.items) < most && q.bytes+it.size <= mostBytes {
			if len(q.items) == 0 {
				q.arrived = time.Now()
			}
			q.items, q.bytes = append(q.items, it), q.bytes+it.size
			q.mu.Unlock()
			nudge(q.news)
			return true
		}
		stuck := q.stuck
		q.mu.Unlock()
		if !wait || stuck {
			return false
		}
		<-q.room
	}
}

// head are the first items, as many as are sent at once, and whether they are due.
func (q *queue) head() (items []*item, due bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for size := 0; n < len(q.items) && n < batchItems && (n == 0 || size+q.items[n].size <= batchBytes); n++ {
		size += q.items[n].size
	}
	return q.items[:n:n], n > 0 && (n < len(q.items) || n == batchItems || time.Since(q.arrived) >= gather)
}

// done takes the first items out.
func (q *queue) done(n int) {
	q.mu.Lock()
	for k, it := range q.items[:n] {
		q.bytes -= it.size
		q.items[k] = nil
	}
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil
	}
	q.arrived, q.stuck = time.Now(), false
	q.mu.Unlock()
	nudge(q.room)
}

// halt says that the receiver takes nothing: who waits for room need not.
func (q *queue) halt() {
	q.mu.Lock()
	q.stuck = true
	q.mu.Unlock()
	nudge(q.room)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// await waits until something is due, or ctx ends.
func (q *queue) await(ctx context.Context) []*item {
	t := time.NewTicker(max(gather/4, time.Millisecond))
	defer t.Stop()
	for {
		items, due := q.head()
		if due || ctx.Err() != nil {
			return items
		}
		if len(items) == 0 { // nothing to look after
			select {
			case <-q.news:
			case <-ctx.Done():
			}
			continue
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}
