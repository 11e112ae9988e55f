package redact

import (
	"encoding/binary"

	"dnatrace/decode"
)

// kind says what a byte in a register, or in a set's key, belongs to.
type kind uint8

const (
	unknown  kind = iota // nobody knows: what is compared with it goes
	isNumber             // a port, a mark, a flag, an index: it stays
	isIP4
	isIP6
	isMAC
	isIface
	isTerm // the name of a kind of interface, or of a helper: it stays if it is one
)

// sizes of whole values in bytes.
var kindSize = map[kind]int{isIP4: 4, isIP6: 16, isMAC: 6, isIface: 16, isTerm: 16}

// cell is one byte of a register: which byte of what it holds, and through which
// mask.
type cell struct {
	kind kind
	at   uint8
	mask byte
}

// registers is the register file of nf_tables while a rule runs: 16 registers of
// 4 bytes.
type registers [64]cell

func (g *registers) from(reg decode.Reg) []cell {
	return g[min((int(reg)+15)%16*4, len(g)):] // the verdict register is none: its cells are never read
}

// load puts n bytes of a value of a kind into a register, from the at-th on.
func (g *registers) load(reg decode.Reg, k kind, at, n int) {
	for i, c := 0, g.from(reg); i < min(n, len(c)); i++ {
		c[i] = cell{k, uint8(at + i), 0xff}
	}
}

// wipe forgets what a register holds.
func (g *registers) wipe(reg decode.Reg, n int) { g.load(reg, unknown, 0, n) }

// whole loads a value of a kind that has a size.
func (g *registers) whole(reg decode.Reg, k kind) { g.load(reg, k, 0, kindSize[k]) }

// numeric loads a number, which may be shorter than n.
func (g *registers) numeric(reg decode.Reg, n int) { g.load(reg, isNumber, 0, n) }

// ruleReader goes through rules and tells which values are addresses and names.
type ruleReader struct {
	family decode.Family
	value  func(c []cell, v []byte)        // what is compared or written
	span   func(c []cell, from, to []byte) // a range, both ends included
	masks  func(c []cell, e decode.BitwiseExpr) bool
	made   func(v []byte)        // what was made of another value
	sets   map[setName]*setCells // how sets are used
	match  func(name string, f decode.Family, rev uint32, raw []byte)
	target func(name string, f decode.Family, rev uint32, raw []byte)
}

type setName struct {
	family      decode.Family
	table, name string
}

// setCells says what the keys and the values of a set are.
type setCells struct{ key, data []cell }

// ruleState is what is known while a rule runs.
type ruleState struct {
	registers
	about context4 // which packets get so far
	reads loaded   // what the last load of a protocol was of, and where to
}

// context4 is what comparisons before have said of a packet.
type context4 struct {
	network decode.Family // 0 for not said
	l4      decode.Proto  // 0 for not said
}

// loaded is a field by which a rule tells protocols apart.
type loaded struct {
	reg  decode.Reg // VerdictReg for none
	what uint8
}

const (
	ofFamily uint8 = iota // NFPROTO_*
	ofEtherType
	ofProto
)

// rule goes through one rule.
func (w *ruleReader) rule(r *decode.Rule) {
	var s ruleState
	w.family = r.Family
	if r.Compat != nil && !r.Compat.Invert {
		s.about.l4 = r.Compat.Proto
	}
	for i, e := range r.Exprs {
		w.expr(&s, r, i, e)
	}
}

func (w *ruleReader) expr(s *ruleState, r *decode.Rule, i int, e decode.Expr) {
	switch e := e.(type) {
	case decode.PayloadExpr:
		if !e.Set {
			s.payload(e, r.Family, s.about)
			s.note(e)
		}
	case decode.MetaExpr:
		if !e.Set {
			s.meta(e)
			s.note(e)
		}
	case decode.CtExpr:
		if !e.Set {
			s.ct(e, networkOf(decode.PayloadExpr{}, r.Family, s.about.network))
		}
	case decode.FibExpr:
		s.wipe(e.To, 16)
		if e.Result == decode.FibOIFName {
			s.whole(e.To, isIface)
		} else {
			s.numeric(e.To, 4)
		}
	case decode.BitwiseExpr:
		if w.masks(s.from(e.From), e) {
			s.bitwise(e)
		} else {
			s.wipe(e.To, e.Len)
		}
	case decode.ByteorderExpr:
		copy(s.from(e.To)[:min(e.Len, 16)], s.from(e.From))
	case decode.CmpExpr:
		s.learn(e)
		w.compare(&s.registers, r.Exprs, i, e)
	case decode.RangeExpr:
		w.span(s.from(e.Reg), e.From, e.To)
	case decode.ImmediateExpr:
		w.value(consumer(r.Exprs[i+1:], e.Reg, len(e.Data.Value), r.Family, s.about), e.Data.Value)
	case decode.LookupExpr:
		w.lookup(s, r, i, e)
	case *decode.XTMatch:
		w.match(e.Name, r.Family, e.Rev, e.Raw)
	case *decode.XTTarget:
		w.target(e.Name, r.Family, e.Rev, e.Raw)
	case decode.UnknownExpr:
		s.undecoded(e)
	}
}

// note remembers that a field was loaded by which protocols are told apart.
func (s *ruleState) note(e decode.Expr) {
	switch e := e.(type) {
	case decode.MetaExpr:
		switch e.Key {
		case decode.MetaNFProto:
			s.reads = loaded{e.Reg, ofFamily}
		case decode.MetaProtocol:
			s.reads = loaded{e.Reg, ofEtherType}
		case decode.MetaL4Proto:
			s.reads = loaded{e.Reg, ofProto}
		default:
			s.forget(e.Reg)
		}
	case decode.PayloadExpr:
		switch {
		case e.Base == decode.BaseNetwork && e.Len == 1 && (e.Offset == 9 || e.Offset == 6):
			s.reads = loaded{e.Reg, ofProto}
		case e.Base == decode.BaseLink && e.Len == 2 && e.Offset >= 12:
			s.reads = loaded{e.Reg, ofEtherType}
		default:
			s.forget(e.Reg)
		}
	}
}

func (s *ruleState) forget(reg decode.Reg) {
	if s.reads.reg == reg {
		s.reads = loaded{}
	}
}

// learn takes notice of a comparison with one protocol.
func (s *ruleState) learn(e decode.CmpExpr) {
	if s.reads.reg == decode.VerdictReg || e.Reg != s.reads.reg || e.Op != decode.CmpEqual {
		return
	}
	switch {
	case s.reads.what == ofFamily && len(e.Value) == 1:
		s.about.network = decode.Family(e.Value[0])
	case s.reads.what == ofProto && len(e.Value) == 1:
		s.about.l4 = decode.Proto(e.Value[0])
	case s.reads.what == ofEtherType && len(e.Value) == 2:
		s.about.network = map[uint16]decode.Family{etherIPv4: decode.FamilyIPv4, etherIPv6: decode.FamilyIPv6, etherARP: decode.FamilyARP}[binary.BigEndian.Uint16(e.Value)]
	}
}

// compare tells of a comparison: with one value, or, as nft writes ranges, with
// the first and then with the last of several.
func (w *ruleReader) compare(g *registers, exprs []decode.Expr, i int, e decode.CmpExpr) {
	ordered := func(i int, op decode.CmpOp) (decode.CmpExpr, bool) {
		if i < 0 || i >= len(exprs) {
			return decode.CmpExpr{}, false
		}
		c, ok := exprs[i].(decode.CmpExpr)
		return c, ok && c.Op == op && c.Reg == e.Reg
	}
	if to, ok := ordered(i+1, decode.CmpLessEqual); ok && e.Op == decode.CmpGreaterEqual {
		w.span(g.from(e.Reg), e.Value, to.Value)
		return
	}
	if _, ok := ordered(i-1, decode.CmpGreaterEqual); ok && e.Op == decode.CmpLessEqual {
		return // of the range before
	}
	w.value(g.from(e.Reg), e.Value)
}

// bitwise moves a value through a mask.
func (g *registers) bitwise(e decode.BitwiseExpr) {
	var moved [64]cell
	n := copy(moved[:], g.from(e.From))
	n = min(n, e.Len)
	for i := range n {
		if e.Op != 0 && moved[i].kind != isNumber {
			moved[i] = cell{}
			continue
		}
		if i < len(e.Mask) {
			moved[i].mask &= e.Mask[i]
		}
	}
	copy(g.from(e.To), moved[:n])
}

// lookup notes how a set is used.
func (w *ruleReader) lookup(g *ruleState, r *decode.Rule, i int, e decode.LookupExpr) {
	s := w.sets[setName{r.Family, r.Table, e.Set}]
	if s == nil {
		return
	}
	s.key = merge(s.key, g.from(e.Reg))
	if e.Map && e.To != decode.VerdictReg {
		data := consumer(r.Exprs[i+1:], e.To, len(s.data), r.Family, g.about)
		s.data = merge(s.data, data)
		copy(g.from(e.To), s.data)
	}
}

// merge takes over what was not known before, or taken for a number.
func merge(into, from []cell) []cell {
	for i := range min(len(into), len(from)) {
		if into[i].kind == unknown || into[i].kind == isNumber && from[i].kind != unknown {
			into[i] = from[i]
		}
	}
	return into
}
