package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"dnatrace/fixtures"
)

// replayHostile replays a file and holds the program to what it promises
// whatever is in it: one of four exit codes, output that can be read, and
// trouble told on one line.
func replayHostile(t *testing.T, path string, flags ...string) (out, errs string, code int) {
	t.Helper()
	out, errs, code = dnatrace(append([]string{"replay", path}, flags...)...)
	if code < exitOK || code > exitNothing {
		t.Errorf("exit %d", code)
	}
	told := 0
	for line := range strings.Lines(errs) {
		if strings.HasPrefix(line, "dnatrace: ") {
			told++
		}
	}
	if code == exitTrouble && told != 1 || code != exitTrouble && told != 0 {
		t.Errorf("exit %d, and trouble is told %d times:\n%s", code, told, errs)
	}
	if i := strings.IndexFunc(out+errs, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }); i >= 0 {
		t.Errorf("a control character is printed: %q", (out + errs)[i:])
	}
	if slices.Contains(flags, "json") && out != "" && !json.Valid([]byte(out)) {
		t.Errorf("the document is no JSON: %s", out)
	}
	return out, errs, code
}

// frugal fails the test if the heap was ever larger than this many MiB more
// than before.
func frugal(t *testing.T, mib uint64) {
	t.Helper()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapSys >> 20
	}
	before := heap()
	t.Cleanup(func() {
		if now := heap(); now > before+mib {
			t.Errorf("the heap grew by %d MiB, want at most %d", now-before, mib)
		}
	})
}

// mutations is how many damaged files are replayed. Each is made from its own
// seed.
const mutations = 300

func TestDamagedRecordingsAreReplayedInOrder(t *testing.T) {
	frugal(t, 128)
	names := fixtures.Names()
	path := filepath.Join(t.TempDir(), "damaged.pcapng")
	for seed := range uint64(mutations) {
		if testing.Short() && seed%6 != 0 {
			continue
		}
		name := names[seed%uint64(len(names))]
		t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			if err := os.WriteFile(path, damaged(r, recordingOf(t, name)), 0o600); err != nil {
				t.Fatal(err)
			}
			flags := [][]string{{"-o", "json"}, {"-o", "table"}, {"-o", "jsonl"}, {"-o", "json", "--target", "8080"}}
			replayHostile(t, path, flags[r.IntN(len(flags))]...)
		})
	}
}

func recordingOf(t testing.TB, name string) []byte {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(c.Recording))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// damaged is a file with one to four things done to it.
func damaged(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + r.IntN(4) {
		if len(b) < 64 {
			break
		}
		i := r.IntN(len(b) - 32)
		switch r.IntN(9) {
		case 0:
			b = b[:i]
		case 1:
			b[i] ^= 1 << r.IntN(8)
		case 2:
			binary.LittleEndian.PutUint32(b[i&^3:], []uint32{0, 1, 1 << 31, 1<<32 - 1, 1<<31 - 1}[r.IntN(5)])
		case 3:
			b = slices.Delete(b, i, i+1+r.IntN(32))
		case 4:
			b = slices.Insert(b, r.IntN(len(b)), b[i:i+1+r.IntN(32)]...)
		default:
			b = rewritten(r, b)
		}
	}
	return b
}

// rewritten is a pcapng file with one thing done to its blocks, whose lengths
// stay right: so that it is not only the framing that is tried.
func rewritten(r *rand.Rand, b []byte) []byte {
	blocks := blocksOf(b)
	if len(blocks) < 3 {
		return b
	}
	i, j := 1+r.IntN(len(blocks)-1), 1+r.IntN(len(blocks)-1)
	switch r.IntN(5) {
	case 0:
		blocks[i], blocks[j] = blocks[j], blocks[i]
	case 1:
		blocks = slices.Insert(blocks, i, blocks[j])
	case 2:
		blocks = slices.Delete(blocks, i, i+1)
	default:
		blocks[i] = reworded(r, blocks[i])
	}
	return slices.Concat(blocks...)
}

func blocksOf(b []byte) (blocks [][]byte) {
	for len(b) >= 12 {
		n := int(binary.LittleEndian.Uint32(b[4:]))
		if n < 12 || n > len(b) {
			break
		}
		blocks, b = append(blocks, slices.Clone(b[:n])), b[n:]
	}
	return append(blocks, b)
}

// reworded is a block with a number or a string in it replaced, or some bytes if
// it has none.
func reworded(r *rand.Rand, b []byte) []byte {
	if len(b) < 32 {
		return b
	}
	body := slices.Clone(b[8 : len(b)-4])
	from := r.IntN(len(body))
	n := bytes.IndexAny(body[from:], `0123456789"`)
	if n < 0 || r.IntN(3) == 0 {
		body[from] = byte(r.Uint32())
	} else {
		words := []string{"-1", "0", "9223372036854775807", "18446744073709551616", "1e99", "null", `"\u202e\u001b[2J"`, "[]", "{}", "\"a\":", "\n", "\x00", "\"\xff\xfe\""}
		from += n
		to := from + 1
		for to < len(body) && body[to] >= '0' && body[to] <= '9' {
			to++
		}
		body = slices.Replace(body, from, to, []byte(words[r.IntN(len(words))])...)
	}
	body = append(body, make([]byte, -len(body)&3)...)
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(body)+12))
	return slices.Concat(b[:4], size, body, size)
}

func TestOneAbsurdTimeChangesNoVerdict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absurd.pcapng")
	ticks := []uint64{0, 1 << 32 * 1e9, 1 << 63} // 1970, 2106, none that fits
	for i, name := range fixtures.Names() {
		if testing.Short() && i%6 != 0 {
			continue
		}
		file := recordingOf(t, name)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		want := runVerdict(t, path)
		packets := packetBlocks(file)
		for j, k := range []int{0, len(packets) / 2, len(packets) - 1} {
			bad, time := slices.Clone(file), ticks[(i+j)%len(ticks)]
			binary.LittleEndian.PutUint32(bad[packets[k]+12:], uint32(time>>32))
			binary.LittleEndian.PutUint32(bad[packets[k]+16:], uint32(time))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := runVerdict(t, path); got != want {
				t.Errorf("%s: with packet %d of %d at %d ns the verdict is %s, without %s", name, k+1, len(packets), time, got, want)
			}
		}
	}
}

// packetBlocks are the offsets of a recording's packets.
func packetBlocks(file []byte) (at []int) {
	for i := 0; i+12 <= len(file); i += int(binary.LittleEndian.Uint32(file[i+4:])) {
		if binary.LittleEndian.Uint32(file[i:]) == 6 {
			at = append(at, i)
		}
	}
	return at
}

// runVerdict is the verdict and cause of a run.
func runVerdict(t *testing.T, path string) string {
	t.Helper()
	out, _, _ := replayHostile(t, path, "-o", "json")
	var d struct{ Verdict, Cause string }
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	return d.Verdict + ":" + d.Cause
}

func TestWhatIsNoRecordingIsTroubleOnOneLine(t *testing.T) {
	frugal(t, 256)
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const gib = 1 << 30
	for _, c := range []struct {
		name, path string
		code       int
		want       string
	}{
		{"an empty file is an absent source", file("empty", nil), exitNothing, "0 packets captured, 0 lost"},
		{"a text", file("text", []byte("198.51.100.1 web\n")), exitTrouble, "neither a capture nor a dump that is known here"},
		{"a compressed text", file("text.gz", zipped(t, []byte("198.51.100.1 web\n"), 0)), exitTrouble, "neither a capture nor a dump that is known here"},
		{"nothing but zeros, compressed", file("zeros.gz", zipped(t, nil, gib)), exitTrouble, "neither a capture nor a dump that is known here"},
		{"zeros behind the head of a pcapng", file("pcapng.gz", zipped(t, manyInterfaces(1), gib)), exitTrouble, "a block claims a length of 0 bytes"},
		{"zeros behind the head of a pcap: a million packets of nothing", file("pcap.gz", zipped(t, pcap(), gib/64)), exitNothing, "1048576 packets captured, 0 lost"},
		{"a capture of more interfaces than can be numbered", file("interfaces.pcapng", manyInterfaces(1<<16)), exitTrouble, "more than 65535 points"},
		{"no file, by a name that clears the screen", filepath.Join(dir, "\x1b[2J"), exitTrouble, `\x1b[2J`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, errs, code := replayHostile(t, c.path)
			if code != c.code || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d with %q, want %d and %q", code, errs, c.code, c.want)
			}
		})
	}
}

// zipped compresses b and this many zeros behind it, a multiple of 16 MiB.
func zipped(t *testing.T, b []byte, zeros int) []byte {
	t.Helper()
	const piece = 16 << 20
	return slices.Concat(member(t, b), bytes.Repeat(member(t, make([]byte, piece)), zeros/piece))
}

// member is a gzip file of b. Several laid end to end are one.
func member(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// manyInterfaces is a pcapng file of interfaces without a packet.
func manyInterfaces(n int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(le.AppendUint32(nil, 0x0a0d0d0a), 28)
	b = le.AppendUint32(le.AppendUint32(b, 0x1a2b3c4d), 1)
	b = le.AppendUint32(le.AppendUint64(b, 1<<64-1), 28)
	iface := le.AppendUint32(le.AppendUint32(nil, 1), 20)
	iface = le.AppendUint32(le.AppendUint64(iface, 1), 20)
	return append(b, bytes.Repeat(iface, n)...)
}

func TestEndlessInputIsReadInBoundedMemory(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if f, err := os.Open(path); err != nil {
		t.Skipf("needs paths of open files: %v", err)
	} else {
		f.Close()
	}
	frugal(t, 128)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer w.Close()
		w.Write(pcap())
		packets := pcap(slices.Repeat([][]byte{syn()}, 1000)...)[len(pcap()):]
		for n := 0; ; n++ {
			if n == 600 { // more than are held back, or kept
				cancel()
			}
			if _, err := w.Write(packets); err != nil {
				return
			}
		}
	}()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"replay", path}, streams{out: &out, err: &errs})
	if code != exitTrouble || !strings.Contains(errs.String(), "interrupted after ") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	r.Close()
	<-ended
}
