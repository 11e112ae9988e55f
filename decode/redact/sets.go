package redact

import (
	"bytes"
	"slices"

	"dnatrace/decode"
)

// nftTypes are the types of keys as nft numbers them (nftables' enum datatypes) of
// which it is known what they are; a concatenation has one every six bits. Those of
// numbers are not the labels of connections, nor integers of any use.
var nftTypes = map[uint32]kind{7: isIP4, 8: isIP6, 9: isMAC, 41: isIface}

func init() {
	for _, n := range []uint32{2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 42, 43, 44, 45} {
		nftTypes[n] = isNumber
	}
}

// cellsOf says what a key or value of n bytes is by the type that nft gave it;
// fields are the sizes of the parts of a concatenation. Of one whose parts' sizes
// are not said, only its use tells.
func cellsOf(typ uint32, n int, fields []int) []cell {
	cells := make([]cell, n)
	switch {
	case len(fields) > 0:
	case typ >= 1<<6:
		return cells
	default:
		fields = []int{n}
	}
	at := 0
	for i, size := range fields {
		k := nftTypes[typ>>(6*(len(fields)-1-i))&63]
		if most, ok := kindSize[k]; ok {
			size = min(size, most)
		}
		for j := 0; j < size && at+j < n && k != unknown; j++ {
			cells[at+j] = cell{k, uint8(j), 0xff}
		}
		at += (fields[i] + 3) &^ 3
	}
	return cells
}

// read goes through a whole dump: rules first, for how they use the sets.
func (w *ruleReader) read(rules *decode.Rules) {
	w.sets = map[setName]*setCells{}
	for i := range rules.Sets {
		s := &rules.Sets[i]
		w.sets[setName{s.Family, s.Table, s.Name}] = &setCells{cellsOf(s.KeyType, s.KeyLen, s.FieldLens), cellsOf(s.DataType, s.DataLen, nil)}
	}
	for i := range rules.Rules {
		w.rule(&rules.Rules[i])
	}
	for i := range rules.Sets {
		s := &rules.Sets[i]
		w.set(s, w.sets[setName{s.Family, s.Table, s.Name}])
	}
}

func (w *ruleReader) set(s *decode.NamedSet, c *setCells) {
	for i := range s.Elements {
		w.value(c.data, s.Elements[i].Data.Value)
	}
	if s.Flags&decode.SetInterval != 0 && s.Flags&decode.SetConcat == 0 && len(s.FieldLens) < 2 {
		w.intervals(s, c.key)
		return
	}
	for i := range s.Elements {
		e := &s.Elements[i]
		if e.KeyEnd != nil {
			w.span(c.key, e.Key, e.KeyEnd)
			continue
		}
		w.value(c.key, e.Key)
	}
}

// intervals tells of intervals that are kept as their first key, and the first
// key behind.
func (w *ruleReader) intervals(s *decode.NamedSet, c []cell) {
	sorted := make([]*decode.Element, 0, len(s.Elements))
	for i := range s.Elements {
		if e := &s.Elements[i]; !e.CatchAll && len(e.Key) > 0 {
			sorted = append(sorted, e)
		}
	}
	slices.SortStableFunc(sorted, func(a, b *decode.Element) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 || a.End == b.End {
			return c
		}
		if a.End {
			return -1
		}
		return 1
	})
	for i, e := range sorted {
		switch {
		case e.End && i == 0: // what is before the first interval
		case e.End:
		case i+1 < len(sorted) && sorted[i+1].End:
			last := step(sorted[i+1].Key, -1)
			w.span(c, e.Key, last)
			copy(sorted[i+1].Key, step(last, 1))
			w.made(sorted[i+1].Key)
		case i+1 < len(sorted):
			w.span(c, e.Key, step(sorted[i+1].Key, -1))
		default:
			w.span(c, e.Key, bytes.Repeat([]byte{0xff}, len(e.Key)))
		}
	}
}

// step is the key before or after k.
func step(k []byte, by int) []byte {
	k = slices.Clone(k)
	for i := len(k) - 1; i >= 0; i-- {
		was := k[i]
		k[i] = byte(int(was) + by)
		if by < 0 && was != 0 || by > 0 && was != 0xff {
			break
		}
	}
	return k
}

// learnRules pins the ranges of addresses that rules match.
func (r *Redactor) learnRules(data []byte) {
	rules, _ := decode.ParseNFTables(bytes.Clone(data)) // what is damaged is passed over
	w := ruleReader{
		value: func([]cell, []byte) {},
		masks: maskable,
		made:  func([]byte) {},
		span: func(c []cell, from, to []byte) {
			eachRun(c, from, func(k kind, at, n int) {
				if at+n <= len(to) {
					r.span(k, from[at:at+n], to[at:at+n])
				}
			})
		},
		match:  func(name string, f decode.Family, rev uint32, raw []byte) { r.learnMatch(name, f, rev, raw) },
		target: func(name string, f decode.Family, rev uint32, raw []byte) { r.learnTarget(name, f, rev, raw) },
	}
	w.read(rules)
}

func (r *Redactor) span(k kind, from, to []byte) {
	switch k {
	case isIP4:
		r.v4.span(from, to)
	case isIP6:
		r.v6.span(from, to)
	}
}

// ruleValues rewrites the values in the rules of a dump, in place.
func (r *Redactor) ruleValues(data []byte) {
	rules, _ := decode.ParseNFTables(data) // its values are parts of data
	w := ruleReader{
		value: r.cells,
		span: func(c []cell, from, to []byte) {
			r.cells(c, from)
			r.cells(c, to)
		},
		masks: r.masks,
		made:  r.settle,
		match: func(name string, f decode.Family, rev uint32, raw []byte) {
			r.settle(raw)
			r.xtMatch(name, f, rev, raw)
		},
		target: func(name string, f decode.Family, rev uint32, raw []byte) {
			r.settle(raw)
			r.xtTarget(name, f, rev, raw)
		},
	}
	w.read(rules)
}

// masks lets the values of a bitwise expression stay if they say nothing: of
// addresses a mask that takes leading bits, of numbers any. Otherwise the expression
// goes, and false is returned.
func (r *Redactor) masks(c []cell, e decode.BitwiseExpr) bool {
	if !maskable(c, e) {
		r.takeOut(e.Mask)
		r.takeOut(e.XOR)
		return false
	}
	r.settle(e.Mask)
	r.settle(e.XOR)
	return true
}

// maskable reports whether a value that is seen through a mask can be replaced.
func maskable(c []cell, e decode.BitwiseExpr) bool {
	masked := slices.Clone(c[:min(len(e.Mask), len(c))])
	for i := range masked {
		flips := i < len(e.XOR) && e.XOR[i] != 0
		switch masked[i].kind {
		case isNumber:
		case unknown:
			if flips || e.Mask[i] != 0 {
				return false
			}
		default:
			if flips {
				return false
			}
		}
		masked[i].mask &= e.Mask[i]
	}
	fits := true
	eachRun(masked, e.Mask, func(_ kind, at, n int) {
		fits = fits && isPrefix(masked[at:at+n])
	})
	return fits && zeros(e.XOR[min(len(masked), len(e.XOR)):])
}

// eachRun calls f for each part of v that is of one value: its kind, where it
// begins and how many bytes of it there are. Numbers, and what is not known, are
// passed over.
func eachRun(c []cell, v []byte, f func(k kind, at, n int)) {
	for i := 0; i < min(len(c), len(v)); {
		n := 1
		for i+n < min(len(c), len(v)) && c[i+n].kind == c[i].kind && c[i+n].at == c[i+n-1].at+1 {
			n++
		}
		if c[i].kind != unknown && c[i].kind != isNumber {
			f(c[i].kind, i, n)
		}
		i += n
	}
}

// cells rewrites a value in place by what its bytes are. What is not known goes,
// and with it the expression that it is in.
func (r *Redactor) cells(c []cell, v []byte) {
	if !known(c, v) {
		r.takeOutParts(c, v)
		return
	}
	sure := true
	eachRun(c, v, func(k kind, at, n int) {
		part, of := v[at:at+n], c[at:at+n]
		switch {
		case k == isIface && of[0].at == 0:
			inPlace(part, r.iface)
		case k == isTerm && of[0].at == 0 && knownWord(cut(part)):
		case of[0].at != 0 || k == isTerm || k == isMAC && n < 6 || !isPrefix(of):
			sure = r.unsure(part) && sure
		case k == isIP4:
			r.ip4(part)
		case k == isIP6:
			r.ip6(part)
		case k == isMAC:
			r.mac(part)
		}
		for i := range part {
			part[i] &= of[i].mask
		}
	})
	if !sure {
		r.outOfRule(v)
	}
	r.settle(v)
}

// known reports whether it is known what all bytes of a value are that are not zero.
func known(c []cell, v []byte) bool {
	for i, b := range v {
		if b != 0 && (i >= len(c) || c[i].kind == unknown) {
			return false
		}
	}
	return true
}

// takeOutParts clears what is not known of a value; all of it if it is in an
// expression.
func (r *Redactor) takeOutParts(c []cell, v []byte) {
	if len(v) == 0 {
		return
	}
	if r.pending[&v[0]].in != nil {
		r.takeOut(v)
		r.settle(v)
		return
	}
	r.Cleared["values in rules"]++
	for i := range v {
		if i >= len(c) || c[i].kind == unknown {
			v[i] = 0
		}
	}
	r.cells(c, v)
}

// outOfRule takes out the expression that a value is in.
func (r *Redactor) outOfRule(v []byte) {
	if in := r.pending[&v[0]].in; in != nil {
		in.redacted()
	}
}

// unsure clears what cannot be mapped by itself; true if there was nothing to clear.
func (r *Redactor) unsure(v []byte) bool {
	if zeros(v) {
		return true
	}
	r.Unsure++
	clear(v)
	return false
}

func zeros(v []byte) bool {
	for _, b := range v {
		if b != 0 {
			return false
		}
	}
	return true
}

// knownWord reports whether a string is one of the few that stay where a rule
// compares with one.
func knownWord(s string) bool { return slices.Contains(helpers, s) || slices.Contains(linkKinds, s) }

// isPrefix reports whether the mask keeps leading bits alone. For MAC addresses
// and names only all will do.
func isPrefix(c []cell) bool {
	ended := false
	for _, one := range c {
		lost := ^one.mask
		if ended && one.mask != 0 || lost&(lost+1) != 0 {
			return false
		}
		ended = ended || lost != 0
	}
	return !ended || c[0].kind == isIP4 || c[0].kind == isIP6
}
