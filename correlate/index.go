package correlate

import "unsafe"

// index finds records of a slab by hash: open addressing with linear probing,
// one 8-byte slot an entry, so that a lookup is one cache line and 256 of them
// can be under way at once. It holds no keys: the caller compares.
type index struct {
	slots  []uint64 // hash<<32 | record number + 1; 0 is empty
	mask   uint32
	used   int
	advise func([]byte)
}

func newIndex(advise func([]byte)) index {
	const first = 1024
	return index{slots: make([]uint64, first), mask: first - 1, advise: advise}
}

// first returns the slot where the search for hash begins.
func (x *index) first(hash uint32) uint32 { return hash & x.mask }

// add enters record n under hash. Equal hashes are fine; the caller keeps
// equal keys apart.
func (x *index) add(hash, n uint32) {
	if (x.used+1)*8 > len(x.slots)*5 { // in fuller ones, searches cross into the next line
		x.grow()
	}
	x.used++
	x.put(uint64(hash)<<32 | uint64(n+1))
}

func (x *index) put(entry uint64) {
	i := uint32(entry>>32) & x.mask
	for x.slots[i] != 0 {
		i = (i + 1) & x.mask
	}
	x.slots[i] = entry
}

func (x *index) grow() {
	old := x.slots
	x.slots, x.mask = spread[uint64](2*len(old), x.advise), uint32(2*len(old)-1)
	for _, e := range old {
		if e != 0 {
			x.put(e)
		}
	}
}

// remove takes record n out from under hash, if it is there. Later entries of
// the probe sequence move up, so that no tombstones slow the search.
func (x *index) remove(hash, n uint32) {
	want := uint64(hash)<<32 | uint64(n+1)
	i := hash & x.mask
	for x.slots[i] != want {
		if x.slots[i] == 0 {
			return
		}
		i = (i + 1) & x.mask
	}
	x.used--
	for j := i; ; {
		j = (j + 1) & x.mask
		e := x.slots[j]
		if e == 0 {
			break
		}
		home := uint32(e>>32) & x.mask
		if (j-home)&x.mask >= (j-i)&x.mask {
			x.slots[i] = e
			i = j
		}
	}
	x.slots[i] = 0
}

// slab keeps pointer-free records in chunks: growing copies nothing, and the
// garbage collector has nothing to look at.
type slab[T uint64 | leg | extraSightings | reqRecord] struct {
	chunks [][]T
	free   []uint32
	used   uint32 // records ever handed out
	advise func([]byte)
}

const (
	slabChunk = 1 << 12
	// many is how many bytes are made at once when there are as many already:
	// large pages fit into what is several times their size.
	many = 4 << 20
)

// spread makes memory that is read at random, and has that be told if there is
// enough of it to matter.
func spread[T uint64 | leg | extraSightings | reqRecord](n int, advise func([]byte)) []T {
	s := make([]T, n)
	if size := n * int(unsafe.Sizeof(s[0])); advise != nil && size >= many/2 {
		advise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size))
	}
	return s
}

// grow adds a chunk, or as many as fit into many bytes where the slab is large.
func (s *slab[T]) grow() {
	var record T
	n, size := 1, slabChunk*int(unsafe.Sizeof(record))
	if len(s.chunks)*size >= many {
		n = max(1, many/size)
	}
	all := spread[T](n*slabChunk, s.advise)
	for range n {
		s.chunks, all = append(s.chunks, all[:slabChunk:slabChunk]), all[slabChunk:]
	}
}

func (s *slab[T]) at(n uint32) *T { return &s.chunks[n/slabChunk][n%slabChunk] }

// get hands out a zeroed record.
func (s *slab[T]) get() uint32 {
	if k := len(s.free); k > 0 {
		n := s.free[k-1]
		s.free = s.free[:k-1]
		return n
	}
	if int(s.used/slabChunk) == len(s.chunks) {
		s.grow()
	}
	s.used++
	return s.used - 1
}

// next are the records that are handed out next, of n as many as are known.
func (s *slab[T]) next(n int) []uint32 { return s.free[max(0, len(s.free)-n):] }

// put takes a record back and zeroes it.
func (s *slab[T]) put(n uint32) {
	var zero T
	*s.at(n) = zero
	s.free = append(s.free, n)
}

// live is the number of records handed out and not taken back.
func (s *slab[T]) live() int { return int(s.used) - len(s.free) }

// queue is a first-in, first-out queue of pointer-free values, in chunks: it
// takes the memory of what is in it, however much that was before. Deadlines with
// one and the same delay need no heap.
type queue[T any] struct {
	chunks [][]T // all of queueChunk values
	spare  []T   // a chunk that is not in use; nil if there is none
	head   int   // place of the first value in the first chunk
	size   int
}

const queueChunk = 1 << 10

func (q *queue[T]) push(v T) {
	i := q.head + q.size
	if i == len(q.chunks)*queueChunk {
		if q.spare == nil {
			q.spare = make([]T, queueChunk)
		}
		q.chunks, q.spare = append(q.chunks, q.spare), nil
	}
	q.chunks[i/queueChunk][i%queueChunk] = v
	q.size++
}

func (q *queue[T]) empty() bool { return q.size == 0 }

// front is valid iff the queue is not empty.
func (q *queue[T]) front() *T { return &q.chunks[0][q.head] }

// peek is the i-th from the front; i < size.
func (q *queue[T]) peek(i int) *T {
	i += q.head
	return &q.chunks[i/queueChunk][i%queueChunk]
}

func (q *queue[T]) pop() T {
	v := q.chunks[0][q.head]
	q.head++
	q.size--
	if q.head == queueChunk {
		q.head, q.spare, q.chunks = 0, q.chunks[0], q.chunks[1:]
	}
	return v
}

// keep lets go of the values that are not wanted any more.
func (q *queue[T]) keep(wanted func(*T) bool) {
	for range q.size {
		if v := q.pop(); wanted(&v) {
			q.push(v)
		}
	}
}
