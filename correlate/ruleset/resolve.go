package ruleset

import "dnatrace/decode"

// resolved doubts that a packet goes where no rule of the bridge stops it, if one
// may stop the ARP that has to find the way first, or its answer.
func (m *machine) resolved(f frame, hooks ...uint32) bool {
	if m.family != decode.FamilyIPv4 {
		return true
	}
	back := frame{bridge: f.bridge, in: f.out, out: f.in, src: f.dst, dst: f.src}
	answers := hooks
	if hooks[0] == decode.HookOutput {
		answers = []uint32{decode.HookPrerouting, decode.HookInput}
	}
	f.dst = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if !m.passesARP(f, hooks) || !m.passesARP(back, answers) {
		m.doubt("whether rules of bridge " + f.bridge + " let ARP for " + m.tuple.Dst.Addr().String() + " by is not known")
	}
	return true
}

// passesARP reports whether no rule can stop ARP at some hooks.
func (m *machine) passesARP(f frame, hooks []uint32) bool {
	a := newMachine(m.set, m.p, nil)
	a.family, a.frame, a.met = decode.FamilyARP, f, m.met
	for _, h := range hooks {
		if !a.bridgeHook(h, nil) {
			return false
		}
	}
	m.met = a.met
	return len(a.asked)+len(a.doubts) == 0
}
