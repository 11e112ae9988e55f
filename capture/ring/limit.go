package ring

import "golang.org/x/net/bpf"

// BPF opcodes (linux/bpf_common.h).
const opReturnConst = 0x06 // BPF_RET | BPF_K

// limited returns prog, keeping at most snap bytes of a frame and none from the
// interfaces given by index. Nil stands for a program that passes everything.
func limited(prog []bpf.RawInstruction, without []int32, snap uint32) []bpf.RawInstruction {
	if len(prog) == 0 {
		prog = []bpf.RawInstruction{{Op: opReturnConst, K: maxSnapLen}}
	}
	out := leaveOut(without, len(prog))
	for _, ins := range prog {
		if ins.Op == opReturnConst {
			ins.K = min(ins.K, snap)
		}
		out = append(out, ins)
	}
	return out
}

// leaveOut drops frames of some interfaces, of as many as fit in front of n
// instructions. It only saves work: the reader drops them as well.
func leaveOut(without []int32, n int) []bpf.RawInstruction {
	without = without[:min(len(without), 64, max(0, (maxInstructions-n-1)/2))]
	if len(without) == 0 {
		return nil
	}
	head := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtInterfaceIndex}}
	for _, index := range without {
		head = append(head, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(index), SkipTrue: 1}, bpf.RetConstant{})
	}
	raw, err := bpf.Assemble(head)
	if err != nil {
		panic(err) // no operand can be wrong
	}
	return raw
}

// maxInstructions is BPF_MAXINSNS.
const maxInstructions = 4096
