package ruleset

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/decode"
)

// match runs a match extension. why says why its result is not known.
func (e *evaluation) match(x *decode.XTMatch) (match bool, why string) {
	switch i := x.Info.(type) {
	case decode.XTComment:
		return true, ""
	case decode.XTAddrType:
		return e.matchAddrType(i)
	case decode.XTConntrack:
		return e.matchConntrack(i)
	case decode.XTPorts:
		return e.matchPorts(i)
	case decode.XTMultiport:
		return e.matchMultiport(i), ""
	case decode.XTICMP:
		return e.matchICMP(x.Name, i)
	case decode.XTMark:
		if x.Name == "connmark" {
			return e.tracked() && (e.ctMark&i.Mask == i.Mark) != i.Not, e.ctMarkUnknown()
		}
		return (e.mark&i.Mask == i.Mark) != i.Not, ""
	case decode.XTRange:
		return e.matchRange(i), ""
	}
	if i, ok := x.Info.(decode.XTSet); ok {
		return e.matchSet(i)
	}
	if x.Name == "physdev" {
		return false, "which port of the bridge it uses is not known (physdev)"
	}
	return false, "the match " + x.Name + " is not evaluated"
}

func (e *evaluation) matchAddrType(i decode.XTAddrType) (bool, string) {
	ok, unknown := true, ""
	for _, c := range []struct {
		mask uint16
		not  bool
		addr netip.Addr
	}{{i.Src, i.NotSrc, e.tuple.Src.Addr()}, {i.Dst, i.NotDst, e.tuple.Dst.Addr()}} {
		if c.mask == 0 {
			continue
		}
		t := e.addrType(c.addr)
		if t == TypeUnknown || (i.ByIIF || i.ByOIF) && byInterface(t) {
			unknown = "the type of an address is not known"
			continue
		}
		ok = ok && (c.mask&(1<<t) != 0) != c.not
	}
	if !ok {
		return false, ""
	}
	return true, unknown
}

// byInterface reports whether the type of an address may be another one if only
// one interface counts.
func byInterface(t uint32) bool { return t == TypeLocal || t == TypeBroadcast }

var xtStateOf = map[uint32]uint16{
	decode.CtInvalid:     decode.XTStateInvalid,
	decode.CtEstablished: decode.XTStateEstablished,
	decode.CtRelated:     decode.XTStateRelated,
	decode.CtNew:         decode.XTStateNew,
	decode.CtUntracked:   decode.XTStateUntracked,
}

func (e *evaluation) matchConntrack(i decode.XTConntrack) (bool, string) {
	state := xtStateOf[e.state()]
	if e.tracked() {
		if s := e.status(); s&decode.StatusSrcNAT != 0 {
			state |= decode.XTStateSNAT
		}
		if s := e.status(); s&decode.StatusDstNAT != 0 {
			state |= decode.XTStateDNAT
		}
	}
	if i.Flags&decode.XTCtState != 0 && (state&i.State != 0) == (i.Not&decode.XTCtState != 0) {
		return false, ""
	}
	if i.Flags&^decode.XTCtState == 0 {
		return true, ""
	}
	if !e.tracked() {
		return i.Flags&decode.XTCtState != 0, ""
	}
	return e.matchTracked(i)
}

// matchTracked is about what only a tracked packet has.
func (e *evaluation) matchTracked(i decode.XTConntrack) (bool, string) {
	orig, reply := e.orig(), e.reply()
	for _, c := range []struct {
		bit uint16
		ok  bool
	}{
		{decode.XTCtProto, orig.Proto == i.Proto},
		{decode.XTCtOrigSrc, e.inPrefix(orig.Src, i.OrigSrc)},
		{decode.XTCtOrigDst, e.inPrefix(orig.Dst, i.OrigDst)},
		{decode.XTCtReplSrc, e.inPrefix(reply.Src, i.ReplSrc)},
		{decode.XTCtReplDst, e.inPrefix(reply.Dst, i.ReplDst)},
		{decode.XTCtOrigSrcPort, inRange(orig.SrcPort, i.OrigSrcPort)},
		{decode.XTCtOrigDstPort, inRange(orig.DstPort, i.OrigDstPort)},
		{decode.XTCtReplSrcPort, inRange(reply.SrcPort, i.ReplSrcPort)},
		{decode.XTCtReplDstPort, inRange(reply.DstPort, i.ReplDstPort)},
		{decode.XTCtDirection, !e.isReply()},
	} {
		if i.Flags&c.bit != 0 && c.ok == (i.Not&c.bit != 0) {
			return false, ""
		}
	}
	if i.Flags&(decode.XTCtStatus|decode.XTCtExpires) != 0 {
		return true, "the connection's status is not known"
	}
	return true, ""
}

func inRange(p uint16, r decode.PortRange) bool { return p >= r.Min && p <= r.Max }

func (m *machine) inPrefix(ip decode.IP, a decode.XTAddr) bool {
	b := ip.Addr().AsSlice()
	for i := range b {
		if (b[i]^a.Addr[i])&a.Mask[i] != 0 {
			return false
		}
	}
	return true
}

func (e *evaluation) matchPorts(i decode.XTPorts) (bool, string) {
	if inRange(e.tuple.SrcPort, i.Src) == i.NotSrc || inRange(e.tuple.DstPort, i.Dst) == i.NotDst {
		return false, ""
	}
	if i.Option != 0 || i.NotOption {
		return true, "the packet's TCP options are not known"
	}
	if i.FlagMask == 0 && !i.NotFlags {
		return true, ""
	}
	if e.p.TCPFlags == 0 {
		return true, "the packet's TCP flags are not known"
	}
	return (e.p.TCPFlags&i.FlagMask == i.Flags) != i.NotFlags, ""
}

func (e *evaluation) matchMultiport(i decode.XTMultiport) bool {
	has := func(p uint16) bool {
		return slices.ContainsFunc(i.Ports, func(r decode.PortRange) bool { return inRange(p, r) })
	}
	in := i.Which != 1 && has(e.tuple.SrcPort) || i.Which != 0 && has(e.tuple.DstPort)
	return in != i.Not
}

func (e *evaluation) matchICMP(name string, i decode.XTICMP) (bool, string) {
	if e.p.ICMP == nil {
		return true, "the kind of the ICMP message is not known"
	}
	in := name == "icmp" && i.Type == 255 ||
		e.p.ICMP.Type == i.Type && e.p.ICMP.Code >= i.CodeMin && e.p.ICMP.Code <= i.CodeMax
	return in != i.Not, ""
}

func (e *evaluation) matchRange(i decode.XTRange) bool {
	in := func(ip decode.IP, from, to [16]byte) bool {
		b := ip.Addr().AsSlice()
		return bytes.Compare(b, from[:len(b)]) >= 0 && bytes.Compare(b, to[:len(b)]) <= 0
	}
	return (!i.Src || in(e.tuple.Src, i.SrcMin, i.SrcMax) != i.NotSrc) &&
		(!i.Dst || in(e.tuple.Dst, i.DstMin, i.DstMax) != i.NotDst)
}

// harmless are targets after which the packet goes on as it was, as far as rules
// can see.
var harmless = []string{"LOG", "NFLOG", "ULOG", "TRACE", "CHECKSUM", "TCPMSS", "CLASSIFY", "AUDIT", "SECMARK", "CONNSECMARK", "TEE", "RATEEST", "IDLETIMER", "LED", "ECN", "TCPOPTSTRIP"}

// retosing are targets that change the type of service, which routing policy may
// ask for.
var retosing = []string{"DSCP", "TOS"}

// target runs a target extension.
func (e *evaluation) target(x *decode.XTTarget) bool {
	if slices.Contains(harmless, x.Name) {
		return true
	}
	if slices.Contains(retosing, x.Name) {
		return e.retos()
	}
	if i, ok := x.Info.(decode.XTSetTarget); ok && i.Map.Dim == 0 || x.Name == "SET" && !ok {
		return true // what it changes is not certain anyway
	}
	if !e.acts() {
		return false
	}
	switch i := x.Info.(type) {
	case decode.XTNAT:
		return e.targetNAT(x.Name, i)
	case decode.XTReject:
		return e.reject()
	case decode.XTSetMark:
		e.mark = e.mark&^i.Mask ^ i.Mark
		return true
	case decode.XTConnmark:
		return e.targetConnmark(i)
	case decode.XTSetTarget:
		return e.targetSet(i)
	case decode.XTTTL:
		return e.targetTTL(i)
	case decode.XTCT:
		if i.Zone != "" {
			return e.leaves("it is put in another zone of connection tracking")
		}
		e.untracked = e.untracked || i.Notrack
		return true
	}
	return e.leaves("the target " + x.Name + " is not evaluated")
}

func (e *evaluation) targetNAT(name string, i decode.XTNAT) bool {
	t := translation{source: name == "SNAT", flags: i.Flags, ports: i.Flags&decode.NATPorts != 0, portMin: i.PortMin, portMax: i.PortMax}
	if i.Flags&decode.NATMapIPs != 0 {
		t.addrMin, t.addrMax = i.AddrMin, i.AddrMax
	}
	switch name {
	case "MASQUERADE":
		return e.masquerade()
	case "REDIRECT":
		return e.toHost(t)
	}
	return e.translate(t)
}

// targetSet is about the one effect that SET has on the packet itself: it may take
// its mark from the entry that has it.
func (e *evaluation) targetSet(i decode.XTSetTarget) bool {
	if !strings.Contains(i.Options, "--map-mark") {
		return true
	}
	return e.leaves("the packet gets its mark from ipset " + e.set.ipsetName(i.Map))
}

func (e *evaluation) targetConnmark(i decode.XTConnmark) bool {
	if i.Shifts {
		return e.leaves("the connection's mark is shifted")
	}
	switch i.Mode {
	case 0:
		e.ctMark = e.ctMark&^i.CtMask ^ i.CtMark
	case 1:
		e.ctMark = e.ctMark&^i.CtMask ^ e.mark&i.Mask
	case 2:
		if why := e.ctMarkUnknown(); why != "" {
			e.doubt(e.set.name(e.chain, e.rule) + ": " + why)
		}
		e.mark = e.mark&^i.Mask ^ e.ctMark&i.CtMask
	}
	return true
}
