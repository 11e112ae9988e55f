package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dnatrace/capture"
)

// lateness is how far out of order a foreign capture may be: tools that write
// several interfaces drain one ring after the other.
const lateness = 100e6 // ns

// framer cuts buffered bytes into packets and records.
type framer interface {
	// scan takes whole blocks from s.win into the batch of s. It returns 0
	// when the batch must be handed out before going on, else the number of
	// bytes the next block needs to be buffered. An error means that nothing
	// after it can be framed.
	scan(s *stream) (need int, err error)
	// lead is how many bytes of a block come before a packet's data.
	lead() int
	// finish adds what remains to be said when there is no more to read.
	finish(s *stream)
}

// stream reads one capture file as batches.
type stream struct {
	win    window
	frames framer
	points *capture.Points // numbers points and rings over all files read together
	info   *File

	store [capture.BatchSize]capture.Packet
	pkts  []capture.Packet // of the batch being built, in store
	recs  []capture.Record
	bytes int // of the data of recs
	batch capture.Batch

	slack int64 // how far behind last a later record may be: 0 for recordings of ours
	near  int64 // latest time believed; noTime before the first
	first int64 // earliest place's time believed; 0 before
	last  int64 // latest time seen
	until int64 // promised
	crowd crowd
	fixed int64 // offset in the file before which nothing can be framed again
	ended bool  // no more to read; what is in recs is the last
}

// next returns the next batch, or io.EOF. Any other error means that nothing
// at all could be read.
func (s *stream) next() (*capture.Batch, error) {
	s.pkts, s.recs, s.bytes = s.store[:0], s.recs[:0], 0
	for !s.ended {
		need, err := s.frames.scan(s)
		if err == nil && need > 0 && !s.full() && s.win.more(need) {
			continue
		}
		more := err == nil && need > 0 && s.win.err == nil || len(s.pkts) == capture.BatchSize
		if n := s.date(more); n < len(s.pkts) {
			if need += s.giveBack(n); n == 0 {
				s.win.more(need)
				continue
			}
		}
		if len(s.pkts) > 0 || len(s.recs) > 0 {
			return s.hand(), nil
		}
		if err := s.end(err); err != nil {
			return nil, err
		}
		return s.hand(), nil
	}
	return nil, io.EOF
}

// full reports whether the batch holds enough to be handed out rather than
// moving the buffer beneath it.
func (s *stream) full() bool { return len(s.pkts) > 0 || len(s.recs) > 0 }

// slot adds a packet to the batch, in place: every field of it is to be set, or
// it keeps that of a batch before.
func (s *stream) slot() *capture.Packet {
	n := len(s.pkts)
	s.pkts = s.pkts[:n+1]
	return &s.pkts[n]
}

func (s *stream) hand() *capture.Batch {
	s.batch = capture.Batch{Packets: s.pkts, Records: s.recs}
	if n := len(s.pkts); n > 0 {
		s.batch.Arena = s.win.buf[:s.win.start]
		s.batch.First = s.info.Packets + 1
		s.info.Packets += uint64(n)
	}
	s.info.Records += uint64(len(s.recs))
	s.promise()
	s.batch.Until = s.until
	return &s.batch
}

// promise moves until.
func (s *stream) promise() {
	switch {
	case s.ended:
		s.until = max(s.until, s.last)
	case s.last > s.until+s.slack:
		s.until = s.last - s.slack
	}
	s.until = max(s.until, s.crowd.behind(s.info.Packets, s.last))
}

// record adds a record of our own making or from the file.
func (s *stream) record(r capture.Record) {
	s.recs = append(s.recs, r)
	s.bytes += len(r.Data)
}

// meta adds a record whose data is v in JSON.
func (s *stream) meta(time int64, origin, kind string, v any) {
	data, err := json.Marshal(v)
	if err != nil { // only types of package capture come here
		panic(err)
	}
	s.record(capture.Record{Time: time, Origin: origin, Kind: kind, Data: data})
}

// end says what stopped the reading, if it was not the end of the file. It
// returns an error iff nothing was read before.
func (s *stream) end(cause error) error {
	s.ended = true
	why := s.stopped(cause)
	if cause == nil && s.win.err != io.EOF && s.win.err != io.ErrUnexpectedEOF {
		cause = s.win.err
	}
	if cause != nil && s.info.Packets == 0 && s.info.Records == 0 {
		return fmt.Errorf("read %s: %w", s.info.Name, cause)
	}
	s.frames.finish(s)
	if why != "" {
		s.damage(s.win.offset(), why, 0)
	}
	if n := s.info.Malformed; n > 0 {
		s.damage(s.info.malformedAt, fmt.Sprintf("%d blocks of %s contradict themselves, the first at byte %d", n, s.info.Name, s.info.malformedAt), n)
	}
	if n := s.info.Untimed; n > 0 {
		s.damage(0, fmt.Sprintf("%d packets of %s carry no time", n, s.info.Name), n)
	}
	if n := s.info.Misdated; n > 0 {
		s.damage(0, fmt.Sprintf("%d times in %s are far off those before and after, which are taken instead", n, s.info.Name), n)
	}
	return nil
}

func (s *stream) stopped(cause error) string {
	at := s.win.offset()
	left := len(s.win.rest())
	switch {
	case s.isInterrupted():
		return s.interruptedAt()
	case cause != nil:
		return fmt.Sprintf("%s cannot be read beyond byte %d: %v", s.info.Name, at, cause)
	case errors.Is(s.win.err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("%s ends in the middle of its compressed data, after byte %d of what it unpacks to", s.info.Name, at)
	case s.win.err != io.EOF:
		return fmt.Sprintf("%s cannot be read beyond byte %d: %v", s.info.Name, at+int64(left), s.win.err)
	case left > 0:
		return fmt.Sprintf("%s ends in the middle of a block, at byte %d", s.info.Name, at+int64(left))
	}
	return ""
}

func (s *stream) damage(at int64, why string, n uint64) {
	s.info.Damage = append(s.info.Damage, why)
	s.meta(s.last, capture.OriginMeta, capture.KindDamage, capture.Damage{File: s.info.Name, Offset: at, Why: why, Count: n})
}

// malformed counts a block at offset at that is framed well and nonsense within.
func (s *stream) malformed(at int64) {
	if s.info.Malformed == 0 {
		s.info.malformedAt = at
	}
	s.info.Malformed++
}
