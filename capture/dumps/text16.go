package dumps

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// IsUTF16 reports whether a file that begins with b is text of two bytes a
// character, as PowerShell and editors of Windows write it.
func IsUTF16(b []byte) bool { return utf16Order(b) != nil }

// utf16Order is the order of bytes of UTF-16 text: by its mark, or, without one,
// by where the zeros of plain letters are; nil if it is no such text.
func utf16Order(b []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return binary.BigEndian
	}
	const enough = 8
	zeros := [2]int{}
	n := min(len(b), 256) &^ 1
	for i, c := range b[:n] {
		if c == 0 {
			zeros[i%2]++
		}
	}
	switch half := n / 2; {
	case half < enough:
		return nil
	case zeros[1] > half*9/10 && zeros[0] == 0:
		return binary.LittleEndian
	case zeros[0] > half*9/10 && zeros[1] == 0:
		return binary.BigEndian
	}
	return nil
}

// PlainText is b in UTF-8, without the marks that editors and terminals leave in it:
// of byte order, and of colour.
func PlainText(b []byte) []byte {
	if order := utf16Order(b); order != nil {
		units := make([]uint16, 0, len(b)/2)
		for ; len(b) >= 2; b = b[2:] {
			units = append(units, order.Uint16(b))
		}
		b = []byte(string(utf16.Decode(units)))
	}
	return withoutEscapes(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
}

// withoutEscapes leaves out the sequences by which programs colour what they print
// (ECMA-48 CSI: ESC [, parameters, one final byte).
func withoutEscapes(b []byte) []byte {
	if !bytes.Contains(b, []byte("\x1b[")) {
		return b
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.Index(b, []byte("\x1b["))
		if i < 0 {
			break
		}
		out = append(out, b[:i]...)
		b = b[i+2:]
		for len(b) > 0 && (b[0] < 0x40 || b[0] > 0x7e) {
			b = b[1:]
		}
		if len(b) > 0 {
			b = b[1:]
		}
	}
	return append(out, b...)
}
