package correlate

// index finds records of a slab by hash: open addressing with linear probing,
// one 8-byte slot an entry, so that a lookup is one cache line and 256 of them
// can be under way at once. It holds no keys: the caller compares.
type index struct {
	slots []uint64 // hash<<32 | record number + 1; 0 is empty
	mask  uint32
	used  int
}

func newIndex(capacity int) index {
	size := 1024
	for size < capacity*2 {
		size *= 2
	}
	return index{slots: make([]uint64, size), mask: uint32(size - 1)}
}

// first returns the slot where the search for hash begins.
func (x *index) first(hash uint32) uint32 { return hash & x.mask }

// add enters record n under hash. Equal hashes are fine; the caller keeps
// equal keys apart.
func (x *index) add(hash, n uint32) {
	if (x.used+1)*4 > len(x.slots)*3 {
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
	*x = index{slots: make([]uint64, 2*len(old)), mask: uint32(2*len(old) - 1), used: x.used}
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
type slab[T any] struct {
	chunks [][]T
	free   []uint32
	used   uint32 // records ever handed out
}

const slabChunk = 1 << 12

func (s *slab[T]) at(n uint32) *T { return &s.chunks[n/slabChunk][n%slabChunk] }

// get hands out a zeroed record.
func (s *slab[T]) get() uint32 {
	if k := len(s.free); k > 0 {
		n := s.free[k-1]
		s.free = s.free[:k-1]
		return n
	}
	if int(s.used/slabChunk) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, slabChunk))
	}
	s.used++
	return s.used - 1
}

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
