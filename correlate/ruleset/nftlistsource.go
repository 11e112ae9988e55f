package ruleset

import (
	"strconv"
	"strings"

	"dnatrace/decode"
)

// sets reads meta mark set …, ct mark set …, ct helper set …, ip daddr set ….
func (b *listRule) sets() bool {
	at := b.at
	s, ok := b.selector()
	if !ok || !b.word("set") {
		b.at = at
		return false
	}
	if e, isCt := s.load.(decode.CtExpr); isCt && e.Key == decode.CtHelper {
		b.add(decode.ObjrefExpr{Type: 3, Name: b.next().text})
		return true
	}
	was, sets, l3, l4 := len(b.rule.Exprs), len(b.p.rules.Sets), b.l3, b.l4
	b.need(s)
	if !b.source(s.kind, s.len) {
		b.rule.Exprs, b.p.rules.Sets, b.at = b.rule.Exprs[:was], b.p.rules.Sets[:sets], at
		b.l3, b.l4 = l3, l4
		return false
	}
	switch e := s.load.(type) {
	case decode.MetaExpr:
		e.Set = true
		b.add(e)
	case decode.CtExpr:
		e.Set = true
		b.add(e)
	case decode.PayloadExpr:
		e.Set = true
		b.add(e)
	}
	return true
}

// source loads what a statement takes: a value, or a selector and what is done to
// its bits.
func (b *listRule) source(k kind, n int) bool {
	if s, ok := b.selector(); ok {
		if b.word("map") {
			parts := b.loadAll([]selector{s})
			return b.lookup(parts, []part{{k, n}}, false, false)
		}
		b.need(s)
		b.put(s, 1)
		return b.arithmetic(k, n)
	}
	v, ok := oneValue(k, n, b.next().text)
	b.add(decode.ImmediateExpr{Reg: 1, Data: decode.Data{Value: v}})
	return ok && len(v) == n
}

// arithmetic reads & MASK, | BITS and ^ BITS in any order.
func (b *listRule) arithmetic(k kind, n int) bool {
	mask, xor := uint32(0xffffffff), uint32(0)
	changed := false
	for {
		op := b.peek(0).text
		if b.peek(0).kind != listWord || !strings.Contains(" & and | or ^ xor ", " "+op+" ") {
			break
		}
		b.at++
		v, err := strconv.ParseUint(b.next().text, 0, 32)
		if err != nil {
			return false
		}
		changed = true
		switch bits := uint32(v); op {
		case "&", "and":
			mask, xor = mask&bits, xor&bits
		case "|", "or":
			mask, xor = mask&^bits, xor&^bits|bits
		default:
			xor ^= bits
		}
	}
	if changed {
		b.add(bitwise(sized(k, n, mask), sized(k, n, xor)))
	}
	return true
}
