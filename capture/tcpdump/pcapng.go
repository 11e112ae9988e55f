package tcpdump

import "encoding/binary"

var le = binary.LittleEndian

// Blocks and options of pcapng (draft-ietf-opsawg-pcapng), link types of its registry.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockStats     = 5
	blockEnhanced  = 6

	optName       = 2
	optResolution = 9
	optFlags      = 2
	optIfDrop     = 5

	linkEthernet = 1
	linkCooked   = 113
)

// PCAPNG is the capture as a file. Unnamed is what an interface is called that the text
// does not name; netns is the container in which tcpdump was run, "" the host. Lines
// that could not be read count as packets that were lost: whether one of them was what
// is missing elsewhere, nobody knows.
func (c *Capture) PCAPNG(unnamed, netns string) []byte {
	b := block(nil, blockSection, func(b []byte) []byte {
		b = le.AppendUint32(b, 0x1A2B3C4D)
		b = append(b, 1, 0, 0, 0)
		return le.AppendUint64(b, ^uint64(0))
	})
	cooked := make([]bool, len(c.points))
	for _, f := range c.frames {
		cooked[f.point] = f.cooked
	}
	for i, name := range c.points {
		b = block(b, blockInterface, func(b []byte) []byte {
			link := uint16(linkEthernet)
			if cooked[i] {
				link = linkCooked
			}
			b = le.AppendUint16(b, link)
			b = append(b, 0, 0, 0, 0, 4, 0)
			b = option(b, optName, []byte(called(name, unnamed, netns)))
			return option(b, optResolution, []byte{9})
		})
	}
	for i := range c.frames {
		b = c.frames[i].append(b)
	}
	return c.losses(b)
}

func called(name, unnamed, netns string) string {
	if name == "" {
		name = unnamed
	}
	if netns != "" {
		return netns + ":" + name
	}
	return name
}

func (f *frame) append(b []byte) []byte {
	data, orig := f.data, f.orig
	if f.cooked {
		data, orig = f.withCookedHeader(), orig+2
	}
	return block(b, blockEnhanced, func(b []byte) []byte {
		b = le.AppendUint32(b, uint32(f.point))
		b = le.AppendUint32(b, uint32(uint64(f.time)>>32))
		b = le.AppendUint32(b, uint32(f.time))
		b = le.AppendUint32(b, uint32(len(data)))
		b = le.AppendUint32(b, uint32(max(orig, len(data))))
		b = padded(append(b, data...), len(data))
		if f.dir != 0 {
			b = option(b, optFlags, []byte{f.dir, 0, 0, 0})
		}
		return b
	})
}

// withCookedHeader is the frame as a capture of all interfaces has it that does not
// say which one it was. Packet types above 4 say nothing of its direction.
func (f *frame) withCookedHeader() []byte {
	kind := byte(7)
	if f.everyone {
		kind = 1
	}
	b := []byte{0, kind, 0, 1, 0, 6}
	b = append(b, f.data[6:12]...)
	b = append(b, 0, 0)
	return append(b, f.data[12:]...)
}

// losses are the lines of each interface that were not read, and what tcpdump itself
// lost: at which of them that was is not told.
func (c *Capture) losses(b []byte) []byte {
	for i := range c.points {
		lost := c.Lost
		if i < len(c.unreadAt) {
			lost += c.unreadAt[i]
		}
		if lost == 0 {
			continue
		}
		b = block(b, blockStats, func(b []byte) []byte {
			b = le.AppendUint32(b, uint32(i))
			b = le.AppendUint64(b, 0)
			return option(b, optIfDrop, le.AppendUint64(nil, lost))
		})
	}
	return b
}

// block appends one: type, length, body, length again.
func block(b []byte, kind uint32, body func([]byte) []byte) []byte {
	at := len(b)
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, 0)
	b = body(b)
	size := uint32(len(b) - at + 4)
	le.PutUint32(b[at+4:], size)
	return le.AppendUint32(b, size)
}

func option(b []byte, code uint16, value []byte) []byte {
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(value)))
	return padded(append(b, value...), len(value))
}

// padded fills up to a multiple of four what is size bytes long.
func padded(b []byte, size int) []byte {
	for ; size%4 != 0; size++ {
		b = append(b, 0)
	}
	return b
}
