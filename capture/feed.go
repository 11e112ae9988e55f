package capture

import (
	"context"
	"encoding/json"
	"math"
	"sync"
	"time"
)

// feed is one source of a Merger: a goroutine that copies its batches, and what
// of it waits to be merged.
type feed struct {
	name   string
	seq    int
	source Source
	room   chan struct{} // one for each batch it may still hold
	spare  spares        // what it may copy into

	// The rest belongs to the merging goroutine.
	queue    []*buffer
	pos      int // in queue[0]
	until    int64
	promises bool
	spoke    bool      // there was news of it
	heard    time.Time // when last; until it spoke, when it was added
	ended    bool
}

// Bounds of what a feed holds: batches, and bytes of an arena worth keeping.
const (
	feedBatches = 128
	keepArena   = 64 << 10
)

// silence is how long a source that promises is waited for.
const silence = time.Second

func newFeed(name string, seq int, s Source) *feed {
	f := &feed{name: name, seq: seq, source: s, room: make(chan struct{}, feedBatches)}
	for range feedBatches {
		f.room <- struct{}{}
	}
	return f
}

// message is news of a feed: a batch, a promise, or its end.
type message struct {
	feed  *feed
	batch *buffer
	until int64
	ended bool
	err   error
}

// pump reads the source until it ends, or until nobody takes messages any more.
func (f *feed) pump(ctx context.Context, out chan<- message, stop <-chan struct{}) {
	end := message{feed: f, ended: true}
	for b, err := range f.source(ctx) {
		if err != nil {
			end.err = err
			break
		}
		m, ok := f.message(b, stop)
		if !ok || !m.send(out, stop) {
			return
		}
	}
	end.send(out, stop)
}

func (f *feed) message(b *Batch, stop <-chan struct{}) (message, bool) {
	m := message{feed: f, until: b.Until}
	if len(b.Packets) == 0 && len(b.Records) == 0 {
		return m, true
	}
	select {
	case <-f.room:
	case <-stop:
		return m, false
	}
	m.batch = f.spare.pop()
	m.batch.append(b.Packets, b.Arena)
	m.batch.appendRecords(b.Records)
	return m, true
}

func (m message) send(out chan<- message, stop <-chan struct{}) bool {
	select {
	case out <- m:
		return true
	case <-stop:
		return false
	}
}

// arrive takes news in.
func (m message) arrive(now time.Time) {
	f := m.feed
	f.heard, f.spoke = now, true
	f.promises = f.promises || m.until != 0
	f.until = max(f.until, m.until)
	f.ended = f.ended || m.ended
	if m.err != nil {
		m.batch = &buffer{records: []Record{failure(f.name, m.err, now)}}
	}
	if m.batch != nil {
		f.queue = append(f.queue, m.batch)
	}
}

// failure is the record of a source that failed.
func failure(name string, err error, now time.Time) Record {
	data, merr := json.Marshal(SourceState{Name: name, State: SourceFailed, Why: err.Error()})
	if merr != nil {
		panic(merr) // strings only
	}
	return Record{Time: now.UnixNano(), Origin: OriginMeta, Kind: KindSource, Data: data}
}

// head is the time of the first item queued.
func (f *feed) head() int64 { return f.queue[0].time(f.pos) }

// before reports whether f's head goes before g's, which ranks before f.
func (f *feed) before(g *feed) bool {
	if f.head() != g.head() {
		return f.head() < g.head()
	}
	return len(f.queue[0].records) > 0 && len(g.queue[0].records) == 0
}

// allows returns the time up to which f lets first go on, both with something
// queued.
func (f *feed) allows(first *feed) int64 {
	if first.head() == f.head() {
		return f.head() + 1 // first won the tie
	}
	return f.head()
}

// horizon is the time before which a feed with nothing queued will have nothing
// more to say.
func (f *feed) horizon(now time.Time, lateness time.Duration) int64 {
	switch {
	case f.ended:
		return math.MaxInt64
	case f.promises && now.Sub(f.heard) < silence, !f.spoke && now.Sub(f.heard) < lateness:
		return f.until
	}
	return max(f.until, now.Add(-lateness).UnixNano())
}

// run finds the items of the first batch that are before limit, at least one:
// b's from, up to to. They stay queued until advance.
func (f *feed) run(limit int64) (b *buffer, from, to int) {
	b, from = f.queue[0], f.pos
	n := b.len()
	for to = from + 1; to < n && b.time(to) < limit; to++ {
	}
	return b, from, to
}

// advance takes the items up to to off the queue. Their batch is to be given to
// recycle once they are used.
func (f *feed) advance(to int) {
	if f.pos = to; to == f.queue[0].len() {
		f.queue, f.pos = f.queue[1:], 0
	}
}

// recycle lets b be filled again, if nothing of it is queued any more.
func (f *feed) recycle(b *buffer) {
	if len(f.queue) > 0 && f.queue[0] == b {
		return
	}
	if b.reset(); cap(b.arena) <= keepArena {
		f.spare.push(b)
	}
	select {
	case f.room <- struct{}{}:
	default: // a failure's, for which there was no need of any
	}
}

// spares are buffers to be filled again. What was used last comes first: it is
// still in the cache, and only as many are ever made as were in use at once.
type spares struct {
	mu  sync.Mutex
	all []*buffer
}

func (s *spares) push(b *buffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, b)
}

// pop makes one where there is none.
func (s *spares) pop() *buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.all)
	if n == 0 {
		return new(buffer)
	}
	b := s.all[n-1]
	s.all = s.all[:n-1]
	return b
}

// buffer is a copy of a batch, its arena without gaps.
type buffer struct {
	packets []Packet
	arena   []byte
	records []Record
}

func (b *buffer) reset() {
	b.packets, b.arena = b.packets[:0], b.arena[:0]
	clear(b.records)
	b.records = b.records[:0]
}

func (b *buffer) append(packets []Packet, arena []byte) {
	if b.arena == nil { // the next batch is of the same size
		size := 0
		for _, p := range packets {
			size += int(p.Len)
		}
		b.packets, b.arena = make([]Packet, 0, len(packets)), make([]byte, 0, size)
	}
	for _, p := range packets {
		frame := arena[p.Off : p.Off+p.Len]
		p.Off = uint32(len(b.arena))
		b.arena = append(b.arena, frame...)
		b.packets = append(b.packets, p)
	}
}

func (b *buffer) appendRecords(records []Record) {
	for _, r := range records {
		r.Data = append([]byte(nil), r.Data...)
		b.records = append(b.records, r)
	}
}

func (b *buffer) len() int { return len(b.packets) + len(b.records) }

func (b *buffer) time(i int) int64 {
	if len(b.records) > 0 {
		return b.records[i].Time
	}
	return b.packets[i].Time
}
