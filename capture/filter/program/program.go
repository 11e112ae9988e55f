// Package program makes classic BPF programs of filter expressions: for packet
// sockets of the kernel.
//
// A program passes what tcpdump's for the same expression passes, with the
// exception of tags that are still in the frame: they are skipped. A frame too
// short for what has to be read of it does not pass, as in every classic BPF
// program. The package must import nothing of dnatrace but filter.
package program

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"

	"dnatrace/capture/filter"
)

// Most is the most instructions a program may have. With those for a target it
// has to stay within what the kernel grants a socket, see ring.Budget.
const Most = 512

// whole keeps a frame as it is.
const whole = 1 << 18

// Build makes the program for f, which keeps whole frames. It fails where the
// program would be too long.
func Build(f *filter.Filter) ([]bpf.RawInstruction, error) {
	prog := compile(f, live)
	if len(prog) > Most {
		return nil, fmt.Errorf("build filter program: %d instructions are more than %d: shorten the expression, with net for many hosts, or portrange for many ports", len(prog), Most)
	}
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return nil, fmt.Errorf("build filter program: %w", err)
	}
	return raw, nil
}

// Scratch registers.
const (
	mBase = iota // offset of the network header
	mType        // EtherType
	mTag         // of the outermost VLAN tag, 0x10000 and its TCI; 0 without one
	mLink        // 1 if the frame has an Ethernet header
)

// compile writes f behind a start that fills the scratch registers.
func compile(f *filter.Filter, start func(*builder)) []bpf.Instruction {
	b := &builder{}
	no := b.put(bpf.RetConstant{})
	yes := b.put(bpf.RetConstant{Val: whole})
	b.node(f.Root, yes, no)
	start(b)
	return b.program()
}

func (b *builder) node(n *filter.Node, yes, no label) label {
	switch n.Op {
	case filter.OpNot:
		return b.node(n.Left, no, yes)
	case filter.OpAnd:
		return b.node(n.Left, b.node(n.Right, yes, no), no)
	case filter.OpOr:
		return b.node(n.Left, yes, b.node(n.Right, yes, no))
	}
	return b.test(&n.Test, yes, no)
}

func (b *builder) test(t *filter.Test, yes, no label) label {
	switch t.Kind {
	case filter.Ether:
		return b.family(t.Ether, yes, no)
	case filter.Proto:
		return b.proto(t, yes, no)
	case filter.Host:
		return b.host(t, yes, no)
	case filter.Ports:
		return b.family(filter.EtherIPv4, b.ports4(t, yes, no), b.family(filter.EtherIPv6, b.ports6(t, yes, no), no))
	case filter.MAC:
		return b.mac(t, yes, no)
	case filter.VLAN:
		b.within(0x10000|uint32(t.Lo), 0x10000|uint32(t.Hi), yes, no)
		return b.put(scratch(mTag), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x10fff})
	case filter.Short:
		b.branch(bpf.JumpLessOrEqual, t.Length, yes, no)
	case filter.Long:
		b.branch(bpf.JumpGreaterOrEqual, t.Length, yes, no)
	}
	return b.put(bpf.LoadExtension{Num: bpf.ExtLen})
}

func scratch(n int) bpf.Instruction { return bpf.LoadScratch{Dst: bpf.RegA, N: n} }

func (b *builder) family(ether uint16, yes, no label) label {
	b.is(uint32(ether), yes, no)
	return b.put(scratch(mType))
}

// field loads from the network header on.
func (b *builder) field(off uint32, size int) label {
	return b.put(bpf.LoadScratch{Dst: bpf.RegX, N: mBase}, bpf.LoadIndirect{Off: off, Size: size})
}

const nextFragment = 44 // IPv6 fragment header (RFC 8200 §4.5)

func (b *builder) proto(t *filter.Test, yes, no label) label {
	at := no
	if t.Ether != filter.EtherIPv4 {
		b.is(uint32(t.Proto), yes, no)
		behind := b.field(40, 1)
		fragment := b.is(nextFragment, behind, no)
		b.is(uint32(t.Proto), yes, fragment)
		at = b.family(filter.EtherIPv6, b.field(6, 1), at)
	}
	if t.Ether != filter.EtherIPv6 {
		b.is(uint32(t.Proto), yes, no)
		at = b.family(filter.EtherIPv4, b.field(9, 1), at)
	}
	return at
}

// ends asks about the source, the destination, or both.
func ends(d filter.Dir, src, dst func(yes, no label) label, yes, no label) label {
	switch d {
	case filter.Src:
		return src(yes, no)
	case filter.Dst:
		return dst(yes, no)
	case filter.Both:
		return src(dst(yes, no), no)
	case filter.Either:
	}
	return src(yes, dst(yes, no))
}

func (b *builder) host(t *filter.Test, yes, no label) label {
	word := func(off uint32) func(yes, no label) label {
		return func(yes, no label) label { return b.address(t.Addr, t.Mask, off, yes, no) }
	}
	if t.Addr.Is6() {
		return b.family(filter.EtherIPv6, ends(t.Dir, word(8), word(24), yes, no), no)
	}
	at := no
	for _, f := range []struct {
		ether    uint16
		src, dst uint32 // RFC 791, RFC 826
	}{{filter.EtherRARP, 14, 24}, {filter.EtherARP, 14, 24}, {filter.EtherIPv4, 12, 16}} {
		if t.Ether == 0 || t.Ether == f.ether {
			at = b.family(f.ether, ends(t.Dir, word(f.src), word(f.dst), yes, no), at)
		}
	}
	return at
}

// address compares the words of an address, the first one first.
func (b *builder) address(addr, mask netip.Addr, off uint32, yes, no label) label {
	a, m := addr.AsSlice(), mask.AsSlice()
	at := yes
	if mask.IsUnspecified() { // any address, but one has to be there
		b.jump(yes)
		return b.field(off, 4)
	}
	for i := len(a) - 4; i >= 0; i -= 4 {
		bits := binary.BigEndian.Uint32(m[i:])
		if bits == 0 {
			continue
		}
		b.is(binary.BigEndian.Uint32(a[i:]), at, no)
		if bits != 1<<32-1 {
			b.put(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: bits})
		}
		at = b.field(off+uint32(i), 4)
	}
	return at
}

// oneOf compares A with the protocol of t, or with all that have ports.
func (b *builder) oneOf(t *filter.Test, yes, no label) label {
	if t.Proto != 0 {
		return b.is(uint32(t.Proto), yes, no)
	}
	at := b.is(filter.ProtoTCP, yes, no)
	at = b.is(filter.ProtoUDP, yes, at)
	return b.is(filter.ProtoSCTP, yes, at)
}

// ports4 looks behind the options, in packets that are no later fragments.
func (b *builder) ports4(t *filter.Test, yes, no label) label {
	port := func(off uint32) func(yes, no label) label {
		return func(yes, no label) label {
			b.within(uint32(t.Lo), uint32(t.Hi), yes, no)
			return b.put(
				bpf.LoadScratch{Dst: bpf.RegX, N: mBase},
				bpf.LoadIndirect{Off: 0, Size: 1},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
				bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
				bpf.ALUOpX{Op: bpf.ALUOpAdd},
				bpf.TAX{},
				bpf.LoadIndirect{Off: off, Size: 2},
			)
		}
	}
	first := ends(t.Dir, port(0), port(2), yes, no)
	b.branch(bpf.JumpBitsSet, 0x1fff, no, first)
	fragment := b.field(6, 2)
	b.oneOf(t, fragment, no)
	return b.field(9, 1)
}

func (b *builder) ports6(t *filter.Test, yes, no label) label {
	port := func(off uint32) func(yes, no label) label {
		return func(yes, no label) label {
			b.within(uint32(t.Lo), uint32(t.Hi), yes, no)
			return b.field(off, 2)
		}
	}
	b.oneOf(t, ends(t.Dir, port(40), port(42), yes, no), no)
	return b.field(6, 1)
}

// mac compares from the frame's start, where an Ethernet header is there.
func (b *builder) mac(t *filter.Test, yes, no label) label {
	at := func(off uint32) func(yes, no label) label {
		return func(yes, no label) label {
			bits := binary.BigEndian.Uint16(t.Bits[:])
			b.is(uint32(binary.BigEndian.Uint16(t.MAC[:])), yes, no)
			high := b.put(bpf.LoadAbsolute{Off: off, Size: 2}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(bits)})
			b.is(binary.BigEndian.Uint32(t.MAC[2:]), high, no)
			return b.put(bpf.LoadAbsolute{Off: off + 2, Size: 4}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: binary.BigEndian.Uint32(t.Bits[2:])})
		}
	}
	b.is(1, ends(t.Dir, at(6), at(0), yes, no), no)
	return b.put(scratch(mLink))
}
