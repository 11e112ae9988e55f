package decode

// Attributes of rules and of what all expressions share
// (linux/netfilter/nf_tables.h, linux/netfilter/nf_tables_compat.h).
const (
	nftaRuleTable       = 1
	nftaRuleChain       = 2
	nftaRuleHandle      = 3
	nftaRuleExpressions = 4
	nftaRuleCompat      = 5
	nftaRuleUserdata    = 7

	nftaCompatProto = 1
	nftaCompatFlags = 2
	nftCompatInvert = 0x2

	nftaExprName = 1
	nftaExprData = 2

	nftaDataValue   = 1
	nftaDataVerdict = 2

	nftaVerdictCode  = 1
	nftaVerdictChain = 2
)

func (p *nftParser) rule(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	r := Rule{
		Family:  f,
		Table:   a.string(nftaRuleTable),
		Chain:   a.string(nftaRuleChain),
		Handle:  a.uint64(nftaRuleHandle),
		Comment: comment(a.bytes(nftaRuleUserdata)),
	}
	if r.Table == "" || r.Chain == "" {
		return errNoName
	}
	if a.has(nftaRuleCompat) {
		c := a.nest(nftaRuleCompat)
		r.Compat = &Compat{Proto: Proto(c.uint32(nftaCompatProto)), Invert: c.flag(nftaCompatFlags, nftCompatInvert)}
	}
	err = a.list(nftaRuleExpressions, func(v []byte) error {
		e, err := m.expr(v)
		readExtension(e, m.order, f)
		r.Exprs = append(r.Exprs, e)
		r.Damaged = r.Damaged || err != nil
		return nil
	})
	r.Damaged = r.Damaged || err != nil || a.bad != nil
	p.rules.Rules = append(p.rules.Rules, r) // even if damaged: its place in the chain counts
	return firstOf(err, a.bad)
}

// expr reads one expression. What it does not know it keeps by name.
func (m message) expr(b []byte) (Expr, error) {
	a, err := m.index(b)
	if err != nil {
		return UnknownExpr{}, err
	}
	name := a.string(nftaExprName)
	read := readers[name]
	d := a.nest(nftaExprData)
	if read == nil {
		return UnknownExpr{Name: name, Does: effectOf(name, d), Numbers: d.numbers()}, nil
	}
	e := read(d)
	if err := firstOf(a.bad, d.bad); err != nil {
		return UnknownExpr{Name: name}, err
	}
	return e, nil
}

// data reads a value or a verdict.
func (a *attrs) data(kind int) (d Data) {
	if !a.has(kind) {
		return d
	}
	in := a.nest(kind)
	if in.has(nftaDataVerdict) {
		v := in.nest(nftaDataVerdict)
		d.Verdict = &Verdict{Code: VerdictCode(int32(v.uint32(nftaVerdictCode))), Chain: v.string(nftaVerdictChain)}
		a.bad = firstOf(a.bad, v.bad)
	}
	d.Value = in.bytes(nftaDataValue)
	a.bad = firstOf(a.bad, in.bad)
	return d
}
