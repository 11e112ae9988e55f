package recording

import (
	"encoding/binary"
	"strings"
)

// options are those of an enhanced packet block.
func (n Note) options() []byte {
	var b []byte
	if n.ID != 0 {
		b = binary.LittleEndian.AppendUint16(b, optPacketID)
		b = binary.LittleEndian.AppendUint16(b, 8)
		b = binary.LittleEndian.AppendUint64(b, n.ID)
	}
	for _, c := range n.Comments {
		b = appendOption(b, optComment, comment(c))
	}
	return b
}

const maxComment = 4000 // bytes

// comment bounds what is said of a packet, and keeps its lines.
func comment(s string) string {
	s = s[:min(len(s), maxComment)]
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = cleaned(l)
	}
	return strings.Join(lines, "\n")
}
