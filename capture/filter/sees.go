package filter

import "net/netip"

// Packet is what is known of a packet. The zero value of every field is that it
// is not known.
type Packet struct {
	Ether            uint16 // EtherType
	Proto            uint8  // IP protocol, without extension headers in front; known iff not 0
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // 0: not known, or there are none
}

// Answer is whether a filter lets a packet pass.
type Answer uint8

// Unknown is the zero value: it depends on what is not known of the packet.
const (
	Unknown Answer = iota
	Passes
	Hidden
)

// Sees says whether the filter lets a packet pass, whatever there is to it that
// is not known. A nil filter passes everything.
func (f *Filter) Sees(p Packet) Answer {
	if f == nil {
		return Passes
	}
	return f.Root.sees(&p)
}

func (n *Node) sees(p *Packet) Answer {
	switch n.Op {
	case OpNot:
		return opposite(n.Left.sees(p))
	case OpAnd:
		return both(n.Left.sees(p), n.Right.sees(p))
	case OpOr:
		return either(n.Left.sees(p), n.Right.sees(p))
	}
	return n.Test.sees(p)
}

func opposite(a Answer) Answer {
	return [...]Answer{Unknown: Unknown, Passes: Hidden, Hidden: Passes}[a]
}

func both(a, b Answer) Answer {
	switch {
	case a == Hidden || b == Hidden:
		return Hidden
	case a == Passes && b == Passes:
		return Passes
	}
	return Unknown
}

func either(a, b Answer) Answer { return opposite(both(opposite(a), opposite(b))) }

func answer(is bool) Answer {
	if is {
		return Passes
	}
	return Hidden
}

func (t *Test) sees(p *Packet) Answer {
	switch t.Kind {
	case Ether:
		return t.family(p)
	case Proto:
		if p.Proto == 0 {
			return both(t.family(p), both(p.isIP(), Unknown))
		}
		return both(t.family(p), both(p.isIP(), answer(p.Proto == t.Proto)))
	case Host:
		return both(t.family(p), t.ends(t.hostIs(p.Src), t.hostIs(p.Dst)))
	case Ports:
		return both(both(p.isIP(), t.hasPorts(p)), t.ends(t.portIs(p.SrcPort), t.portIs(p.DstPort)))
	case MAC, VLAN, Short, Long:
	}
	return Unknown
}

// family reports whether p has the EtherType that the test is about.
func (t *Test) family(p *Packet) Answer {
	switch {
	case t.Ether == 0:
		return Passes
	case p.Ether == 0:
		return Unknown
	}
	return answer(p.Ether == t.Ether)
}

func (p *Packet) isIP() Answer {
	if p.Ether == 0 {
		return Unknown
	}
	return answer(p.Ether == EtherIPv4 || p.Ether == EtherIPv6)
}

func (t *Test) hasPorts(p *Packet) Answer {
	switch {
	case p.Proto == 0:
		return Unknown
	case t.Proto == 0:
		return answer(p.Proto == ProtoTCP || p.Proto == ProtoUDP || p.Proto == ProtoSCTP)
	}
	return answer(p.Proto == t.Proto)
}

func (t *Test) ends(src, dst Answer) Answer {
	switch t.Dir {
	case Src:
		return src
	case Dst:
		return dst
	case Both:
		return both(src, dst)
	case Either:
	}
	return either(src, dst)
}

func (t *Test) hostIs(a netip.Addr) Answer {
	switch a = a.Unmap(); {
	case !a.IsValid():
		return Unknown
	case a.Is4() != t.Addr.Is4():
		return Hidden
	}
	return answer(masked(a.WithZone(""), t.Mask) == t.Addr)
}

func (t *Test) portIs(port uint16) Answer {
	if port == 0 {
		return Unknown
	}
	return answer(t.Lo <= port && port <= t.Hi)
}
