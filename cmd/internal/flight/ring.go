package flight

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
)

// Bounds of a Ring.
type Bounds struct {
	Age   time.Duration // of the stream's time
	Bytes int64         // on the disk, all together
}

// segments is how many files a Ring is kept in, and smallSegment the least size of one.
const (
	segments     = 16
	smallSegment = 128 << 10
)

// LeastBytes is the least that a Ring can be bounded to: a few files, each with the
// state at its head.
const LeastBytes = 1 << 20

// Ring keeps the last of a stream, in files without a name: when this process is
// gone, however it ends, they are. One goroutine writes to it; others may hold what
// is in it.
type Ring struct {
	bounds  Bounds
	dir     string
	options recording.Options
	trouble func(error)
	leaving func(oldest int64)

	mu     sync.Mutex
	state  state
	all    []*segment // oldest first; the last one is written to
	let    int64      // bytes of segments that were let go of and are held by others
	frames uint64     // packets of the stream so far
	broken int64      // Unix ns: since when it cannot be written; 0: it can
	told   bool
}

// segment is one file of a Ring.
type segment struct {
	file  *os.File
	part  *part
	first uint64 // frame number of the first packet in it
	from  int64  // Unix ns
	to    int64
	size  int64 // bytes that are in the file
	users int   // the ring, and those who hold it
	left  bool  // the ring has let go of it
}

// leastSegments is how many segments a Ring keeps however much others hold.
const leastSegments = 2

// NewRing makes a ring of files in a directory. Trouble is told the first time
// that one cannot be written; it is tried again every ten seconds. Before what is
// older than a time (Unix ns) is let go of, leaving is told; it may be nil.
func NewRing(b Bounds, dir string, o recording.Options, trouble func(error), leaving func(oldest int64)) *Ring {
	return &Ring{bounds: b, dir: dir, options: o, trouble: trouble, leaving: leaving}
}

// Write adds a batch. It does not fail: what cannot be kept is told as trouble.
func (r *Ring) Write(b *capture.Batch) {
	from, to, ok := span(b)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.write(b, from, to); err != nil {
		r.fail(from, err)
	}
	r.state.take(b.Records)
	r.frames += uint64(len(b.Packets))
}

func span(b *capture.Batch) (from, to int64, ok bool) {
	switch {
	case len(b.Packets) > 0:
		return b.Packets[0].Time, b.Packets[len(b.Packets)-1].Time, true
	case len(b.Records) > 0:
		return b.Records[0].Time, b.Records[len(b.Records)-1].Time, true
	}
	return 0, 0, false
}

func (r *Ring) write(b *capture.Batch, from, to int64) error {
	if r.broken != 0 && from-r.broken < retry {
		return nil
	}
	last := r.last()
	if last == nil || last.part.w.Size() > max(r.segmentSize(), 2*last.part.least) || from-last.from > int64(r.bounds.Age)/segments {
		if err := r.next(from); err != nil {
			return err
		}
		last = r.last()
	}
	if last.from == 0 {
		last.from = from
	}
	last.to = max(last.to, to)
	return last.part.write(b)
}

func (r *Ring) segmentSize() int64 { return max(r.bounds.Bytes/segments, smallSegment) }

// last is the segment that is written to; nil if there is none.
func (r *Ring) last() *segment {
	if len(r.all) == 0 || r.broken != 0 {
		return nil
	}
	return r.all[len(r.all)-1]
}

// next begins a segment, after having made room for it.
func (r *Ring) next(at int64) error {
	r.evict(at)
	if err := spacious(r.dir, r.segmentSize()); err != nil {
		return err
	}
	if last := r.last(); last != nil {
		if err := last.part.w.Flush(); err != nil {
			return err
		}
		last.size = last.part.w.Size()
	}
	file, err := nameless(r.dir)
	if err != nil {
		return err
	}
	s := &segment{file: file, first: r.frames + 1, users: 1}
	if r.state.start != nil {
		s.from = at
	}
	if s.part, err = newPart(file, r.options, &r.state, at); err != nil {
		file.Close()
		return err
	}
	r.all, r.broken = append(r.all, s), 0
	return nil
}

// nameless opens a file that nobody else can, and that takes no room once it is
// closed.
func nameless(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, ".dnatrace-keep-*")
	if err != nil {
		return nil, fmt.Errorf("keep packets: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, fmt.Errorf("keep packets: %w", err)
	}
	return file, nil
}

// evict lets go of what is too old, or too much with another segment.
func (r *Ring) evict(at int64) {
	total := r.segmentSize() + r.let
	for _, s := range r.all {
		total += s.part.w.Size()
	}
	for len(r.all) > leastSegments {
		s := r.all[0]
		if total <= r.bounds.Bytes && at-s.to <= int64(r.bounds.Age) {
			return
		}
		if r.leaving != nil {
			r.mu.Unlock() // it may want to hold what is there
			r.leaving(s.to)
			r.mu.Lock()
		}
		r.all = r.all[1:]
		if s.users > 1 {
			s.left = true
			r.let += s.part.w.Size() // and stays on the disk
		} else {
			total -= s.part.w.Size()
		}
		r.release(s)
	}
}

func (r *Ring) release(s *segment) {
	s.users--
	if s.users > 0 {
		return
	}
	s.file.Close()
	if s.left {
		r.let = max(0, r.let-s.part.w.Size())
	}
}

// fail notes that nothing can be written for now. What is there stays readable.
func (r *Ring) fail(at int64, err error) {
	if last := r.last(); last != nil {
		last.size = last.part.w.Size()
		if st, err := last.file.Stat(); err == nil {
			last.size = min(last.size, st.Size())
		}
	}
	r.broken = max(at, 1)
	if !r.told {
		r.told = true
		r.trouble(err)
	}
}

// Close lets go of everything that nobody holds.
func (r *Ring) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.all {
		r.release(s)
	}
	r.all = nil
}

// Held is part of a ring, for as long as it is not released.
type Held struct {
	ring     *Ring
	segments []stretch
	From     int64 // Unix ns: what was before is not in it
	to       int64
}

// stretch is what was in a segment when it was held.
type stretch struct {
	*segment
	bytes  int64
	points []uint16 // their numbers in the stream, by those in the file
}

// Hold keeps what there is from a time on (Unix ns), until it is released. False
// if that is not kept any more.
func (r *Ring) Hold(from int64) (*Held, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &Held{ring: r}
	if last := r.last(); last != nil {
		if err := last.part.w.Flush(); err != nil {
			r.fail(last.to, err)
		} else {
			last.size = last.part.w.Size()
		}
	}
	for i, s := range r.all {
		if i < len(r.all)-1 && s.to < from {
			continue // the next one begins with what held
		}
		s.users++
		h.segments = append(h.segments, stretch{s, s.size, s.part.streams()})
		h.to = max(h.to, s.to)
	}
	if len(h.segments) == 0 {
		return nil, false
	}
	h.From = h.segments[0].from
	return h, true
}

// Release lets go of it. It may be called once.
func (h *Held) Release() {
	h.ring.mu.Lock()
	defer h.ring.mu.Unlock()
	for _, s := range h.segments {
		h.ring.release(s.segment)
	}
}

// Source is the stream of what is held: with the frame numbers that packets had,
// and an end.
func (h *Held) Source() capture.Source { return h.about(0, 1<<63-1) }

// about is Source with the packets of a while alone, by and large: passing over the
// others costs little.
func (h *Held) about(from, to int64) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			packets, points := uint64(0), map[uint16]uint16{}
			for i, s := range h.segments {
				for b, err := range s.read(ctx, i == 0) {
					if err == nil {
						s.renumber(b, points)
					}
					if err == nil {
						packets += uint64(len(b.Packets))
						b.Records = slices.DeleteFunc(b.Records, func(r capture.Record) bool { return isSaying(&r) && (r.Time < from || r.Time > to) })
						if first, last, any := span(b); !any || len(b.Packets) > 0 && (last < from || first > to) {
							continue
						}
					}
					if !yield(b, err) || err != nil {
						return
					}
				}
			}
			yield(&capture.Batch{Records: []capture.Record{end(h.to, packets, 0)}, Until: h.to}, nil)
		}
	}
}

// isSaying reports whether a record tells of packets, and not of what holds.
func isSaying(r *capture.Record) bool {
	return r.Origin == capture.OriginConntrack && r.Kind == capture.KindEvent || r.Origin == capture.OriginRuleTrace || r.Origin == capture.OriginDrops
}

// renumber numbers the points of a batch as the whole of what is held has them:
// points are their numbers there, by those in the stream.
func (s *stretch) renumber(b *capture.Batch, points map[uint16]uint16) {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Origin != capture.OriginPackets || r.Kind != capture.KindPoint {
			continue
		}
		var p capture.Point
		if json.Unmarshal(r.Data, &p) != nil || int(p.ID) >= len(s.points) {
			continue
		}
		id, known := points[s.points[p.ID]]
		if !known {
			id = uint16(len(points))
			points[s.points[p.ID]] = id
		}
		r.Data = numbered(p, id, r.Data)
	}
	for i := range b.Packets {
		if p := &b.Packets[i]; int(p.Point) < len(s.points) {
			p.Point = points[s.points[p.Point]]
		}
	}
}

// read yields the stretch, with its head if it comes first.
func (s *stretch) read(ctx context.Context, first bool) iter.Seq2[*capture.Batch, error] {
	return func(yield func(*capture.Batch, error) bool) {
		src, _, err := recording.OpenReader(io.NewSectionReader(s.file, 0, s.bytes), "what is kept")
		if err != nil {
			yield(nil, fmt.Errorf("read what is kept: %w", err))
			return
		}
		skip := s.part.head
		if first {
			skip = 0
		}
		for b, err := range src(ctx) {
			if err != nil {
				yield(nil, fmt.Errorf("read what is kept: %w", err))
				return
			}
			out := *b
			out.Records = slices.DeleteFunc(slices.Clone(b.Records), s.isEnd)
			if len(out.Packets) > 0 {
				out.First += s.first - 1
			}
			if n := min(skip, len(out.Records)); n > 0 {
				out.Records = out.Records[n:]
				skip -= n
			}
			if len(out.Packets)+len(out.Records) > 0 && !yield(&out, nil) {
				return
			}
		}
	}
}

// isEnd reports whether a record says that the file ends here: it does for those
// who hold it, and not for the stream.
func (s *stretch) isEnd(r capture.Record) bool {
	var d capture.Damage
	return r.Origin == capture.OriginMeta && r.Kind == capture.KindDamage && json.Unmarshal(r.Data, &d) == nil && d.Offset >= s.bytes
}

// Beside has a ring get what a recorder gets. The recorder may be nil; that it
// fails is told once, and the ring goes on.
func (r *Ring) Beside(next pipeline.Recorder, trouble func(error)) pipeline.Recorder {
	return &beside{ring: r, next: next, trouble: trouble}
}

type beside struct {
	ring    *Ring
	next    pipeline.Recorder
	trouble func(error)
	packets uint64
}

func (b *beside) Write(batch *capture.Batch) error {
	b.ring.Write(batch)
	b.packets += uint64(len(batch.Packets))
	return b.passOn(func(n pipeline.Recorder) error { return n.Write(batch) })
}

func (b *beside) Flush() error { return b.passOn(pipeline.Recorder.Flush) }
func (b *beside) Close() error { return b.passOn(pipeline.Recorder.Close) }

func (b *beside) passOn(do func(pipeline.Recorder) error) error {
	if b.next == nil {
		return nil
	}
	err := do(b.next)
	if err != nil && b.trouble != nil {
		b.next = nil
		b.trouble(err)
		return nil
	}
	return err
}

func (b *beside) Packets() uint64 { return b.packets }
