package ruleset

import (
	"bytes"

	"dnatrace/decode"
)

// at is where in data a register begins.
func at(r decode.Reg) int { return (int(r) - 1) * 4 }

// put writes a value and fills the last 32 bits up with zeros.
func (m *machine) put(r decode.Reg, b []byte) {
	from := at(r)
	if from < 0 || from+len(b) > len(m.data) {
		return
	}
	n := words(len(b)) * 4
	clear(m.data[from:min(from+n, len(m.data))])
	copy(m.data[from:], b)
	m.note(r, len(b), "")
}

// note says why n bytes of a register are not known, or with "" that they are.
func (m *machine) note(r decode.Reg, n int, why string) {
	first := int(r) - 1
	for i := first; i >= 0 && i < first+words(n) && i < len(m.why); i++ {
		m.why[i] = why
	}
}

// get reads n bytes of a register.
func (m *machine) get(r decode.Reg, n int) ([]byte, string) {
	from := at(r)
	if from < 0 || from+n > len(m.data) {
		return make([]byte, n), "a register is beyond the end"
	}
	for i := from / 4; i < (from+n+3)/4; i++ {
		if m.why[i] != "" {
			return m.data[from : from+n], m.why[i]
		}
	}
	return m.data[from : from+n], ""
}

func (e *evaluation) bitwise(x decode.BitwiseExpr) {
	got, why := e.get(x.From, x.Len)
	if why != "" {
		e.note(x.To, x.Len, why)
		return
	}
	out := bytes.Clone(got)
	switch {
	case x.Op == 0 && len(x.Mask) >= x.Len:
		for i := range out {
			out[i] &= x.Mask[i]
			if i < len(x.XOR) {
				out[i] ^= x.XOR[i]
			}
		}
	case (x.Op == 1 || x.Op == 2) && x.Len == 4:
		n := e.order.Uint32(out)
		if x.Op == 1 {
			n <<= x.Shift
		} else {
			n >>= x.Shift
		}
		e.order.PutUint32(out, n)
	default:
		e.note(x.To, x.Len, "bitwise is not followed")
		return
	}
	e.put(x.To, out)
}

func (e *evaluation) byteorder(x decode.ByteorderExpr) {
	got, why := e.get(x.From, x.Len)
	if why != "" {
		e.note(x.To, x.Len, why)
		return
	}
	out := bytes.Clone(got)
	if !e.set.rules.BigEndian && x.Size > 0 {
		for i := 0; i+x.Size <= len(out); i += x.Size {
			for a, b := i, i+x.Size-1; a < b; a, b = a+1, b-1 {
				out[a], out[b] = out[b], out[a]
			}
		}
	}
	e.put(x.To, out)
}
