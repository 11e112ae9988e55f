package flight

import (
	"encoding/json"
	"io"

	"dnatrace/capture"
	"dnatrace/capture/recording"
)

// part is one file of a stream that is written to several: it begins with what
// held when it was begun, and numbers points anew.
type part struct {
	w       *recording.Writer
	numbers []uint16 // of points, in this file, by their number in the stream
	moved   []capture.Packet
	head    int // records at its head
	least   int64
	lost    uint64
	whole   bool // an end was written
}

// newPart begins a file at a time. Of the first one, the stream itself brings what
// it begins with.
func newPart(w io.Writer, o recording.Options, s *state, at int64) (*part, error) {
	p := &part{w: recording.NewWriter(w, o)}
	if s.start == nil {
		return p, nil
	}
	head, numbers := s.head(at)
	p.numbers, p.head = numbers, len(head)
	err := p.w.Write(&capture.Batch{Records: head})
	p.least = p.w.Size()
	return p, err
}

// write adds a batch, its points by the numbers they have in this file.
func (p *part) write(b *capture.Batch) error {
	if len(b.Records) > 0 {
		return p.w.Write(&capture.Batch{Records: p.own(b.Records)})
	}
	return p.w.Write(&capture.Batch{Packets: p.renumbered(b.Packets), Arena: b.Arena, First: b.First})
}

// own are the records as this file has them.
func (p *part) own(all []capture.Record) []capture.Record {
	out := make([]capture.Record, 0, len(all))
	for _, r := range all {
		switch r.Origin + " " + r.Kind {
		case capture.OriginPackets + " " + capture.KindPoint:
			r.Data = p.announced(r.Data)
		case capture.OriginPackets + " " + capture.KindLoss:
			var l capture.Loss
			if json.Unmarshal(r.Data, &l) == nil {
				p.lost += l.Lost
			}
		case capture.OriginMeta + " " + capture.KindEnd:
			r = p.endRecord(r.Time)
			p.whole = true
		}
		out = append(out, r)
	}
	return out
}

// announced is a point with the number that it has in this file.
func (p *part) announced(data []byte) []byte {
	var pt capture.Point
	if json.Unmarshal(data, &pt) != nil {
		return data
	}
	next := uint16(0)
	for _, n := range p.numbers {
		if n != gone {
			next = max(next, n+1)
		}
	}
	for int(pt.ID) >= len(p.numbers) {
		p.numbers = append(p.numbers, gone)
	}
	if p.numbers[pt.ID] == gone {
		p.numbers[pt.ID] = next
	}
	return numbered(pt, p.numbers[pt.ID], data)
}

// renumbered are packets with the numbers that their points have in this file.
func (p *part) renumbered(all []capture.Packet) []capture.Packet {
	moved := p.moved[:0]
	for _, it := range all {
		if int(it.Point) >= len(p.numbers) || p.numbers[it.Point] == gone {
			continue // of a point that ended long ago
		}
		it.Point = p.numbers[it.Point]
		moved = append(moved, it)
	}
	p.moved = moved
	return moved
}

// streams are the numbers that points have in the stream, by those in this file.
func (p *part) streams() []uint16 {
	var out []uint16
	for id, n := range p.numbers {
		if n == gone {
			continue
		}
		for len(out) <= int(n) {
			out = append(out, gone)
		}
		out[n] = uint16(id)
	}
	return out
}

// finish ends the file in order, if it was not: it tells of all up to a time.
func (p *part) finish(at int64) error {
	if !p.whole {
		p.whole = true
		if err := p.w.Write(&capture.Batch{Records: []capture.Record{p.endRecord(at)}}); err != nil {
			return err
		}
	}
	return p.w.Close()
}

func (p *part) endRecord(at int64) capture.Record { return end(at, p.w.Packets(), p.lost) }

func end(at int64, packets, lost uint64) capture.Record {
	data, err := json.Marshal(capture.End{Ended: at, Packets: packets, Lost: lost})
	if err != nil {
		panic("flight: marshal end: " + err.Error()) // it always can be
	}
	return capture.Record{Time: at, Origin: capture.OriginMeta, Kind: capture.KindEnd, Data: data}
}
