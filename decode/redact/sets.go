package redact

import (
	"bytes"
	"slices"

	"dnatrace/decode"
)

// Types of keys as nft numbers them (nftables' enum datatypes); a concatenation
// has one every six bits.
var nftTypes = map[uint32]kind{7: isIP4, 8: isIP6, 9: isMAC, 41: isIface}

// cellsOf says what a key or value of n bytes is by the type that nft gave it;
// fields are the sizes of the parts of a concatenation.
func cellsOf(typ uint32, n int, fields []int) []cell {
	cells := make([]cell, n)
	if len(fields) == 0 {
		fields = []int{n}
	}
	at := 0
	for i, size := range fields {
		k := nftTypes[typ>>(6*(len(fields)-1-i))&63]
		for j := 0; j < min(kindSize[k], size) && at+j < n; j++ {
			cells[at+j] = cell{k, uint8(j), 0xff}
		}
		at += (size + 3) &^ 3
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
		match:  r.xtMatch,
		target: r.xtTarget,
	}
	w.read(rules)
}

// eachRun calls f for each part of v that is of one value: its kind, where it
// begins and how many bytes of it there are. Parts that do not begin where the
// value does are of no use.
func eachRun(c []cell, v []byte, f func(k kind, at, n int)) {
	for i := 0; i < min(len(c), len(v)); {
		n := 1
		for i+n < min(len(c), len(v)) && c[i+n].kind == c[i].kind && c[i+n].at == c[i+n-1].at+1 {
			n++
		}
		if c[i].kind != plain {
			f(c[i].kind, i, n)
		}
		i += n
	}
}

// cells rewrites a value in place by what its bytes are.
func (r *Redactor) cells(c []cell, v []byte) {
	eachRun(c, v, func(k kind, at, n int) {
		part, of := v[at:at+n], c[at:at+n]
		switch {
		case k == isIface && of[0].at == 0:
			inPlace(part, r.iface)
		case of[0].at != 0 || k == isMAC && n < 6 || !isPrefix(of):
			r.unsure(part)
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
}

// unsure clears what cannot be mapped by itself.
func (r *Redactor) unsure(v []byte) {
	for _, b := range v {
		if b != 0 {
			r.Unsure++
			clear(v)
			return
		}
	}
}

// isPrefix reports whether the mask keeps leading bits alone. For MAC addresses
// only all will do.
func isPrefix(c []cell) bool {
	ended := false
	for _, one := range c {
		lost := ^one.mask
		if ended && one.mask != 0 || lost&(lost+1) != 0 {
			return false
		}
		ended = ended || lost != 0
	}
	return !ended || c[0].kind != isMAC
}
