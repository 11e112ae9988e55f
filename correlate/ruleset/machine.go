package ruleset

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"dnatrace/correlate/stage"
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
	way                string // the interface that routing has it leave by
	wayMark            uint32 // its mark then
	tos                bool   // a rule has changed its type of service
	untracked          bool
	dstDone, srcDone   bool // a rule has settled this half of the translation
	redirected         bool
	looped             bool // it comes back on lo
	forwarded          bool // it is being routed from one interface to another
	frame              frame

	data [64]byte
	why  [16]string // of each 32-bit register: why it is not known; "" if it is

	choices []bool   // which questions to answer otherwise than usual
	asked   []string // questions, each answered by a choice
	doubts  []string // what no choice can answer
	met     int
	lookups []lookedUp // of the rule that is run

	steps       []step
	verdict     Verdict
	stage       stage.Stage
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
	stage         stage.Stage
	before, after decode.Tuple
	leaving       bool
	lookups       []lookedUp
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

func (e *evaluation) lookup(x decode.LookupExpr) bool {
	if x.Dynamic {
		return e.unsure("it depends on what is in set " + x.Set + " by then")
	}
	set := e.set.sets[chainKey{tableKey{e.rule.Family, e.rule.Table, false}, x.Set}]
	if set == nil || set.Absent {
		return e.notFound(x, set, "the elements of set "+x.Set+" are not known")
	}
	key, why := e.get(x.Reg, set.KeyLen)
	if why != "" {
		return e.notFound(x, set, why)
	}
	found := find(set, key)
	e.lookups = append(e.lookups, lookedUp{not: x.Not, expr: x, set: set, element: found, key: key})
	if found == nil && set.Flags&decode.SetEval != 0 {
		return e.notFound(x, set, "set "+x.Set+" changes with the traffic")
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

// notFound is a lookup that cannot be made. What a map gives is not known then:
// a value, or a verdict.
func (e *evaluation) notFound(x decode.LookupExpr, set *decode.NamedSet, why string) bool {
	switch {
	case !x.Map:
		return e.unsure(why)
	case x.To == decode.VerdictReg:
		return e.leaves(why)
	}
	n := len(e.data)
	if set != nil && set.DataLen > 0 {
		n = set.DataLen
	}
	e.note(x.To, n, why)
	return e.unsure(why)
}

func (m *machine) addrType(a netip.Addr) uint32 {
	if m.p.AddrType == nil {
		return TypeUnknown
	}
	return m.p.AddrType(a)
}
