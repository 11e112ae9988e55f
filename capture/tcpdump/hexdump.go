package tcpdump

import (
	"regexp"
	"strings"
)

var hexLine = regexp.MustCompile(`^\t0x([0-9a-f]{4,5}):  ((?:[0-9a-f]{2,4} ?)+)`)

// hexDump is the packet as -x prints it: from the IP header on, or, with -xx, from that
// of the link layer; nil without.
func hexDump(lines []string) []byte {
	var out []byte
	for _, s := range lines {
		m := hexLine.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		at := strings.TrimLeft(m[1], "0")
		if (at == "") != (len(out) == 0) {
			return out
		}
		for _, word := range strings.Fields(m[2]) {
			for ; len(word) >= 2; word = word[2:] {
				out = append(out, hexByte(word))
			}
		}
	}
	return out
}

func hexByte(s string) byte {
	digit := func(c byte) byte {
		if c >= 'a' {
			return c - 'a' + 10
		}
		return c - '0'
	}
	return digit(s[0])<<4 | digit(s[1])
}

// whole reports whether a hex dump is a packet of IP, or an ARP message, and leaves out
// its link layer.
func (l *line) whole() bool {
	if b := l.raw; len(b) > 14+20 && isEther(b) {
		copy(l.dst[:], b)
		copy(l.src[:], b[6:])
		l.raw = b[14:]
	}
	return etherType(l.raw) != 0
}

// isEther reports whether b begins with the header of Ethernet.
func isEther(b []byte) bool {
	kind := big.Uint16(b[12:])
	return kind != 0 && kind == etherType(b[14:])
}

// etherType is what a packet is by its first bytes; 0 if it is none of those that
// matter here.
func etherType(b []byte) uint16 {
	switch {
	case len(b) < 20:
		return 0
	case b[0]>>4 == 4 && b[0]&15 >= 5:
		return 0x0800
	case b[0]>>4 == 6 && len(b) >= 40:
		return 0x86dd
	case len(b) >= 28 && b[1] == 1 && big.Uint64(b)>>16 == 0x0001_0800_0604:
		return 0x0806
	}
	return 0
}
