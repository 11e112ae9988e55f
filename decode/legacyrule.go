package decode

import (
	"bytes"
	"fmt"
)

// rule makes the expressions of one entry: those that iptables-nft makes of the
// same rule.
func (p *legacyParser) rule(e legacyEntry, next int) {
	r := Rule{Family: p.family, Table: p.table, Chain: p.chain, Legacy: true}
	p.header(&r, e)
	if err := p.matches(&r, e); err != nil {
		r.Damaged = true
		p.bad = firstOf(p.bad, err)
	}
	r.Exprs = append(r.Exprs, CounterExpr{*p.counter(e)})
	if err := p.target(&r, e, next); err != nil {
		r.Damaged = true
		p.bad = firstOf(p.bad, err)
	}
	p.rules.Rules = append(p.rules.Rules, r)
}

// header compares addresses, interfaces and protocol (struct ipt_ip, struct
// ip6t_ip6).
func (p *legacyParser) header(r *Rule, e legacyEntry) {
	l := p.layout
	not := func(bit byte) bool { return e.b[l.invert]&bit != 0 }
	at := 12
	if p.family == FamilyIPv6 {
		at = 8
	}
	n := l.addr
	r.address(at, e.b[0:n], e.b[2*n:3*n], not(legacyNotSrc))
	r.address(at+n, e.b[n:2*n], e.b[3*n:4*n], not(legacyNotDst))
	names := e.b[4*n:]
	r.device(MetaIIFName, names[0:16], names[32:48], not(legacyNotIn))
	r.device(MetaOIFName, names[16:32], names[48:64], not(legacyNotOut))
	if proto := p.order.Uint16(e.b[l.proto:]); proto != 0 {
		r.compare(MetaExpr{Key: MetaL4Proto, Reg: 1}, not(legacyNotProto), []byte{byte(proto)})
	}
	if e.b[l.flags]&^l.knownFlags != 0 {
		r.Exprs = append(r.Exprs, UnknownExpr{Name: "a flag of the rule (-f)", Does: EffectMatch})
	}
}

func (r *Rule) compare(load Expr, not bool, value []byte) {
	op := CmpEqual
	if not {
		op = CmpNotEqual
	}
	r.Exprs = append(r.Exprs, load, CmpExpr{Reg: 1, Op: op, Value: value})
}

func (r *Rule) address(at int, addr, mask []byte, not bool) {
	if filledWith(mask, 0) && !not {
		return
	}
	load := PayloadExpr{Base: BaseNetwork, Offset: at, Len: len(addr), Reg: 1}
	if filledWith(mask, 0xff) {
		r.compare(load, not, addr)
		return
	}
	r.Exprs = append(r.Exprs, load)
	r.compare(BitwiseExpr{From: 1, To: 1, Len: len(addr), Mask: mask, XOR: make([]byte, len(mask))}, not, addr)
}

func filledWith(b []byte, c byte) bool { return bytes.Count(b, []byte{c}) == len(b) }

// device compares a name, or the beginning of one: as much as the mask has.
func (r *Rule) device(key uint32, name, mask []byte, not bool) {
	n := bytes.IndexByte(mask, 0)
	if n == 0 && !not {
		return
	}
	value := make([]byte, 16)
	copy(value, text(name))
	if n >= 0 && n <= len(text(name)) {
		value = name[:n]
	}
	r.compare(MetaExpr{Key: key, Reg: 1}, not, value)
}

// matches reads the extensions between an entry's header and its target.
func (p *legacyParser) matches(r *Rule, e legacyEntry) error {
	end := len(e.b) - len(e.target)
	for at := p.layout.size; at < end; {
		if at+xtExtHeader > end {
			return fmt.Errorf("match in chain %s: %w", p.chain, errCut)
		}
		size := int(p.order.Uint16(e.b[at:]))
		if size < xtExtHeader || at+size > end {
			return fmt.Errorf("match of %d bytes in chain %s: %w", size, p.chain, errCut)
		}
		m := &XTMatch{Name: text(e.b[at+2 : at+31]), Rev: uint32(e.b[at+31]), Raw: e.b[at+xtExtHeader : at+size]}
		readExtension(m, p.order, p.family)
		r.Exprs = append(r.Exprs, m)
		at += size
	}
	return nil
}

func (p *legacyParser) target(r *Rule, e legacyEntry, next int) error {
	if e.name != "" {
		t := &XTTarget{Name: e.name, Rev: uint32(e.target[31]), Raw: e.target[xtExtHeader:]}
		readExtension(t, p.order, p.family)
		r.Exprs = append(r.Exprs, t)
		return nil
	}
	v, ok := p.verdict(e)
	if !ok {
		return fmt.Errorf("target in chain %s: %w", p.chain, errCut)
	}
	codes := map[int32]VerdictCode{legacyDrop: VerdictDrop, legacyAccept: VerdictAccept, legacyQueue: VerdictQueue, legacyReturn: VerdictReturn}
	verdict := Verdict{}
	switch code, known := codes[v]; {
	case known:
		verdict.Code = code
	case int(v) == next: // no target
		return nil
	case p.heads[int(v)] == "":
		return fmt.Errorf("rule in chain %s: offset %d %w", p.chain, v, errNoChain)
	default:
		verdict = Verdict{Code: VerdictJump, Chain: p.heads[int(v)]}
		if e.b[p.layout.flags]&p.layout.gotoFlag != 0 {
			verdict.Code = VerdictGoto
		}
	}
	r.Exprs = append(r.Exprs, ImmediateExpr{Data: Data{Verdict: &verdict}})
	return nil
}
