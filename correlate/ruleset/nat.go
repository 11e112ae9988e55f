package ruleset

import (
	"net/netip"

	"dnatrace/decode"
)

// translation is what a rule asks for. Invalid addresses and ports that are not
// asked for stay as they are.
type translation struct {
	source           bool
	addrMin, addrMax netip.Addr
	portMin, portMax uint16
	ports            bool
	flags            uint32
}

func (e *evaluation) nat(x decode.NATExpr) bool {
	if !e.acts() {
		return false
	}
	t := translation{source: x.Source, flags: x.Flags}
	var why [4]string
	t.addrMin, why[0] = e.addrIn(x.AddrMin, x.Family)
	t.addrMax, why[1] = e.addrIn(x.AddrMax, x.Family)
	t.portMin, why[2] = e.portIn(x.PortMin)
	t.portMax, why[3] = e.portIn(x.PortMax)
	t.ports = x.PortMin != decode.VerdictReg
	for _, w := range why {
		if w != "" {
			e.doubt(e.set.name(e.chain, e.rule) + ": " + w)
		}
	}
	return e.translate(t)
}

func (e *evaluation) addrIn(r decode.Reg, f decode.Family) (netip.Addr, string) {
	if r == decode.VerdictReg {
		return netip.Addr{}, ""
	}
	n := 4
	if f == decode.FamilyIPv6 || f == decode.FamilyInet && e.family == decode.FamilyIPv6 {
		n = 16
	}
	b, why := e.get(r, n)
	a, _ := netip.AddrFromSlice(b)
	return a, why
}

func (e *evaluation) portIn(r decode.Reg) (uint16, string) {
	if r == decode.VerdictReg {
		return 0, ""
	}
	b, why := e.get(r, 2)
	return uint16(b[0])<<8 | uint16(b[1]), why
}

// translate settles one half of the connection's translation. The rule that
// does it accepts the packet.
func (e *evaluation) translate(t translation) bool {
	e.ruling = ruling{code: decode.VerdictAccept, word: "dnat"}
	ip, port := &e.tuple.Dst, &e.tuple.DstPort
	if t.source {
		e.ruling.word = "snat"
		ip, port = &e.tuple.Src, &e.tuple.SrcPort
		e.srcDone = true
	} else {
		e.dstDone = true
		e.translation = e.rule
	}
	if t.addrMin.IsValid() {
		switch several := t.addrMax.IsValid() && t.addrMax != t.addrMin; {
		case several && t.source:
			e.masqueraded = true
		case several:
			e.doubt(e.set.name(e.chain, e.rule) + ": it picks one of several addresses")
		default:
			*ip = decode.IPFrom(t.addrMin)
		}
	}
	e.setPort(t, port)
	return true
}

// setPort keeps a port that is within the range asked for.
func (e *evaluation) setPort(t translation, port *uint16) {
	if !t.ports || e.tuple.Proto != decode.TCP && e.tuple.Proto != decode.UDP && e.tuple.Proto != decode.SCTP {
		return
	}
	ranged := t.portMax > t.portMin
	random := t.flags&(decode.NATRandom|decode.NATRandomFully) != 0
	switch {
	case t.flags&decode.NATOffset != 0:
		e.doubt(e.set.name(e.chain, e.rule) + ": it moves a range of ports")
	case ranged && !random && *port >= t.portMin && *port <= t.portMax:
		return
	case ranged && !t.source:
		e.doubt(e.set.name(e.chain, e.rule) + ": it picks one of several ports")
	}
	*port = t.portMin
}

func (e *evaluation) masquerade() bool {
	e.ruling = ruling{code: decode.VerdictAccept, word: "masquerade"}
	e.srcDone, e.masqueraded = true, true
	return true
}

func (e *evaluation) redirect(x decode.RedirExpr) bool {
	t := translation{flags: x.Flags, ports: x.PortMin != decode.VerdictReg}
	var why string
	if t.portMin, why = e.portIn(x.PortMin); why != "" {
		e.doubt(e.set.name(e.chain, e.rule) + ": " + why)
	}
	t.portMax, _ = e.portIn(x.PortMax)
	return e.toHost(t)
}

// toHost translates to the host itself: to loopback what it sends, else to the
// address of the interface that the packet came by, which is left as it is here.
func (e *evaluation) toHost(t translation) bool {
	if e.at == decode.HookOutput {
		t.addrMin = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if e.family == decode.FamilyIPv6 {
			t.addrMin = netip.IPv6Loopback()
		}
	}
	e.translate(t)
	e.ruling.word = "redirect"
	e.redirected = true
	return true
}
