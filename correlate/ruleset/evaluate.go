package ruleset

import (
	"net/netip"
	"slices"

	"dnatrace/decode"
)

// mostRuns bounds how many ways are tried when rules cannot be evaluated.
const mostRuns = 64

// Evaluate follows a packet through all tables of every hook on its way. Rules
// that cannot be evaluated are tried both ways: if that makes no difference, the
// outcome is certain all the same.
func (s *Set) Evaluate(p Packet) Outcome {
	out := s.evaluate(p)
	if s.swapped == nil {
		out.Sure = out.Verdict
		return out
	}
	other := s.swapped.evaluate(p)
	if out.Verdict == other.Verdict && out.Tuple == other.Tuple && out.Stage == other.Stage {
		out.Sure = out.Verdict
	}
	if out.Verdict != other.Verdict || out.Tuple != other.Tuple || (out.Rule == nil) != (other.Rule == nil) || out.Rule != nil && !out.Rule.same(*other.Rule) {
		out.Unknown = unique(append(out.Unknown, "which of iptables-legacy and nf_tables is asked first is not known: they have chains of the same priority"))
		out.Verdict = Unclear
	}
	return out
}

// same reports whether two are the same rule of one set.
func (r Rule) same(o Rule) bool {
	return r.Policy == o.Policy && r.Backend == o.Backend && r.Table == o.Table && r.Chain == o.Chain && r.Number == o.Number
}

func (s *Set) evaluate(p Packet) Outcome {
	first := s.run(p, nil)
	out := first.outcome(s)
	if len(first.doubts) == 0 && len(first.asked) == 0 {
		return out
	}
	reasons := slices.Clone(first.doubts)
	differs := len(reasons) > 0
	runs, met := 1, first.met
	for todo := alternatives(first, nil); len(todo) > 0; runs++ {
		if runs >= mostRuns || met > mostRules {
			differs = true
			break
		}
		choice := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		m := s.run(p, choice)
		met += m.met
		todo = append(todo, alternatives(m, choice)...)
		if len(m.doubts) > 0 || !m.same(first) {
			differs = true
			reasons = append(append(reasons, m.doubts...), m.asked[len(choice)-1])
		}
	}
	if !differs {
		return out
	}
	out.Verdict = Unclear
	out.Unknown = unique(append(reasons, first.asked...))
	return out
}

// alternatives are the choices that a run left open: each question behind those
// already chosen answered otherwise than usual, and as usual those between.
func alternatives(m *machine, chosen []bool) [][]bool {
	var out [][]bool
	for i := len(chosen); i < len(m.asked); i++ {
		c := make([]bool, i+1)
		copy(c, chosen)
		c[i] = true
		out = append(out, c)
	}
	return out
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// same reports whether two runs come to the same: verdict, what decided, and
// translation.
func (m *machine) same(o *machine) bool {
	return m.verdict == o.verdict && m.rule == o.rule && m.by == o.by && m.tuple == o.tuple &&
		m.translation == o.translation && m.masqueraded == o.masqueraded && m.local == o.local && m.way == o.way
}

// run follows a packet once. choices say, in order, of which rules that cannot be
// evaluated the unusual is assumed.
func (s *Set) run(p Packet, choices []bool) *machine {
	m := newMachine(s, p, choices)
	m.verdict = Passed
	if p.Sent {
		m.send()
	} else {
		m.arrive(p.IIF, p.IIFIndex)
	}
	for _, why := range s.rules.Missing {
		m.doubt(why)
	}
	if p.Bridge == nil || p.Route == nil {
		m.notEvaluated()
	}
	return m
}

func (m *machine) arrive(iif string, index uint32) {
	m.iif, m.iifIndex, m.hasIIF = iif, index, true
	m.oif, m.oifIndex, m.hasOIF = "", 0, false
	called := false // the bridge has called the rules of IP
	if b := m.bridge(iif); b != nil && !m.p.Above {
		on, across := m.comeIn(b)
		if on && across {
			m.cross(b)
		}
		if !on || across {
			return
		}
		called = b.Calls
	}
	if !m.ingress() || !called && !m.hook(decode.HookPrerouting) {
		return
	}
	if m.mark != 0 || m.tos {
		m.policy()
	}
	switch m.addrType(m.tuple.Dst.Addr()) {
	case TypeLocal, TypeBroadcast:
		m.local = true
	case TypeUnknown:
		m.local = m.p.OIF == "" && m.unrouted()
		if (m.local || m.p.Route != nil) && !m.redirected {
			m.doubt("whether " + m.tuple.Dst.Addr().String() + " is an address of this host is not known")
		}
	}
	if m.local || m.redirected {
		m.local = true
		m.hook(decode.HookInput)
		return
	}
	if m.noWay() {
		return // what no route is for gets no further
	}
	m.leave()
	m.forwarded = true
	_ = m.hook(decode.HookForward) && m.hook(decode.HookPostrouting) && m.depart()
}

// leave looks up the interface that the packet goes out by.
func (m *machine) leave() {
	m.oif, m.oifIndex, m.hasOIF = m.p.OIF, m.p.OIFIndex, true
	if m.p.Route != nil {
		if oif, _ := m.leadsBy(m.tuple.Dst.Addr()); oif != m.oif {
			m.oif, m.oifIndex = oif, 0
		}
	}
	m.way, m.wayMark = m.oif, m.mark
}

// unrouted reports whether it is not known where the packet goes on.
func (m *machine) unrouted() bool {
	if m.p.Route == nil {
		return true
	}
	_, known := m.leadsBy(m.tuple.Dst.Addr())
	return !known
}

// leadsBy is the interface by which routing has the packet, with its mark, leave.
func (m *machine) leadsBy(to netip.Addr) (oif string, known bool) {
	if m.mark != 0 && m.p.Marked != nil {
		return m.p.Marked(to, m.mark)
	}
	return m.p.Route(to)
}

// noWay reports whether it is known that no route leads on.
func (m *machine) noWay() bool {
	if m.p.Route == nil {
		return false
	}
	oif, known := m.leadsBy(m.tuple.Dst.Addr())
	return known && oif == ""
}

func (m *machine) send() {
	m.leave()
	if !m.hook(decode.HookOutput) {
		return
	}
	if m.mark != 0 || m.tos {
		m.policy()
	}
	m.leave()
	m.local = m.addrType(m.tuple.Dst.Addr()) == TypeLocal
	if m.local {
		m.oif, m.oifIndex = "lo", 0
	}
	if !m.hook(decode.HookPostrouting) || !m.depart() {
		return
	}
	if m.local {
		m.looped = true
		m.arrive("lo", 0)
	}
}

// hook runs the base chains of a hook. It reports whether the packet goes on.
func (m *machine) hook(hook uint32) bool {
	m.at = hook
	translate := natPriority(hook)
	translated := false
	for _, c := range m.set.hooks[hookKey{m.family, hook}] {
		if !translated && c.place() > int64(translate)<<32 {
			m.followFlow(hook)
			translated = true
		}
		if c.Type == "nat" && !m.asksNAT(hook) {
			continue
		}
		if !m.base(c) {
			return false
		}
	}
	if !translated {
		m.followFlow(hook)
	}
	return true
}

// ingress runs the chains of the device itself, ahead of all others.
func (m *machine) ingress() bool {
	m.at = decode.HookIngress
	return m.device(hookKey{decode.FamilyNetdev, 0}, m.iif) && m.device(hookKey{m.family, decode.HookIngress}, m.iif)
}

func (m *machine) egress() bool {
	m.at = decode.HookPostrouting
	return m.device(hookKey{decode.FamilyNetdev, 1}, m.oif)
}

func (m *machine) device(k hookKey, name string) bool {
	for _, c := range m.set.hooks[k] {
		if name == "" {
			m.doubt("rules of a device (" + c.Family.String() + " " + c.Chain.Table + " " + c.Name + "): the interface is not known")
			continue
		}
		if slices.Contains(c.Devices, name) && !m.base(c) {
			return false
		}
	}
	return true
}

// outcome tells a run to the outside.
func (m *machine) outcome(s *Set) Outcome {
	o := Outcome{
		Verdict: m.verdict, Stage: m.stage, Tuple: m.tuple,
		Masqueraded: m.masqueraded, Local: m.local,
	}
	if !m.local {
		o.OIF, o.Mark = m.way, m.wayMark
	}
	for _, st := range m.steps {
		e := Step{Stage: st.stage, Verdict: st.verdict, Before: st.before, After: st.after, Leaving: st.leaving}
		if st.rule == nil {
			e.Rule = s.policy(st.chain)
		} else {
			e.Rule = s.describe(st.chain, st.rule)
			e.Lookups = s.lookups(st.rule, st.lookups)
		}
		o.Steps = append(o.Steps, e)
		if st.rule != nil && st.rule == m.translation {
			r := e.Rule
			o.Translation = &r
		}
	}
	if m.verdict != Passed && len(o.Steps) > 0 {
		r := o.Steps[len(o.Steps)-1].Rule
		o.Rule = &r
	}
	return o
}
