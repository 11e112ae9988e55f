package recording

import "math"

// Times in files can be nonsense: of a clock not yet set, with a bit flipped, or
// where a tool had none to write. Believed, one from the year 2500 would make
// every request before it overdue and every packet after it late. So a time that
// leaps is held against those that follow: a leap stands if the next one is
// nearer to it than to what was before. Else the packet is taken to be as old as
// the one before it, and counted.

const (
	apart  = 3600e9           // ns: less is no leap
	absurd = 30 * 24 * 3600e9 // ns: more, with nothing after it, is not believed
	never  = 7258118400e9     // Unix ns: the year 2200. Nothing was captured then
	noTime = -1 << 62         // far off every other

	untimed = math.MinInt64 // the time of a packet until it gets that of the one before it
)

// crowdSize bounds how many packets are held back, at most, by those who put
// the stream in order: a capture whose times stand still promises something too.
const crowdSize = 128 << 10

func dated(t int64) bool { return t >= 0 && t < never }

func distance(a, b int64) int64 { return max(a, b) - min(a, b) }

// date decides which times of the batch are believed and replaces the others. It
// returns how many packets it has decided on: all, unless more can be read that
// would tell.
func (s *stream) date(more bool) int {
	for i := range s.pkts {
		p := &s.pkts[i]
		if uint64(p.Time-s.near+apart) > 2*apart {
			if more && i+2 >= len(s.pkts) && s.canGiveBack(i) {
				return i
			}
			p.Time = s.weigh(p.Time, s.timeOf(i+1), s.timeOf(i+2))
		} else {
			s.near = p.Time
		}
		if p.Time > s.last {
			s.last = p.Time
		} else if p.Time < s.until {
			s.info.Late++
		}
	}
	if s.info.Format == FormatOwn {
		s.dateRecords()
	}
	return len(s.pkts)
}

// dateRecords is date for records of ours. Those that are made up for others'
// files have their time from the packets.
func (s *stream) dateRecords() {
	for i := range s.recs {
		r := &s.recs[i]
		if uint64(r.Time-s.near+apart) > 2*apart {
			r.Time = s.weigh(r.Time, s.timeOf(i+1), s.timeOf(i+2))
		} else {
			s.near = r.Time
		}
		s.last = max(s.last, r.Time)
	}
}

// timeOf is the time of a packet or record of the batch; noTime if there is none.
func (s *stream) timeOf(i int) int64 {
	t := int64(noTime)
	switch {
	case i < len(s.pkts):
		t = s.pkts[i].Time
	case i < len(s.recs):
		t = s.recs[i].Time
	}
	if !dated(t) {
		return noTime
	}
	return t
}

// weigh returns t if it is believed, else what is taken instead. Next and after
// are the times that follow.
func (s *stream) weigh(t, next, after int64) int64 {
	if dated(t) && s.credible(t, next, after) {
		if s.near == noTime {
			s.first = t
		}
		s.near = t
		return t
	}
	if t != untimed {
		s.info.Misdated++
	}
	for _, other := range [...]int64{s.near, next, after} {
		if other != noTime {
			return other
		}
	}
	return max(s.last, 1) // 0 would promise nothing
}

func (s *stream) credible(t, next, after int64) bool {
	switch {
	case s.near == noTime: // the first: two others that agree outvote it
		return next == noTime || after == noTime || distance(t, next) <= absurd || distance(next, after) > absurd
	case next == noTime:
		return distance(t, s.near) <= absurd
	}
	return distance(next, t) < distance(next, s.near)
}

// canGiveBack reports whether the file is nothing but packets from the i-th of
// the batch on: only they can be framed again.
func (s *stream) canGiveBack(i int) bool {
	return s.win.base+int64(s.pkts[i].Off)-int64(s.frames.lead()) >= s.fixed
}

// giveBack leaves the packets from the n-th on to the next batch and returns how
// many bytes that are.
func (s *stream) giveBack(n int) int {
	from := int(s.pkts[n].Off) - s.frames.lead()
	back := s.win.start - from
	s.win.start, s.pkts = from, s.pkts[:n]
	return back
}

// crowd remembers how far the stream was, half a crowd of packets ago or more.
type crowd struct {
	packets uint64
	last    int64 // Unix ns
	before  int64 // last, when last was set
}

// behind is the time before which nothing more is waited for.
func (c *crowd) behind(packets uint64, last int64) int64 {
	if packets-c.packets >= crowdSize/2 {
		c.packets, c.before, c.last = packets, c.last, max(last, 1)
	}
	return c.before
}
