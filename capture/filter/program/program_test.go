package program

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"dnatrace/capture/filter"
)

var update = flag.Bool("update", false, "make the frames and verdicts anew, with tcpdump")

// fromFile starts a program for a machine that has no kernel behind it.
func fromFile(b *builder) {
	b.untag()
	b.put(
		bpf.LoadConstant{Dst: bpf.RegA, Val: 0}, bpf.StoreScratch{Src: bpf.RegA, N: mTag},
		bpf.LoadConstant{Dst: bpf.RegA, Val: 1}, bpf.StoreScratch{Src: bpf.RegA, N: mLink},
		bpf.LoadConstant{Dst: bpf.RegX, Val: 14}, bpf.LoadAbsolute{Off: 12, Size: 2},
	)
}

func parse(t testing.TB, expr string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return f
}

func ours(t testing.TB, expr string) *bpf.VM {
	t.Helper()
	vm, err := bpf.NewVM(compile(parse(t, expr), fromFile))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return vm
}

// tcpdump is the program that tcpdump makes of an expression.
func tcpdump(t testing.TB, expr string, flags ...string) *bpf.VM {
	t.Helper()
	out, err := exec.Command("tcpdump", append(flags, "-ddd", "-y", "EN10MB", expr)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && bytes.Contains(exit.Stderr, []byte("rejects all packets")) {
		out, err = []byte("6 0 0 0"), nil
	}
	if err != nil {
		t.Fatalf("tcpdump %s: %v", expr, err)
	}
	var prog []bpf.Instruction
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var raw bpf.RawInstruction
		if n, _ := fmt.Sscan(lines.Text(), &raw.Op, &raw.Jt, &raw.Jf, &raw.K); n == 4 {
			prog = append(prog, raw.Disassemble())
		}
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatalf("tcpdump %s: %v", expr, err)
	}
	return vm
}

func needTcpdump(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("needs tcpdump: apt-get install tcpdump")
	}
}

func passes(t testing.TB, vm *bpf.VM, frame []byte) bool {
	t.Helper()
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// verdicts is one bit a frame.
func verdicts(t testing.TB, vm *bpf.VM, frames [][]byte) string {
	bits := make([]byte, (len(frames)+7)/8)
	for i, f := range frames {
		if passes(t, vm, f) {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return hex.EncodeToString(bits)
}

const verdictsFile = "testdata/verdicts.txt"

// TestPassesWhatTcpdumpPasses holds each program against what tcpdump's own
// said of the same frames.
func TestPassesWhatTcpdumpPasses(t *testing.T) {
	if *update {
		needTcpdump(t)
		writeFrames(t)
		var out strings.Builder
		frames := readFrames(t)
		for _, e := range expressions() {
			fmt.Fprintf(&out, "%s\t%s\n", e, verdicts(t, tcpdump(t, e, "-O"), frames))
		}
		if err := os.WriteFile(verdictsFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	frames := readFrames(t)
	text, err := os.ReadFile(verdictsFile)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		expr, want, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			t.Fatalf("%q has no verdicts", line)
		}
		n++
		compare(t, expr, verdicts(t, ours(t, expr), frames), want, frames)
	}
	if n < 500 || len(frames) < 500 {
		t.Errorf("%d expressions on %d frames", n, len(frames))
	}
}

func compare(t *testing.T, expr, got, want string, frames [][]byte) {
	t.Helper()
	if got == want {
		return
	}
	g, _ := hex.DecodeString(got)
	w, _ := hex.DecodeString(want)
	for i := range frames {
		if bit := byte(1 << (i % 8)); g[i/8]&bit != w[i/8]&bit {
			t.Errorf("%s: frame %d passes %t here, %t in tcpdump: %x", expr, i, g[i/8]&bit != 0, w[i/8]&bit != 0, frames[i])
			return
		}
	}
}

// TestTcpdumpStillSaysSo checks the verdicts with the tcpdump that is installed,
// and that its optimizer changes nothing but what is cut short.
func TestTcpdumpStillSaysSo(t *testing.T) {
	needTcpdump(t)
	frames := readFrames(t)
	var whole [][]byte
	for _, f := range frames {
		if len(f) >= 82 {
			whole = append(whole, f)
		}
	}
	for i, e := range expressions() {
		if testing.Short() && i%10 != 0 {
			continue
		}
		compare(t, e, verdicts(t, ours(t, e), frames), verdicts(t, tcpdump(t, e, "-O"), frames), frames)
		compare(t, e, verdicts(t, ours(t, e), whole), verdicts(t, tcpdump(t, e), whole), whole)
	}
}

// TestATagMovesNothing: a tagged frame is judged by what is behind its tag, as
// tcpdump judges it behind vlan.
func TestATagMovesNothing(t *testing.T) {
	needTcpdump(t)
	frames := readFrames(t)
	var tagged [][]byte
	for i, f := range frames {
		if len(f) < 14 {
			continue
		}
		ether := [...]string{"\x81\x00", "\x88\xa8", "\x91\x00"}[i%3]
		tci := []byte{byte(i % 3 << 5), byte(7 + i%2)}
		tagged = append(tagged, bytes.Join([][]byte{f[:12], []byte(ether), tci, f[12:]}, nil))
	}
	for i, e := range expressions() {
		if i%3 != 0 && testing.Short() || strings.Contains(e, "less") || strings.Contains(e, "greater") {
			continue
		}
		v := "vlan and (" + e + ")"
		want := verdicts(t, tcpdump(t, v, "-O"), tagged)
		compare(t, e, verdicts(t, ours(t, e), tagged), want, tagged)
		compare(t, v, verdicts(t, ours(t, v), tagged), want, tagged)
		compare(t, "("+e+") and vlan", verdicts(t, ours(t, "("+e+") and vlan"), tagged), want, tagged)
		compare(t, "not vlan and "+e, verdicts(t, ours(t, "not vlan and ("+e+")"), tagged), strings.Repeat("0", len(want)), tagged)
	}
	for _, e := range []string{"vlan", "vlan 7", "vlan 8", "vlan 0", "vlan 4095", "vlan 7 and tcp"} {
		for _, f := range [][][]byte{frames, tagged} {
			compare(t, e, verdicts(t, ours(t, e), f), verdicts(t, tcpdump(t, e, "-O"), f), f)
		}
	}
}
