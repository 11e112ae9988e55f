package ring

import (
	"slices"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// packet puts one frame into the batch, handing the batch out first when it is
// full or a new point has to be told before.
func (rd *reader) packet(b block, f frame, off uint32) error {
	e := rd.table.find(f.Ifindex, f.Hatype)
	if e == nil || len(rd.packets) == capture.BatchSize {
		if err := rd.flush(b); err != nil {
			return err
		}
	}
	if e == nil {
		var err error
		if e, err = rd.meet(f); err != nil {
			return err
		}
	}
	if !e.wanted {
		return nil
	}
	p := capture.Packet{Time: f.time(), Point: e.id, Dir: direction(f.Pkttype)}
	p.Off, p.Len, p.Orig = b.extent(f, off, framed(e.hatype))
	if n := len(rd.packets); n > 0 && p.Time < rd.packets[n-1].Time {
		rd.unsorted = true
	}
	rd.packets = append(rd.packets, p)
	return nil
}

// meet makes a point of the interface of a frame and tells it.
func (rd *reader) meet(f frame) (e *entry, err error) {
	var p capture.Point
	err = rd.control(func(fd int) error {
		e, p, err = rd.table.add(lookup(fd, f.RawSockaddrLinklayer))
		if err != nil || e.wanted {
			return err
		}
		return rd.reattach(fd)
	})
	if err != nil || !e.wanted {
		return e, err
	}
	if err := rd.tellLosses(f.time()); err != nil {
		return nil, err
	}
	return e, rd.tell([]capture.Record{pointRecord(p, f.time())})
}

// flush hands out the packets collected so far, all of block b.
func (rd *reader) flush(b block) error {
	if len(rd.packets) == 0 {
		return nil
	}
	if rd.unsorted {
		slices.SortStableFunc(rd.packets, func(a, b capture.Packet) int { return int(min(max(a.Time-b.Time, -1), 1)) })
		rd.unsorted = false
	}
	if err := rd.tellLosses(rd.packets[0].Time); err != nil {
		return err
	}
	rd.batch = capture.Batch{Packets: rd.packets, Arena: b, Until: rd.until}
	rd.Ring.packets.Add(uint64(len(rd.packets)))
	ok := rd.yield(&rd.batch, nil)
	rd.packets = rd.packets[:0]
	return stopped(ok)
}

// tell hands out records.
func (rd *reader) tell(records []capture.Record) error {
	if len(records) == 0 {
		return nil
	}
	rd.batch = capture.Batch{Records: records, Until: rd.until}
	return stopped(rd.yield(&rd.batch, nil))
}

// tellLosses hands out the losses that begin before a packet of that time.
func (rd *reader) tellLosses(time int64) error {
	n := 0
	for n < len(rd.losses) && rd.losses[n].Time <= time {
		n++
	}
	if n == 0 {
		return nil
	}
	ready := rd.losses[:n:n]
	rd.losses = rd.losses[n:]
	return rd.tell(ready)
}

func stopped(ok bool) error {
	if !ok {
		return errStopped
	}
	return nil
}

// direction reads sll_pkttype.
func direction(pkttype uint8) capture.Direction {
	switch pkttype {
	case unix.PACKET_OUTGOING:
		return capture.DirOut
	case unix.PACKET_HOST, unix.PACKET_BROADCAST, unix.PACKET_MULTICAST, unix.PACKET_OTHERHOST:
		return capture.DirIn
	}
	return capture.DirUnknown
}
