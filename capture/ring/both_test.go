package ring

import (
	"testing"

	"golang.org/x/net/bpf"
)

func assembled(t *testing.T, prog []bpf.Instruction) []Instruction {
	t.Helper()
	raw, err := bpf.Assemble(prog)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestBothProgramsHaveToPassAFrame(t *testing.T) {
	long := assembled(t, code{bpf.LoadExtension{Num: bpf.ExtLen}, bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 60, SkipTrue: 1}, bpf.RetConstant{}, bpf.RetConstant{Val: maxSnapLen}})
	target := web()
	target.SnapLen = 96
	wanted := assembled(t, newPlan(target, Exact).program(file()))
	everything := assembled(t, newPlan(Want{All: true}, Exact).program(file()))
	request := frameOf(t, "tcp 198.51.100.100:50110 > 198.51.100.1:8080")
	other := frameOf(t, "tcp 198.51.100.100:50110 > 198.51.100.1:8081")
	for _, tc := range []struct {
		name          string
		first, second []Instruction
		frame         []byte
		kept          int
	}{
		{"what both pass is kept as the second says", long, wanted, append(request, make([]byte, 60)...), 96},
		{"what the first does not pass is gone", long, wanted, request[:58], 0},
		{"what the second does not pass is gone", long, wanted, append(other, make([]byte, 60)...), 0},
		{"a second that passes everything leaves the first", long, everything, other[:58], 0},
		{"no second leaves the first", long, nil, request[:58], 0},
		{"no first leaves the second", nil, wanted, other, 0},
	} {
		var prog []bpf.Instruction
		for _, ins := range Both(tc.first, tc.second) {
			prog = append(prog, ins.Disassemble())
		}
		vm, err := bpf.NewVM(prog)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if n, err := vm.Run(tc.frame); err != nil || n != tc.kept {
			t.Errorf("%s: %d bytes kept, %v; want %d", tc.name, n, err, tc.kept)
		}
	}
}
