package correlate

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	sys "golang.org/x/sys/unix"

	"dnatrace/capture/recording"
	"dnatrace/decode"
)

// BenchmarkAlternatives compares ways to build the packet path that were tried
// with the one that was chosen: what docs/BENCHMARKS.md decides on. Each reads
// the same capture (make one with fixtures/gen and name it in DNATRACE_BENCH)
// and is timed from decoded packets on.
//
// Those that begin with "tracker" do everything a Tracker does. Those that begin
// with "legs" keep the table of legs and nothing else.
func BenchmarkAlternatives(b *testing.B) {
	path := os.Getenv("DNATRACE_BENCH")
	if path == "" {
		b.Skip("set DNATRACE_BENCH to a capture: go run ./fixtures/gen -preset b -o bench/b.pcapng")
	}
	for _, a := range []struct {
		name string
		make func() taker
	}{
		{"tracker, lookups begun by the batch", func() taker { return batched{Tracker: New(Config{Keep: 1})} }},
		{"tracker, one lookup after the other", func() taker { return oneByOne{batched{Tracker: New(Config{Keep: 1})}} }},
		{"legs, own index, by the batch", func() taker { return newLegTable(true) }},
		{"legs, own index, one by one", func() taker { return newLegTable(false) }},
		{"legs, Go map of numbers", func() taker { return newMapTable() }},
		{"legs, Go map of pointers", func() taker { return newPointerTable() }},
		{"legs, own index, two shards by hash, barriers", func() taker { return newSharded() }},
		{"tracker, two by client, never joined", func() taker { return newByClient() }},
	} {
		b.Run(a.name, func(b *testing.B) { measure(b, path, a.make) })
	}
}

// taker is a way to take decoded packets. It keeps nothing of a batch.
type taker interface {
	point(*decode.Point)
	take(*decode.Batch)
	finish()
	waited() time.Duration // CPU time of other threads that the caller waited for
}

// alone is a taker that starts no goroutine.
type alone struct{}

func (alone) waited() time.Duration { return 0 }

// measure feeds a capture to a taker, and times the taker alone: by the wall
// clock, and by the CPU time on its longest way, which is what the wall clock
// would show if nobody else used the machine.
func measure(b *testing.B, path string, make func() taker) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var wall, cpu time.Duration
	var packets, batches int
	var heap uint64
	timed := func(f func()) {
		began, used := time.Now(), threadTime()
		f()
		wall += time.Since(began)
		cpu += threadTime() - used
	}
	for b.Loop() {
		k := make()
		eachBatch(b, path, k.point, func(batch *decode.Batch) {
			timed(func() { k.take(batch) })
			packets += len(batch.Packets)
			if batches++; batches%2048 == 0 {
				heap = max(heap, heapInUse())
			}
		})
		timed(k.finish)
		cpu += k.waited()
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(packets), "cpu-ns/packet")
	b.ReportMetric(float64(wall.Nanoseconds())/float64(packets), "ns/packet")
	b.ReportMetric(float64(heap)/(1<<20), "MiB")
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var ts sys.Timespec
	if err := sys.ClockGettime(sys.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// eachBatch decodes a capture batch by batch.
func eachBatch(b *testing.B, path string, point func(*decode.Point), take func(*decode.Batch)) {
	source, _, err := recording.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	d, batch := decode.NewDecoder(), &decode.Batch{}
	for src, err := range source(context.Background()) {
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range src.Records {
			events, err := decode.Control(r)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range events {
				if p, ok := e.(*decode.Point); ok {
					d.Point(p.Point)
					point(p)
				}
			}
		}
		if len(src.Packets) > 0 {
			d.Packets(src, batch)
			take(batch)
		}
	}
}

// batched is what was chosen.
type batched struct {
	alone
	*Tracker
}

func (t batched) point(p *decode.Point) { t.Event(p) }
func (t batched) take(bt *decode.Batch) { t.Packets(bt) }
func (t batched) finish()               { t.Finish() }

// oneByOne begins each lookup when the packet before it is done with.
type oneByOne struct{ batched }

func (t oneByOne) take(bt *decode.Batch) {
	for i := range bt.Packets {
		p := &bt.Packets[i]
		t.packet(p, hashTuple(&p.Tuple, t.points[p.Point].space, t.legs.seed), bt.Quotes)
	}
}

// closing lets legs of closed connections go as long after the close as a
// Tracker does.
type closing[K any] struct{ queue[closed[K]] }

type closed[K any] struct {
	at  int64
	key K
}

func (c *closing[K]) add(p *decode.Packet, key K) { c.push(closed[K]{p.Time + int64(linger), key}) }

// due calls forget for each that has lingered long enough.
func (c *closing[K]) due(now int64, forget func(K)) {
	for !c.empty() && c.front().at < now {
		forget(c.pop().key)
	}
}

// closes reports whether p is what legs of the generated captures end with: the
// acknowledgement of the second FIN.
func closes(g *leg, p *decode.Packet) bool {
	var fins [2]bool
	for i := range g.seen[:g.n] {
		fins[g.seen[i].way] = fins[g.seen[i].way] || g.seen[i].flags&decode.FIN != 0
	}
	return fins[0] && fins[1] && p.Flags&decode.FIN == 0
}

// legTable is a table of legs with the own index.
type legTable struct {
	alone
	legs
	batched bool
	hashes  []uint32
	ended   closing[uint32]
	warm    uint64
}

func newLegTable(batched bool) *legTable {
	return &legTable{legs: legs{index: newIndex(nil), seed: 1}, batched: batched}
}

func (*legTable) point(*decode.Point) {}
func (*legTable) finish()             {}

func (t *legTable) take(bt *decode.Batch) {
	t.hashes = t.hashes[:0]
	for i := range bt.Packets {
		h := hashTuple(&bt.Packets[i].Tuple, 0, t.seed)
		if !t.batched {
			t.enter(&bt.Packets[i], h)
			continue
		}
		t.hashes = append(t.hashes, h)
	}
	if !t.batched {
		return
	}
	t.touch(t.hashes)
	for i, h := range t.hashes {
		t.enter(&bt.Packets[i], h)
	}
}

// touch reads the memory that the lookups will need.
func (t *legTable) touch(hashes []uint32) {
	var slots [1 << 12]uint32
	for i, h := range hashes {
		slots[i] = uint32(t.index.slots[t.index.first(h)])
	}
	for _, n := range slots[:len(hashes)] {
		if n != 0 {
			g := t.slab.at(n - 1)
			t.warm += uint64(g.req) + uint64(g.seen[1].first) + uint64(g.seen[3].count)
		}
	}
}

func (t *legTable) enter(p *decode.Packet, h uint32) {
	t.ended.due(p.Time, t.release)
	n, w, found := t.find(h, &p.Tuple, 0)
	if !found {
		n = t.open(h, p.Tuple, 0)
	}
	g := t.slab.at(n)
	s, isNew := t.sighting(g, p.Point, w)
	g.update(s, p, isNew)
	if closes(g, p) && isFirstClose(g) {
		t.ended.add(p, n)
	}
}

// isFirstClose marks a leg as closed, once.
func isFirstClose(g *leg) bool {
	first := g.flags&legAnswered == 0
	g.flags |= legAnswered
	return first
}

// canonical is a tuple with its ends in order, for a map that knows nothing of
// directions.
func canonical(t *decode.Tuple) (decode.Tuple, way) {
	if r := t.Reverse(); less(&r, t) {
		return r, reply
	}
	return *t, request
}

func less(a, b *decode.Tuple) bool {
	for i := range a.Src {
		if a.Src[i] != b.Src[i] {
			return a.Src[i] < b.Src[i]
		}
	}
	return a.SrcPort < b.SrcPort
}

// mapTable finds the number of a leg in a Go map.
type mapTable struct {
	alone
	legs
	numbers map[decode.Tuple]uint32
	ended   closing[uint32]
}

func newMapTable() *mapTable { return &mapTable{numbers: map[decode.Tuple]uint32{}} }

func (*mapTable) point(*decode.Point) {}
func (*mapTable) finish()             {}

func (t *mapTable) take(bt *decode.Batch) {
	for i := range bt.Packets {
		p := &bt.Packets[i]
		t.ended.due(p.Time, t.forget)
		key, w := canonical(&p.Tuple)
		n, found := t.numbers[key]
		if !found {
			n = t.slab.get()
			t.slab.at(n).tuple = key
			t.numbers[key] = n
		}
		g := t.slab.at(n)
		s, isNew := t.sighting(g, p.Point, w)
		g.update(s, p, isNew)
		if closes(g, p) && isFirstClose(g) {
			t.ended.add(p, n)
		}
	}
}

func (t *mapTable) forget(n uint32) {
	delete(t.numbers, t.slab.at(n).tuple)
	t.slab.put(n)
}

// pointerTable keeps each leg as an object of its own.
type pointerTable struct {
	alone
	legs
	all   map[decode.Tuple]*leg
	ended closing[*leg]
}

func newPointerTable() *pointerTable { return &pointerTable{all: map[decode.Tuple]*leg{}} }

func (*pointerTable) point(*decode.Point) {}
func (*pointerTable) finish()             {}

func (t *pointerTable) take(bt *decode.Batch) {
	for i := range bt.Packets {
		p := &bt.Packets[i]
		t.ended.due(p.Time, func(g *leg) { delete(t.all, g.tuple) })
		key, w := canonical(&p.Tuple)
		g := t.all[key]
		if g == nil {
			g = &leg{tuple: key}
			t.all[key] = g
		}
		s, isNew := t.sighting(g, p.Point, w)
		g.update(s, p, isNew)
		if closes(g, p) && isFirstClose(g) {
			t.ended.add(p, g)
		}
	}
}

// chunk is how many packets are handed to two goroutines at once: many enough
// that waiting for each other costs little, few enough to stay in the cache.
const chunk = 1 << 12

// gathered holds packets until there are enough for a chunk.
type gathered struct{ decode.Batch }

// add copies a batch, and reports whether the chunk is full.
func (g *gathered) add(bt *decode.Batch) bool {
	g.Packets = append(g.Packets, bt.Packets...)
	return len(g.Packets) >= chunk
}

// pair is two goroutines that wait for each other.
type pair struct{ late time.Duration }

// both runs f on each of them and waits: a barrier.
func (p *pair) both(f func(shard int)) {
	var other time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began := threadTime()
		f(1)
		other = threadTime() - began
	})
	began := threadTime()
	f(0)
	own := threadTime() - began
	wg.Wait()
	p.late += max(0, other-own)
}

func (p *pair) waited() time.Duration { return p.late }

// sharded is two tables of legs, by hash. Of each chunk the goroutines hash one
// half each, wait for each other, and enter the packets of their own table. The
// turning points of requests, which see legs of both, would follow on one of
// them; here there are none.
type sharded struct {
	pair
	tables [2]*legTable
	hashes [2 * chunk]uint32
	chunk  gathered
}

func newSharded() *sharded {
	return &sharded{tables: [2]*legTable{newLegTable(true), newLegTable(true)}}
}

func (*sharded) point(*decode.Point) {}

func (t *sharded) take(bt *decode.Batch) {
	if t.chunk.add(bt) {
		t.finish()
	}
}

func (t *sharded) finish() {
	ps := t.chunk.Packets
	t.both(func(shard int) {
		half := len(ps) / 2
		for i := shard * half; i < half+shard*(len(ps)-half); i++ {
			t.hashes[i] = hashTuple(&ps[i].Tuple, 0, 1)
		}
	})
	t.both(func(shard int) { t.tables[shard].takeShare(ps, t.hashes[:len(ps)], uint32(shard)) })
	t.chunk.Packets = ps[:0]
}

// takeShare enters the packets of one shard.
func (t *legTable) takeShare(ps []decode.Packet, hashes []uint32, shard uint32) {
	var mine [256]int
	for i := 0; i < len(ps); {
		n := 0
		t.hashes = t.hashes[:0]
		for ; i < len(ps) && n < len(mine); i++ {
			if hashes[i]>>31 == shard {
				mine[n] = i
				t.hashes = append(t.hashes, hashes[i])
				n++
			}
		}
		t.touch(t.hashes)
		for k, h := range t.hashes {
			t.enter(&ps[mine[k]], h)
		}
	}
}

// byClient is two whole Trackers that share nothing: as fast as two cores can
// be. Legs that have the client's address on neither end, such as those of a
// proxy, of masquerade and of quoted packets, would be missed.
type byClient struct {
	pair
	trackers [2]*Tracker
	shares   [2]decode.Batch
	count    int
}

func newByClient() *byClient {
	return &byClient{trackers: [2]*Tracker{New(Config{Keep: 1}), New(Config{Keep: 1})}}
}

func (t *byClient) point(p *decode.Point) {
	for _, one := range t.trackers {
		one.Event(p)
	}
}

func (t *byClient) take(bt *decode.Batch) {
	for i := range bt.Packets {
		p := &bt.Packets[i]
		client := p.SrcPort
		if client == 8080 || client == 80 {
			client = p.DstPort
		}
		share := &t.shares[client&1]
		share.Packets = append(share.Packets, *p)
	}
	if t.count += len(bt.Packets); t.count >= chunk {
		t.flush()
	}
}

func (t *byClient) flush() {
	t.both(func(shard int) { t.trackers[shard].Packets(&t.shares[shard]) })
	for i := range t.shares {
		t.shares[i].Packets = t.shares[i].Packets[:0]
	}
	t.count = 0
}

func (t *byClient) finish() {
	t.flush()
	t.both(func(shard int) { t.trackers[shard].Finish() })
}
