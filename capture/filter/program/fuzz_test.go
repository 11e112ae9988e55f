package program

import (
	"testing"

	"golang.org/x/net/bpf"

	"dnatrace/capture/filter"
)

// FuzzProgram runs the program of any expression on any frame.
func FuzzProgram(f *testing.F) {
	frames := readFrames(f)
	for i, e := range expressions() {
		f.Add(e, frames[i%len(frames)])
	}
	f.Fuzz(func(t *testing.T, expr string, frame []byte) {
		e, err := filter.Parse(expr)
		if err != nil || len(frame) == 0 {
			return
		}
		prog := compile(e, fromFile)
		if len(prog) > 4000 {
			return
		}
		vm, err := bpf.NewVM(prog)
		if err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
		if _, err := vm.Run(frame); err != nil {
			t.Fatalf("%q on %x: %v", expr, frame, err)
		}
	})
}
