package ruleset

import (
	"strings"

	"dnatrace/decode"
)

// key reads selectors joined by dots and loads them to registers next to each
// other.
func (b *listRule) key() ([]part, bool) {
	s, ok := b.selectors()
	if !ok {
		return nil, false
	}
	return b.loadAll(s), true
}

func (b *listRule) selectors() ([]selector, bool) {
	var all []selector
	for {
		s, ok := b.selector()
		if !ok {
			return nil, false
		}
		all = append(all, s)
		if !b.word(".") {
			return all, true
		}
	}
}

func (b *listRule) loadAll(all []selector) []part {
	for _, s := range all {
		b.need(s)
	}
	var parts []part
	to := decode.Reg(1)
	for _, s := range all {
		b.put(s, to)
		to += decode.Reg(words(s.len))
		parts = append(parts, part{s.kind, s.len})
	}
	return parts
}

// condition reads selectors, what is done to their bits, and what they are
// compared with. Nothing is added unless all of it is understood.
func (b *listRule) condition() bool {
	was := len(b.rule.Exprs)
	sets, l3, l4 := len(b.p.rules.Sets), b.l3, b.l4
	hidden := b.unknown
	if b.compare() {
		return true
	}
	b.rule.Exprs, b.p.rules.Sets = b.rule.Exprs[:was], b.p.rules.Sets[:sets]
	b.l3, b.l4, b.unknown = l3, l4, hidden
	return false
}

func (b *listRule) compare() bool {
	all, ok := b.selectors()
	if !ok {
		return false
	}
	was := len(b.rule.Exprs)
	if t := b.value1(); len(all) == 1 && t.kind == listWord && t.text != "" && digit(t.text[0]) {
		all[0] = all[0].byNumber()
	}
	ok = b.compareTo(all)
	if ok && b.p.iptables() && distorted(all) {
		b.rule.Exprs = append(b.rule.Exprs[:was], decode.UnknownExpr{Name: "what nft lists of an extension of iptables", Does: decode.EffectMatch})
	}
	return ok
}

func (b *listRule) compareTo(all []selector) bool {
	parts := b.loadAll(all)
	s := all[0]
	if b.word("vmap") {
		return b.lookup(parts, nil, true, false)
	}
	mask, masked := b.bits(s)
	op, written := b.operator()
	switch {
	case b.peek(0).text == "{" || strings.HasPrefix(b.peek(0).text, "@") && b.peek(0).kind == listWord:
		return !masked && (op == decode.CmpEqual || op == decode.CmpNotEqual) && b.lookup(parts, nil, false, op == decode.CmpNotEqual)
	case len(all) > 1:
		return false
	}
	if masked {
		v, ok := oneValue(s.kind, s.len, b.next().text)
		b.add(bitwise(mask, nil), decode.CmpExpr{Reg: 1, Op: op, Value: v})
		return ok && len(v) == s.len
	}
	return b.value(s, op, written)
}

// value1 is the value behind selectors, or its beginning, and nothing is passed.
func (b *listRule) value1() listToken {
	at := b.at
	defer func() { b.at = at }()
	b.operator()
	return b.peek(0)
}

// distorted reports whether nft lists an extension of iptables otherwise than the
// kernel runs it: of conntrack it leaves inversions and states out where it says
// ct status, and of multiport's inverted --ports the inversion.
func distorted(all []selector) bool {
	if e, ok := all[0].load.(decode.CtExpr); ok && e.Key == decode.CtStatus {
		return true
	}
	return len(all) > 1
}

// bits reads "& MASK" of a comparison.
func (b *listRule) bits(s selector) (mask []byte, ok bool) {
	if !b.word("&") && !b.word("and") {
		return nil, false
	}
	var text string
	for t := b.peek(0); !b.done() && t.text != "==" && t.text != "!="; t = b.peek(0) {
		text += t.text
		b.at++
	}
	mask, ok = oneValue(s.kind, s.len, text)
	return mask, ok && len(mask) == s.len
}

func bitwise(mask, xor []byte) decode.Expr {
	if xor == nil {
		xor = make([]byte, len(mask))
	}
	return decode.BitwiseExpr{From: 1, To: 1, Len: len(mask), Mask: mask, XOR: xor}
}

// operator reads a comparison; none is "equal".
func (b *listRule) operator() (op decode.CmpOp, written string) {
	ops := map[string]decode.CmpOp{"==": decode.CmpEqual, "!=": decode.CmpNotEqual, "<": decode.CmpLess, "<=": decode.CmpLessEqual, ">": decode.CmpGreater, ">=": decode.CmpGreaterEqual}
	t := b.peek(0).text
	if op, ok := ops[t]; ok {
		b.at++
		return op, t
	}
	if b.word("!") {
		return decode.CmpEqual, "!"
	}
	return decode.CmpEqual, ""
}

// value compares with one value, a prefix, a range, or flags.
func (b *listRule) value(s selector, op decode.CmpOp, written string) bool {
	t := b.next()
	if s.kind == kindCtState || s.kind == kindCtStatus || s.kind == kindTCPFlags {
		return b.flags(s, op, written, t)
	}
	v, ok := listValue(s.kind, s.len, t)
	switch {
	case !ok:
		return false
	case v.mask != nil:
		b.add(bitwise(v.mask, nil), decode.CmpExpr{Reg: 1, Op: op, Value: v.from})
	case v.single():
		if op > decode.CmpNotEqual && hostOrder(s.kind) {
			b.add(decode.ByteorderExpr{From: 1, To: 1, Len: s.len, Size: s.len})
			v.from = turn(v.from)
		}
		b.add(decode.CmpExpr{Reg: 1, Op: op, Value: v.from})
		b.learn(s, op, v.from)
	default:
		return b.span(s, op, v)
	}
	return op <= decode.CmpNotEqual || v.mask == nil
}

func turn(v []byte) []byte {
	out := make([]byte, len(v))
	for i := range v {
		out[len(v)-1-i] = v[i]
	}
	return out
}

func (b *listRule) span(s selector, op decode.CmpOp, v listSpan) bool {
	if hostOrder(s.kind) {
		b.add(decode.ByteorderExpr{From: 1, To: 1, Len: s.len, Size: s.len})
		v.from, v.to = turn(v.from), turn(v.to)
	}
	switch op {
	case decode.CmpEqual:
		b.add(decode.CmpExpr{Reg: 1, Op: decode.CmpGreaterEqual, Value: v.from})
		b.put(s, 1)
		if hostOrder(s.kind) {
			b.add(decode.ByteorderExpr{From: 1, To: 1, Len: s.len, Size: s.len})
		}
		b.add(decode.CmpExpr{Reg: 1, Op: decode.CmpLessEqual, Value: v.to})
	case decode.CmpNotEqual:
		b.add(decode.RangeExpr{Reg: 1, Not: true, From: v.from, To: v.to})
	default:
		return false
	}
	return true
}

// flags compares a set of flags: any of them, none of them ("!"), all as given
// ("==", "!="), or those of a mask ("syn / syn,ack").
func (b *listRule) flags(s selector, op decode.CmpOp, written string, t listToken) bool {
	v, ok := oneValue(s.kind, s.len, t.text)
	if !ok {
		return false
	}
	none := make([]byte, s.len)
	switch {
	case b.word("/"):
		mask, ok := oneValue(s.kind, s.len, b.next().text)
		b.add(bitwise(mask, nil), decode.CmpExpr{Reg: 1, Op: op, Value: v})
		return ok
	case written == "":
		b.add(bitwise(v, nil), decode.CmpExpr{Reg: 1, Op: decode.CmpNotEqual, Value: none})
	case written == "!":
		b.add(bitwise(v, nil), decode.CmpExpr{Reg: 1, Op: decode.CmpEqual, Value: none})
	default:
		b.add(decode.CmpExpr{Reg: 1, Op: op, Value: v})
	}
	return true
}

// learn notes the protocol that a comparison pins down.
func (b *listRule) learn(s selector, op decode.CmpOp, v []byte) {
	rd := reader{l3: b.l3, l4: b.l4}
	rd.learn(&operand{load: s.load}, decode.CmpExpr{Op: op, Value: v})
	b.l3, b.l4 = rd.l3, rd.l4
}

// lookup reads @NAME or { … }, whose key is loaded already.
func (b *listRule) lookup(key, data []part, verdicts, not bool) bool {
	e := decode.LookupExpr{Reg: 1, Not: not, Map: verdicts || data != nil}
	if data != nil {
		e.To = 1
	}
	if b.word("{") {
		set, ok := b.p.anonymous(key, data, e.Map, b.block())
		e.Set = set.Name
		b.add(e)
		return ok
	}
	name, ok := strings.CutPrefix(b.next().text, "@")
	e.Set = name
	b.add(e)
	return ok
}
