package accuse

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"dnatrace/capture"
)

// lateness is how far out of order a shuffled stream is: as far as sources may
// be that are read one after the other.
const lateness = 50 * time.Millisecond

// shuffled puts every packet and every timed record of a stream up to the
// lateness later than it came, each by its own chance, and promises no more
// than that allows. What describes the stream itself stays where it is.
func shuffled(src capture.Source, seed uint64) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			s := &shuffler{rng: rand.New(rand.NewPCG(seed, seed)), yield: yield}
			for b, err := range src(ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !s.take(b) {
					return
				}
			}
			s.release(1<<63 - 1)
		}
	}
}

type shuffler struct {
	rng   *rand.Rand
	yield func(*capture.Batch, error) bool
	held  []card
	now   int64 // Unix ns: latest time that came in
	told  int64 // Unix ns: promised
}

// card is one packet or record and when it is dealt.
type card struct {
	at     int64
	packet capture.Packet
	frame  []byte
	record *capture.Record
}

func (s *shuffler) take(b *capture.Batch) bool {
	for _, p := range b.Packets {
		s.hold(p.Time, card{packet: p, frame: slices.Clone(b.Arena[p.Off : p.Off+p.Len])})
	}
	for _, r := range b.Records {
		if untimed(r) {
			if !s.yield(&capture.Batch{Records: []capture.Record{r}}, nil) {
				return false
			}
			continue
		}
		s.hold(r.Time, card{record: &r})
	}
	if len(s.held) < 64*capture.BatchSize {
		return true
	}
	return s.release(s.now)
}

// untimed tells the records that say something of the stream itself.
func untimed(r capture.Record) bool {
	return r.Origin == capture.OriginMeta && r.Kind != capture.KindEnd || r.Origin == capture.OriginPackets
}

func (s *shuffler) hold(at int64, c card) {
	s.now = max(s.now, at)
	c.at = at + s.rng.Int64N(int64(lateness))
	s.held = append(s.held, c)
}

// release deals what is due.
func (s *shuffler) release(until int64) bool {
	slices.SortStableFunc(s.held, func(a, b card) int { return int(min(max(a.at-b.at, -1), 1)) })
	n := 0
	var b capture.Batch
	for ; n < len(s.held) && s.held[n].at <= until; n++ {
		c := &s.held[n]
		if (c.record != nil) != (len(b.Records) > 0) || len(b.Packets) == capture.BatchSize {
			if !s.deal(&b, c.at) {
				return false
			}
		}
		if c.record != nil {
			b.Records = append(b.Records, *c.record)
			continue
		}
		c.packet.Off = uint32(len(b.Arena))
		b.Arena = append(b.Arena, c.frame...)
		b.Packets = append(b.Packets, c.packet)
	}
	s.held = slices.Delete(s.held, 0, n)
	return s.deal(&b, min(until, s.now))
}

// deal hands a batch out. Whatever comes later is dealt at or after now, so it
// is from the lateness before that at the earliest.
func (s *shuffler) deal(b *capture.Batch, now int64) bool {
	if len(b.Packets) == 0 && len(b.Records) == 0 {
		return true
	}
	if until := now - int64(lateness); until > s.told+int64(lateness)/2 { // each promise has all that is held sorted
		b.Until, s.told = until, until
	}
	ok := s.yield(b, nil)
	*b = capture.Batch{}
	return ok
}
