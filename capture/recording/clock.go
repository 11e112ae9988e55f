package recording

import (
	"math"
	"math/bits"
)

// clock turns the ticks of an interface into Unix ns.
type clock struct {
	mul    uint64 // ns a tick
	div    uint64 // ticks a ns, for finer clocks; 0 or 1 otherwise
	shift  uint   // ticks are 2^-shift s; 0 for decimal clocks
	offset int64  // s
}

// maxSeconds is how many seconds fit into int64 ns.
const maxSeconds = math.MaxInt64 / 1_000_000_000

var microseconds = clock{mul: 1000}

// resolution reads if_tsresol (pcapng §4.2): a negative power of 10, or of 2
// with the top bit set. One that no clock has is taken as microseconds.
func resolution(v byte) clock {
	exp := uint(v & 0x7f)
	switch {
	case v&0x80 != 0 && exp > 0 && exp <= 63:
		return clock{shift: exp}
	case v == 0x80 || v == 0:
		return clock{mul: 1e9}
	case exp <= 9:
		return clock{mul: pow10(9 - exp)}
	case exp <= 28:
		return clock{mul: 1, div: pow10(exp - 9)}
	}
	return microseconds
}

func pow10(n uint) uint64 {
	v := uint64(1)
	for range n {
		v *= 10
	}
	return v
}

func (c clock) unix(ticks uint64) int64 {
	if c.mul == 1 && c.div == 0 && c.offset == 0 && ticks <= math.MaxInt64 {
		return int64(ticks)
	}
	return c.convert(ticks)
}

// convert saturates: a time out of range is nonsense, and must stay one.
func (c clock) convert(ticks uint64) int64 {
	var hi, lo uint64
	switch {
	case c.shift > 0:
		hi, lo = bits.Mul64(ticks, 1e9)
		lo = hi<<(64-c.shift) | lo>>c.shift
		hi >>= c.shift
	case c.div > 1:
		lo = ticks / c.div
	default:
		hi, lo = bits.Mul64(ticks, c.mul)
	}
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	if c.offset == 0 {
		return int64(lo)
	}
	if c.offset > maxSeconds || c.offset < -maxSeconds {
		return math.MaxInt64
	}
	sum := int64(lo) + c.offset*1e9
	if c.offset > 0 && sum < int64(lo) {
		return math.MaxInt64
	}
	return sum
}
