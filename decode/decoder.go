package decode

import "dnatrace/capture"

// Decoder decodes the frames of one stream. It remembers the link types of
// points and, for a while, the first fragments of IP datagrams; its memory does
// not grow with traffic. A Decoder is not safe for concurrent use.
type Decoder struct {
	links     []uint16 // by capture.Point.ID
	quotes    []Quote  // of the batch in work
	fragments fragments
	link      [maxLink]byte // for gopacket to work on
	unread    map[unreadKey]int
}

// NewDecoder returns a Decoder that takes every point for Ethernet until told
// otherwise.
func NewDecoder() *Decoder { return &Decoder{} }

// Point learns the link type of a point, before the batch with the point's
// first packet. A later call for the same ID replaces the earlier one.
func (d *Decoder) Point(p capture.Point) {
	for int(p.ID) >= len(d.links) {
		d.links = append(d.links, linkEthernet)
	}
	d.links[p.ID] = p.Link
}

// Packets decodes every packet of src into dst, whose former content it
// overwrites: dst.Packets[i] is what src.Packets[i] says, whatever its bytes
// are. It does not allocate once dst has grown to the size of a batch, and dst
// keeps no reference to src.
func (d *Decoder) Packets(src *capture.Batch, dst *Batch) {
	dst.Until = src.Until
	dst.Packets = resize(dst.Packets, len(src.Packets))
	d.quotes = dst.Quotes[:0]
	for i := range src.Packets {
		h, p := &src.Packets[i], &dst.Packets[i]
		*p = Packet{}
		p.Time = h.Time
		p.Frame = src.First + uint64(i)
		p.Point = h.Point
		p.Dir = h.Dir
		d.frame(p, bytesOf(src.Arena, h), max(h.Orig, h.Len))
	}
	dst.Quotes, d.quotes = d.quotes, nil
}

func resize(ps []Packet, n int) []Packet {
	if n > cap(ps) {
		return make([]Packet, n, max(n, capture.BatchSize))
	}
	return ps[:n]
}

// bytesOf returns what of h's bytes is in the arena.
func bytesOf(arena []byte, h *capture.Packet) []byte {
	from, to := uint64(h.Off), uint64(h.Off)+uint64(h.Len)
	to = min(to, uint64(len(arena)))
	if from > to {
		return nil
	}
	return arena[from:to]
}
