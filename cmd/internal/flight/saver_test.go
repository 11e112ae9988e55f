package flight

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/fixtures"
)

// flown is a run with a saver beside it.
type flown struct {
	saver   *Saver
	dir     string
	saved   []Saved
	trouble []string
	copies  int                           // further requests that fail alike, of each
	told    map[string]correlate.Incident // the last judgement of each request
}

func newFlown(t *testing.T, b Bounds) *flown {
	t.Helper()
	f := &flown{dir: filepath.Join(t.TempDir(), "saved"), told: map[string]correlate.Incident{}}
	folder := Folder{Path: f.dir, Bytes: 64 << 20}
	if err := folder.Prepare(); err != nil {
		t.Fatal(err)
	}
	f.saver = NewSaver(Saving{Folder: folder,
		Trouble: func(err error) { f.trouble = append(f.trouble, err.Error()) },
		Saved:   func(s Saved) { f.saved = append(f.saved, s) },
	}, b)
	return f
}

// run judges a stream as a live run does.
func (f *flown) run(t *testing.T, src capture.Source) *correlate.Document {
	t.Helper()
	f.saver.Begin()
	d, err := pipeline.Run(t.Context(), src, pipeline.Options{
		Options: judge.Options{Keep: -1, OnIncident: func(i *correlate.Incident) {
			f.told[i.ID] = *i
			f.saver.Take(i)
			for n := range f.copies {
				other := *i
				other.ID = fmt.Sprint("copy ", n)
				f.saver.Take(&other)
			}
		}},
		Record: f.saver.Ring().Beside(nil, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.saver.Close()
	return d
}

var wide = Bounds{Age: time.Hour, Bytes: 64 << 20}

// TestWhatIsSavedIsToldAsItWas: verdict, cause, stage, rule and fix of each failure
// in every fixture, live and from its recording.
func TestWhatIsSavedIsToldAsItWas(t *testing.T) {
	saved := 0
	for n, name := range fixtures.Names() {
		if n%3 != 0 && os.Getenv("DNATRACE_ALL_FIXTURES") == "" {
			continue
		}
		c, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		src, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		f := newFlown(t, wide)
		f.run(t, src)
		for _, problem := range f.trouble {
			t.Errorf("%s: %s", name, problem)
		}
		kinds := map[kind]bool{}
		for _, i := range f.told {
			if failed(&i) {
				kinds[kindOf(&i)] = true
			}
		}
		if len(f.saved) != len(kinds) {
			t.Errorf("%s: %d recordings of %d kinds of failure", name, len(f.saved), len(kinds))
		}
		for _, s := range f.saved {
			saved++
			f.same(t, name, s)
		}
		if left, _ := filepath.Glob(filepath.Join(f.dir, ".*")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
	if saved < 30 {
		t.Errorf("%d failures were saved: the fixtures hold more", saved)
	}
}

// same holds a recording against what was told live.
func (f *flown) same(t *testing.T, name string, s Saved) {
	t.Helper()
	want := f.told[s.Incident.ID]
	d := judged(t, s.Path)
	i := slices.IndexFunc(d.Requests, func(r correlate.Incident) bool {
		return r.Client == want.Client && r.Requested == want.Requested && r.First.Equal(want.First)
	})
	if i < 0 {
		t.Errorf("%s: the request is not in %s", name, s.Path)
		return
	}
	is := d.Requests[i]
	said := func(i correlate.Incident) string {
		return fmt.Sprint(i.Verdict, i.Cause, i.Stage, ruleOf(i), i.Fix, i.Proof)
	}
	if said(is) != said(want) {
		t.Errorf("%s: %s, live %s", name, said(is), said(want))
	}
	if st, err := os.Stat(s.Path); err != nil || st.Mode().Perm() != 0o600 || !ours.MatchString(filepath.Base(s.Path)) {
		t.Errorf("%s: %v (%v)", name, st, err)
	}
}

func TestEqualFailuresAreSavedOnce(t *testing.T) {
	f := newFlown(t, wide)
	f.copies = 5
	f.run(t, stream(t, "demo-forward-drop", 1))
	if len(f.saved) != 1 {
		t.Fatalf("5 failures, %d recordings", len(f.saved))
	}
	if !strings.Contains(f.saved[0].Path, "-dropped-firewall-drop-8080.pcapng") {
		t.Errorf("it is called %s", f.saved[0].Path)
	}
	f.same(t, "demo-forward-drop", f.saved[0])
}

// TestWhatTheRingLetsGoOfIsSavedBefore: the failure comes first, and more than is
// kept after it.
func TestWhatTheRingLetsGoOfIsSavedBefore(t *testing.T) {
	f := newFlown(t, Bounds{Age: 1000 * time.Hour, Bytes: LeastBytes})
	f.run(t, follow(stream(t, "demo-forward-drop", 1), stream(t, "delivered", 2000)))
	if len(f.saved) != 1 || len(f.trouble) > 0 {
		t.Fatalf("saved %v, trouble %q", f.saved, f.trouble)
	}
	f.same(t, "demo-forward-drop", f.saved[0])
}

// follow is one stream and then another of the same points, a minute behind it.
func follow(first, then capture.Source) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			end := int64(0)
			for b, err := range first(ctx) {
				if _, to, ok := span(b); ok {
					end = max(end, to)
				}
				b.Records = slices.DeleteFunc(slices.Clone(b.Records), func(r capture.Record) bool { return r.Kind == capture.KindEnd })
				if len(b.Packets)+len(b.Records) > 0 && !yield(b, err) {
					return
				}
			}
			began := int64(0)
			for b, err := range then(ctx) {
				from, _, ok := span(b)
				if began == 0 && ok {
					began = from
				}
				later := *b
				later.Packets = slices.Clone(b.Packets)
				for i := range later.Packets {
					later.Packets[i].Time += end - began + minute
				}
				later.Records = slices.DeleteFunc(slices.Clone(b.Records), func(r capture.Record) bool { return r.Origin == capture.OriginMeta || r.Kind == capture.KindPoint })
				for i := range later.Records {
					later.Records[i].Time += end - began + minute
				}
				later.Until, _, _ = span(&later)
				if len(later.Packets)+len(later.Records) > 0 && !yield(&later, err) {
					return
				}
			}
		}
	}
}

func TestAHeldRingIsTheStreamFromThenOn(t *testing.T) {
	src := stream(t, "no-listener", 600)
	dir := t.TempDir()
	r := NewRing(Bounds{Age: time.Hour, Bytes: LeastBytes}, dir, recording.Options{}, func(err error) { t.Error(err) }, nil)
	defer r.Close()
	frames := map[string]uint64{} // by time and point
	last := uint64(0)
	for b, err := range src(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		b.First = last + 1
		for i, p := range b.Packets {
			frames[fmt.Sprint(p.Time, p.Point, p.Orig)] = b.First + uint64(i)
		}
		last += uint64(len(b.Packets))
		r.Write(b)
		size := int64(0)
		for _, s := range r.all {
			size += s.part.w.Size()
		}
		if size > LeastBytes+2*smallSegment {
			t.Fatalf("%d bytes are kept, of at most %d", size, LeastBytes)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it has names: %v", left)
	}
	h, ok := r.Hold(0)
	if !ok {
		t.Fatal("nothing is kept")
	}
	defer h.Release()
	first, n := uint64(0), uint64(0)
	for b, err := range h.Source()(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range b.Packets {
			frame := b.First + uint64(i)
			if first == 0 {
				first = frame
			}
			if frame != first+n || frames[fmt.Sprint(p.Time, p.Point, p.Orig)] != frame {
				t.Fatalf("packet %d has number %d, had %d", n, frame, frames[fmt.Sprint(p.Time, p.Point, p.Orig)])
			}
			n++
		}
	}
	if first+n-1 != last || n < last/20 || first == 1 {
		t.Errorf("packets %d to %d of %d", first, first+n-1, last)
	}
	d, err := pipeline.Run(t.Context(), h.Source(), pipeline.Options{Options: judge.Options{Keep: -1}})
	if err != nil || d.Verdict != correlate.Refused || d.Cause != "no-listener" || len(d.Recording.Damage) > 0 {
		t.Errorf("%v:%v, damage %v (%v)", d.Verdict, d.Cause, d.Recording.Damage, err)
	}
}

func TestTheOldestRecordingsOfOursMakeRoom(t *testing.T) {
	dir := t.TempDir()
	names := []string{"dnatrace-20260101T000000Z-dropped-firewall-drop-80.pcapng", "dnatrace-20260102T000000Z-dropped-firewall-drop-80-2.pcapng", "dnatrace-20260103T000000Z-answer-lost-mtu-80.pcapng",
		"dnatrace-mine.pcapng", "incident.pcapng", "dnatrace-20250101T000000Z-dropped-firewall-drop-80.pcapng.gz"}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := "dnatrace-20240101T000000Z-dropped-firewall-drop-80.pcapng"
	if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
		t.Skip(err)
	}
	Folder{Path: dir, Bytes: 2500}.shrink(1000)
	var left []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := append(slices.Clone(names[2:]), link)
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left: %v, want %v", left, want)
	}
}

func TestADiskThatCannotBeWrittenIsToldOnce(t *testing.T) {
	f := newFlown(t, wide)
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	d := f.run(t, stream(t, "demo-forward-drop", 3))
	if d.Verdict != correlate.Dropped {
		t.Errorf("judged %v", d.Verdict)
	}
	kept := slices.DeleteFunc(slices.Clone(f.trouble), func(s string) bool { return !strings.Contains(s, "keep") })
	if len(kept) < 1 || len(f.trouble) > 2 {
		t.Errorf("told: %q", f.trouble)
	}
}

func TestADirectoryIsPreparedForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	if err := (Folder{Path: path}).Prepare(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v (%v)", st, err)
	}
	if err := os.Symlink(path, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	for _, bad := range []string{"link", "new/a/b"} {
		if err := (Folder{Path: filepath.Join(dir, bad)}).Prepare(); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestManyKindsAtOnceAreBounded(t *testing.T) {
	f := newFlown(t, wide)
	now := time.Now()
	for n := range 100 {
		f.saver.mu.Lock()
		f.saver.add(&correlate.Incident{ID: fmt.Sprint(n), Verdict: correlate.Dropped, Requested: fmt.Sprintf("198.51.100.1:%d", n)}, now)
		f.saver.mu.Unlock()
	}
	if n := len(f.saver.waiting); n != few || f.saver.passed != 100-few {
		t.Errorf("%d wait, %d are passed over", n, f.saver.passed)
	}
	f.saver.mu.Lock()
	f.saver.add(&correlate.Incident{ID: "later", Verdict: correlate.Dropped, Requested: "198.51.100.1:80"}, now.Add(apart))
	f.saver.mu.Unlock()
	if len(f.saver.waiting) != few+1 {
		t.Error("later ones are not taken")
	}
}

func TestWhoHoldsTheRingDoesNotHaveTheDiskGrow(t *testing.T) {
	b := Bounds{Age: 1000 * time.Hour, Bytes: 2 * LeastBytes}
	r := NewRing(b, t.TempDir(), recording.Options{}, func(err error) { t.Error(err) }, nil)
	defer r.Close()
	var h *Held
	n, most := 0, int64(0)
	for batch, err := range stream(t, "no-listener", 900)(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		r.Write(batch)
		if n++; n == 1500 {
			h, _ = r.Hold(0)
		}
		size := r.let
		for _, s := range r.all {
			size += s.part.w.Size()
		}
		most = max(most, size)
	}
	if h == nil || len(r.all) > leastSegments+1 {
		t.Fatalf("%d segments are left, after %d batches", len(r.all), n)
	}
	if most > b.Bytes+leastSegments*2*smallSegment {
		t.Errorf("%d bytes were on the disk, of %d", most, b.Bytes)
	}
	h.Release()
	if r.let != 0 {
		t.Errorf("%d bytes are taken to be held still", r.let)
	}
}

func BenchmarkKeeping(b *testing.B) {
	r := NewRing(Bounds{Age: time.Hour, Bytes: 64 << 20}, b.TempDir(), recording.Options{}, func(err error) { b.Error(err) }, nil)
	defer r.Close()
	point := capture.Record{Time: 1, Origin: capture.OriginPackets, Kind: capture.KindPoint, Data: []byte(`{"id":0,"name":"eth0","netns":"host","link":1}`)}
	r.Write(&capture.Batch{Records: []capture.Record{{Time: 1, Origin: capture.OriginMeta, Kind: capture.KindStart, Data: []byte(`{"format":1}`)}, point}})
	batch := &capture.Batch{Arena: make([]byte, 256*150)}
	for i := range uint32(256) {
		batch.Packets = append(batch.Packets, capture.Packet{Time: 2, Off: i * 150, Len: 150, Orig: 150})
	}
	for n := 0; b.Loop(); n++ {
		for i := range batch.Packets {
			batch.Packets[i].Time = int64(n) * 1e6
		}
		r.Write(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/packet")
}
