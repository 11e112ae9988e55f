package ruleset

import (
	"bytes"

	"dnatrace/decode"
)

// clause is a condition or a statement of a rule, read back from the
// expressions that nf_tables made of it.
type clause struct {
	kind  clauseKind
	left  []operand // conditions: what is compared; several if concatenated
	op    decode.CmpOp
	value []byte // cmpClause; rangeClause: the first
	to    []byte // rangeClause: the last
	not   bool   // rangeClause, lookupClause
	set   *decode.NamedSet
	stmt  decode.Expr // statement, or the lookup
	regs  registers   // what the registers held before a statement
	l3    decode.Family
	l4    decode.Proto
}

type clauseKind uint8

const (
	statement clauseKind = iota
	cmpClause
	rangeClause
	lookupClause // in a set, or a verdict map
)

// operand is what a register holds.
type operand struct {
	load      decode.Expr // that it comes from; nil if unknown
	mask, xor []byte      // nil for none
	shift     bool        // it was changed in a way that is not followed
	turned    bool        // from the machine's byte order to the network's, to be compared
	key       []operand   // load is a map lookup of these
	set       *decode.NamedSet
	l3        decode.Family // when it was loaded
	l4        decode.Proto
}

type registers [17]operand

// read turns a rule's expressions into clauses.
func (s *Set) read(r *decode.Rule) []clause {
	var regs registers
	rd := reader{set: s, rule: r, regs: &regs}
	switch r.Family {
	case decode.FamilyIPv4, decode.FamilyIPv6, decode.FamilyARP:
		rd.l3 = r.Family
	}
	for _, e := range r.Exprs {
		rd.expr(e)
	}
	return rd.clauses
}

type reader struct {
	set     *Set
	rule    *decode.Rule
	regs    *registers
	l3      decode.Family
	l4      decode.Proto
	clauses []clause
}

func (rd *reader) expr(e decode.Expr) {
	switch e := e.(type) {
	case decode.MetaExpr:
		rd.loadOrSet(e, e.Reg, e.Set)
	case decode.PayloadExpr:
		rd.loadOrSet(e, e.Reg, e.Set)
	case decode.CtExpr:
		rd.loadOrSet(e, e.Reg, e.Set)
	case decode.FibExpr:
		rd.load(e, e.To)
	case decode.ImmediateExpr:
		if e.Data.Verdict != nil || e.Reg == decode.VerdictReg {
			rd.add(clause{stmt: e})
		} else {
			rd.load(e, e.Reg)
		}
	case decode.BitwiseExpr:
		rd.bitwise(e)
	case decode.ByteorderExpr:
		o := *rd.reg(e.From)
		o.turned = !o.turned
		rd.put(e.To, o)
	case decode.CmpExpr:
		rd.cmp(*rd.reg(e.Reg), e)
		rd.learn(rd.reg(e.Reg), e)
	case decode.RangeExpr:
		rd.add(clause{kind: rangeClause, left: []operand{*rd.reg(e.Reg)}, value: e.From, to: e.To, not: e.Not})
	case decode.LookupExpr:
		rd.lookup(e)
	default:
		rd.add(clause{stmt: e})
	}
}

func (rd *reader) reg(r decode.Reg) *operand { return &rd.regs[min(int(r), len(rd.regs)-1)] }

func (rd *reader) put(r decode.Reg, o operand) { *rd.reg(r) = o }

func (rd *reader) load(e decode.Expr, to decode.Reg) {
	rd.put(to, operand{load: e, l3: rd.l3, l4: rd.l4})
}

func (rd *reader) loadOrSet(e decode.Expr, reg decode.Reg, set bool) {
	if set {
		rd.add(clause{stmt: e})
		return
	}
	rd.load(e, reg)
}

func (rd *reader) bitwise(e decode.BitwiseExpr) {
	o := *rd.reg(e.From)
	if e.Op != 0 || o.mask != nil {
		o.shift = true
	}
	o.mask, o.xor = e.Mask, e.XOR
	if zero(o.xor) {
		o.xor = nil
	}
	rd.put(e.To, o)
}

// cmp adds a comparison. One of several fields at once, which nft makes of
// comparisons with fields next to each other, becomes several.
func (rd *reader) cmp(o operand, e decode.CmpExpr) {
	load, ok := o.load.(decode.PayloadExpr)
	if _, whole := fieldOf(o); ok && !whole && o.mask == nil && e.Op == decode.CmpEqual && len(e.Value) == load.Len {
		if n := firstField(o, load); n > 0 {
			first, rest := load, load
			first.Len = n
			rest.Offset, rest.Len = load.Offset+n, load.Len-n
			o.load = first
			rd.cmp(o, decode.CmpExpr{Op: e.Op, Value: e.Value[:n]})
			o.load = rest
			rd.cmp(o, decode.CmpExpr{Op: e.Op, Value: e.Value[n:]})
			return
		}
	}
	if rd.closes(o, e) {
		last := &rd.clauses[len(rd.clauses)-1]
		*last = clause{kind: rangeClause, left: last.left, value: last.value, to: e.Value, l3: last.l3, l4: last.l4}
		return
	}
	rd.add(clause{kind: cmpClause, left: []operand{o}, op: e.Op, value: e.Value})
}

// closes reports whether a comparison is the upper end of a range of which the
// last clause is the lower one.
func (rd *reader) closes(o operand, e decode.CmpExpr) bool {
	if len(rd.clauses) == 0 || e.Op != decode.CmpLessEqual {
		return false
	}
	last := rd.clauses[len(rd.clauses)-1]
	return last.kind == cmpClause && last.op == decode.CmpGreaterEqual && last.left[0].mask == nil && o.mask == nil &&
		sameLoad(last.left[0].load, o.load)
}

func sameLoad(a, b decode.Expr) bool {
	switch a := a.(type) {
	case decode.PayloadExpr:
		b, ok := b.(decode.PayloadExpr)
		return ok && a == b
	case decode.MetaExpr:
		b, ok := b.(decode.MetaExpr)
		return ok && a == b
	case decode.CtExpr:
		b, ok := b.(decode.CtExpr)
		return ok && a == b
	}
	return false
}

// firstField is how many bytes the first of several fields has, 0 if there is
// none.
func firstField(o operand, load decode.PayloadExpr) int {
	for _, n := range []int{1, 2, 4, 6, 16} {
		part := load
		part.Len = n
		o.load = part
		if f, ok := fieldOf(o); ok && n < load.Len && (n >= 4 || f.kind != kindIPv4 && f.kind != kindIPv6) && (n == 16 || f.kind != kindIPv6) {
			return n
		}
	}
	return 0
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func (rd *reader) lookup(e decode.LookupExpr) {
	set := rd.set.sets[chainKey{tableKey{rd.rule.Family, rd.rule.Table, false}, e.Set}]
	key := rd.concat(e.Reg, set)
	if e.Map && e.To != decode.VerdictReg {
		rd.put(e.To, operand{load: e, key: key, set: set, l3: rd.l3, l4: rd.l4})
		return
	}
	rd.add(clause{kind: lookupClause, left: key, set: set, stmt: e, not: e.Not})
}

// concat gathers what the key of a set is made of: loads in registers next to
// each other, as many as the key is long.
func (rd *reader) concat(r decode.Reg, set *decode.NamedSet) []operand {
	key := []operand{*rd.reg(r)}
	if set == nil {
		return key
	}
	for at, n := words(width(key[0])), (set.KeyLen+3)/4; at < n && int(r)+at < len(rd.regs); {
		o := *rd.reg(r + decode.Reg(at))
		if o.load == nil {
			break
		}
		key = append(key, o)
		at += words(width(o))
	}
	return key
}

// words is how many 32-bit registers n bytes take.
func words(n int) int { return max(1, (n+3)/4) }

// width is how many bytes an operand has.
func width(o operand) int {
	switch e := o.load.(type) {
	case decode.PayloadExpr:
		return e.Len
	case decode.MetaExpr:
		switch e.Key {
		case decode.MetaIIFName, decode.MetaOIFName, decode.MetaIIFKind, decode.MetaOIFKind, metaBridgeIn, metaBridgeOut:
			return 16
		case decode.MetaIIFType, decode.MetaOIFType:
			return 2
		}
		if e.ByName {
			return 16
		}
	case decode.CtExpr:
		switch e.Key {
		case decode.CtSrcIP6, decode.CtDstIP6:
			return 16
		case decode.CtSrc, decode.CtDst:
			if o.l3 == decode.FamilyIPv6 {
				return 16
			}
		}
	case decode.FibExpr:
		if e.Result == decode.FibOIFName {
			return 16
		}
	case decode.ImmediateExpr:
		return len(e.Data.Value)
	}
	return 4
}

func (rd *reader) add(c clause) {
	c.l3, c.l4 = rd.l3, rd.l4
	if c.kind == statement {
		c.regs = *rd.regs
	}
	rd.clauses = append(rd.clauses, c)
}
