package capture

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultLateness is how long the Merger waits for a source that promises
// nothing.
const DefaultLateness = 100 * time.Millisecond

// Merger makes one stream, in order of time, of live sources that come and go.
//
// A record is passed on when no source can have anything earlier to say: by
// what each promised in Batch.Until, and for a source that never promises, by
// the wall clock less the lateness; one just added is waited for that long to
// say anything at all. A source that has promised but is then not
// heard of for a second is treated as if it had not, so that none stalls the
// rest. What comes too late all the same is passed on at once, with its own
// time, and counted; only then do times decrease from one batch to a later one,
// and only then is a promise of the merged stream broken.
//
// At equal times records come before packets, then sources go by name and by
// when they were added: the order does not depend on which came first.
//
// Each source is read by a goroutine of its own, which copies its batches. It
// holds a bounded number of them; a consumer that is too slow makes sources
// wait, and rings count what they lose meanwhile.
type Merger struct {
	lateness time.Duration
	late     atomic.Uint64

	mu    sync.Mutex
	added []*feed // not yet started
	feeds int
	kick  chan struct{} // something was added
}

// NewMerger returns a Merger without sources; a lateness of 0 is
// DefaultLateness. The lateness bounds from below how long after its time
// anything is passed on while there is a source that promises nothing.
func NewMerger(lateness time.Duration) *Merger {
	if lateness <= 0 {
		lateness = DefaultLateness
	}
	return &Merger{lateness: lateness, kick: make(chan struct{}, 1)}
}

// Add adds a source, before Run or while it goes on; after its end it does
// nothing. The name is that of a failed source's SourceState. It is safe for
// concurrent use.
func (m *Merger) Add(name string, s Source) {
	m.mu.Lock()
	m.added = append(m.added, newFeed(name, m.feeds, s))
	m.feeds++
	m.mu.Unlock()
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Late returns how many packets and records came too late to be put in order.
// It is safe for concurrent use.
func (m *Merger) Late() uint64 { return m.late.Load() }

// Run merges until no source is left: when ctx ends, sources end
// themselves, and what they still hand out is passed on. Frame numbers count
// from 1. It yields no errors: a source that fails ends, and leaves a record of
// KindSource saying why. A batch is valid until the next one is asked for.
// Run is itself a Source, to be ranged over once.
func (m *Merger) Run(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		r := &merge{Merger: m, ctx: ctx, yield: yield, in: make(chan message, 16), stop: make(chan struct{}), looked: time.Now()}
		defer r.pumps.Wait()
		defer close(r.stop)
		defer cancel()
		r.run()
	}
}

// merge is one run of a Merger.
type merge struct {
	*Merger
	ctx   context.Context
	yield func(*Batch, error) bool
	feeds []*feed // by rank
	in    chan message
	stop  chan struct{} // nobody takes messages any more
	pumps sync.WaitGroup

	looked time.Time // when emit last began
	busy   []*feed   // those of feeds with something queued, when emit began
	bound  int64     // Unix ns: up to which the others let them go

	batch  Batch  // as yielded
	mixed  buffer // short runs of several sources, put together
	frames uint64
	last   int64 // Unix ns: latest time passed on
	until  int64 // Unix ns: promised
}

func (r *merge) run() {
	for r.adopt() {
		r.receive()
		if !r.emit(time.Now()) {
			return
		}
	}
}

// adopt starts the sources that were added and forgets those that are through.
// It reports whether any is left.
func (r *merge) adopt() bool {
	r.mu.Lock()
	added := r.added
	r.added = nil
	r.mu.Unlock()
	for _, f := range added {
		f.heard = time.Now()
		r.feeds = append(r.feeds, f)
		r.pumps.Go(func() { f.pump(r.ctx, r.in, r.stop) })
	}
	r.feeds = slices.DeleteFunc(r.feeds, func(f *feed) bool { return f.ended && len(f.queue) == 0 })
	if len(added) > 0 {
		slices.SortFunc(r.feeds, func(a, b *feed) int { return cmp.Or(cmp.Compare(a.name, b.name), a.seq-b.seq) })
	}
	return len(r.feeds) > 0
}

// tick is how often a quiet stream looks at the clock.
const tick = 20 * time.Millisecond

// receive waits for news, or for the time when something held back may go, and
// takes all the news there is.
func (r *merge) receive() {
	timer := time.NewTimer(r.patience())
	defer timer.Stop()
	select {
	case m := <-r.in:
		m.arrive(time.Now())
	case <-r.kick:
	case <-timer.C:
	}
	for {
		select {
		case m := <-r.in:
			m.arrive(time.Now())
		default:
			return
		}
	}
}

// patience is how long to wait for news: until the wall clock lets the earliest
// of what is held back go.
func (r *merge) patience() time.Duration {
	wait := tick
	for _, f := range r.feeds {
		if len(f.queue) > 0 {
			due := time.Until(time.Unix(0, f.head()).Add(r.lateness))
			wait = max(min(wait, due), time.Millisecond)
		}
	}
	return wait
}

// emit passes on all that may go. It reports whether the consumer wants more.
func (r *merge) emit(now time.Time) bool {
	r.resume(now)
	r.divide(now)
	for {
		f, limit := r.earliest()
		if f == nil {
			break
		}
		if !r.take(f, limit, now) {
			return false
		}
		if len(f.queue) == 0 {
			r.busy = slices.DeleteFunc(r.busy, func(g *feed) bool { return g == f })
			r.bound = min(r.bound, f.horizon(now, r.lateness))
		}
	}
	return r.flush(now) && r.promise(now)
}

// resume makes up for a stop, of this process or of the consumer: that no source
// was heard of meanwhile is not their silence.
func (r *merge) resume(now time.Time) {
	if stop := now.Sub(r.looked); stop > DefaultLateness {
		for _, f := range r.feeds {
			if f.heard = f.heard.Add(stop); f.heard.After(now) {
				f.heard = now
			}
		}
	}
	r.looked = now
}

// divide tells feeds with something queued from those that may only have to be
// waited for: of the many there are, one or two have packets that alternate.
func (r *merge) divide(now time.Time) {
	r.busy, r.bound = r.busy[:0], math.MaxInt64
	for _, f := range r.feeds {
		if len(f.queue) > 0 {
			r.busy = append(r.busy, f)
		} else {
			r.bound = min(r.bound, f.horizon(now, r.lateness))
		}
	}
}

// earliest returns the source whose turn it is, and the time up to which it may
// go on, exclusive; nil if all have to wait.
func (r *merge) earliest() (*feed, int64) {
	var first *feed
	for _, f := range r.busy {
		if first == nil || f.before(first) {
			first = f
		}
	}
	if first == nil {
		return nil, 0
	}
	limit := r.bound
	for _, f := range r.busy {
		if f != first {
			limit = min(limit, f.allows(first))
		}
	}
	if first.head() >= limit {
		return nil, 0
	}
	return first, limit
}

// take passes on the beginning of f's queue, up to limit and within one batch.
func (r *merge) take(f *feed, limit int64, now time.Time) bool {
	b, from, to := f.run(limit)
	r.note(b, from, to)
	if len(b.records) == 0 && to-from < worthwhile {
		r.mixed.append(b.packets[from:to], b.arena)
		f.advance(to)
		f.recycle(b)
		room := len(r.mixed.packets)+worthwhile <= BatchSize && len(r.mixed.arena) < keepArena
		return room || r.flush(now)
	}
	if !r.flush(now) { // while the run is still queued, for the promise
		return false
	}
	f.advance(to)
	if len(b.records) > 0 {
		r.batch = Batch{Records: b.records[from:to], Until: r.promised(now)}
	} else {
		r.batch = Batch{Packets: b.packets[from:to], Arena: b.arena, First: r.number(to - from), Until: r.promised(now)}
	}
	ok := r.yield(&r.batch, nil)
	f.recycle(b)
	return ok
}

// worthwhile is how long a run must be to go out by itself: shorter ones are
// copied together, since handling a batch costs more than copying a few frames.
const worthwhile = 32

// note keeps the latest time, and counts what is earlier.
func (r *merge) note(b *buffer, from, to int) {
	for i := from; i < to; i++ {
		if t := b.time(i); t < r.last {
			r.late.Add(1)
		} else {
			r.last = t
		}
	}
}

// flush passes on what was put together.
func (r *merge) flush(now time.Time) bool {
	n := len(r.mixed.packets)
	if n == 0 {
		return true
	}
	r.batch = Batch{Packets: r.mixed.packets, Arena: r.mixed.arena, First: r.number(n), Until: r.promised(now)}
	ok := r.yield(&r.batch, nil)
	r.mixed.reset()
	return ok
}

func (r *merge) number(n int) uint64 {
	r.frames += uint64(n)
	return r.frames - uint64(n) + 1
}

// promise moves a quiet stream on.
func (r *merge) promise(now time.Time) bool {
	const often = int64(10 * time.Millisecond)
	before := r.until
	if r.promised(now) < before+often {
		r.until = before
		return true
	}
	r.batch = Batch{Until: r.until}
	return r.yield(&r.batch, nil)
}

// promised returns the time that nothing later passed on will be before, unless
// it is late.
func (r *merge) promised(now time.Time) int64 {
	low := r.bound
	for _, f := range r.busy {
		if len(f.queue) > 0 {
			low = min(low, f.head())
		} else {
			low = min(low, f.horizon(now, r.lateness))
		}
	}
	if low == math.MaxInt64 {
		low = r.last
	}
	r.until = max(r.until, low)
	return r.until
}
