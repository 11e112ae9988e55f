package ruleset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"dnatrace/decode"
)

// machine runs the expressions of rules on one packet as the kernel does, with
// one difference: a register may hold what is not known.
type machine struct {
	set    *Set
	p      Packet
	order  binary.ByteOrder
	family decode.Family

	// The packet, as it is now.
	tuple              decode.Tuple
	iif, oif           string
	iifIndex, oifIndex uint32
	hasIIF, hasOIF     bool // at this hook
	at                 uint32
	root               *chain // the base chain that is run
	mark, ctMark       uint32
	untracked          bool
	dstDone, srcDone   bool // a rule has settled this half of the translation
	redirected         bool
	looped             bool // it comes back on lo

	data [64]byte
	why  [16]string // of each 32-bit register: why it is not known; "" if it is

	choices []bool   // which questions to answer otherwise than usual
	asked   []string // questions, each answered by a choice
	doubts  []string // what no choice can answer
	met     int

	steps       []step
	verdict     Verdict
	stage       string
	rule        *decode.Rule // that dropped it
	by          *chain       // where
	translation *decode.Rule
	masqueraded bool
	local       bool
}

type step struct {
	chain         *chain
	rule          *decode.Rule // nil for the policy
	verdict       string
	stage         string
	before, after decode.Tuple
}

func newMachine(s *Set, p Packet, choices []bool) *machine {
	m := &machine{set: s, p: p, order: s.rules.Order(), tuple: p.Tuple, mark: p.Mark, choices: choices, family: decode.FamilyIPv4}
	if !p.Tuple.Dst.Is4() {
		m.family = decode.FamilyIPv6
	}
	if m.p.State == 0 {
		m.p.State = decode.CtNew
	}
	m.untracked = m.p.State == decode.CtUntracked
	if p.Flow != nil {
		m.ctMark = p.Flow.Mark
	}
	return m
}

func (m *machine) doubt(why string) { m.doubts = append(m.doubts, why) }

// choose asks whether a rule that cannot be evaluated matches: as usual, unless
// this run tries the other way.
func (m *machine) choose(c *chain, r *decode.Rule, why string, usual bool) bool {
	m.asked = append(m.asked, m.set.name(c, r)+": "+why)
	i := len(m.asked) - 1
	return usual != (i < len(m.choices) && m.choices[i])
}

// name tells a rule in one line.
func (s *Set) name(c *chain, r *decode.Rule) string {
	d := s.describe(c, r)
	return fmt.Sprintf("%s %s handle %d (%s)", d.Table, d.Chain, d.Handle, d.Text)
}

// ruling is what a rule that matched says.
type ruling struct {
	code    decode.VerdictCode
	chain   string
	word    string
	rejects bool
}

var goOn = ruling{code: decode.VerdictContinue, word: "continue"}

// rules runs one rule. It reports whether the rule matched whole.
func (m *machine) rules(c *chain, r *decode.Rule) (v ruling, matched bool) {
	for i := range m.why {
		m.why[i] = "what it compares is not decoded"
	}
	e := evaluation{machine: m, chain: c, rule: r, ruling: goOn}
	if r.Damaged {
		e.unsure("the recording is damaged here")
	}
	for _, x := range r.Exprs {
		if !e.run(x) {
			return e.ruling, false
		}
		if e.ruling.code != decode.VerdictContinue {
			break
		}
	}
	if e.unknown != "" && !e.asked { // it had no effect: whether it matched does not matter
		return goOn, false
	}
	return e.ruling, true
}

// evaluation is the run of one rule.
type evaluation struct {
	*machine
	chain   *chain
	rule    *decode.Rule
	ruling  ruling
	unknown string // why it is not known whether the rule matches
	usual   bool   // whether rules like this do
	asked   bool   // and a choice was made that it does
}

func (e *evaluation) unsure(why string) bool {
	if e.unknown == "" {
		e.unknown = why
	}
	return true
}

// within is about limits, which are rarely reached.
func (e *evaluation) within(over bool, why string) bool {
	if e.unknown == "" {
		e.usual = !over
	}
	return e.unsure(why)
}

// acts is asked before anything with an effect: if it is not known whether the
// rule matches, a choice decides.
func (e *evaluation) acts() bool {
	if e.unknown == "" || e.asked {
		return true
	}
	e.asked = e.choose(e.chain, e.rule, e.unknown, e.usual)
	return e.asked
}

// truth is a condition's result as the rule takes it: go on, or not.
func (e *evaluation) truth(match bool, why string) bool {
	if why != "" {
		return e.unsure(why)
	}
	return match
}

// run runs one expression. It reports whether the rule goes on.
func (e *evaluation) run(x decode.Expr) bool {
	switch x := x.(type) {
	case decode.MetaExpr:
		return e.meta(x)
	case decode.PayloadExpr:
		return e.payload(x)
	case decode.CtExpr:
		return e.ct(x)
	case decode.FibExpr:
		return e.fib(x)
	case decode.ImmediateExpr:
		if x.Data.Verdict != nil {
			return e.decide(*x.Data.Verdict)
		}
		e.put(x.Reg, x.Data.Value)
	case decode.CmpExpr:
		got, why := e.get(x.Reg, len(x.Value))
		return e.truth(compare(x.Op, bytes.Compare(got, x.Value)), why)
	case decode.RangeExpr:
		got, why := e.get(x.Reg, len(x.From))
		in := bytes.Compare(got, x.From) >= 0 && bytes.Compare(got, x.To) <= 0
		return e.truth(in != x.Not, why)
	case decode.BitwiseExpr:
		e.bitwise(x)
	case decode.ByteorderExpr:
		e.byteorder(x)
	case decode.LookupExpr:
		return e.lookup(x)
	case decode.CounterExpr, decode.LastExpr, decode.LogExpr, decode.DupExpr, decode.ObjrefExpr:
	case decode.LimitExpr:
		return e.within(x.Over, "it depends on how many packets came before (limit)")
	case decode.QuotaExpr:
		return e.within(x.Over, "it depends on how much came before (quota)")
	case decode.ConnlimitExpr:
		return e.within(x.Over, "it depends on how many connections there are (ct count)")
	case decode.NATExpr:
		return e.nat(x)
	case decode.MasqExpr:
		return e.acts() && e.masquerade()
	case decode.RedirExpr:
		return e.acts() && e.redirect(x)
	case decode.RejectExpr:
		return e.acts() && e.reject()
	case decode.NotrackExpr:
		if e.acts() {
			e.machine.untracked = true
			return true
		}
		return false
	case decode.FlowExpr: // later packets only
	case decode.QueueExpr:
		return e.leaves("a program decides (queue)")
	case decode.TproxyExpr:
		return e.leaves("it is handed to a local proxy (tproxy)")
	case decode.FwdExpr:
		return e.leaves("it leaves by another interface (fwd)")
	case *decode.XTMatch:
		if _, ok := x.Info.(decode.XTLimit); ok {
			return e.within(false, "it depends on how many packets came before (limit)")
		}
		match, why := e.match(x)
		return e.truth(match, why)
	case *decode.XTTarget:
		return e.target(x)
	case decode.UnknownExpr:
		return e.unsure(x.Name + " is not decoded")
	default:
		return e.unsure("not decoded")
	}
	return true
}

// leaves ends with something that is not followed.
func (e *evaluation) leaves(why string) bool {
	if !e.acts() {
		return false
	}
	e.doubt(e.set.name(e.chain, e.rule) + ": " + why)
	return true
}

func (e *evaluation) decide(v decode.Verdict) bool {
	if v.Code == decode.VerdictContinue {
		return true
	}
	if !e.acts() {
		return false
	}
	switch v.Code {
	case decode.VerdictBreak:
		return false
	case decode.VerdictQueue, decode.VerdictStolen:
		return e.leaves("a program decides (" + v.String() + ")")
	}
	e.ruling = ruling{code: v.Code, chain: v.Chain, word: v.String()}
	return true
}

func (e *evaluation) reject() bool {
	e.ruling = ruling{code: decode.VerdictDrop, word: "reject", rejects: true}
	return true
}

func compare(op decode.CmpOp, c int) bool {
	switch op {
	case decode.CmpEqual:
		return c == 0
	case decode.CmpNotEqual:
		return c != 0
	case decode.CmpLess:
		return c < 0
	case decode.CmpLessEqual:
		return c <= 0
	case decode.CmpGreater:
		return c > 0
	}
	return c >= 0
}

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

// hide notes that n bytes of a register are not known.
func (m *machine) hide(r decode.Reg, n int, why string) { m.note(r, n, why) }

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
		e.hide(x.To, x.Len, why)
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
		e.hide(x.To, x.Len, "bitwise is not followed")
		return
	}
	e.put(x.To, out)
}

func (e *evaluation) byteorder(x decode.ByteorderExpr) {
	got, why := e.get(x.From, x.Len)
	if why != "" {
		e.hide(x.To, x.Len, why)
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

func (e *evaluation) lookup(x decode.LookupExpr) bool {
	if x.Dynamic {
		return e.unsure("it depends on what is in set " + x.Set + " by then")
	}
	set := e.set.sets[chainKey{tableKey{e.rule.Family, e.rule.Table}, x.Set}]
	if set == nil || set.Absent {
		return e.unsure("the elements of set " + x.Set + " are not known")
	}
	key, why := e.get(x.Reg, set.KeyLen)
	if why != "" {
		if x.Map && x.To != decode.VerdictReg {
			e.hide(x.To, set.DataLen, why)
		}
		return e.unsure(why)
	}
	found := find(set, key)
	if found == nil && set.Flags&decode.SetEval != 0 {
		return e.unsure("set " + x.Set + " changes with the traffic")
	}
	if !x.Map {
		return (found != nil) != x.Not
	}
	if found == nil {
		return false
	}
	if found.Data.Verdict != nil {
		return e.decide(*found.Data.Verdict)
	}
	e.put(x.To, found.Data.Value)
	return true
}

func (m *machine) addrType(a netip.Addr) uint32 {
	if m.p.AddrType == nil {
		return TypeUnknown
	}
	return m.p.AddrType(a)
}
