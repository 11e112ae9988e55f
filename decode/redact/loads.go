package redact

import "dnatrace/decode"

// field is a value in a header: where it begins, what it is, and how long.
type field struct {
	at   int
	kind kind
	size int
}

// linkHeader are the fields of Ethernet's, with a VLAN tag.
var linkHeader = []field{{0, isMAC, 6}, {6, isMAC, 6}, {12, isNumber, 6}}

// networkHeaders are by the packet's protocol. Options are not known.
var networkHeaders = map[decode.Family][]field{
	decode.FamilyIPv4: {{0, isNumber, 12}, {12, isIP4, 4}, {16, isIP4, 4}},
	decode.FamilyIPv6: {{0, isNumber, 8}, {8, isIP6, 16}, {24, isIP6, 16}},
	decode.FamilyARP:  {{0, isNumber, 8}, {8, isMAC, 6}, {14, isIP4, 4}, {18, isMAC, 6}, {24, isIP4, 4}},
}

// Protocols above IP that rules tell apart (IANA).
const (
	protoIGMP    = 2
	protoDCCP    = 33
	protoGRE     = 47
	protoESP     = 50
	protoComp    = 108
	protoUDPLite = 136
)

// transportHeaders are by the protocol above IP: what the headers that all of it
// has begin with. Options and payload are not known.
var transportHeaders = map[decode.Proto][]field{
	protoTCP: {{0, isNumber, 20}}, protoUDP: {{0, isNumber, 8}}, protoUDPLite: {{0, isNumber, 8}}, protoSCTP: {{0, isNumber, 12}}, protoDCCP: {{0, isNumber, 16}},
	protoESP: {{0, isNumber, 8}}, protoAH: {{0, isNumber, 12}}, protoComp: {{0, isNumber, 4}}, protoGRE: {{0, isNumber, 4}},
	protoICMP:   {{0, isNumber, 8}},
	protoIGMP:   {{0, isNumber, 4}, {4, isIP4, 4}},
	protoICMPv6: {{0, isNumber, 8}, {8, isIP6, 16}, {24, isIP6, 16}},
}

// anyTransport is what is known of a header of a protocol that is not: ports, or a
// type, a code and a checksum.
var anyTransport = []field{{0, isNumber, 4}}

// gateway is what a load of four bytes of ICMP's header takes: that of a redirect.
var gateway = []field{{0, isNumber, 4}, {4, isIP4, 4}}

// payload loads bytes of a header.
func (g *registers) payload(e decode.PayloadExpr, f decode.Family, about context4) {
	g.wipe(e.Reg, e.Len)
	g.fields(e.Reg, e.Offset, e.Len, headerOf(e, f, about))
}

func headerOf(e decode.PayloadExpr, f decode.Family, about context4) []field {
	switch e.Base {
	case decode.BaseLink:
		return linkHeader
	case decode.BaseNetwork:
		return networkHeaders[networkOf(e, f, about.network)]
	case decode.BaseTransport:
		if about.l4 == protoICMP && e.Offset == 4 && e.Len == 4 {
			return gateway
		}
		if h := transportHeaders[about.l4]; h != nil {
			return h
		}
		return anyTransport
	}
	return nil
}

// fields loads n bytes, from offset on, of a header.
func (g *registers) fields(reg decode.Reg, offset, n int, header []field) {
	c := g.from(reg)
	for _, f := range header {
		for i := range min(n, len(c)) {
			if at := offset + i - f.at; at >= 0 && at < f.size {
				c[i] = cell{f.kind, uint8(at), 0xff}
			}
		}
	}
}

// network guesses whose header a load in a table of several families reads, if
// no comparison before has said so.
func networkOf(e decode.PayloadExpr, family, known decode.Family) decode.Family {
	switch {
	case known != 0:
		return known
	case family == decode.FamilyIPv4, family == decode.FamilyIPv6, family == decode.FamilyARP:
		return family
	case e.Offset >= 12 && e.Offset+e.Len <= 20 && e.Len <= 8:
		return decode.FamilyIPv4
	}
	return decode.FamilyIPv6
}

// Keys of meta that hold no number (enum nft_meta_keys).
const (
	metaBridgeIIFName = 17
	metaBridgeOIFName = 18
	metaSecpath       = 25
	metaSlaveName     = 34 // NFT_META_SDIFNAME
	metaLast          = 36
	metaBridgeMAC     = 37 // NFT_META_BRI_IIFHWADDR
)

func (g *registers) meta(e decode.MetaExpr) {
	g.wipe(e.Reg, 16)
	switch e.Key {
	case decode.MetaIIFName, decode.MetaOIFName, metaBridgeIIFName, metaBridgeOIFName, metaSlaveName:
		g.whole(e.Reg, isIface)
	case decode.MetaIIFKind, decode.MetaOIFKind:
		g.whole(e.Reg, isTerm)
	case metaBridgeMAC:
		g.whole(e.Reg, isMAC)
	default:
		if e.Key <= metaLast {
			g.numeric(e.Reg, 8)
		}
	}
}

// Keys of ct that hold numbers, besides those that decode names (enum
// nft_ct_keys).
var ctNumbers = map[uint32]bool{
	decode.CtState: true, decode.CtDirection: true, decode.CtStatus: true, decode.CtMark: true, decode.CtSecmark: true, decode.CtExpiration: true,
	decode.CtL3Proto: true, decode.CtProtocol: true, decode.CtProtoSrc: true, decode.CtProtoDst: true, 14: true, 15: true, 16: true,
	decode.CtZone: true, decode.CtEventmask: true, decode.CtID: true,
}

func (g *registers) ct(e decode.CtExpr, network decode.Family) {
	g.wipe(e.Reg, 16)
	switch e.Key {
	case decode.CtHelper:
		g.whole(e.Reg, isTerm)
		return
	case decode.CtSrcIP, decode.CtDstIP:
		network = decode.FamilyIPv4
	case decode.CtSrcIP6, decode.CtDstIP6:
		network = decode.FamilyIPv6
	case decode.CtSrc, decode.CtDst:
	default:
		if ctNumbers[e.Key] {
			g.numeric(e.Reg, 8)
		}
		return
	}
	if network == decode.FamilyIPv4 {
		g.whole(e.Reg, isIP4)
		return
	}
	g.whole(e.Reg, isIP6)
}

// undecoded runs an expression that decode does not read, of which it is known what
// it loads.
func (s *ruleState) undecoded(e decode.UnknownExpr) {
	to := registerOf(e.Numbers[1])
	switch e.Name {
	case "rt": // NFTA_RT_DREG, NFTA_RT_KEY
		s.wipe(to, 16)
		s.route(to, e.Numbers[2])
	case "xfrm": // NFTA_XFRM_DREG, NFTA_XFRM_KEY
		s.wipe(to, 16)
		s.ipsec(to, e.Numbers[2])
	case "exthdr":
		s.option(e)
	case "numgen": // NFTA_NG_DREG
		s.numeric(to, 4)
	case "hash", "socket", "tunnel": // NFTA_HASH_DREG, NFTA_SOCKET_DREG, NFTA_TUNNEL_DREG
		s.wipe(registerOf(e.Numbers[2]), 16)
		s.numeric(registerOf(e.Numbers[2]), 4)
	default:
		s.registers, s.reads = registers{}, loaded{}
	}
}

// registerOf numbers registers as decode does.
func registerOf(n uint32) decode.Reg {
	switch {
	case n >= 1 && n <= 4:
		return decode.Reg((n-1)*4 + 1)
	case n >= 8 && n <= 23:
		return decode.Reg(n - 8 + 1)
	}
	return decode.VerdictReg
}

// route loads what the packet's route says (enum nft_rt_keys).
func (g *registers) route(to decode.Reg, key uint32) {
	switch key {
	case 0, 3, 4: // classid, tcpmss, ipsec
		g.numeric(to, 4)
	case 1:
		g.whole(to, isIP4)
	case 2:
		g.whole(to, isIP6)
	}
}

// ipsec loads what the packet's policy says (enum nft_xfrm_keys).
func (g *registers) ipsec(to decode.Reg, key uint32) {
	switch key {
	case 1, 3:
		g.whole(to, isIP4)
	case 2, 4:
		g.whole(to, isIP6)
	case 5, 6: // reqid, spi
		g.numeric(to, 4)
	}
}

// Operations and flags of exthdr (enum nft_exthdr_op, enum nft_exthdr_flags), and
// the types of options with addresses in them.
const (
	exthdrIPv6    = 0
	exthdrTCP     = 1
	exthdrIPv4    = 2
	exthdrSCTP    = 3
	exthdrPresent = 1

	optionRecordRoute = 7
	optionLooseRoute  = 131
	optionStrictRoute = 137
)

// option loads a field of an extension header or of an option.
func (s *ruleState) option(e decode.UnknownExpr) {
	to, kind, offset, n, flags, op := registerOf(e.Numbers[1]), e.Numbers[2], int(e.Numbers[3]), int(min(e.Numbers[4], 64)), e.Numbers[5], e.Numbers[6]
	if to == decode.VerdictReg {
		return // it writes
	}
	s.wipe(to, max(n, 4))
	if flags&exthdrPresent != 0 {
		s.numeric(to, 1)
		return
	}
	s.fields(to, offset, n, optionFields(op, kind))
}

func optionFields(op, kind uint32) []field {
	switch {
	case op == exthdrIPv6 && kind == protoRouting: // type 0, 2 and 4 alike
		h := []field{{0, isNumber, 8}}
		for at := 8; at < 8+16*8; at += 16 {
			h = append(h, field{at, isIP6, 16})
		}
		return h
	case op == exthdrIPv6 && kind == protoFragment, op == exthdrIPv6 && kind == protoAH:
		return []field{{0, isNumber, 8}}
	case op == exthdrIPv6:
		return []field{{0, isNumber, 2}}
	case op == exthdrTCP && tcpOptionSizes[byte(kind)].most > 0:
		return []field{{0, isNumber, tcpOptionSizes[byte(kind)].most}}
	case op == exthdrIPv4 && (kind == optionRecordRoute || kind == optionLooseRoute || kind == optionStrictRoute):
		return []field{{0, isNumber, 3}, {3, isIP4, 4}}
	case op == exthdrSCTP:
		return []field{{0, isNumber, 4}}
	}
	return []field{{0, isNumber, 2}}
}

// consumer tells what a value written to a register is, by what reads it next.
func consumer(exprs []decode.Expr, reg decode.Reg, n int, f decode.Family, about context4) []cell {
	var g registers
	addr := isIP4
	if n >= 16 {
		addr = isIP6
	}
	for _, e := range exprs {
		switch e := e.(type) {
		case decode.NATExpr:
			g.endpoint(reg, n, []decode.Reg{e.AddrMin, e.AddrMax}, addrOf(e.Family, addr), []decode.Reg{e.PortMin, e.PortMax})
			return g.from(reg)
		case decode.MasqExpr:
			g.endpoint(reg, n, nil, 0, []decode.Reg{e.PortMin, e.PortMax})
			return g.from(reg)
		case decode.RedirExpr:
			g.endpoint(reg, n, nil, 0, []decode.Reg{e.PortMin, e.PortMax})
			return g.from(reg)
		case decode.TproxyExpr:
			g.endpoint(reg, n, []decode.Reg{e.Addr}, addrOf(e.Family, addr), []decode.Reg{e.Port})
			return g.from(reg)
		case decode.DupExpr:
			g.endpoint(reg, n, []decode.Reg{e.Addr}, addr, []decode.Reg{e.Dev})
			return g.from(reg)
		case decode.FwdExpr:
			g.endpoint(reg, n, nil, 0, []decode.Reg{e.Dev})
			return g.from(reg)
		case decode.PayloadExpr:
			if e.Set && e.Reg == reg {
				g.payload(e, f, about)
				return g.from(reg)
			}
		case decode.MetaExpr:
			if e.Set && e.Reg == reg {
				g.numeric(reg, 4)
				return g.from(reg)
			}
		case decode.CtExpr:
			if e.Set && e.Reg == reg && ctNumbers[e.Key] {
				g.numeric(reg, 4)
				return g.from(reg)
			}
		case decode.UnknownExpr:
			if e.Name == "exthdr" && registerOf(e.Numbers[7]) == reg && e.Numbers[6] == exthdrTCP {
				g.fields(reg, int(e.Numbers[3]), n, optionFields(exthdrTCP, e.Numbers[2]))
				return g.from(reg)
			}
		case decode.ImmediateExpr:
			if e.Reg == reg {
				return g.from(reg)
			}
		}
	}
	return g.from(reg)
}

// endpoint loads what a statement takes from registers within the n bytes from reg
// on: addresses, and numbers.
func (g *registers) endpoint(reg decode.Reg, n int, addrs []decode.Reg, k kind, numbers []decode.Reg) {
	within := func(at decode.Reg) bool { return at != decode.VerdictReg && at >= reg && 4*int(at-reg) < n }
	for _, at := range numbers {
		if within(at) {
			g.numeric(at, 4)
		}
	}
	for _, at := range addrs {
		if within(at) {
			g.whole(at, k)
		}
	}
}

func addrOf(f decode.Family, guess kind) kind {
	switch f {
	case decode.FamilyIPv4:
		return isIP4
	case decode.FamilyIPv6:
		return isIP6
	}
	return guess
}
