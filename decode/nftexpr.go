package decode

import "maps"

// readers make expressions of their attributes, whose numbers are those of
// linux/netfilter/nf_tables.h in the order of the enumerations there.
// A Statement adds its own.
var readers = map[string]func(*attrs) Expr{}

func init() {
	maps.Copy(readers, map[string]func(*attrs) Expr{
		"meta":      readMeta,
		"payload":   readPayload,
		"cmp":       readCmp,
		"range":     readRange,
		"bitwise":   readBitwise,
		"byteorder": readByteorder,
		"lookup":    readLookup,
		"dynset":    readDynset,
		"immediate": func(a *attrs) Expr { return ImmediateExpr{Reg: a.register(1), Data: a.data(2)} },
		"counter":   func(a *attrs) Expr { return CounterExpr{*a.counter()} },
		"nat":       readNAT,
		"masq": func(a *attrs) Expr {
			return MasqExpr{Flags: a.uint32(1), PortMin: a.register(2), PortMax: a.register(3)}
		},
		"redir": func(a *attrs) Expr {
			return RedirExpr{PortMin: a.register(1), PortMax: a.register(2), Flags: a.uint32(3)}
		},
		"fib":          func(a *attrs) Expr { return FibExpr{To: a.register(1), Result: a.uint32(2), Flags: a.uint32(3)} },
		"ct":           readCt,
		"limit":        readLimit,
		"log":          readLog,
		"reject":       func(a *attrs) Expr { return RejectExpr{Type: a.uint32(1), Code: a.uint8(2)} },
		"notrack":      func(*attrs) Expr { return NotrackExpr{} },
		"objref":       func(a *attrs) Expr { return ObjrefExpr{Type: a.uint32(1), Name: a.string(2), Set: a.string(4)} },
		"quota":        func(a *attrs) Expr { return QuotaExpr{Bytes: a.uint64(1), Over: a.flag(2, 1), Used: a.uint64(4)} },
		"connlimit":    func(a *attrs) Expr { return ConnlimitExpr{Count: a.uint32(1), Over: a.flag(2, 1)} },
		"tproxy":       func(a *attrs) Expr { return TproxyExpr{Family: a.family(1), Addr: a.register(2), Port: a.register(3)} },
		"dup":          func(a *attrs) Expr { return DupExpr{Addr: a.register(1), Dev: a.register(2)} },
		"fwd":          func(a *attrs) Expr { return FwdExpr{Dev: a.register(1)} },
		"flow_offload": func(a *attrs) Expr { return FlowExpr{Table: a.string(1)} },
		"queue":        func(a *attrs) Expr { return QueueExpr{Number: a.uint16(1), Total: a.uint16(2), Flags: a.uint16(3)} },
		"last":         func(*attrs) Expr { return LastExpr{} },
		"match":        readMatch,
		"target":       readTarget,
	})
}

// Attributes of exthdr, which gets fields of extension headers and of options, or
// writes those of TCP.
const (
	nftaExthdrDreg = 1
	nftaExthdrOp   = 6
	nftExthdrTCP   = 1
)

// RedactedExpr is the name of an expression that was taken out of a recording because
// what it compares could not be replaced. It does nothing but tell whether the rule
// matches.
const RedactedExpr = "-"

// effectOf is what is known of an expression without a reader.
func effectOf(name string, a *attrs) Effect {
	switch name {
	case RedactedExpr, "socket", "osf", "rt", "numgen", "hash", "xfrm", "tunnel", "inner":
		return EffectMatch
	case "exthdr":
		if a.has(nftaExthdrDreg) {
			return EffectMatch
		}
		if a.uint32(nftaExthdrOp) == nftExthdrTCP {
			return EffectNone // an option is set, as the maximum segment size is, or taken out
		}
	}
	return EffectAny
}

func readMeta(a *attrs) Expr {
	e := MetaExpr{Key: a.uint32(2), Reg: a.register(1)}
	if a.has(3) {
		e.Set, e.Reg = true, a.register(3)
	}
	return e
}

func readPayload(a *attrs) Expr {
	e := PayloadExpr{Base: a.uint32(2), Offset: a.length(3), Len: a.length(4), Reg: a.register(1)}
	if a.has(5) {
		e.Set, e.Reg = true, a.register(5)
	}
	return e
}

func readCmp(a *attrs) Expr {
	return CmpExpr{Reg: a.register(1), Op: CmpOp(a.uint32(2)), Value: a.data(3).Value}
}

func readRange(a *attrs) Expr {
	return RangeExpr{Reg: a.register(1), Not: a.uint32(2) != 0, From: a.data(3).Value, To: a.data(4).Value}
}

func readBitwise(a *attrs) Expr {
	e := BitwiseExpr{
		From: a.register(1),
		To:   a.register(2),
		Len:  a.length(3),
		Mask: a.data(4).Value,
		XOR:  a.data(5).Value,
		Op:   a.uint32(6),
	}
	if d := a.data(7).Value; len(d) == 4 {
		e.Shift = a.order.Uint32(d)
	}
	return e
}

func readByteorder(a *attrs) Expr {
	return ByteorderExpr{From: a.register(1), To: a.register(2), Len: a.length(4), Size: a.length(5)}
}

func readLookup(a *attrs) Expr {
	return LookupExpr{Set: a.string(1), Reg: a.register(2), To: a.register(3), Map: a.has(3), Not: a.flag(5, 1)}
}

func readDynset(a *attrs) Expr {
	return LookupExpr{Set: a.string(1), Reg: a.register(4), Not: a.flag(9, 1), Dynamic: true}
}

func readNAT(a *attrs) Expr {
	return NATExpr{
		Source:  a.uint32(1) == 0, // NFT_NAT_SNAT
		Family:  a.family(2),
		AddrMin: a.register(3),
		AddrMax: a.register(4),
		PortMin: a.register(5),
		PortMax: a.register(6),
		Flags:   a.uint32(7),
	}
}

func readCt(a *attrs) Expr {
	e := CtExpr{Key: a.uint32(2), Reg: a.register(1), Directed: a.has(3), Reply: a.uint8(3) == 1}
	if a.has(4) {
		e.Set, e.Reg = true, a.register(4)
	}
	return e
}

func readLimit(a *attrs) Expr {
	return LimitExpr{Rate: a.uint64(1), Unit: a.uint64(2), Burst: a.uint32(3), Bytes: a.uint32(4) == 1, Over: a.flag(5, 1)}
}

func readLog(a *attrs) Expr {
	return LogExpr{
		Group:    a.uint16(1),
		Grouped:  a.has(1),
		Prefix:   a.string(2),
		Level:    a.uint32(5),
		HasLevel: a.has(5),
		Flags:    a.uint32(6),
	}
}

// Attributes of extensions of xtables (linux/netfilter/nf_tables_compat.h).
const (
	nftaExtName = 1
	nftaExtRev  = 2
	nftaExtInfo = 3
)

func readMatch(a *attrs) Expr {
	return &XTMatch{Name: a.string(nftaExtName), Rev: a.uint32(nftaExtRev), Raw: a.bytes(nftaExtInfo)}
}

func readTarget(a *attrs) Expr {
	return &XTTarget{Name: a.string(nftaExtName), Rev: a.uint32(nftaExtRev), Raw: a.bytes(nftaExtInfo)}
}
