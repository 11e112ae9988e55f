package flight

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/inputs"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/fixtures"
)

// stream is a fixture as a live host would tell it, again and again: the state
// once, and after the start of each round only its packets and what was said of
// them, from other ports and a minute later.
func stream(t *testing.T, name string, rounds int) capture.Source {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			for n := range rounds {
				src, err := c.Open()
				if err != nil {
					t.Error(err)
					return
				}
				for b, err := range src(ctx) {
					if err != nil {
						t.Error(err)
						return
					}
					if b = round(b, n, rounds); len(b.Packets)+len(b.Records) == 0 {
						continue
					}
					if !yield(b, nil) {
						return
					}
				}
			}
		}
	}
}

const minute = int64(60e9)

func round(b *capture.Batch, n, rounds int) *capture.Batch {
	later := &capture.Batch{Arena: b.Arena, First: b.First + uint64(n)*1_000_000}
	for _, p := range b.Packets {
		p.Time += int64(n) * minute
		later.Packets = append(later.Packets, p)
	}
	for _, r := range b.Records {
		end := r.Kind == capture.KindEnd
		state := r.Origin == capture.OriginMeta || r.Kind == capture.KindPoint || r.Kind == capture.KindSnapshot || r.Kind == capture.KindSample || r.Kind == capture.KindRuleset
		if end && n < rounds-1 || !end && state && n > 0 {
			continue
		}
		r.Time += int64(n) * minute
		later.Records = append(later.Records, r)
	}
	later.Until, _, _ = span(later)
	return later
}

// rotated writes a stream in turns, and returns the files in order of their first
// writing.
func rotated(t *testing.T, src capture.Source, turns Turns) (dir string, names []string, r *Rotation) {
	t.Helper()
	dir = t.TempDir()
	create := func(path string) (io.WriteCloser, error) {
		if name := filepath.Base(path); !slices.Contains(names, name) {
			names = append(names, name)
		}
		return recording.Create(filepath.Join(dir, path))
	}
	var began time.Time
	for b := range src(t.Context()) {
		began = time.Unix(0, b.Records[0].Time)
		break
	}
	r, err := NewRotation(turns, began, recording.Options{}, create, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.Copy(t.Context(), src, r, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, names, r
}

// judged replays files.
func judged(t *testing.T, paths ...string) *correlate.Document {
	t.Helper()
	var files []inputs.Input
	for _, p := range paths {
		files = append(files, inputs.Input{Path: p})
	}
	in, err := inputs.Open(files...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pipeline.Run(t.Context(), in.Source, pipeline.Options{Options: judge.Options{Keep: -1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range in.Info.Files {
		if !f.Ended || len(f.Damage) > 0 {
			t.Errorf("%s: ended %v, damage %v", f.Name, f.Ended, f.Damage)
		}
	}
	return d
}

// TestEachFileInTurnIsReplayedAlone: the state was told in the first file, and the
// ruling of each other one needs it.
func TestEachFileInTurnIsReplayedAlone(t *testing.T) {
	for _, name := range []string{"demo-forward-drop", "no-listener", "delivered", "hairpin", "firewall-reject", "firewall-drop-legacy", "firewall-drop-ipset", "reply-filtered", "container-firewall", "server-silent", "stale-translation", "mode-host", "port-taken", "delivered-ipv6-proxy", "demo-ipv6"} {
		c, err := fixtures.Load(name)
		if err != nil {
			t.Log(err)
			continue
		}
		var want correlate.Document
		if err := json.Unmarshal(c.Want, &want); err != nil {
			t.Fatal(err)
		}
		dir, names, _ := rotated(t, stream(t, name, 4), Turns{Name: "%H%M%S.pcapng", Every: time.Minute})
		if len(names) != 4 {
			t.Fatalf("%s: names %v", name, names)
		}
		for i, n := range names {
			d := judged(t, filepath.Join(dir, n))
			if d.Verdict != want.Verdict || d.Cause != want.Cause || len(d.Requests) != len(want.Requests) {
				t.Errorf("%s, file %d: %v:%v of %d requests, want %v:%v of %d", name, i, d.Verdict, d.Cause, len(d.Requests), want.Verdict, want.Cause, len(want.Requests))
				continue
			}
			for k, r := range d.Requests {
				if w := want.Requests[k]; r.Verdict != w.Verdict || r.Cause != w.Cause || ruleOf(r) != ruleOf(w) || !slices.Equal(r.Fix, w.Fix) {
					t.Errorf("%s, file %d, request %d: %v:%v %q %q, want %v:%v %q %q", name, i, k, r.Verdict, r.Cause, ruleOf(r), r.Fix, w.Verdict, w.Cause, ruleOf(w), w.Fix)
				}
			}
		}
	}
}

func ruleOf(i correlate.Incident) string {
	if i.Rule == nil {
		return ""
	}
	return i.Rule.Text
}

func TestFilesAreAsLargeAndNamedAsTcpdumpsAre(t *testing.T) {
	head, _, _ := rotated(t, stream(t, "delivered", 1), Turns{Name: "f"})
	st, err := os.Stat(filepath.Join(head, "f"))
	if err != nil {
		t.Fatal(err)
	}
	size := 2 * st.Size()
	for _, c := range []struct {
		files int
		want  []string // the first ones
		most  int
	}{
		{0, []string{"f", "f1", "f2"}, 1000},
		{3, []string{"f0", "f1", "f2"}, 3},
		{11, []string{"f00", "f01", "f02"}, 11},
		{1, []string{"f"}, 1},
	} {
		dir, names, _ := rotated(t, stream(t, "delivered", 400), Turns{Name: "f", Size: size, Files: c.files})
		if len(names) > c.most || len(names) < len(c.want) || !slices.Equal(names[:len(c.want)], c.want) {
			t.Errorf("-W %d: names %v, want %v first", c.files, names, c.want)
		}
		for _, n := range names {
			st, err := os.Stat(filepath.Join(dir, n))
			if err != nil || st.Size() > size+size/2 || st.Mode().Perm() != 0o600 {
				t.Errorf("-W %d: %s is %d bytes of at most %d, %v (%v)", c.files, n, st.Size(), size, st.Mode(), err)
			}
		}
	}
}

func TestTheEndIsAfterAsManyStretchesOfTime(t *testing.T) {
	_, names, r := rotated(t, stream(t, "delivered", 5), Turns{Name: "%H%M.pcapng", Every: time.Minute, Files: 2})
	if len(names) != 2 {
		t.Errorf("names %v", names)
	}
	one, _, whole := rotated(t, stream(t, "delivered", 5), Turns{Name: "f"})
	if r.Packets()*5 != whole.Packets()*2 {
		t.Errorf("%d packets of %d (%s)", r.Packets(), whole.Packets(), one)
	}
}

// broken is a file that holds so much and no more.
type broken struct {
	bytes.Buffer
	room int
}

func (b *broken) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.room {
		return 0, errors.New("no space left on device")
	}
	return b.Buffer.Write(p)
}

func (b *broken) Close() error { return nil }

func TestAFileThatCannotBeWrittenIsToldOnceAndTheNextIsTried(t *testing.T) {
	var made []*broken
	create := func(path string) (io.WriteCloser, error) {
		b := &broken{room: 1 << 30}
		switch len(made) {
		case 1:
			b.room = 10_000
		case 2:
			made = append(made, b)
			return nil, fmt.Errorf("create %s: permission denied", path)
		}
		made = append(made, b)
		return b, nil
	}
	var told []error
	src := stream(t, "delivered", 6)
	var began time.Time
	for b := range src(t.Context()) {
		began = time.Unix(0, b.Records[0].Time)
		break
	}
	r, err := NewRotation(Turns{Name: "f", Every: time.Minute}, began, recording.Options{}, create, func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.Copy(t.Context(), src, r, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if len(told) != 1 {
		t.Errorf("told: %v", told)
	}
	path := filepath.Join(t.TempDir(), "last.pcapng")
	if err := os.WriteFile(path, made[len(made)-1].Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if d := judged(t, path); d.Verdict != correlate.Delivered || len(made) < 5 {
		t.Errorf("the last of %d files: %v", len(made), d.Verdict)
	}
}

func TestNamesByTime(t *testing.T) {
	at := time.Date(2026, 3, 9, 7, 5, 4, 0, time.UTC)
	for in, want := range map[string]string{
		"a.pcapng": "a.pcapng", "%Y%m%d-%H%M%S": "20260309-070504", "%F_%T": "2026-03-09_07:05:04", "100%%": "100%", "%s": "1773039904", "%j": "068",
	} {
		p, err := ParsePattern(in)
		if err != nil || p.At(at) != want {
			t.Errorf("%s is %s (%v), want %s", in, p.At(at), err, want)
		}
	}
	for _, in := range []string{"%Q", "a%", "%-d"} {
		if _, err := ParsePattern(in); err == nil {
			t.Errorf("%s is taken", in)
		}
	}
	if got := Plain("100%Y").At(at); got != "100%Y" {
		t.Errorf("a plain name is %s", got)
	}
}
