package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"dnatrace/capture"
)

const (
	minBlock    = 12 // type, length, length again
	minEnhanced = 32
	minSimple   = 16
)

// ng frames pcapng.
type ng struct {
	order order
	ours  bool // the section says that dnatrace wrote it
	part  partial
	// The recording said that it starts, and that it ends.
	started, ended bool
	ifaces         []iface
	fresh          []capture.Point // to be announced before the next packet
	broken         error           // more points than can be numbered
	over           int64           // Unix ns: when the capture was ended, as it says; 0 if it does not

	// Points and rings by the numbers that this section's records give them.
	announced map[uint16]uint16
	rings     map[uint16]uint16
	// Points of earlier sections, so that files laid end to end have one
	// point per interface.
	earlier map[string]capture.Point
}

func (n *ng) scan(s *stream) (int, error) {
	w := &s.win
	for len(s.pkts) < capture.BatchSize {
		b := w.buf[w.start:w.end]
		if len(b) < minBlock {
			return minBlock, nil
		}
		typ := n.order.u32(b)
		if typ == blockSection {
			if err := n.turn(b); err != nil {
				return 0, err
			}
		}
		size := int(n.order.u32(b[4:]))
		if size < minBlock || size > maxBlock || size&3 != 0 {
			return 0, fmt.Errorf("a block claims a length of %d bytes", uint32(size))
		}
		if len(b) < size {
			return size, nil
		}
		if int(n.order.u32(b[size-4:])) != size {
			return 0, errors.New("the two lengths of a block differ")
		}
		if typ == blockEnhanced && len(s.recs) == 0 && len(n.fresh) == 0 && n.fast(s, b[:size]) {
			w.start += size
			continue
		}
		had := len(s.pkts)
		if !n.take(s, typ, b[:size]) {
			return 0, nil
		}
		if n.broken != nil {
			return 0, n.broken
		}
		w.start += size
		if len(s.pkts) == had || typ == blockSimple {
			s.fixed = w.offset()
		}
	}
	return 0, nil
}

// turn sets the byte order of the section that begins with b.
func (n *ng) turn(b []byte) error {
	switch {
	case order(false).u32(b[8:]) == byteOrderMagic:
		n.order = false
	case order(true).u32(b[8:]) == byteOrderMagic:
		n.order = true
	default:
		return errors.New("a section header has no byte-order magic")
	}
	return nil
}

// take adds one block to the batch, or reports false if the batch must be
// handed out first: packets and records do not share one.
func (n *ng) take(s *stream, typ uint32, b []byte) bool {
	switch typ {
	case blockEnhanced, blockPacket:
		return n.packet(s, typ, b)
	case blockSimple:
		return n.simple(s, b)
	case blockJournal:
		return n.journal(s, b)
	case blockSection:
		n.section(s, b)
	case blockInterface:
		n.describe(s, b)
	case blockStats:
		return n.statistics(s, b)
	default:
		s.info.Skipped++
	}
	return true
}

// packet reads an enhanced (pcapng §4.3) or obsolete packet block; they differ
// in the width of the interface number.
func (n *ng) packet(s *stream, typ uint32, b []byte) bool {
	if len(b) < minEnhanced {
		s.malformed(s.win.offset())
		return true
	}
	id, size := n.order.u32(b[8:]), n.order.u32(b[20:])
	if typ == blockPacket {
		id = uint32(n.order.u16(b[8:]))
	}
	if int64(id) >= int64(len(n.ifaces)) || int64(size) > int64(len(b)-minEnhanced) {
		s.malformed(s.win.offset())
		return true
	}
	f := &n.ifaces[id]
	t := f.clock.unix(uint64(n.order.u32(b[12:]))<<32 | uint64(n.order.u32(b[16:])))
	if (!f.known || len(n.fresh) > 0 || len(s.recs) > 0) && !n.ready(s, f, t) {
		return false
	}
	f.seen = true
	p := s.slot()
	p.Time = t
	p.Off = uint32(s.win.start + 28)
	p.Len = size
	p.Orig = max(size, n.order.u32(b[24:]))
	p.Point = f.point.ID
	p.Dir = n.order.direction(b[28+pad4(int(size)) : len(b)-4])
	return true
}

// fast is packet for what nearly every block is: an enhanced one of a
// little-endian section, with a point that is known and a decimal clock. It
// takes half the time, and reports false, having done nothing, for any other.
func (n *ng) fast(s *stream, b []byte) bool {
	if len(b) < minEnhanced || bool(n.order) {
		return false
	}
	h := (*[28]byte)(b)
	id, size := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[20:])
	if uint64(id) >= uint64(len(n.ifaces)) || uint64(size) > uint64(len(b)-minEnhanced) {
		return false
	}
	f := &n.ifaces[id]
	ticks := uint64(binary.LittleEndian.Uint32(h[12:]))<<32 | uint64(binary.LittleEndian.Uint32(h[16:]))
	if ticks >= f.limit || !f.known {
		return false
	}
	t := int64(ticks * f.clock.mul)
	f.seen = true
	p := s.slot()
	p.Time = t
	p.Off = uint32(s.win.start + 28)
	p.Len = size
	p.Orig = max(size, binary.LittleEndian.Uint32(h[24:]))
	p.Point = f.point.ID
	p.Dir = capture.DirUnknown
	if pad4(int(size)) < len(b)-minEnhanced {
		p.Dir = n.order.direction(b[28+pad4(int(size)) : len(b)-4])
	}
	return true
}

// direction reads the flags option of a packet.
func (big order) direction(b []byte) capture.Direction {
	for len(b) >= 8 {
		code, size := big.u16(b), pad4(int(big.u16(b[2:])))
		if code == optFlags && size == 4 {
			switch big.u32(b[4:]) & 3 {
			case flagIn:
				return capture.DirIn
			case flagOut:
				return capture.DirOut
			}
			return capture.DirUnknown
		}
		if code == optEnd || size > len(b)-4 {
			break
		}
		b = b[4+size:]
	}
	return capture.DirUnknown
}

// simple reads a simple packet block (pcapng §4.4): it has no time, so it will
// get that of the packet before it, and is counted.
func (n *ng) simple(s *stream, b []byte) bool {
	if len(b) < minSimple || len(n.ifaces) == 0 {
		s.malformed(s.win.offset())
		return true
	}
	f := &n.ifaces[0]
	if (!f.known || len(n.fresh) > 0 || len(s.recs) > 0) && !n.ready(s, f, s.last) {
		return false
	}
	orig := n.order.u32(b[8:])
	size := min(orig, uint32(len(b)-minSimple))
	if f.snap > 0 {
		size = min(size, f.snap)
	}
	s.info.Untimed++
	s.pkts = append(s.pkts, capture.Packet{Time: untimed, Off: uint32(s.win.start + 12), Len: size, Orig: orig, Point: f.point.ID})
	return true
}

// section starts a section (pcapng §4.1).
func (n *ng) section(s *stream, b []byte) {
	n.ours, n.announced, n.rings = false, map[uint16]uint16{}, map[uint16]uint16{}
	for _, f := range n.ifaces {
		if n.earlier == nil {
			n.earlier = map[string]capture.Point{}
		}
		if f.known {
			n.earlier[f.key()] = f.point
		}
	}
	n.ifaces = nil
	if len(b) < 28 {
		return
	}
	n.order.options(b[24:len(b)-4], func(code uint16, v []byte) bool {
		if code == optComment && bytes.HasPrefix(v, []byte(mark)) {
			n.ours = true
		}
		return true
	})
	s.slack = lateness
	if n.ours {
		s.slack = 0
		s.info.Format = FormatOwn
		if s.info.Point != "" {
			n.broken = fmt.Errorf("name its point %s: it is a recording, whose points have names", s.info.Point)
		}
	}
}

// statistics reads the losses of an interface (pcapng §4.6). They are known for
// the whole capture only.
func (n *ng) statistics(s *stream, b []byte) bool {
	if n.ours || len(b) < 24 || int64(n.order.u32(b[8:])) >= int64(len(n.ifaces)) {
		return true
	}
	f := &n.ifaces[n.order.u32(b[8:])]
	var lost uint64
	n.order.options(b[20:len(b)-4], func(code uint16, v []byte) bool {
		if code == optEndTime && len(v) == 8 {
			n.over = max(n.over, f.clock.unix(uint64(n.order.u32(v))<<32|uint64(n.order.u32(v[4:]))))
		}
		if (code == optIfDrop || code == optOSDrop) && len(v) == 8 {
			lost += n.order.u64(v)
		}
		return true
	})
	switch {
	case lost == 0:
		return true
	case len(s.pkts) > 0:
		return false
	case !f.seen && s.last == 0:
		return true // nothing was seen anywhere: it has no time
	}
	n.announce(s, s.last)
	s.meta(s.last, capture.OriginPackets, capture.KindLoss, capture.Loss{Ring: f.point.Ring, From: s.first, To: s.last, Lost: lost})
	return true
}

func (n *ng) lead() int { return 28 }

// longestSilence is how long after the last packet a capture is believed to
// have gone on (ns): nothing but its own word tells.
const longestSilence = 3600e9

// finish says what the end of the file tells: points without a packet, and a
// recording without an end.
func (n *ng) finish(s *stream) {
	n.announce(s, s.last)
	if s.last != 0 && n.over > s.last && n.over-s.last < longestSilence {
		s.last = n.over
	}
	s.info.Ended = n.ended
	if n.part.have > 0 {
		s.malformed(s.win.offset())
	}
	if n.started && !n.ended && len(s.win.rest()) == 0 && s.win.err == io.EOF {
		at := s.win.offset()
		s.damage(at, fmt.Sprintf("%s ends at byte %d without an end marker: it was cut", s.info.Name, at), 0)
	}
}
