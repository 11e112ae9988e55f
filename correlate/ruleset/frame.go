package ruleset

import "dnatrace/decode"

// frame is a packet while it is on a bridge.
type frame struct {
	bridge   string
	in, out  Port
	src, dst MAC
	routed   bool // it has met the rules of IP, and connection tracking
}

// framed reports whether a rule of the bridge family is run.
func (m *machine) framed() bool { return m.root != nil && m.root.Family == decode.FamilyBridge }

// metaFrame is what the kernel knows of a frame. False for what it knows of any
// packet.
func (m *machine) metaFrame(key uint32) (b []byte, why string, ok bool) {
	hasIn, hasOut := m.frameEnds()
	switch key {
	case decode.MetaIIFName:
		b, why = m.device16(hasIn, m.frame.in.Name)
	case decode.MetaOIFName:
		b, why = m.device16(hasOut, m.frame.out.Name)
	case decode.MetaIIF:
		b, why = m.index32(hasIn, m.frame.in.Index, m.frame.in.Name)
	case decode.MetaOIF:
		b, why = m.index32(hasOut, m.frame.out.Index, m.frame.out.Name)
	case metaBridgeIn:
		b, why = m.device16(hasIn, m.frame.bridge)
	case metaBridgeOut:
		b, why = m.device16(hasOut, m.frame.bridge)
	case decode.MetaIIFType:
		b, why = m.type16(hasIn, m.frame.in.Name)
	case decode.MetaOIFType:
		b, why = m.type16(hasOut, m.frame.out.Name)
	case decode.MetaIIFKind:
		b, why = m.kind16(hasIn, m.frame.in.Name)
	case decode.MetaOIFKind:
		b, why = m.kind16(hasOut, m.frame.out.Name)
	case decode.MetaNFProto:
		b = []byte{byte(decode.FamilyBridge)}
	case decode.MetaL4Proto:
		if m.family != decode.FamilyARP {
			return nil, "", false
		} // else there is none
	case decode.MetaPktType: // it depends on whose address the port has
		b, why = m.host32(0), "meta pkttype is not known"
	default:
		return nil, "", false
	}
	return b, why, true
}

// frameEnds reports which ports a frame has at this hook.
func (m *machine) frameEnds() (in, out bool) {
	return m.at == decode.HookPrerouting || m.at == decode.HookInput || m.at == decode.HookForward,
		m.at == decode.HookForward || m.at == decode.HookOutput || m.at == decode.HookPostrouting
}

// Keys of meta expressions that only bridges have (NFT_META_BRI_* in
// linux/nf_tables.h).
const (
	metaBridgeIn  = 17 // the bridge that it came in by
	metaBridgeOut = 18
	metaBroute    = 35 // set: it is not bridged
)

// linkHeader is the Ethernet header, and which bytes of it are known. There is
// none outside bridges that rules are evaluated for.
func (m *machine) linkHeader() (b, known []byte) {
	if !m.framed() {
		return nil, nil
	}
	b, known = make([]byte, 14), make([]byte, 14)
	if m.frame.dst != (MAC{}) {
		copy(b, m.frame.dst[:])
		mark(known, 0, 6)
	}
	if m.frame.src != (MAC{}) {
		copy(b[6:], m.frame.src[:])
		mark(known, 6, 12)
	}
	copy(b[12:], m.etherType())
	mark(known, 12, 14)
	return b, known
}
