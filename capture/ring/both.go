package ring

import "golang.org/x/net/bpf"

const opJump = 0x05 // BPF_JMP | BPF_JA

// Both passes what two programs pass, of which the second says how much of a
// frame is kept. Nil stands for a program that passes everything.
func Both(first, second []Instruction) []Instruction {
	switch {
	case len(first) == 0:
		return second
	case len(second) == 0:
		return first
	}
	out := make([]Instruction, 0, len(first)+len(second))
	for i, ins := range first {
		if ins.Op == opReturnConst && ins.K != 0 {
			ins = bpf.RawInstruction{Op: opJump, K: uint32(len(first) - i - 1)}
		}
		out = append(out, ins)
	}
	return append(out, second...)
}
