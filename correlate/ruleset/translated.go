package ruleset

import (
	"net/netip"
	"strings"

	"dnatrace/decode"
)

// translated writes what nft made of extensions of iptables when it listed them,
// as iptables has it: conditions. It reports false for others.
func (w *iptablesWriter) translated(c clause) bool {
	switch c.kind {
	case cmpClause:
		return w.translatedCmp(c)
	case lookupClause:
		return w.translatedSet(c)
	}
	return false
}

func (w *iptablesWriter) translatedCmp(c clause) bool {
	o := c.left[0]
	f, ok := fieldOf(o)
	if !ok || o.shift || o.xor != nil {
		return false
	}
	switch {
	case f.name == "ct state" && o.mask != nil && zero(c.value):
		return w.ctState(c.op == decode.CmpEqual, hostNumber(o.mask, w.order))
	case f.name == "ct state" && o.mask == nil && c.op == decode.CmpNotEqual:
		return w.ctState(true, hostNumber(c.value, w.order))
	case f.name == "ct status" && o.mask != nil && zero(c.value):
		n := hostNumber(o.mask, w.order)
		if n != 32 && n != 16 {
			return false
		}
		return w.conntrack(decode.XTConntrack{Flags: decode.XTCtState, State: map[uint32]uint16{16: decode.XTStateSNAT, 32: decode.XTStateDNAT}[n], Not: notBit(c.op == decode.CmpEqual)})
	case strings.HasPrefix(f.name, "fib ") && f.kind == kindAddrType && o.mask == nil && c.op <= decode.CmpNotEqual:
		return w.fibType(o.load.(decode.FibExpr), c.op == decode.CmpNotEqual, hostNumber(c.value, w.order))
	}
	return false
}

func notBit(not bool) uint16 {
	if not {
		return decode.XTCtState
	}
	return 0
}

// ctState is -m conntrack --ctstate.
func (w *iptablesWriter) ctState(not bool, states uint32) bool {
	i := decode.XTConntrack{Flags: decode.XTCtState, Not: notBit(not)}
	for bit, xt := range xtStateOf {
		if states&bit != 0 {
			i.State |= xt
		}
	}
	return w.conntrack(i)
}

func (w *iptablesWriter) fibType(e decode.FibExpr, not bool, value uint32) bool {
	i := decode.XTAddrType{ByIIF: e.Flags&decode.FibIIF != 0, ByOIF: e.Flags&decode.FibOIFlag != 0}
	if value > 15 {
		return false
	}
	if e.Flags&decode.FibSaddr != 0 {
		i.Src, i.NotSrc = 1<<value, not
	} else {
		i.Dst, i.NotDst = 1<<value, not
	}
	return w.addrType(i)
}

// translatedSet is -m multiport, of ports in braces.
func (w *iptablesWriter) translatedSet(c clause) bool {
	f, ok := fieldOf(c.left[0])
	_, field, _ := strings.Cut(f.name, " ")
	if !ok || len(c.left) != 1 || c.set == nil || c.set.Flags&decode.SetAnonymous == 0 || c.set.Flags&decode.SetMap != 0 || field != "sport" && field != "dport" {
		return false
	}
	i := decode.XTMultiport{Which: map[string]uint8{"dport": 1}[field], Not: c.not}
	for _, iv := range intervals(c.set) {
		if len(iv.from) != 2 || len(iv.to) != 2 {
			return false
		}
		i.Ports = append(i.Ports, decode.PortRange{Min: uint16(bigNumber(iv.from)), Max: uint16(bigNumber(iv.to))})
	}
	return w.another("multiport", multiport(i))
}

// translatedTarget writes what nft made of targets of iptables.
func (w *iptablesWriter) translatedTarget(c clause) bool {
	switch e := c.stmt.(type) {
	case decode.NATExpr:
		i := decode.XTNAT{Flags: e.Flags}
		addr := immediateAt(c, e.AddrMin)
		if e.AddrMin != decode.VerdictReg && !setAddrs(&i, addr, immediateAt(c, e.AddrMax)) {
			return false
		}
		name := "DNAT"
		if e.Source {
			name = "SNAT"
		}
		return setPorts(&i, c, e.PortMin, e.PortMax) && w.natTarget(name, i)
	case decode.MasqExpr:
		i := decode.XTNAT{Flags: e.Flags}
		return setPorts(&i, c, e.PortMin, e.PortMax) && w.natTarget("MASQUERADE", i)
	case decode.RedirExpr:
		i := decode.XTNAT{Flags: e.Flags}
		return setPorts(&i, c, e.PortMin, e.PortMax) && w.natTarget("REDIRECT", i)
	case decode.RejectExpr:
		return w.rejectTarget(e)
	}
	return false
}

func (w *iptablesWriter) natTarget(name string, i decode.XTNAT) bool {
	w.target = "-j " + name + natOptions(name, i)
	return true
}

// immediateAt is the value that a register was given, nil if it is none.
func immediateAt(c clause, r decode.Reg) []byte {
	if im, ok := c.regs[min(int(r), len(c.regs)-1)].load.(decode.ImmediateExpr); ok && r != decode.VerdictReg {
		return im.Data.Value
	}
	return nil
}

func setAddrs(i *decode.XTNAT, from, to []byte) bool {
	var ok, ok2 bool
	i.Flags |= decode.NATMapIPs
	i.AddrMin, ok = addrFrom(from)
	i.AddrMax, ok2 = addrFrom(to)
	return ok && ok2
}

func setPorts(i *decode.XTNAT, c clause, from, to decode.Reg) bool {
	if from == decode.VerdictReg {
		return true
	}
	low, high := immediateAt(c, from), immediateAt(c, to)
	if len(low) != 2 || len(high) != 2 {
		return false
	}
	i.Flags |= decode.NATPorts
	i.PortMin, i.PortMax = uint16(bigNumber(low)), uint16(bigNumber(high))
	return true
}

// rejectTarget is -j REJECT: ICMP codes in the order of iptables' own.
func (w *iptablesWriter) rejectTarget(e decode.RejectExpr) bool {
	name := ""
	switch {
	case e.Type == 1:
		name = "tcp-reset"
	case e.Type == 0 && w.ip6:
		name = map[uint8]string{0: rejects6[0], 1: rejects6[1], 3: rejects6[3], 4: rejects6[4], 5: rejects6[7], 6: rejects6[8]}[e.Code]
	case e.Type == 0:
		name = map[uint8]string{0: rejects4[0], 1: rejects4[1], 2: rejects4[2], 3: rejects4[3], 9: rejects4[5], 10: rejects4[6], 13: rejects4[8]}[e.Code]
	}
	w.target = "-j REJECT --reject-with " + name
	return name != ""
}

func addrFrom(b []byte) (netip.Addr, bool) { return netip.AddrFromSlice(b) }
