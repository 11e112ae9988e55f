package ruleset

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// Registers that statements take their values from: one of 16 bytes for each.
const (
	regAddr    decode.Reg = 1
	regAddrMax decode.Reg = 5
	regPort    decode.Reg = 9
	regPortMax decode.Reg = 13
)

func (b *listRule) log() bool {
	var e decode.LogExpr
	for !b.done() {
		switch {
		case b.word("prefix"):
			e.Prefix = b.next().text
		case b.word("level"):
			n := slices.Index(logLevels[:], b.next().text)
			e.Level, e.HasLevel = uint32(max(n, 0)), n >= 0
		case b.word("group"):
			n, err := strconv.ParseUint(b.next().text, 10, 16)
			e.Group, e.Grouped = uint16(n), err == nil
		case b.word("snaplen"), b.word("queue-threshold"):
			b.at++
		case b.word("flags"):
			b.logFlags(&e)
		default:
			b.add(e)
			return true
		}
	}
	b.add(e)
	return true
}

func (b *listRule) logFlags(e *decode.LogExpr) {
	switch t := b.next().text; t {
	case "all":
		e.Flags = 0x2f
	case "tcp":
		e.Flags |= numbersOf([]word{{0x1, "sequence"}, {0x2, "options"}}, b.next().text)
	case "ip":
		b.at++
		e.Flags |= 0x4
	case "skuid":
		e.Flags |= 0x8
	case "ether":
		e.Flags |= 0x20
	}
}

func numbersOf(words []word, list string) uint32 {
	n, _ := numbers(words, list)
	return n
}

func (b *listRule) reject() bool {
	if !b.word("with") {
		switch b.rule.Family {
		case decode.FamilyIPv4:
			b.add(decode.RejectExpr{Code: 3})
		case decode.FamilyIPv6:
			b.add(decode.RejectExpr{Code: 4})
		default:
			b.add(decode.RejectExpr{Type: 2, Code: 1})
		}
		return true
	}
	kind := b.next().text
	if kind == "tcp" {
		b.need(selector{l4: decode.TCP, needL4: true})
		b.add(decode.RejectExpr{Type: 1})
		return b.word("reset")
	}
	names := map[string][]word{"icmp": rejectICMP, "icmpv6": rejectICMP6, "icmpx": rejectICMPX}[kind]
	b.word("type")
	code, ok := number(names, b.next().text)
	if names == nil || !ok {
		return false
	}
	e := decode.RejectExpr{Code: uint8(code)}
	switch kind {
	case "icmpx":
		e.Type = 2
	case "icmp":
		b.need(selector{l3: decode.FamilyIPv4})
	default:
		b.need(selector{l3: decode.FamilyIPv6})
	}
	b.add(e)
	return true
}

func (b *listRule) masquerade() bool {
	var e decode.MasqExpr
	if b.word("to") && !b.ports(&e.PortMin, &e.PortMax) {
		return false
	}
	e.Flags = b.natFlags()
	b.add(e)
	return true
}

func (b *listRule) redirect() bool {
	var e decode.RedirExpr
	if b.word("to") && !b.ports(&e.PortMin, &e.PortMax) {
		return false
	}
	e.Flags = b.natFlags()
	b.add(e)
	return true
}

// ports reads :PORT or :PORT-PORT.
func (b *listRule) ports(min, max *decode.Reg) bool {
	text, ok := strings.CutPrefix(b.next().text, ":")
	return ok && b.portValues(text, min, max)
}

func (b *listRule) portValues(text string, min, max *decode.Reg) bool {
	v, ok := listValue(kindNumber, 2, listToken{text: text})
	if !ok {
		return false
	}
	b.immediate(regPort, v.from)
	*min, *max = regPort, regPort
	if !v.single() {
		b.immediate(regPortMax, v.to)
		*max = regPortMax
	}
	return true
}

func (b *listRule) immediate(r decode.Reg, v []byte) {
	b.add(decode.ImmediateExpr{Reg: r, Data: decode.Data{Value: v}})
}

func (b *listRule) natFlags() (flags uint32) {
	for !b.done() && b.peek(0).kind == listWord {
		for _, w := range strings.Split(b.peek(0).text, ",") {
			n, ok := map[string]uint32{"random": decode.NATRandom, "fully-random": decode.NATRandomFully, "persistent": decode.NATPersistent}[w]
			if !ok {
				return flags
			}
			flags |= n
		}
		b.at++
	}
	return flags
}

// nat reads dnat and snat [ip|ip6] to TARGET [FLAGS].
func (b *listRule) nat(source bool) bool {
	e := decode.NATExpr{Source: source, Family: b.l3}
	switch {
	case b.word("ip"):
		e.Family = decode.FamilyIPv4
	case b.word("ip6"):
		e.Family = decode.FamilyIPv6
	}
	if !b.word("to") {
		return false
	}
	was := len(b.rule.Exprs)
	sets := len(b.p.rules.Sets)
	if !b.natTarget(&e) {
		b.rule.Exprs, b.p.rules.Sets = b.rule.Exprs[:was], b.p.rules.Sets[:sets]
		return false
	}
	e.Flags = b.natFlags()
	b.add(e)
	return true
}

func (b *listRule) natTarget(e *decode.NATExpr) bool {
	if all, ok := b.selectors(); ok {
		return b.word("map") && b.natMap(e, all)
	}
	t := b.next()
	host, port := t.text, ""
	switch {
	case strings.HasPrefix(host, "["):
		host, port, _ = strings.Cut(host[1:], "]")
		port = strings.TrimPrefix(port, ":")
	case strings.Count(host, ":") == 1:
		host, port, _ = strings.Cut(host, ":")
	}
	if host != "" && !b.natAddr(e, host) {
		return false
	}
	if host != "" && port == "" && strings.HasSuffix(t.text, ":") {
		return false
	}
	if port != "" {
		return b.portValues(port, &e.PortMin, &e.PortMax)
	}
	return host != ""
}

func (b *listRule) natAddr(e *decode.NATExpr, host string) bool {
	first, _, _ := strings.Cut(host, "-")
	first, _, _ = strings.Cut(first, "/")
	a, err := netip.ParseAddr(first)
	if err != nil {
		return false
	}
	k, n, f := kindIPv4, 4, decode.FamilyIPv4
	if a.Is6() {
		k, n, f = kindIPv6, 16, decode.FamilyIPv6
	}
	v, ok := listValue(k, n, listToken{text: host})
	if !ok {
		return false
	}
	e.Family = f
	b.immediate(regAddr, v.from)
	e.AddrMin, e.AddrMax = regAddr, regAddr
	if !v.single() {
		b.immediate(regAddrMax, v.to)
		e.AddrMax = regAddrMax
	}
	return true
}

// natMap takes the target from a map: an address, or an address and a port.
func (b *listRule) natMap(e *decode.NATExpr, all []selector) bool {
	parts := b.loadAll(all)
	addr := part{kindIPv4, 4}
	if e.Family == decode.FamilyIPv6 {
		addr = part{kindIPv6, 16}
	}
	data := []part{addr}
	if named, ok := strings.CutPrefix(b.peek(0).text, "@"); ok {
		for i := range b.p.rules.Sets {
			if s := &b.p.rules.Sets[i]; s.Name == named && s.Table == b.rule.Table && s.Family == b.rule.Family && s.DataLen > addr.len {
				data = append(data, part{kindNumber, 2})
			}
		}
	} else if b.peek(0).text == "{" && b.concatenated() {
		data = append(data, part{kindNumber, 2})
	}
	if !b.lookup(parts, data, false, false) {
		return false
	}
	e.AddrMin, e.AddrMax = regAddr, regAddr
	if len(data) > 1 {
		e.PortMin = regAddr + decode.Reg(words(addr.len))
		e.PortMax = e.PortMin
	}
	return true
}

// concatenated reports whether the values of the map in braces that comes next
// have two parts.
func (b *listRule) concatenated() bool {
	for i := 1; b.peek(i).text != "}" && b.peek(i).text != ""; i++ {
		if b.peek(i).text == ":" {
			return b.peek(i+2).text == "."
		}
	}
	return false
}

func (b *listRule) tproxy() bool {
	e := decode.TproxyExpr{Family: b.l3}
	if b.word("ip") {
		e.Family = decode.FamilyIPv4
	}
	if b.word("ip6") {
		e.Family = decode.FamilyIPv6
	}
	if !b.word("to") {
		return false
	}
	n := decode.NATExpr{Family: e.Family}
	if !b.natTarget(&n) {
		return false
	}
	e.Addr, e.Port = n.AddrMin, n.PortMin
	b.add(e)
	return true
}
