package recording

import (
	"encoding/binary"
	"math/bits"
)

// Block types (pcapng §4, and the registry of §11.1).
const (
	blockSection   = 0x0A0D0D0A // the same in both byte orders
	blockInterface = 1
	blockPacket    = 2 // obsolete packet block
	blockSimple    = 3
	blockNames     = 4 // name resolution
	blockStats     = 5
	blockEnhanced  = 6
	blockJournal   = 9 // systemd journal export
)

// magic of a section header, in the writer's byte order.
const byteOrderMagic = 0x1A2B3C4D

// Options (pcapng §3.5, §4.1, §4.2, §4.3, §4.6).
const (
	optEnd         = 0
	optComment     = 1
	optHardware    = 2 // section
	optOS          = 3
	optProgram     = 4
	optName        = 2 // interface
	optDescription = 3
	optMAC         = 6
	optResolution  = 9
	optOffset      = 14
	optFlags       = 2 // packet
	optPacketID    = 5
	optEndTime     = 3 // statistics
	optIfDrop      = 5
	optOSDrop      = 7
)

// Values of optFlags, bits 0 and 1.
const (
	flagIn  = 1
	flagOut = 2
)

// order is the byte order of a section: true if it is big-endian. A predicted
// branch costs less than a call through binary.ByteOrder.
type order bool

func (big order) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (big order) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (big order) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// options calls f for every option in b until f returns false. It stops
// quietly at the first that does not fit: options are never worth the block.
func (big order) options(b []byte, f func(code uint16, value []byte) bool) {
	for len(b) >= 4 {
		code, n := big.u16(b), int(big.u16(b[2:]))
		b = b[4:]
		if code == optEnd || n > len(b) || !f(code, b[:n]) {
			return
		}
		b = b[min(pad4(n), len(b)):]
	}
}

func pad4(n int) int { return (n + 3) &^ 3 }
