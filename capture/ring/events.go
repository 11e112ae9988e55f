package ring

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// BuildEvents makes the program for a socket that hears conntrack events, one
// netlink message each (ctnetlink): an event passes if a packet wanted can be
// told of by it. Those are events with a wanted port, or an endpoint, at either
// end of the original tuple, or with an endpoint where answers come from. What
// has no ports passes, as does what the program cannot read. Width is as for
// Build.
//
// The programs find their way by SKF_AD_NLATTR and SKF_AD_NLATTR_NEST
// (net/core/filter.c): A is where to begin and becomes where the attribute of
// type X is, 0 if there is none.
func BuildEvents(w Want) ([]Instruction, Width, error) {
	w.SnapLen = 0 // messages are whole or not there
	for width := Exact; ; width++ {
		prog := newPlan(w, width).events()
		if len(prog) > Budget && width < WideOpen {
			continue
		}
		raw, err := bpf.Assemble(prog)
		if err != nil {
			return nil, width, fmt.Errorf("assemble filter of events: %w", err)
		}
		return raw, width, nil
	}
}

// Scratch registers of programs for events: mProto, mL4 and mBase are where
// those for packets have the protocol, the port and the address.
const (
	mFamily    = mType
	mAddresses = mL4 + 1 // offset of CTA_TUPLE_IP
	mTransport = mL4 + 2 // offset of CTA_TUPLE_PROTO
)

// Where a message has what (linux/netlink.h, linux/netfilter/nfnetlink.h,
// nfnetlink_conntrack.h). The types are those of nested attributes, too.
const (
	familyAt    = 16 // nfgen_family
	attributes  = 20 // behind nlmsghdr and nfgenmsg
	attrHeader  = 4
	familyInet  = 2
	familyInet6 = 10

	ctaTupleOrig  = 1
	ctaTupleReply = 2

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaProtoNum = 1
)

// side is one end of a tuple: the types of its attributes.
type side struct{ v4, v6, port uint32 }

var (
	source      = side{v4: 1, v6: 3, port: 2} // CTA_IP_V4_SRC, CTA_IP_V6_SRC, CTA_PROTO_SRC_PORT
	destination = side{v4: 2, v6: 4, port: 3}
)

// events makes the whole program.
func (p plan) events() code {
	if p.all {
		return p.pass()
	}
	return join(
		code{
			bpf.LoadAbsolute{Off: familyAt, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: mFamily},
		},
		p.enter(ctaTupleOrig),
		p.at(destination, true),
		p.at(source, true),
		p.enter(ctaTupleReply),
		p.at(source, false), // the server, behind a translation
		reject(),
	)
}

// enter finds the parts of a tuple.
func (p plan) enter(tuple uint32) code {
	return join(
		code{
			bpf.LoadConstant{Dst: bpf.RegA, Val: attributes},
			bpf.LoadConstant{Dst: bpf.RegX, Val: tuple},
			bpf.LoadExtension{Num: bpf.ExtNetlinkAttr},
		},
		p.orPass(),
		code{bpf.StoreScratch{Src: bpf.RegA, N: mTransport}},
		p.nested(ctaTupleIP),
		code{
			bpf.StoreScratch{Src: bpf.RegA, N: mAddresses},
			bpf.LoadScratch{Dst: bpf.RegA, N: mTransport},
		},
		p.nested(ctaTupleProto),
		code{bpf.StoreScratch{Src: bpf.RegA, N: mTransport}},
		p.nested(ctaProtoNum),
		code{
			bpf.TAX{},
			bpf.LoadIndirect{Off: attrHeader, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: mProto},
		},
	)
}

// nested goes from the attribute at A to the one of a type within it.
func (p plan) nested(kind uint32) code {
	return join(
		code{
			bpf.LoadConstant{Dst: bpf.RegX, Val: kind},
			bpf.LoadExtension{Num: bpf.ExtNetlinkAttrNested},
		},
		p.orPass(),
	)
}

// orPass passes if A is 0.
func (p plan) orPass() code { return when(0, p.pass()) }

// valueOf leaves in a scratch register where the value of an attribute nested
// in the one at the offset in another is.
func (p plan) valueOf(in int, kind uint32, to int) code {
	return join(
		load(in), p.nested(kind),
		code{
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: attrHeader},
			bpf.StoreScratch{Src: bpf.RegA, N: to},
		},
	)
}

// at passes events with a host, an endpoint or, if asked, a port at one end
// of the tuple that was entered last.
func (p plan) at(e side, ports bool) code {
	c := p.valueOf(mTransport, e.port, mL4)
	if ports {
		c = join(c, p.portsOf(p.ports, 0))
	}
	return join(c,
		load(mFamily), when(familyInet, join(p.valueOf(mAddresses, e.v4, mBase), p.addressed(addrSet.matchV4))),
		load(mFamily), when(familyInet6, join(p.valueOf(mAddresses, e.v6, mBase), p.addressed(addrSet.matchV6))),
	)
}

// addressed passes what has the address of a host at mBase, or that of an
// endpoint and its port at mL4.
func (p plan) addressed(m match) code {
	c := join(atBase(), m(p.hosts, 0, p.pass()))
	for _, e := range p.endpoints {
		c = join(c, atBase(), m(e.addrs, 0, p.portsOf(e.ports, 0)))
	}
	return c
}
