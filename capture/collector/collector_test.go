package collector

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/engine/docker"
	"dnatrace/capture/recording"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsBroughtToAnEngine(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	here := docker.Machine{OS: "linux", Arch: elfMachines[machineOf(t, self)]}
	own, trouble := program{file: self}, ""
	if needsLibraries(t, self) { // built with cgo, as for the race detector
		own, trouble = program{}, "build it with CGO_ENABLED=0"
	}
	for _, row := range []struct {
		story   string
		m       docker.Machine
		given   string
		want    program
		trouble string
	}{
		{"an engine of this architecture gets this program", here, "", own, trouble},
		{"a name that is no file is an image", here, "registry.example/dnatrace:1", program{image: "registry.example/dnatrace:1"}, ""},
		{"a path is a file", here, self, own, trouble},
		{"a path that is not there is no image", here, "./nowhere", program{}, "no program of Linux"},
		{"a file that is no program", here, text, program{}, "no program of Linux"},
		{"no program for the architecture", docker.Machine{OS: "linux", Arch: "riscv64"}, "", program{}, "put dnatrace-linux-riscv64 beside it"},
		{"a program of another architecture", docker.Machine{OS: "linux", Arch: "s390x"}, self, program{}, "and the engine runs on s390x"},
		{"an engine of Windows containers", docker.Machine{OS: "windows", Arch: "amd64"}, "", program{}, "Linux only"},
	} {
		t.Run(row.story, func(t *testing.T) {
			got, err := choose(row.m, row.given)
			if row.trouble == "" && (err != nil || got != row.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			if row.trouble != "" && (err == nil || !strings.Contains(err.Error(), row.trouble)) {
				t.Errorf("got %+v, %v; want it to say %q", got, err, row.trouble)
			}
		})
	}
}

// A stream is read while it is made: what was sent is there at once, and so is the
// time up to which nothing is missing, while nothing at all happens.
func TestAStreamIsReadAsItIsMade(t *testing.T) {
	through := newPipe()
	to := NewSender(through, recording.Options{Program: "test"})
	const second = int64(time.Second)
	start := capture.Record{Time: 10 * second, Origin: capture.OriginMeta, Kind: capture.KindStart, Data: []byte(`{"format":1}`)}
	if err := to.Send(&capture.Batch{Records: []capture.Record{start}, Until: 1<<63 - 1}); err != nil {
		t.Fatal(err)
	}
	s := &Session{out: through, ended: make(chan struct{})}
	got := make(chan int64)
	failed := make(chan error, 1)
	go func() {
		defer close(got)
		for b, err := range s.recorded() {
			if err != nil {
				failed <- err
				return
			}
			for _, r := range b.Records {
				if r.Kind == capture.KindPulse {
					failed <- errors.New("a pulse was handed on as evidence")
				}
			}
			got <- b.Until
		}
	}()
	until := func(want int64) {
		t.Helper()
		for {
			select {
			case at := <-got:
				if at >= want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("nothing says that nothing earlier than %d s will come", want/second)
			}
		}
	}
	for at := 11 * second; at < 15*second; at += second {
		if err := to.Send(&capture.Batch{Until: at}); err != nil {
			t.Fatal(err)
		}
		until(at)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	through.end(io.EOF)
	for range got {
	}
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
}

func TestACollectorHearsWhatTheEngineSays(t *testing.T) {
	in, out := io.Pipe()
	say := func(v any) {
		b, _ := json.Marshal(v)
		if _, err := out.Write(append(b, '\n')); err != nil {
			t.Error(err)
		}
	}
	go func() {
		say(Request{Job: Watch, Targets: []string{"8080"}})
		say(line{})
		snapshot, _ := json.Marshal(engine.Snapshot{Version: "29.7.2"})
		say(line{Kind: capture.KindSnapshot, Data: snapshot})
		say(line{Kind: capture.KindEvent, Data: []byte(`{"action":"die"}`)})
	}()
	ctx, r, relay, err := Listen(context.Background(), in)
	if err != nil || r.Job != Watch || r.Targets[0] != "8080" {
		t.Fatalf("%+v, %v", r, err)
	}
	if why := relay.Absent(ctx); why != "" {
		t.Errorf("there is said to be no engine: %s", why)
	}
	s, err := relay.Snapshot(ctx)
	if err != nil || s.Version != "29.7.2" {
		t.Errorf("%+v, %v", s, err)
	}
	var kinds []string
	for b, err := range relay.Source()(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			kinds = append(kinds, r.Kind)
			if r.Time == 0 || r.Time > b.Until {
				t.Errorf("%s has the time %d in a batch up to %d", r.Kind, r.Time, b.Until)
			}
		}
		if len(kinds) == 2 {
			out.Close() // the other side is gone: the run ends, and so does the source
		}
	}
	if strings.Join(kinds, " ") != "snapshot event" || context.Cause(ctx) != errEnded {
		t.Errorf("heard %q, and ended with %v", kinds, context.Cause(ctx))
	}
}

func TestAnArchiveHoldsTheProgramAlone(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(program{file: self}.archive(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(all, []byte("dnatrace\x00")) || !bytes.Contains(all, want[:4096]) || len(all) > len(want)+8192 {
		t.Errorf("an archive of %d bytes for a program of %d", len(all), len(want))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := io.ReadAll(program{file: self}.archive(ctx)); err != context.Canceled {
		t.Errorf("an archive that nobody wants any more ends with %v", err)
	}
}

// What a collector says of itself may come in pieces, among what others print.
func TestWordsOfACollectorAreLines(t *testing.T) {
	var notes []string
	s := &Session{words: make(chan Word, 16), note: func(text string) { notes = append(notes, text) }}
	to := &talk{session: s}
	for _, piece := range []string{`{"no`, `te":"slow"}` + "\n" + "panic: no\nJSON\n", `{"armed":true,"sources":[{"name":"packets","state":"ok"}]}` + "\n"} {
		if n, err := to.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := strings.Join(notes, "|"); got != "slow|panic: no|JSON" {
		t.Errorf("to be shown are %q", got)
	}
	var last Word
	for len(s.words) > 0 {
		last = <-s.words
	}
	if !last.Armed || last.Sources[0].Name != "packets" {
		t.Errorf("the last word is %+v", last)
	}
}

// needsLibraries reports whether a program has an interpreter load what it needs.
func needsLibraries(t *testing.T, path string) bool {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	return err == nil && len(libraries) > 0
}

func machineOf(t *testing.T, path string) elf.Machine {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Skip("this program is none of Linux")
	}
	defer f.Close()
	return f.Machine
}
