package ring

import (
	"slices"

	"golang.org/x/net/bpf"
)

// code is a stretch of a program. It is entered at its top and either returns
// or falls through its end; every jump is forward and stays within it.
type code []bpf.Instruction

func (s addrSet) matchV4(off uint32, body code) code {
	if len(s.v4) == 0 {
		return nil
	}
	return join(code{bpf.LoadIndirect{Off: off, Size: 4}}, inSpans(s.v4, body))
}

func (s addrSet) matchV6(off uint32, body code) code {
	if len(s.v6) == 0 {
		return nil
	}
	var c code
	rest := []bpf.Instruction{bpf.Jump{Skip: uint32(len(body))}} // from the last test to behind body
	for _, prefix := range slices.Backward(s.v6) {
		found := code{bpf.Jump{Skip: uint32(len(c) + len(rest))}}
		for i, w := range slices.Backward(prefix) {
			found = join(code{bpf.LoadIndirect{Off: off + 4*uint32(i), Size: 4}}, when(w, found))
		}
		c = join(found, c)
	}
	return join(c, rest, body)
}

// leaf is how many spans are compared one by one.
const leaf = 12

// inSpans runs body if A is in one of the spans, sorted: a search tree.
func inSpans(spans []span, body code) code {
	if len(spans) <= leaf {
		return inFew(spans, body)
	}
	mid := len(spans) / 2
	high := inSpans(spans[mid:], body)
	low := join(inSpans(spans[:mid], body), code{bpf.Jump{Skip: uint32(len(high))}})
	return join(code{
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[mid].lo, SkipTrue: 0, SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(low))},
	}, low, high)
}

func inFew(spans []span, body code) code {
	c := code{bpf.Jump{Skip: uint32(len(body))}}
	for _, s := range slices.Backward(spans) {
		hit := uint8(len(c)) // from behind the test to body
		if s.lo == s.hi {
			c = join(code{bpf.JumpIf{Cond: bpf.JumpEqual, Val: s.lo, SkipTrue: hit}}, c)
			continue
		}
		c = join(code{
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: s.lo, SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: s.hi, SkipTrue: hit},
		}, c)
	}
	return join(c, body)
}

// when runs body if A is v.
func when(v uint32, body code) code {
	if len(body) < 256 {
		return join(code{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: uint8(len(body))}}, body)
	}
	return join(code{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(body))}, // conditional jumps reach 255 instructions only
	}, body)
}

// whenAny runs body if A is one of a few values, unless if it is none of them.
func whenAny(values []uint32, body code) code { return inFew(spansOf(values), body) }

func unless(values []uint32, body code) code {
	return join(inFew(spansOf(values), code{bpf.Jump{Skip: uint32(len(body))}}), body)
}

func load(n int) code { return code{bpf.LoadScratch{Dst: bpf.RegA, N: n}} }

// atL4 and atBase point X at a header.
func atL4() code   { return code{bpf.LoadScratch{Dst: bpf.RegX, N: mL4}} }
func atBase() code { return code{bpf.LoadScratch{Dst: bpf.RegX, N: mBase}} }

func join(parts ...code) code {
	var c code
	for _, p := range parts {
		c = append(c, p...)
	}
	return c
}
