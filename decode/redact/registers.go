package redact

import "dnatrace/decode"

// kind says what a byte in a register, or in a set's key, belongs to.
type kind uint8

const (
	plain kind = iota // a number, or not known
	isIP4
	isIP6
	isMAC
	isIface
)

// sizes of whole values in bytes.
var kindSize = map[kind]int{isIP4: 4, isIP6: 16, isMAC: 6, isIface: 16}

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
func (g *registers) wipe(reg decode.Reg, n int) { g.load(reg, plain, 0, n) }

// field is a value in a header: where it begins, and what it is.
type field struct {
	at   int
	kind kind
}

// headers are the fields with addresses, by base and by the packet's protocol.
var headers = map[uint32]map[decode.Family][]field{
	decode.BaseLink: {0: {{0, isMAC}, {6, isMAC}}},
	decode.BaseNetwork: {
		decode.FamilyIPv4: {{12, isIP4}, {16, isIP4}},
		decode.FamilyIPv6: {{8, isIP6}, {24, isIP6}},
		decode.FamilyARP:  {{8, isMAC}, {14, isIP4}, {18, isMAC}, {24, isIP4}},
	},
}

// payload loads bytes of a header.
func (g *registers) payload(e decode.PayloadExpr, network decode.Family) {
	g.wipe(e.Reg, e.Len)
	if e.Base == decode.BaseLink {
		network = 0
	}
	c := g.from(e.Reg)
	for _, f := range headers[e.Base][network] {
		for i := range min(e.Len, len(c)) {
			if at := e.Offset + i - f.at; at >= 0 && at < kindSize[f.kind] {
				c[i] = cell{f.kind, uint8(at), 0xff}
			}
		}
	}
}

// network guesses whose header a load in a table of several families reads, if
// no comparison before has said so.
func networkOf(e decode.PayloadExpr, family, known decode.Family) decode.Family {
	switch {
	case known != 0:
		return known
	case family == decode.FamilyIPv4, family == decode.FamilyIPv6, family == decode.FamilyARP:
		return family
	case e.Offset >= 12 && e.Offset+e.Len <= 20 && e.Len <= 8:
		return decode.FamilyIPv4
	}
	return decode.FamilyIPv6
}

// bitwise moves a value through a mask.
func (g *registers) bitwise(e decode.BitwiseExpr) {
	var moved [64]cell
	n := copy(moved[:], g.from(e.From))
	n = min(n, e.Len)
	for i := range n {
		if e.Op != 0 || i < len(e.XOR) && e.XOR[i] != 0 && moved[i].kind == plain {
			moved[i] = cell{}
			continue
		}
		if i < len(e.Mask) {
			moved[i].mask &= e.Mask[i]
		}
	}
	copy(g.from(e.To), moved[:n])
}

// ruleReader goes through rules and tells which values are addresses and names.
type ruleReader struct {
	family decode.Family
	value  func(c []cell, v []byte)        // what is compared or written
	span   func(c []cell, from, to []byte) // a range, both ends included
	sets   map[setName]*setCells           // how sets are used
	match  func(name string, f decode.Family, rev uint32, raw []byte)
	target func(name string, f decode.Family, rev uint32, raw []byte)
}

type setName struct {
	family      decode.Family
	table, name string
}

// setCells says what the keys and the values of a set are.
type setCells struct{ key, data []cell }

// rule goes through one rule.
func (w *ruleReader) rule(r *decode.Rule) {
	var g registers
	var network decode.Family // by a comparison of meta nfproto
	proto := decode.VerdictReg
	w.family = r.Family
	for i, e := range r.Exprs {
		switch e := e.(type) {
		case decode.PayloadExpr:
			if !e.Set {
				g.payload(e, networkOf(e, r.Family, network))
			}
		case decode.MetaExpr:
			if !e.Set {
				g.meta(e)
				proto = decode.VerdictReg
				if e.Key == decode.MetaNFProto {
					proto = e.Reg
				}
			}
		case decode.CtExpr:
			if !e.Set {
				g.ct(e, networkOf(decode.PayloadExpr{}, r.Family, network))
			}
		case decode.FibExpr:
			g.wipe(e.To, 16)
			if e.Result == decode.FibOIFName {
				g.load(e.To, isIface, 0, 16)
			}
		case decode.BitwiseExpr:
			g.bitwise(e)
		case decode.ByteorderExpr:
			copy(g.from(e.To)[:min(e.Len, 16)], g.from(e.From))
		case decode.CmpExpr:
			if proto != decode.VerdictReg && e.Reg == proto && len(e.Value) == 1 {
				network = decode.Family(e.Value[0])
			}
			w.compare(&g, r.Exprs, i, e)
		case decode.RangeExpr:
			w.span(g.from(e.Reg), e.From, e.To)
		case decode.ImmediateExpr:
			w.value(consumer(r.Exprs[i+1:], e.Reg, len(e.Data.Value), r.Family), e.Data.Value)
		case decode.LookupExpr:
			w.lookup(&g, r, i, e)
		case *decode.XTMatch:
			w.match(e.Name, r.Family, e.Rev, e.Raw)
		case *decode.XTTarget:
			w.target(e.Name, r.Family, e.Rev, e.Raw)
		}
	}
}

// Names of the bridge that an interface is a port of (enum nft_meta_keys).
const (
	metaBridgeIIFName = 17
	metaBridgeOIFName = 18
)

func (g *registers) meta(e decode.MetaExpr) {
	g.wipe(e.Reg, 16)
	switch e.Key {
	case decode.MetaIIFName, decode.MetaOIFName, metaBridgeIIFName, metaBridgeOIFName:
		g.load(e.Reg, isIface, 0, 16)
	}
}

func (g *registers) ct(e decode.CtExpr, network decode.Family) {
	g.wipe(e.Reg, 16)
	switch e.Key {
	case decode.CtSrcIP, decode.CtDstIP:
		network = decode.FamilyIPv4
	case decode.CtSrcIP6, decode.CtDstIP6:
		network = decode.FamilyIPv6
	case decode.CtSrc, decode.CtDst:
	default:
		return
	}
	if network == decode.FamilyIPv4 {
		g.load(e.Reg, isIP4, 0, 4)
		return
	}
	g.load(e.Reg, isIP6, 0, 16)
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

// consumer tells what a value written to a register is, by what reads it next.
func consumer(exprs []decode.Expr, reg decode.Reg, n int, f decode.Family) []cell {
	var g registers
	addr := isIP4
	if n >= 16 {
		addr = isIP6
	}
	for _, e := range exprs {
		switch e := e.(type) {
		case decode.NATExpr:
			for _, at := range []decode.Reg{e.AddrMin, e.AddrMax} {
				if k := addrOf(e.Family, addr); at != decode.VerdictReg && at >= reg && 4*int(at-reg) < n {
					g.load(at, k, 0, kindSize[k])
				}
			}
			return g.from(reg)
		case decode.TproxyExpr:
			if e.Addr == reg {
				g.load(reg, addrOf(e.Family, addr), 0, n)
			}
			return g.from(reg)
		case decode.DupExpr:
			if e.Addr == reg {
				g.load(reg, addr, 0, n)
				return g.from(reg)
			}
		case decode.PayloadExpr:
			if e.Set && e.Reg == reg {
				g.payload(e, networkOf(e, f, 0))
				return g.from(reg)
			}
		case decode.MetaExpr, decode.CtExpr, decode.CmpExpr:
			continue
		case decode.ImmediateExpr:
			if e.Reg == reg {
				return g.from(reg)
			}
		}
	}
	return g.from(reg)
}

func addrOf(f decode.Family, guess kind) kind {
	switch f {
	case decode.FamilyIPv4:
		return isIP4
	case decode.FamilyIPv6:
		return isIP6
	}
	return guess
}

// lookup notes how a set is used.
func (w *ruleReader) lookup(g *registers, r *decode.Rule, i int, e decode.LookupExpr) {
	s := w.sets[setName{r.Family, r.Table, e.Set}]
	if s == nil {
		return
	}
	s.key = merge(s.key, g.from(e.Reg))
	if e.Map && e.To != decode.VerdictReg {
		data := consumer(r.Exprs[i+1:], e.To, len(s.data), r.Family)
		s.data = merge(s.data, data)
		copy(g.from(e.To), s.data)
	}
}

// merge takes over what was not known before.
func merge(into, from []cell) []cell {
	for i := range min(len(into), len(from)) {
		if into[i].kind == plain {
			into[i] = from[i]
		}
	}
	return into
}
