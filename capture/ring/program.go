package ring

import "golang.org/x/net/bpf"

// Scratch registers.
const (
	mBase  = iota // offset of the network header
	mType         // EtherType
	mProto        // IP protocol of what is at mL4
	mL4           // offset of the transport header
)

// skfNetOff is SKF_NET_OFF (linux/filter.h): offsets from the network header.
const skfNetOff = 0xfff00000

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132

	hatypeEther    = 1
	hatypeLoopback = 772
)

// live is how a program begins for a frame as the kernel shows it: its tag out of
// band.
func live() opening {
	return opening{plain: func(body code) code {
		inner := join(code{bpf.LoadExtension{Num: bpf.ExtProto}}, when(etherIPv4, body))
		return join(code{bpf.LoadExtension{Num: bpf.ExtLinkLayerType}}, whenAny([]uint32{hatypeEther, hatypeLoopback}, inner))
	}, any: code{
		bpf.LoadConstant{Dst: bpf.RegX, Val: 14},
		bpf.LoadExtension{Num: bpf.ExtLinkLayerType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hatypeEther, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hatypeLoopback, SkipTrue: 1},
		bpf.LoadConstant{Dst: bpf.RegX, Val: skfNetOff},
		bpf.LoadExtension{Num: bpf.ExtProto},
	}}
}

// program makes the program.
func (p plan) program(o opening) code {
	if p.all {
		return p.pass()
	}
	long := p.long(o)
	if body := p.plain(); len(body) > 0 && len(body)+len(long) <= withPlain {
		return join(o.plain(body), long)
	}
	return long
}

// long decides for every frame.
func (p plan) long(o opening) code {
	return join(
		o.any,
		untag(),
		code{
			bpf.StoreScratch{Src: bpf.RegA, N: mType}, bpf.StoreScratch{Src: bpf.RegX, N: mBase},
			// The kernel refuses to load what some path has not stored, even one never taken.
			bpf.StoreScratch{Src: bpf.RegA, N: mProto}, bpf.StoreScratch{Src: bpf.RegX, N: mL4},
		},
		when(etherIPv4, p.ipv4()),
		load(mType), when(etherIPv6, p.ipv6()),
		load(mType), when(etherARP, p.arp()),
		load(mType), unless([]uint32{etherIPv4, etherIPv6}, reject()),
		p.portsOf(p.ports, mL4Source),
		p.portsOf(p.ports, mL4Dest),
		load(mType), when(etherIPv4, p.endpointsAt(addrSet.matchV4, 12, 16)),
		load(mType), when(etherIPv6, p.endpointsAt(addrSet.matchV6, 8, 24)),
		reject(),
	)
}

func (p plan) pass() code { return code{bpf.RetConstant{Val: p.snap}} }

func reject() code { return code{bpf.RetConstant{}} }

// untag goes behind a VLAN tag that is still in the frame: the inner one of
// two, or one of a device that has no offload.
func untag() code {
	behind := code{bpf.LoadIndirect{Off: 2, Size: 2}, bpf.LoadConstant{Dst: bpf.RegX, Val: 18}}
	return join(
		code{
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherVLAN, SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherQinQ, SkipTrue: uint8(len(behind))},
		},
		behind,
	)
}

// ipv4 is entered with X at the header. It deals with all but ports, and falls
// through with mProto and mL4 set.
func (p plan) ipv4() code {
	return join(
		p.whole(addrSet.matchV4, 12, 16),
		code{
			bpf.LoadIndirect{Off: 6, Size: 2}, // flags and fragment offset
			bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x1fff, SkipTrue: 1},
		},
		p.pass(),
		code{
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
			bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.StoreScratch{Src: bpf.RegA, N: mL4},
			bpf.LoadIndirect{Off: 9, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: mProto},
		},
		when(protoICMP, p.icmp()),
	)
}

func (p plan) icmp() code {
	types := []uint32{3, 4, 5, 11, 12} // unreachable, source quench, redirect, time exceeded, parameter problem
	if p.echo {
		types = append(types, 0, 8)
	}
	return join(atL4(), code{bpf.LoadIndirect{Size: 1}}, p.oneOf(spansOf(types)), reject())
}

// ipv6 is as ipv4.
func (p plan) ipv6() code {
	return join(
		p.whole(addrSet.matchV6, 8, 24),
		code{
			bpf.LoadIndirect{Off: 6, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: mProto},
			bpf.TXA{},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40},
			bpf.StoreScratch{Src: bpf.RegA, N: mL4},
		},
		load(mProto),
		unless([]uint32{protoTCP, protoUDP, protoICMPv6, protoSCTP}, p.extensions()),
		load(mProto), when(protoICMPv6, p.icmpv6()),
	)
}

// IPv6 extension headers that are skipped (RFC 8200 §4, RFC 4302).
const (
	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extAuth     = 51
	extDest     = 60
)

// extensions skips extension headers: three rounds of up to one of each sort.
// A packet that has more passes.
func (p plan) extensions() code {
	var c code
	for range 3 {
		c = join(c,
			load(mProto), whenAny([]uint32{extHopByHop, extRouting, extDest}, skipExtension(1, 3)),
			load(mProto), when(extFragment, p.skipFragment()),
			load(mProto), when(extAuth, skipExtension(2, 2)),
		)
	}
	return join(c, load(mProto), whenAny([]uint32{extHopByHop, extRouting, extFragment, extAuth, extDest}, p.pass()))
}

// skipExtension moves on by (length + plus) << shift.
func skipExtension(plus, shift uint32) code {
	return join(atL4(), code{
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: mProto},
		bpf.LoadIndirect{Off: 1, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: plus},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: shift},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.StoreScratch{Src: bpf.RegA, N: mL4},
	})
}

func (p plan) skipFragment() code {
	return join(
		atL4(),
		code{bpf.LoadIndirect{Off: 2, Size: 2}, bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0xfff8, SkipTrue: 1}},
		p.pass(),
		code{
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: mProto},
			bpf.TXA{},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 8},
			bpf.StoreScratch{Src: bpf.RegA, N: mL4},
		},
	)
}

// icmpv6 passes errors, whose types are below 128, and what is wanted of echo
// and of neighbour discovery (RFC 4443 §2.1, RFC 4861 §4.3).
func (p plan) icmpv6() code {
	var echo code
	if p.echo {
		echo = p.oneOf([]span{{128, 129}})
	}
	solicit := code{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 135, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 136, SkipTrue: 1},
	}
	return join(
		atL4(), code{bpf.LoadIndirect{Size: 1}},
		p.oneOf([]span{{0, 127}}), echo,
		solicit, reject(),
		p.aboutV6(),
		reject(),
	)
}

// aboutV6 passes neighbour discovery about a wanted address.
func (p plan) aboutV6() code {
	if p.anybody {
		return p.pass()
	}
	return p.neighbour.matchV6(8, p.pass())
}

// arp passes what is about a wanted address: sender or target (RFC 826).
func (p plan) arp() code {
	if p.anybody {
		return p.pass()
	}
	return join(p.neighbour.matchV4(14, p.pass()), p.neighbour.matchV4(24, p.pass()), reject())
}

// match makes code that runs body iff the address at X+off is in the set; none
// for a set without addresses of the family.
type match func(s addrSet, off uint32, body code) code

// whole passes everything of the hosts.
func (p plan) whole(m match, src, dst uint32) code {
	return join(m(p.hosts, src, p.pass()), m(p.hosts, dst, p.pass()))
}

// endpointsAt passes packets with the address and a port of an endpoint on the
// same side.
func (p plan) endpointsAt(m match, src, dst uint32) code {
	var c code
	for _, e := range p.endpoints {
		c = join(c,
			atBase(), m(e.addrs, src, p.portsOf(e.ports, mL4Source)),
			atBase(), m(e.addrs, dst, p.portsOf(e.ports, mL4Dest)),
		)
	}
	return c
}

// Offsets of the ports, the same in TCP, UDP and SCTP.
const (
	mL4Source = 0
	mL4Dest   = 2
)

// portsOf passes packets with one of the ports at mL4+off.
func (p plan) portsOf(set portSet, off uint32) code {
	var c code
	for _, s := range set {
		c = join(c, load(mProto), when(uint32(s.proto), join(
			atL4(), code{bpf.LoadIndirect{Off: off, Size: 2}}, p.oneOf(s.spans),
		)))
	}
	return c
}

// oneOf passes if A is in one of the spans; else A is unchanged.
func (p plan) oneOf(spans []span) code { return inSpans(spans, p.pass()) }
