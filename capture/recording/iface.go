package recording

import (
	"fmt"
	"math"

	"dnatrace/capture"
)

// iface is one interface of the current section.
type iface struct {
	point capture.Point
	known bool // point is numbered
	clock clock
	limit uint64 // ticks below it are clock.mul ns each, and no more; 0 if clock is not that simple
	snap  uint32
	seen  bool // a packet of it
}

func (f *iface) key() string { return fmt.Sprintf("%d %s", f.point.Link, f.point.Name) }

// describe reads an interface description (pcapng §4.2). In a recording of
// ours its point was announced by a record; anywhere else it is the point.
func (n *ng) describe(s *stream, b []byte) {
	if len(b) < 20 || len(n.ifaces) > math.MaxUint16 {
		s.malformed(s.win.offset())
		if len(n.ifaces) <= math.MaxUint16 {
			n.ifaces = append(n.ifaces, iface{clock: microseconds}) // later numbers must not shift
		}
		return
	}
	f := iface{clock: microseconds, snap: n.order.u32(b[12:])}
	f.point.Link = n.order.u16(b[8:])
	var offset int64
	n.order.options(b[16:len(b)-4], func(code uint16, v []byte) bool {
		switch {
		case code == optName:
			f.point.Name = cutName(v)
		case code == optResolution && len(v) == 1:
			f.clock = resolution(v[0])
		case code == optOffset && len(v) == 8:
			offset = int64(n.order.u64(v))
		}
		return true
	})
	f.clock.offset = offset
	if f.clock.mul > 0 && f.clock == (clock{mul: f.clock.mul}) {
		f.limit = math.MaxInt64 / f.clock.mul
	}
	n.place(s, &f)
	n.ifaces = append(n.ifaces, f)
}

// place finds out which point f is.
func (n *ng) place(s *stream, f *iface) {
	id := len(n.ifaces)
	if known, ok := n.announced[uint16(id)]; ok {
		f.point.ID, f.known = known, true
		return
	}
	if s.info.Point != "" {
		n.rename(s, f)
	} else if f.point.Name == "" {
		f.point.Name = s.info.Base
		if id > 0 {
			f.point.Name = fmt.Sprintf("%s#%d", s.info.Base, id)
		}
	}
	foreign(&f.point)
	if old, ok := n.earlier[f.key()]; ok {
		delete(n.earlier, f.key())
		f.point, f.known = old, true
		return
	}
	if !n.ours { // in ours, the record that announces it may yet come
		f.known = true
		f.point = n.number(s, f.point)
	}
}

// rename gives f the name that its file was opened with.
func (n *ng) rename(s *stream, f *iface) {
	if len(n.ifaces) > 0 {
		n.broken = fmt.Errorf("name its point %s: it is a capture of several interfaces", s.info.Point)
	}
	f.point.Name = s.info.Point
}

// ready reports whether the batch can take a packet of f. If not, the records
// that must come before it are in the batch.
func (n *ng) ready(s *stream, f *iface, t int64) bool {
	if len(s.recs) > 0 {
		return false
	}
	if !f.known {
		f.known = true
		f.point = n.number(s, f.point)
	}
	if len(n.fresh) == 0 {
		return true
	}
	if len(s.pkts) == 0 {
		n.announce(s, t)
	}
	return false
}

func (n *ng) announce(s *stream, t int64) {
	for _, p := range n.fresh {
		s.meta(t, capture.OriginPackets, capture.KindPoint, p)
	}
	n.fresh = n.fresh[:0]
}

// number gives p its number in the stream and has it announced.
func (n *ng) number(s *stream, p capture.Point) capture.Point {
	p.Ring = s.points.NewRing()
	added, err := s.points.Add(p)
	if err != nil {
		n.broken = err
		return p
	}
	n.fresh = append(n.fresh, added)
	return added
}
