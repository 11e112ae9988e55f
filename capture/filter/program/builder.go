package program

import (
	"slices"

	"golang.org/x/net/bpf"
)

// builder writes a program from its end, so that the place to jump to is always
// known. A label is how many instructions follow the place.
type builder struct{ backwards []bpf.Instruction }

type label int

func (b *builder) here() label { return label(len(b.backwards)) }

// put writes instructions, given in the order they run.
func (b *builder) put(run ...bpf.Instruction) label {
	for _, ins := range slices.Backward(run) {
		b.backwards = append(b.backwards, ins)
	}
	return b.here()
}

// branch goes to one of two places. Conditional jumps reach 255 instructions
// only: what is further away is reached by another jump.
func (b *builder) branch(cond bpf.JumpTest, v uint32, yes, no label) label {
	const reach = 250
	near := func(l label) label {
		if int(b.here()-l) < reach {
			return l
		}
		return b.jump(l)
	}
	yes, no = near(yes), near(no)
	return b.put(bpf.JumpIf{Cond: cond, Val: v, SkipTrue: uint8(b.here() - yes), SkipFalse: uint8(b.here() - no)})
}

func (b *builder) jump(to label) label { return b.put(bpf.Jump{Skip: uint32(b.here() - to)}) }

// is compares A.
func (b *builder) is(v uint32, yes, no label) label { return b.branch(bpf.JumpEqual, v, yes, no) }

// within compares A with both ends of a range.
func (b *builder) within(lo, hi uint32, yes, no label) label {
	if lo == hi {
		return b.is(lo, yes, no)
	}
	top := b.branch(bpf.JumpLessOrEqual, hi, yes, no)
	return b.branch(bpf.JumpGreaterOrEqual, lo, top, no)
}

func (b *builder) program() []bpf.Instruction {
	return slices.Collect(func(yield func(bpf.Instruction) bool) {
		for _, ins := range slices.Backward(b.backwards) {
			if !yield(ins) {
				return
			}
		}
	})
}
