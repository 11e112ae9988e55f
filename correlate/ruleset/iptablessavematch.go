package ruleset

import (
	"strconv"
	"strings"

	"dnatrace/decode"
)

// match makes the expression of -m NAME. One whose options are not all
// understood keeps them as text.
func (b *saveRule) match(s segment) decode.Expr {
	m := &decode.XTMatch{Name: s.name, Info: decode.XTText{Options: rawText(s.options)}}
	read := saveMatches[s.name]
	if read == nil {
		return m
	}
	if info, ok := read(b, s.options); ok {
		m.Info = info
	}
	return m
}

// saveMatches read the options of matches. They report false for what they do
// not understand.
var saveMatches = map[string]func(*saveRule, []option) (decode.XTInfo, bool){
	"tcp":       saveTCP,
	"udp":       saveTCP,
	"udplite":   saveTCP,
	"sctp":      saveTCP,
	"dccp":      saveTCP,
	"multiport": saveMultiport,
	"icmp":      saveICMP,
	"icmp6":     saveICMP,
	"conntrack": saveConntrack,
	"state":     saveConntrack,
	"addrtype":  saveAddrType,
	"comment":   saveComment,
	"mark":      saveMark,
	"connmark":  saveMark,
	"iprange":   saveRange,
	"limit":     saveLimit,
	"physdev":   savePhysdev,
	"set":       saveSet,
}

func saveTCP(_ *saveRule, options []option) (decode.XTInfo, bool) {
	all := decode.PortRange{Max: 65535}
	i := decode.XTPorts{Src: all, Dst: all}
	for _, o := range options {
		v, _ := o.value() // without one, no port and no number can be read
		var ok bool
		switch o.name {
		case "--sport", "--source-port":
			i.NotSrc = o.not
			i.Src, ok = savePorts(v)
		case "--dport", "--destination-port":
			i.NotDst = o.not
			i.Dst, ok = savePorts(v)
		case "--tcp-flags":
			i.NotFlags = o.not
			ok = len(o.values) == 2 && saveFlags(&i, o.values[0], o.values[1])
		case "--syn":
			i.NotFlags = o.not
			ok = len(o.values) == 0 && saveFlags(&i, "FIN,SYN,RST,ACK", "SYN")
		case "--tcp-option":
			n, err := strconv.ParseUint(v, 10, 8)
			i.Option, i.NotOption, ok = byte(n), o.not, err == nil
		default:
			return nil, false
		}
		if !ok {
			return nil, false
		}
	}
	return i, true
}

func saveFlags(i *decode.XTPorts, mask, flags string) bool {
	words := append([]word{{0, "NONE"}, {63, "ALL"}}, tcpFlags[:6]...)
	m, ok := numbers(words, mask)
	f, ok2 := numbers(words, flags)
	i.FlagMask, i.Flags = byte(m), byte(f)
	return ok && ok2 && m < 256 && f < 256
}

// savePorts reads PORT, FIRST:LAST, FIRST: or :LAST.
func savePorts(s string) (decode.PortRange, bool) {
	first, last, ranged := strings.Cut(s, ":")
	if !ranged {
		last = first
	}
	if ranged && first == "" {
		first = "0"
	}
	if ranged && last == "" {
		last = "65535"
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	return decode.PortRange{Min: uint16(from), Max: uint16(to)}, err == nil && err2 == nil
}

func saveMultiport(_ *saveRule, options []option) (decode.XTInfo, bool) {
	if len(options) != 1 {
		return nil, false
	}
	o := options[0]
	which, ok := map[string]uint8{"--sports": 0, "--source-ports": 0, "--dports": 1, "--destination-ports": 1, "--ports": 2}[o.name]
	v, one := o.value()
	if !ok || !one {
		return nil, false
	}
	i := decode.XTMultiport{Which: which, Not: o.not}
	for _, s := range strings.Split(v, ",") {
		p, ok := savePorts(s)
		if !ok {
			return nil, false
		}
		i.Ports = append(i.Ports, p)
	}
	return i, true
}

func saveICMP(b *saveRule, options []option) (decode.XTInfo, bool) {
	i := decode.XTICMP{Type: 255, CodeMax: 255}
	for _, o := range options {
		v, one := o.value()
		if !one || o.name != "--icmp-type" && o.name != "--icmpv6-type" {
			return nil, false
		}
		i.Not = o.not
		if v == "any" && !b.ip6 {
			continue
		}
		words := icmpTypes
		if b.ip6 {
			words = icmp6Types
		}
		name, code, coded := strings.Cut(v, "/")
		n, ok := number(words, name)
		if !ok || n > 255 {
			return nil, false
		}
		i.Type = uint8(n)
		if coded {
			c, err := strconv.ParseUint(code, 10, 8)
			if err != nil {
				return nil, false
			}
			i.CodeMin, i.CodeMax = uint8(c), uint8(c)
		}
	}
	return i, len(options) > 0
}

func saveAddrType(_ *saveRule, options []option) (decode.XTInfo, bool) {
	var i decode.XTAddrType
	for _, o := range options {
		v, _ := o.value()
		ok := true
		switch o.name {
		case "--src-type":
			i.Src, ok = saveTypes(v)
			i.NotSrc = o.not
		case "--dst-type":
			i.Dst, ok = saveTypes(v)
			i.NotDst = o.not
		case "--limit-iface-in":
			i.ByIIF = true
		case "--limit-iface-out":
			i.ByOIF = true
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return i, true
}

func saveTypes(list string) (mask uint16, ok bool) {
	for _, s := range strings.Split(list, ",") {
		n, ok := number(addrTypes, s)
		if !ok || n > 15 {
			return 0, false
		}
		mask |= 1 << n
	}
	return mask, true
}

func saveComment(_ *saveRule, options []option) (decode.XTInfo, bool) {
	if len(options) != 1 || options[0].name != "--comment" {
		return nil, false
	}
	v, one := options[0].value()
	return decode.XTComment{Text: v}, one
}

func saveMark(_ *saveRule, options []option) (decode.XTInfo, bool) {
	if len(options) != 1 || options[0].name != "--mark" {
		return nil, false
	}
	v, _ := options[0].value()
	value, mask, ok := valueMask(v)
	return decode.XTMark{Mark: value, Mask: mask, Not: options[0].not}, ok
}

// valueMask reads VALUE or VALUE/MASK.
func valueMask(s string) (value, mask uint32, ok bool) {
	v, m, masked := strings.Cut(s, "/")
	mask = 0xffffffff
	n, err := strconv.ParseUint(v, 0, 32)
	if masked && err == nil {
		var k uint64
		k, err = strconv.ParseUint(m, 0, 32)
		mask = uint32(k)
	}
	return uint32(n), mask, err == nil
}
