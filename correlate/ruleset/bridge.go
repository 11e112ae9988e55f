package ruleset

import (
	"net/netip"

	"dnatrace/decode"
)

// Bridge is a bridge of the namespace, as its state tells of it.
type Bridge struct {
	// Port is the port behind which an address is. Its zero value is not known.
	Port func(netip.Addr) Port
	MAC  MAC // its own
	// Calls says that what crosses it meets the rules of IP as well
	// (net.bridge.bridge-nf-call-iptables, or -ip6tables).
	Calls bool
}

// MAC is a hardware address of Ethernet. The zero value is unknown.
type MAC [6]byte

// Port is one port of a bridge, and who is behind it.
type Port struct {
	Name  string // "" if unknown
	Index uint32 // 0 if unknown
	// Hairpin says that the bridge sends by this port what came in by it, too
	// (IFLA_BRPORT_MODE).
	Hairpin bool
	MAC     MAC // of whoever has the address that was asked for
}

// priorityBridgeNetfilter is where the rules of IP are called for what is on a
// bridge (NF_BR_PRI_BRNF, linux/netfilter_bridge.h).
const priorityBridgeNetfilter = 0

// bridge is the bridge that an interface is, or nil.
func (m *machine) bridge(link string) *Bridge {
	if m.p.Bridge == nil || m.p.Route == nil || m.looped {
		return nil
	}
	b, known := m.p.Bridge(link)
	if !known {
		m.notEvaluated()
	}
	return b
}

// notEvaluated says that rules of bridges may stop the packet, if there are any.
func (m *machine) notEvaluated() {
	if m.set.bridge != "" {
		m.doubt("what bridges drop (table bridge " + m.set.bridge + ") is not evaluated")
	}
}

// comeIn takes a frame in by a port (br_handle_frame). It reports whether it
// goes on, and whether it only crosses the bridge.
func (m *machine) comeIn(b *Bridge) (on, across bool) {
	from := b.Port(m.tuple.Src.Addr())
	in := m.p.Port
	switch {
	case in.Name == "":
		in = from
	case in.Name != from.Name:
		from.MAC = MAC{}
	}
	m.frame = frame{bridge: m.iif, in: in, src: from.MAC, dst: b.MAC}
	if across = m.crosses(m.tuple.Dst); across {
		m.frame.dst = b.Port(m.tuple.Dst.Addr()).MAC
	}
	var rules func() bool
	if b.Calls {
		rules = func() bool { return m.hook(decode.HookPrerouting) }
	}
	before := m.tuple.Dst
	if !m.enterPort() || !m.bridgeHook(decode.HookPrerouting, rules) {
		return false, false
	}
	if m.redirected || m.tuple.Dst != before { // translated: it goes to whom it is for now
		across = !m.redirected && m.crosses(m.tuple.Dst)
	}
	if across {
		return true, true
	}
	return m.bridgeHook(decode.HookInput, nil), false
}

// crosses reports whether what has come in by the bridge leaves by it again.
func (m *machine) crosses(dst decode.IP) bool {
	a := dst.Addr()
	if m.addrType(a) == TypeLocal || m.addrType(a) == TypeBroadcast {
		return false
	}
	oif, known := m.p.Route(a)
	if !known {
		m.doubt("whether a route leads to " + a.String() + " by " + m.iif + " is not known")
	}
	return oif == m.iif
}

// cross takes a frame from port to port (__br_forward).
func (m *machine) cross(b *Bridge) {
	var rules func() bool
	if b.Calls {
		rules = func() bool {
			m.oif, m.oifIndex, m.hasOIF = m.iif, m.iifIndex, true
			return m.hook(decode.HookForward)
		}
	}
	m.frame.out = b.Port(m.tuple.Dst.Addr())
	m.frame.dst = m.frame.out.MAC
	if out := m.frame.out; out.Name != "" && out.Name == m.frame.in.Name && !out.Hairpin {
		return // the bridge itself does not send it back (should_deliver)
	}
	_ = m.bridgeHook(decode.HookForward, rules) && m.bridgeHook(decode.HookPostrouting, nil) &&
		(!b.Calls || m.hook(decode.HookPostrouting)) && m.leavePort() &&
		m.resolved(m.frame, decode.HookPrerouting, decode.HookForward, decode.HookPostrouting)
}

// depart hands a packet to the interface that it leaves by, and, if that is a
// bridge, to one of its ports (br_dev_xmit).
func (m *machine) depart() bool {
	if !m.egress() {
		return false
	}
	b := m.bridge(m.oif)
	if b == nil {
		return true
	}
	out := b.Port(m.tuple.Dst.Addr())
	m.frame = frame{bridge: m.oif, out: out, src: b.MAC, dst: out.MAC, routed: true}
	return m.bridgeHook(decode.HookOutput, nil) && m.bridgeHook(decode.HookPostrouting, nil) && m.leavePort() &&
		m.resolved(m.frame, decode.HookOutput, decode.HookPostrouting)
}

// enterPort and leavePort run the chains of a port as of any device. What they
// would say of a port that is not known is left out.
func (m *machine) enterPort() bool {
	bridge, index, in := m.iif, m.iifIndex, m.frame.in
	if in.Name == "" {
		return true
	}
	m.iif, m.iifIndex = in.Name, in.Index
	on := m.ingress()
	m.iif, m.iifIndex = bridge, index
	return on
}

func (m *machine) leavePort() bool {
	out := m.frame.out
	if out.Name == "" {
		return true
	}
	m.oif, m.oifIndex, m.hasOIF = out.Name, out.Index, true
	return m.egress()
}

// bridgeHook runs the base chains of a hook of the bridge family, and between
// them, if given, those of IP. It reports whether the frame goes on.
func (m *machine) bridgeHook(hook uint32, rules func() bool) bool {
	for _, c := range m.set.hooks[hookKey{decode.FamilyBridge, hook}] {
		if rules != nil && (c.Priority > priorityBridgeNetfilter || c.Priority == priorityBridgeNetfilter && m.ask("whether the rules of IP are asked ahead of "+c.Family.String()+" "+c.Chain.Table+" "+c.Name+" is not known")) {
			if !rules() {
				return false
			}
			rules = nil
		}
		m.at = hook
		if !m.base(c) {
			return false
		}
	}
	return rules == nil || rules()
}

// ask asks what is usually not so: whether this run takes it to be.
func (m *machine) ask(why string) bool {
	m.asked = append(m.asked, why)
	i := len(m.asked) - 1
	return i < len(m.choices) && m.choices[i]
}

// bridgeTable is a table of the bridge family in which something may drop, "" if
// there is none.
func (s *Set) bridgeTable() string {
	hooked := map[tableKey]bool{}
	for k, c := range s.chains {
		if c.Family == decode.FamilyBridge && c.Base && !c.table.Dormant {
			hooked[k.table] = true
		}
	}
	for i := range s.rules.Chains { // in order, so that the answer is always the same
		c := &s.rules.Chains[i]
		k := tableKey{c.Family, c.Table, c.Legacy}
		if hooked[k] && (c.Drop || stops(s.chains[chainKey{k, c.Name}].rules)) {
			return c.Table
		}
	}
	return ""
}

// stops reports whether any rule may end a packet's way.
func stops(rules []*decode.Rule) bool {
	for _, r := range rules {
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case decode.ImmediateExpr:
				if v := e.Data.Verdict; v != nil && (v.Code == decode.VerdictDrop || v.Code == decode.VerdictQueue) {
					return true
				}
			case decode.UnknownExpr:
				if e.Does == decode.EffectAny {
					return true
				}
			case decode.Statement:
				if does, _ := e.Fate(); does == decode.EffectAny {
					return true
				}
			case decode.RejectExpr, decode.FwdExpr, decode.QueueExpr, decode.LookupExpr, *decode.XTTarget:
				return true
			}
		}
	}
	return false
}
