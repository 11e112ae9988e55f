package ruleset

import (
	"strings"

	"dnatrace/decode"
)

// selector is what a word or two of nft's load: the reverse of fieldOf.
type selector struct {
	load   decode.Expr // to register 1
	kind   kind
	len    int           // bytes
	l3     decode.Family // that it needs; 0 for none
	l4     decode.Proto
	needL4 bool
}

// kindLens are how many bytes values have where the kind alone tells.
var kindLens = map[kind]int{
	kindIfname: 16, kindIfindex: 16, kindIftype: 2, kindIfgroup: 4, kindMark: 4, kindProto: 1, kindNFProto: 1, kindEtherType: 2, kindIPv4: 4, kindIPv6: 16, kindMAC: 6,
	kindCtState: 4, kindCtStatus: 4, kindCtDirection: 1, kindAddrType: 4, kindICMP: 1, kindICMPv6: 1, kindTCPFlags: 1,
	kindPktType: 1, kindBool: 1, kindARPOp: 2, kindHost: 4,
}

var transports = map[string]decode.Proto{
	"tcp": decode.TCP, "udp": decode.UDP, "sctp": decode.SCTP, "icmp": decode.ICMP, "icmpv6": decode.ICMPv6, "dccp": 33, "udplite": 136, "th": 0,
}

// selector reads what a condition compares. If it is none that is known, nothing
// is passed.
func (b *listRule) selector() (s selector, ok bool) {
	at := b.at
	switch t := b.peek(0); {
	case t.kind != listWord:
	case t.text == "meta", t.text == "mark", bareMeta[t.text]:
		s, ok = b.metaSelector()
	case t.text == "ct":
		s, ok = b.ctSelector()
	case t.text == "fib":
		s, ok = b.fibSelector()
	case t.text == "ip", t.text == "ip6", t.text == "ether", t.text == "arp":
		s, ok = b.headerSelector()
	default:
		if _, transport := transports[t.text]; transport {
			s, ok = b.transportSelector()
		}
	}
	if !ok {
		b.at = at
	}
	return s, ok
}

var bareMeta = map[string]bool{"iif": true, "oif": true, "iifname": true, "oifname": true, "iiftype": true, "oiftype": true, "iifgroup": true, "oifgroup": true}

func (b *listRule) metaSelector() (s selector, ok bool) {
	name := b.next().text
	if name == "meta" {
		name = b.next().text
	}
	for key, f := range metaFields {
		if strings.TrimPrefix(f.name, "meta ") == name {
			s = selector{load: decode.MetaExpr{Key: key, Reg: 1}, kind: f.kind, len: kindLens[f.kind]}
			if key == decode.MetaIIF || key == decode.MetaOIF {
				s = selector{load: decode.MetaExpr{Key: key, Reg: 1, ByName: true}, kind: kindIfindex, len: kindLens[kindIfindex]}
			}
			return s, true
		}
	}
	return s, false
}

func (b *listRule) ctSelector() (s selector, ok bool) {
	b.at++
	e := decode.CtExpr{Reg: 1}
	switch {
	case b.word("original"):
		e.Directed = true
	case b.word("reply"):
		e.Directed, e.Reply = true, true
	}
	name := b.next().text
	if name == "ip" || name == "ip6" {
		name += " " + b.next().text
	}
	for key, f := range ctFields {
		if f.name != name {
			continue
		}
		e.Key = key
		s = selector{kind: f.kind, len: kindLens[f.kind]}
		switch key {
		case decode.CtSrc, decode.CtDst:
			s.kind, s.len = kindIPv4, 4
			if b.l3 == decode.FamilyIPv6 {
				s.kind, s.len = kindIPv6, 16
			}
		case decode.CtProtoSrc, decode.CtProtoDst, decode.CtZone:
			s.len = 2
		}
		s.load = e
		return s, true
	}
	return s, false
}

func (b *listRule) fibSelector() (s selector, ok bool) {
	b.at++
	e := decode.FibExpr{To: 1}
	flags := map[string]uint32{"saddr": decode.FibSaddr, "daddr": decode.FibDaddr, "mark": decode.FibMark, "iif": decode.FibIIF, "oif": decode.FibOIFlag}
	for more := true; more; more = b.word(".") {
		f := flags[b.next().text]
		if f == 0 {
			return s, false
		}
		e.Flags |= f
	}
	switch b.next().text {
	case "type":
		e.Result, s.kind = decode.FibAddrType, kindAddrType
	case "oif":
		e.Result, s.kind = decode.FibOIF, kindHost
	case "oifname":
		e.Result, s.kind = decode.FibOIFName, kindIfname
	default:
		return s, false
	}
	if t := b.peek(0).text; t == "missing" || t == "exists" || t == "!=" && (b.peek(1).text == "missing" || b.peek(1).text == "exists") {
		e.Flags |= decode.FibPresent
		s.kind = kindBool
	}
	s.load, s.len = e, kindLens[s.kind]
	return s, true
}

func (b *listRule) headerSelector() (s selector, ok bool) {
	name := b.next().text
	fields, base, l3 := ipFields, decode.BaseNetwork, decode.FamilyIPv4
	switch name {
	case "ip6":
		fields, l3 = ip6Fields, decode.FamilyIPv6
	case "ether":
		fields, base, l3 = linkFields, decode.BaseLink, 0
	case "arp":
		fields, l3 = arpFields, decode.FamilyARP
	}
	name += " " + b.next().text
	for at, f := range fields {
		if f.name == name {
			return selector{load: decode.PayloadExpr{Base: uint32(base), Offset: at.offset, Len: at.len, Reg: 1}, kind: f.kind, len: at.len, l3: l3}, true
		}
	}
	return s, false
}

func (b *listRule) transportSelector() (s selector, ok bool) {
	header := b.next().text
	proto := transports[header]
	name := header + " " + b.next().text
	fields := map[place]field{{0, 2}: {name: header + " sport", kind: kindNumber}, {2, 2}: {name: header + " dport", kind: kindNumber}}
	extra := map[place]field{}
	switch proto {
	case decode.TCP:
		extra = tcpFields
		fields[place{13, 1}] = field{name: "tcp flags", kind: kindTCPFlags}
	case decode.UDP:
		extra = udpFields
	case decode.ICMP:
		fields = map[place]field{{0, 1}: {name: "icmp type", kind: kindICMP}, {1, 1}: {name: "icmp code", kind: kindNumber}}
		s.l3 = decode.FamilyIPv4
	case decode.ICMPv6:
		fields = map[place]field{{0, 1}: {name: "icmpv6 type", kind: kindICMPv6}, {1, 1}: {name: "icmpv6 code", kind: kindNumber}}
		s.l3 = decode.FamilyIPv6
	}
	for _, known := range []map[place]field{fields, extra} {
		for at, f := range known {
			if f.name == name {
				s.load = decode.PayloadExpr{Base: decode.BaseTransport, Offset: at.offset, Len: at.len, Reg: 1}
				s.kind, s.len, s.l4, s.needL4 = f.kind, at.len, proto, proto != 0
				return s, true
			}
		}
	}
	return s, false
}

// byNumber is a selector of an interface by its number, which nft writes where
// there is none of that number any more.
func (s selector) byNumber() selector {
	if e, ok := s.load.(decode.MetaExpr); ok && e.ByName {
		e.ByName = false
		s.load, s.kind, s.len = e, kindHost, kindLens[kindHost]
	}
	return s
}

// put loads a selector to a register, after what it needs.
func (b *listRule) put(s selector, to decode.Reg) {
	switch e := s.load.(type) {
	case decode.MetaExpr:
		e.Reg = to
		b.add(e)
	case decode.CtExpr:
		e.Reg = to
		b.add(e)
	case decode.FibExpr:
		e.To = to
		b.add(e)
	case decode.PayloadExpr:
		e.Reg = to
		b.add(e)
	}
}

// need compares the protocols that a selector's header belongs to, unless the
// rule did so before.
func (b *listRule) need(s selector) {
	if s.l3 != 0 && b.l3 != s.l3 {
		b.needL3(s.l3)
	}
	if s.needL4 && b.l4 != s.l4 {
		b.add(decode.MetaExpr{Key: decode.MetaL4Proto, Reg: 1}, decode.CmpExpr{Reg: 1, Value: []byte{byte(s.l4)}})
		b.l4 = s.l4
	}
}

func (b *listRule) needL3(l3 decode.Family) {
	if b.rule.Family == decode.FamilyInet {
		b.add(decode.MetaExpr{Key: decode.MetaNFProto, Reg: 1}, decode.CmpExpr{Reg: 1, Value: []byte{byte(l3)}})
	} else {
		ether := []byte{0x08, 0x00}
		if l3 == decode.FamilyARP {
			ether[1] = 0x06
		}
		if l3 == decode.FamilyIPv6 {
			ether = []byte{0x86, 0xdd}
		}
		b.add(decode.MetaExpr{Key: decode.MetaProtocol, Reg: 1}, decode.CmpExpr{Reg: 1, Value: ether})
	}
	b.l3 = l3
}
