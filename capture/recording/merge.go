package recording

import (
	"encoding/json"
	"io"
	"math"

	"dnatrace/capture"
)

// mergeArena is how many bytes of frames a merged batch holds at most, but for
// one larger frame.
const mergeArena = 1 << 20

// merge reads several files as one stream in time order. It holds one batch of
// each file and copies what it takes from them, so that its own batches are
// full however finely the files interleave.
type merge struct {
	files  []cursor
	first  uint64
	until  int64
	primed bool
	said   bool // a Start was handed out
	end    capture.End
	ends   int // recordings of ours that have ended
	over   []over
	later  []capture.Record // for the next batch
	starts int              // recordings of ours

	pkts  []capture.Packet
	arena []byte
	recs  []capture.Record
	bytes int // of the data of recs
	batch capture.Batch
}

// moment is how long before or after all of a foreign capture's packets it is
// taken to have been running (ns), as long as another one shows that there was
// something to see: files of two moments say nothing of each other's.
const moment = 60e9

// over is a point of a foreign capture that has an end.
type over struct {
	capture.Point
	file int // index in merge.files
}

// cursor is the place in one file.
type cursor struct {
	*stream
	batch *capture.Batch
	i     int   // of the next packet or record in batch
	head  int64 // its time; MaxInt64 when the file is exhausted
	kept  int64 // Until of the batch before
}

func newMerge(streams []*stream) *merge {
	m := &merge{files: make([]cursor, len(streams)), pkts: make([]capture.Packet, 0, capture.BatchSize)}
	for i, s := range streams {
		m.files[i].stream = s
	}
	return m
}

// next returns the next batch, or io.EOF.
func (m *merge) next() (*capture.Batch, error) {
	m.pkts, m.arena, m.recs, m.bytes = m.pkts[:0], m.arena[:0], append(m.recs[:0], m.later...), 0
	m.later = nil
	if !m.primed {
		m.primed = true
		if err := m.prime(); err != nil {
			return nil, err
		}
	}
	for !m.full() {
		c := m.earliest()
		if c == nil {
			return m.last()
		}
		if told := m.ended(c.head); len(told) > 0 {
			m.recs = append(m.recs, told...) // in front of the packets of the next batch
			if len(m.pkts) > 0 {
				m.later, m.recs = m.recs, nil
				break
			}
		}
		if len(c.batch.Packets) > 0 && len(m.recs) > 0 || len(c.batch.Records) > 0 && len(m.pkts) > 0 {
			break
		}
		m.take(c)
		if err := c.advance(); err != nil {
			return nil, err
		}
	}
	return m.hand(), nil
}

func (m *merge) full() bool {
	return len(m.pkts) == capture.BatchSize || len(m.recs) >= capture.BatchSize || len(m.arena) >= mergeArena || m.bytes >= maxRecords
}

// prime loads the first batch of every file. The points of foreign captures
// come before everything else, at the time of the earliest record of all: they
// were watched from the start, however late their first packet.
func (m *merge) prime() error {
	for i := range m.files {
		c := &m.files[i]
		if err := c.load(); err != nil {
			return err
		}
		for c.batch != nil && c.info.Format != FormatOwn && len(c.batch.Records) > 0 && c.batch.Records[0].Kind == capture.KindPoint {
			m.foreign(i, c.batch.Records)
			if err := c.load(); err != nil {
				return err
			}
		}
	}
	if c := m.earliest(); c != nil {
		for i := range m.recs {
			m.since(&m.recs[i], c.head)
		}
	}
	return nil
}

// foreign takes the points of a foreign capture, which are told first.
func (m *merge) foreign(file int, recs []capture.Record) {
	for _, r := range recs {
		var p capture.Point
		if r.Kind == capture.KindPoint && json.Unmarshal(r.Data, &p) == nil {
			m.over = append(m.over, over{p, file})
		}
		m.recs = append(m.recs, r)
	}
}

// since has a point watched from the first moment on, unless its own first
// packet came much later: the time of r is that of the packet.
func (m *merge) since(r *capture.Record, first int64) {
	var p capture.Point
	if r.Kind == capture.KindPoint && r.Time-first > moment && json.Unmarshal(r.Data, &p) == nil {
		p.Since = r.Time
		r.Data, _ = json.Marshal(p)
	}
	r.Time = first
}

// ended tells of foreign captures that had ended well before now.
func (m *merge) ended(now int64) (told []capture.Record) {
	kept := m.over[:0]
	for _, o := range m.over {
		c := &m.files[o.file]
		if c.batch != nil || now-c.last <= moment {
			kept = append(kept, o)
			continue
		}
		if o.Until = c.last; c.info.Packets > 0 {
			data, _ := json.Marshal(o.Point)
			told = append(told, capture.Record{Time: now, Origin: capture.OriginPackets, Kind: capture.KindPoint, Data: data})
		}
	}
	m.over = kept
	return told
}

func (m *merge) earliest() *cursor {
	var best *cursor
	for i := range m.files {
		if c := &m.files[i]; c.batch != nil && (best == nil || c.head < best.head) {
			best = c
		}
	}
	return best
}

// take copies the next packet or record of c.
func (m *merge) take(c *cursor) {
	if len(c.batch.Packets) > 0 {
		p := c.batch.Packets[c.i]
		data := c.batch.Arena[p.Off : p.Off+p.Len]
		p.Off = uint32(len(m.arena))
		m.arena = append(m.arena, data...)
		m.pkts = append(m.pkts, p)
		return
	}
	r := c.batch.Records[c.i]
	if r.Origin != capture.OriginMeta || m.meta(r) {
		m.recs = append(m.recs, r)
		m.bytes += len(r.Data)
	}
}

// meta reports whether r passes: of several recordings there is one start, the
// earliest, and one end, the last, if all of them have one.
func (m *merge) meta(r capture.Record) bool {
	switch r.Kind {
	case capture.KindStart:
		m.starts++
		first := !m.said
		m.said = true
		return first
	case capture.KindEnd:
		var e capture.End
		if json.Unmarshal(r.Data, &e) == nil {
			m.ends++
			m.end.Ended = max(m.end.Ended, e.Ended)
			m.end.Packets += e.Packets
			m.end.Lost += e.Lost
		}
		return false
	}
	return true
}

// advance moves to the next packet or record.
func (c *cursor) advance() error {
	c.i++
	if c.i < len(c.batch.Packets) {
		c.head = c.batch.Packets[c.i].Time
		return nil
	}
	if c.i < len(c.batch.Records) {
		c.head = c.batch.Records[c.i].Time
		return nil
	}
	return c.load()
}

// load asks the file for its next batch that holds anything; nil at its end.
func (c *cursor) load() error {
	for {
		c.i, c.kept, c.head = 0, c.until, math.MaxInt64
		b, err := c.stream.next()
		if err == io.EOF {
			c.batch = nil
			return nil
		}
		if err != nil {
			return err
		}
		c.batch = b
		switch {
		case len(b.Packets) > 0:
			c.head = b.Packets[0].Time
			return nil
		case len(b.Records) > 0:
			c.head = b.Records[0].Time
			return nil
		}
	}
}

// promised is the time before which c has nothing more.
func (c *cursor) promised() int64 {
	if c.batch == nil {
		return math.MaxInt64
	}
	return max(c.kept, c.head-c.slack)
}

func (m *merge) hand() *capture.Batch {
	until := int64(math.MaxInt64)
	for i := range m.files {
		until = min(until, m.files[i].promised())
	}
	if until == math.MaxInt64 {
		until = m.latest()
	}
	m.until = max(m.until, until)
	m.batch = capture.Batch{Packets: m.pkts, Records: m.recs, Until: m.until}
	if len(m.pkts) > 0 {
		m.batch.Arena = m.arena
		m.batch.First = m.first + 1
		m.first += uint64(len(m.pkts))
	}
	return &m.batch
}

func (m *merge) latest() int64 {
	var t int64
	for i := range m.files {
		t = max(t, m.files[i].last)
	}
	return t
}

// last hands out what is left when all files are exhausted, the end of the
// recordings last of all.
func (m *merge) last() (*capture.Batch, error) {
	if len(m.pkts) > 0 || len(m.recs) > 0 {
		return m.hand(), nil
	}
	if m.ends == 0 || m.ends < m.starts {
		return nil, io.EOF
	}
	data, err := json.Marshal(m.end)
	if err != nil {
		return nil, err
	}
	m.ends = 0
	m.recs = append(m.recs, capture.Record{Time: m.latest(), Origin: capture.OriginMeta, Kind: capture.KindEnd, Data: data})
	return m.hand(), nil
}
