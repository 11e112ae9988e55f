package filter

import "net/netip"

// protocol is the test for a protocol that stands alone.
func (p *parser) protocol(name, word string) *Node {
	switch name {
	case "ip", "ip6", "arp", "rarp":
		return test(Test{Kind: Ether, Ether: families[name]})
	case "icmp":
		return carried(ProtoICMP, EtherIPv4)
	case "igmp":
		return carried(ProtoIGMP, EtherIPv4)
	case "vrrp":
		return carried(ProtoVRRP, EtherIPv4)
	case "icmp6":
		return carried(ProtoICMPv6, EtherIPv6)
	case "ether":
		return p.refused(word, "host, src, dst, proto, multicast or broadcast is expected behind it")
	}
	return carried(numbers[name], 0)
}

// numbers are the protocols that IPv4 and IPv6 both carry.
var numbers = map[string]uint8{"tcp": ProtoTCP, "udp": ProtoUDP, "sctp": ProtoSCTP, "pim": ProtoPIM, "ah": ProtoAH, "esp": ProtoESP}

// names are what may be written for a number behind proto, with a backslash.
var names = map[string]uint64{
	`\icmp`: ProtoICMP, `\igmp`: ProtoIGMP, `\tcp`: ProtoTCP, `\udp`: ProtoUDP, `\esp`: ProtoESP, `\ah`: ProtoAH,
	`\icmp6`: ProtoICMPv6, `\pim`: ProtoPIM, `\vrrp`: ProtoVRRP, `\sctp`: ProtoSCTP,
}

var etherNames = map[string]uint64{`\ip`: EtherIPv4, `\ip6`: EtherIPv6, `\arp`: EtherARP, `\rarp`: EtherRARP}

func carried(proto uint8, family uint16) *Node {
	return test(Test{Kind: Proto, Proto: proto, Ether: family})
}

// protoOf reads the number of a protocol, or its name behind a backslash.
func (p *parser) protoOf(q qualifier) *Node {
	switch q.proto {
	case "", "ip", "ip6":
		return carried(uint8(p.named(names, 255)), families[q.proto])
	case "ether":
		v := p.named(etherNames, 1<<16-1)
		if p.err == nil && (v < 0x600 || v == 0x8100 || v == 0x88a8 || v == 0x9100) {
			return p.refused("proto", "an EtherType from 0x600 on is expected, and vlan for that of a tag")
		}
		return test(Test{Kind: Ether, Ether: uint16(v)})
	}
	return p.refused("proto", q.proto+" carries no other protocol")
}

func (p *parser) named(names map[string]uint64, most uint64) uint64 {
	if v, ok := names[p.next()]; ok {
		p.take()
		return v
	}
	return p.number(most)
}

func (p *parser) vlan() *Node {
	t := Test{Kind: VLAN, Hi: 4095}
	if numeral.MatchString(p.next()) {
		t.Lo = uint16(p.number(4095))
		t.Hi = t.Lo
	}
	return test(t)
}

// multicast and broadcast are addresses of the destination. Those of IP are what
// tcpdump takes for it: everything from 224.0.0.0 on.
func (p *parser) multicast(proto string) *Node {
	switch proto {
	case "", "ether":
		return test(Test{Kind: MAC, Dir: Dst, MAC: [6]byte{1}, Bits: [6]byte{1}})
	case "ip":
		first := netip.AddrFrom4([4]byte{224})
		return test(Test{Kind: Host, Ether: EtherIPv4, Dir: Dst, Addr: first, Mask: first})
	case "ip6":
		first := netip.AddrFrom16([16]byte{255})
		return test(Test{Kind: Host, Ether: EtherIPv6, Dir: Dst, Addr: first, Mask: first})
	}
	return p.refused("multicast", proto+" has none")
}

func (p *parser) broadcast(proto string) *Node {
	if proto != "" && proto != "ether" {
		return p.refused("broadcast", "write ether broadcast")
	}
	return test(Test{Kind: MAC, Dir: Dst, MAC: everyBit, Bits: everyBit})
}
