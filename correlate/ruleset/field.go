package ruleset

import (
	"dnatrace/decode"
)

// field is what an operand means: its name as nft writes it, and how values of
// it are written.
type field struct {
	name string
	kind kind
	// uses says that the name tells the protocol, so that the comparison that
	// pins it down need not be written.
	usesL3, usesL4 bool
}

// kind is how a value is written.
type kind uint8

const (
	kindHex    kind = iota // bytes, the first one first
	kindNumber             // network byte order
	kindHost               // a number in the machine's order
	kindIfname
	kindIfindex // an interface by its number, told by its name
	kindIftype
	kindIfgroup
	kindMark
	kindProto
	kindNFProto
	kindEtherType
	kindIPv4
	kindIPv6
	kindMAC
	kindCtState
	kindCtStatus
	kindCtDirection
	kindAddrType
	kindICMP
	kindICMPv6
	kindTCPFlags
	kindPktType
	kindBool
	kindARPOp
)

var metaFields = map[uint32]field{
	decode.MetaLen:      {name: "meta length", kind: kindHost},
	decode.MetaProtocol: {name: "meta protocol", kind: kindEtherType},
	decode.MetaPriority: {name: "meta priority", kind: kindHost},
	decode.MetaMark:     {name: "meta mark", kind: kindMark},
	decode.MetaIIF:      {name: "iif", kind: kindHost},
	decode.MetaOIF:      {name: "oif", kind: kindHost},
	decode.MetaIIFName:  {name: "iifname", kind: kindIfname},
	decode.MetaOIFName:  {name: "oifname", kind: kindIfname},
	decode.MetaIIFType:  {name: "meta iiftype", kind: kindIftype},
	decode.MetaOIFType:  {name: "meta oiftype", kind: kindIftype},
	decode.MetaSKUID:    {name: "meta skuid", kind: kindHost},
	decode.MetaSKGID:    {name: "meta skgid", kind: kindHost},
	decode.MetaTrace:    {name: "meta nftrace", kind: kindHost},
	decode.MetaNFProto:  {name: "meta nfproto", kind: kindNFProto},
	decode.MetaL4Proto:  {name: "meta l4proto", kind: kindProto},
	decode.MetaPktType:  {name: "meta pkttype", kind: kindPktType},
	decode.MetaCPU:      {name: "meta cpu", kind: kindHost},
	decode.MetaIIFGroup: {name: "iifgroup", kind: kindIfgroup},
	decode.MetaOIFGroup: {name: "oifgroup", kind: kindIfgroup},
	decode.MetaCgroup:   {name: "meta cgroup", kind: kindHost},
	decode.MetaIIFKind:  {name: "meta iifkind", kind: kindIfname},
	decode.MetaOIFKind:  {name: "meta oifkind", kind: kindIfname},
	metaBridgeIn:        {name: "meta ibrname", kind: kindIfname},
	metaBridgeOut:       {name: "meta obrname", kind: kindIfname},
}

var ctFields = map[uint32]field{
	decode.CtState:      {name: "state", kind: kindCtState},
	decode.CtDirection:  {name: "direction", kind: kindCtDirection},
	decode.CtStatus:     {name: "status", kind: kindCtStatus},
	decode.CtMark:       {name: "mark", kind: kindMark},
	decode.CtExpiration: {name: "expiration", kind: kindHost},
	decode.CtHelper:     {name: "helper", kind: kindIfname},
	decode.CtL3Proto:    {name: "l3proto", kind: kindNFProto},
	decode.CtSrc:        {name: "saddr"},
	decode.CtDst:        {name: "daddr"},
	decode.CtProtocol:   {name: "protocol", kind: kindProto},
	decode.CtProtoSrc:   {name: "proto-src", kind: kindNumber},
	decode.CtProtoDst:   {name: "proto-dst", kind: kindNumber},
	decode.CtZone:       {name: "zone", kind: kindHost},
	decode.CtSrcIP:      {name: "ip saddr", kind: kindIPv4},
	decode.CtDstIP:      {name: "ip daddr", kind: kindIPv4},
	decode.CtSrcIP6:     {name: "ip6 saddr", kind: kindIPv6},
	decode.CtDstIP6:     {name: "ip6 daddr", kind: kindIPv6},
	decode.CtID:         {name: "id", kind: kindHost},
}

// place is where in a header a field lies, in bytes.
type place struct{ offset, len int }

var ipFields = map[place]field{
	{1, 1}:  {name: "ip tos", kind: kindNumber},
	{2, 2}:  {name: "ip length", kind: kindNumber},
	{4, 2}:  {name: "ip id", kind: kindNumber},
	{6, 2}:  {name: "ip frag-off", kind: kindNumber},
	{8, 1}:  {name: "ip ttl", kind: kindNumber},
	{9, 1}:  {name: "ip protocol", kind: kindProto},
	{12, 4}: {name: "ip saddr", kind: kindIPv4},
	{16, 4}: {name: "ip daddr", kind: kindIPv4},
}

var ip6Fields = map[place]field{
	{4, 2}:   {name: "ip6 length", kind: kindNumber},
	{6, 1}:   {name: "ip6 nexthdr", kind: kindProto},
	{7, 1}:   {name: "ip6 hoplimit", kind: kindNumber},
	{8, 16}:  {name: "ip6 saddr", kind: kindIPv6},
	{24, 16}: {name: "ip6 daddr", kind: kindIPv6},
}

var arpFields = map[place]field{
	{0, 2}: {name: "arp htype", kind: kindNumber},
	{2, 2}: {name: "arp ptype", kind: kindEtherType},
	{4, 1}: {name: "arp hlen", kind: kindNumber},
	{5, 1}: {name: "arp plen", kind: kindNumber},
	{6, 2}: {name: "arp operation", kind: kindARPOp},
}

var tcpFields = map[place]field{
	{4, 4}:  {name: "tcp sequence", kind: kindNumber, usesL4: true},
	{8, 4}:  {name: "tcp ackseq", kind: kindNumber, usesL4: true},
	{14, 2}: {name: "tcp window", kind: kindNumber, usesL4: true},
	{16, 2}: {name: "tcp checksum", kind: kindNumber, usesL4: true},
	{18, 2}: {name: "tcp urgptr", kind: kindNumber, usesL4: true},
}

var udpFields = map[place]field{
	{4, 2}: {name: "udp length", kind: kindNumber, usesL4: true},
	{6, 2}: {name: "udp checksum", kind: kindNumber, usesL4: true},
}

var linkFields = map[place]field{
	{0, 6}:  {name: "ether daddr", kind: kindMAC},
	{6, 6}:  {name: "ether saddr", kind: kindMAC},
	{12, 2}: {name: "ether type", kind: kindEtherType},
}

var transportNames = map[decode.Proto]string{
	decode.TCP: "tcp", decode.UDP: "udp", decode.SCTP: "sctp", decode.ICMP: "icmp", decode.ICMPv6: "icmpv6", 33: "dccp", 136: "udplite",
}

// fieldOf names an operand.
func fieldOf(o operand) (field, bool) {
	switch e := o.load.(type) {
	case decode.MetaExpr:
		f, ok := metaFields[e.Key]
		if e.ByName {
			f.kind = kindIfindex
		}
		return f, ok
	case decode.CtExpr:
		return ctField(o, e)
	case decode.PayloadExpr:
		return payloadField(o, e)
	case decode.FibExpr:
		return fibField(e)
	}
	return field{}, false
}

func ctField(o operand, e decode.CtExpr) (field, bool) {
	f, ok := ctFields[e.Key]
	if e.Key == decode.CtSrc || e.Key == decode.CtDst {
		f.kind = kindIPv4
		if o.l3 == decode.FamilyIPv6 {
			f.kind = kindIPv6
		}
	}
	switch {
	case !e.Directed:
		f.name = "ct " + f.name
	case e.Reply:
		f.name = "ct reply " + f.name
	default:
		f.name = "ct original " + f.name
	}
	return f, ok
}

func payloadField(o operand, e decode.PayloadExpr) (f field, ok bool) {
	at := place{e.Offset, e.Len}
	switch e.Base {
	case decode.BaseLink:
		f, ok = linkFields[at]
	case decode.BaseNetwork:
		f, ok = networkField(o.l3, at)
		f.usesL3 = true
	case decode.BaseTransport:
		f, ok = transportField(o.l4, at)
	}
	return f, ok
}

// networkField also knows addresses of which only the first bytes are loaded,
// as nft does for prefixes of whole bytes.
func networkField(l3 decode.Family, at place) (f field, ok bool) {
	switch l3 {
	case decode.FamilyIPv4:
		if at.offset == 12 || at.offset == 16 {
			at.len = max(at.len, 4)
		}
		f, ok = ipFields[at]
	case decode.FamilyIPv6:
		if at.offset == 8 || at.offset == 24 {
			at.len = max(at.len, 16)
		}
		f, ok = ip6Fields[at]
	case decode.FamilyARP:
		f, ok = arpFields[at]
	}
	return f, ok
}

func transportField(l4 decode.Proto, at place) (field, bool) {
	name, known := transportNames[l4]
	ports := l4 != decode.ICMP && l4 != decode.ICMPv6
	if !known {
		name = "th"
	}
	switch {
	case ports && at == place{0, 2}:
		return field{name: name + " sport", kind: kindNumber, usesL4: known}, true
	case ports && at == place{2, 2}:
		return field{name: name + " dport", kind: kindNumber, usesL4: known}, true
	case l4 == decode.TCP && at == place{13, 1}:
		return field{name: "tcp flags", kind: kindTCPFlags, usesL4: true}, true
	case l4 == decode.ICMP && at == place{0, 1}:
		return field{name: "icmp type", kind: kindICMP, usesL3: true, usesL4: true}, true
	case l4 == decode.ICMPv6 && at == place{0, 1}:
		return field{name: "icmpv6 type", kind: kindICMPv6, usesL3: true, usesL4: true}, true
	case !ports && at == place{1, 1}:
		return field{name: name + " code", kind: kindNumber, usesL3: true, usesL4: true}, true
	case l4 == decode.TCP:
		f, ok := tcpFields[at]
		return f, ok
	case l4 == decode.UDP:
		f, ok := udpFields[at]
		return f, ok
	}
	return field{}, false
}

func fibField(e decode.FibExpr) (field, bool) {
	var f field
	for _, w := range []struct {
		flag uint32
		name string
	}{{decode.FibSaddr, "saddr"}, {decode.FibDaddr, "daddr"}, {decode.FibMark, "mark"}, {decode.FibIIF, "iif"}, {decode.FibOIFlag, "oif"}} {
		if e.Flags&w.flag == 0 {
			continue
		}
		if f.name != "" {
			f.name += " . "
		}
		f.name += w.name
	}
	switch e.Result {
	case decode.FibAddrType:
		f.name, f.kind = "fib "+f.name+" type", kindAddrType
	case decode.FibOIF:
		f.name, f.kind = "fib "+f.name+" oif", kindHost
	case decode.FibOIFName:
		f.name, f.kind = "fib "+f.name+" oifname", kindIfname
	default:
		return f, false
	}
	if e.Flags&decode.FibPresent != 0 {
		f.kind = kindBool
	}
	return f, true
}
