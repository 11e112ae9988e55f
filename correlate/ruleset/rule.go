package ruleset

import (
	"bytes"
	"strings"

	"dnatrace/decode"
)

// ruling is what a rule that matched says.
type ruling struct {
	code    decode.VerdictCode
	chain   string
	word    string
	rejects bool
}

const damaged = "the recording is damaged here"

var goOn = ruling{code: decode.VerdictContinue, word: "continue"}

// rules runs one rule. It reports whether the rule matched whole.
func (m *machine) rules(c *chain, r *decode.Rule) (v ruling, matched bool) {
	for i := range m.why {
		m.why[i] = "what it compares is not decoded"
	}
	m.lookups = nil
	e := evaluation{machine: m, chain: c, rule: r, ruling: goOn}
	if r.Damaged {
		e.unsure(damaged)
	}
	for _, x := range r.Exprs {
		if !e.run(x) {
			return e.ruling, false
		}
		if e.ruling.code != decode.VerdictContinue {
			break
		}
	}
	if r.Damaged { // what is lost may have done anything
		e.leaves(damaged)
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
	unknown string                      // why it is not known whether the rule matches
	usual   bool                        // whether rules like this do
	asked   bool                        // and a choice was made that it does
	without map[*decode.IPSetEntry]bool // of ipsets, that are thought away
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
	case decode.ObjrefExpr:
		return e.object(x)
	case decode.CounterExpr, decode.LastExpr, decode.LogExpr, decode.DupExpr:
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
	case decode.Statement:
		return e.stated(x)
	case decode.UnknownExpr:
		return e.undecoded(x)
	default:
		return e.leaves("a statement is not evaluated")
	}
	return true
}

// stated runs a statement that knows of itself what becomes of a packet.
func (e *evaluation) stated(x decode.Statement) bool {
	switch does, why := x.Fate(); does {
	case decode.EffectNone:
		return true
	case decode.EffectMatch:
		return e.unsure(why)
	default:
		return e.leaves(why)
	}
}

// undecoded runs what is not decoded: registers may hold anything behind it.
func (e *evaluation) undecoded(x decode.UnknownExpr) bool {
	e.note(1, len(e.data), "what it compares is not decoded")
	switch x.Does {
	case decode.EffectNone:
		return true
	case decode.EffectMatch:
		return e.unsure(x.Name + " is not decoded")
	}
	return e.leaves(strings.TrimSpace(x.Name + " is not decoded, and may do anything to the packet"))
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
