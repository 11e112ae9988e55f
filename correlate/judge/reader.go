package judge

import (
	"dnatrace/capture"
	"dnatrace/decode"
)

// Item is a decoded batch: packets, or events.
type Item struct {
	packets *decode.Batch
	events  []decode.Event
	skipped []skip
	unread  []decode.Unread
	until   int64
}

// skip is a record that could not be decoded.
type skip struct {
	origin string
	err    error
}

func (it *Item) start() *decode.Start {
	for _, e := range it.events {
		if s, ok := e.(*decode.Start); ok {
			return s
		}
	}
	return nil
}

// Reader is the decoding side. It is not safe for concurrent use.
type Reader struct{ dec *decode.Decoder }

// NewReader makes a Reader.
func NewReader() *Reader { return &Reader{decode.NewDecoder()} }

// Decode decodes a batch; packets go into spare, which belongs to the item from
// then on. Without packets spare is not used, and may be nil.
func (r *Reader) Decode(b *capture.Batch, spare *decode.Batch) Item {
	it := Item{until: b.Until}
	if len(b.Packets) > 0 {
		it.packets = spare
		r.dec.Packets(b, spare)
		it.unread = r.dec.Unread()
		return it
	}
	for _, c := range b.Records {
		events, err := decode.Control(c)
		if err != nil {
			it.skipped = append(it.skipped, skip{c.Origin, err})
		}
		for _, e := range events {
			if p, ok := e.(*decode.Point); ok {
				r.dec.Point(p.Point)
			}
		}
		it.events = append(it.events, events...)
	}
	return it
}
