package recording

import (
	"cmp"
	"encoding/binary"
	"fmt"

	"dnatrace/capture"
)

// Magic numbers of classic pcap files (draft-ietf-opsawg-pcap §4), and of the
// variant with longer packet headers that old Linux systems wrote.
const (
	magicMicro    = 0xA1B2C3D4
	magicNano     = 0xA1B23C4D
	magicModified = 0xA1B2CD34
)

const pcapHeader = 24

// classic frames pcap files.
type classic struct {
	order  order
	unit   int64 // ns a unit of the second half of a time stamp
	head   int   // bytes of a packet header
	point  capture.Point
	opened bool // the file header was read
	told   bool // the point was announced
}

func (c *classic) scan(s *stream) (int, error) {
	w := &s.win
	if !c.opened {
		if len(w.rest()) < pcapHeader {
			return pcapHeader, nil
		}
		if err := c.open(s); err != nil {
			return 0, err
		}
	}
	for len(s.pkts) < capture.BatchSize {
		b := w.buf[w.start:w.end]
		if len(b) < c.head {
			return c.head, nil
		}
		size := c.order.u32(b[8:])
		if size > maxBlock {
			return 0, fmt.Errorf("a packet claims a captured length of %d bytes", size)
		}
		t := int64(c.order.u32(b))*1e9 + int64(c.order.u32(b[4:]))*c.unit
		if !c.told {
			c.tell(s, t)
			return 0, nil
		}
		if len(b) < c.head+int(size) {
			return c.head + int(size), nil
		}
		s.pkts = append(s.pkts, capture.Packet{
			Time:  t,
			Off:   uint32(w.start + c.head),
			Len:   size,
			Orig:  max(size, c.order.u32(b[12:])),
			Point: c.point.ID,
		})
		w.start += c.head + int(size)
	}
	return 0, nil
}

// open reads the file header. The upper bits of the link type say how long
// frame check sequences are and are left out.
func (c *classic) open(s *stream) error {
	b := s.win.rest()
	magic := binary.LittleEndian.Uint32(b)
	if m := binary.BigEndian.Uint32(b); m == magicMicro || m == magicNano || m == magicModified {
		c.order, magic = true, m
	}
	c.unit, c.head = 1000, 16
	switch magic {
	case magicNano:
		c.unit = 1
	case magicModified:
		c.head = 24
	}
	p := capture.Point{Name: cmp.Or(s.info.Point, s.info.Base), Link: uint16(c.order.u32(b[20:]) & 0xffff), Ring: s.points.NewRing()}
	foreign(&p)
	added, err := s.points.Add(p)
	if err != nil {
		return err
	}
	c.point, c.opened = added, true
	s.win.start += pcapHeader
	return nil
}

func (c *classic) tell(s *stream, t int64) {
	c.told = true
	s.meta(t, capture.OriginPackets, capture.KindPoint, c.point)
}

func (c *classic) lead() int { return c.head }

func (c *classic) finish(s *stream) {
	if c.opened && !c.told {
		c.tell(s, s.last)
	}
}
