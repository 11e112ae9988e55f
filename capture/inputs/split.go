package inputs

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"dnatrace/capture"
)

// linkCooked2 is LINKTYPE_LINUX_SLL2: captures of all interfaces, whose packets
// say by which they came.
const linkCooked2 = 276

// splitter numbers the points of a stream anew: one of a capture of all
// interfaces is as many as there are interfaces.
type splitter struct {
	known *interfaces
	ours  []renumbered // by the stream's number
	next  int
}

// renumbered is what a point of the stream is of ours; the zero value if it was
// not announced.
type renumbered struct {
	known  bool
	id     uint16  // valid unless cooked is set
	cooked *cooked // it is many points
}

// cooked is a capture of all interfaces. All of its points share a ring.
type cooked struct {
	point  capture.Point
	points map[uint32]uint16 // by interface index
}

// split returns what stands for b: points that b's packets are the first of,
// and b itself.
func (s *splitter) split(b *capture.Batch) []*capture.Batch {
	if len(b.Packets) > 0 {
		return s.packets(b)
	}
	var recs []capture.Record
	for i, r := range b.Records {
		if r.Origin != capture.OriginPackets || r.Kind != capture.KindPoint {
			if recs != nil {
				recs = append(recs, r)
			}
			continue
		}
		if recs == nil {
			recs = append(make([]capture.Record, 0, len(b.Records)+8), b.Records[:i]...)
		}
		recs = append(recs, s.point(r)...)
	}
	if recs == nil {
		return []*capture.Batch{b}
	}
	return []*capture.Batch{{Records: recs, Until: b.Until}}
}

// point is what a record that announces a point stands for.
func (s *splitter) point(r capture.Record) []capture.Record {
	var p capture.Point
	if json.Unmarshal(r.Data, &p) != nil {
		return []capture.Record{r}
	}
	old := p.ID
	if have := s.of(old); have.cooked != nil {
		return have.cooked.again(p, r.Time)
	} else if have.known {
		p.ID = have.id
		s.known.describe(&p)
		return []capture.Record{record(r.Time, capture.OriginPackets, capture.KindPoint, p)}
	}
	if !many(&p) {
		s.known.describe(&p)
		if out, ok := s.number(p, r.Time); ok {
			s.set(old, renumbered{known: true, id: uint16(s.next - 1)})
			return []capture.Record{out}
		}
		return nil
	}
	c := &cooked{point: p, points: map[uint32]uint16{}}
	s.set(old, renumbered{known: true, cooked: c})
	var out []capture.Record
	for _, index := range s.known.indexes() {
		if rec, ok := s.add(c, index, r.Time); ok {
			out = append(out, rec)
		}
	}
	return out
}

// many reports whether p is a capture of all interfaces. One that says of which
// interface it is, is one point, whatever its link type: a ring's, or one that
// was split before it was written to a recording of ours. Captures of others
// never say so: there is no room for it in pcap and pcapng.
func many(p *capture.Point) bool { return p.Link == linkCooked2 && !p.Counting && p.Index == 0 }

// of is what a point of the stream's number is.
func (s *splitter) of(number uint16) renumbered {
	if int(number) < len(s.ours) {
		return s.ours[number]
	}
	return renumbered{}
}

func (s *splitter) set(number uint16, r renumbered) {
	for len(s.ours) <= int(number) {
		s.ours = append(s.ours, renumbered{})
	}
	s.ours[number] = r
}

// again is what a further record about a capture of all interfaces means for each
// of its points: until when they were watched.
func (c *cooked) again(p capture.Point, at int64) (out []capture.Record) {
	for _, index := range slices.Sorted(maps.Keys(c.points)) {
		p.ID = c.points[index]
		out = append(out, record(at, capture.OriginPackets, capture.KindPoint, p))
	}
	return out
}

// add makes the point of one interface.
func (s *splitter) add(c *cooked, index uint32, at int64) (capture.Record, bool) {
	p := c.point
	p.Index, p.Netns, p.Role = int(index), capture.HostNetns, capture.RoleOther
	p.Name = fmt.Sprintf("if%d", index)
	s.known.describe(&p)
	r, ok := s.number(p, at)
	if ok {
		c.points[index] = uint16(s.next - 1)
	}
	return r, ok
}

func (s *splitter) number(p capture.Point, at int64) (capture.Record, bool) {
	if s.next > 1<<16-2 {
		return capture.Record{}, false
	}
	p.ID = uint16(s.next)
	s.next++
	return record(at, capture.OriginPackets, capture.KindPoint, p), true
}

// packets renumbers the points of packets, in place.
func (s *splitter) packets(b *capture.Batch) []*capture.Batch {
	var fresh []capture.Record
	for i := range b.Packets {
		p := &b.Packets[i]
		have := s.of(p.Point)
		c := have.cooked
		if c == nil {
			p.Point = have.id
			continue
		}
		var index uint32
		if end := uint64(p.Off) + 8; p.Len >= 8 && end <= uint64(len(b.Arena)) {
			index = binary.BigEndian.Uint32(b.Arena[p.Off+4:])
		}
		id, ok := c.points[index]
		if !ok {
			if r, added := s.add(c, index, p.Time); added {
				fresh = append(fresh, r)
				id = c.points[index]
			}
		}
		p.Point = id
	}
	if len(fresh) > 0 {
		return []*capture.Batch{{Records: fresh}, b}
	}
	return []*capture.Batch{b}
}
