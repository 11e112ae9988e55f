package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
)

// sighted is a packet with its bytes, so that batches of any cut compare.
type sighted struct {
	Time  int64
	Point uint16
	Dir   capture.Direction
	Orig  uint32
	Data  string
}

// spoken is a record likewise; both are comparable.
type spoken struct {
	Time                      int64
	Origin, Kind, Netns, Data string
}

// story is all that a source says, in order: sighted and spoken.
type story []any

// differ is cmp.Diff for stories, which may be long.
func differ(want, got story) string {
	if slices.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

func (s story) packets() (out []sighted) {
	for _, x := range s {
		if p, ok := x.(sighted); ok {
			out = append(out, p)
		}
	}
	return out
}

func (s story) records(kind string) (out []spoken) {
	for _, x := range s {
		if r, ok := x.(spoken); ok && r.Kind == kind {
			out = append(out, r)
		}
	}
	return out
}

// damage is the sentences of all damage told.
func (s story) damage(t testing.TB) (out []string) {
	t.Helper()
	for _, r := range s.records(capture.KindDamage) {
		var d capture.Damage
		if err := json.Unmarshal([]byte(r.Data), &d); err != nil {
			t.Fatal(err)
		}
		out = append(out, d.Why)
	}
	return out
}

// tell reads a source to its end and checks what every batch promises.
func tell(t testing.TB, source capture.Source) (story, error) {
	t.Helper()
	var out story
	var frames uint64
	var until int64
	for b, err := range source(context.Background()) {
		if err != nil {
			return out, err
		}
		if len(b.Packets) > 0 && len(b.Records) > 0 {
			t.Fatal("a batch holds packets and records")
		}
		if len(b.Packets) > capture.BatchSize {
			t.Fatalf("a batch holds %d packets", len(b.Packets))
		}
		if len(b.Packets) > 0 && b.First != frames+1 {
			t.Fatalf("batch begins with frame %d, want %d", b.First, frames+1)
		}
		if b.Until < until {
			t.Fatalf("until goes back from %d to %d", until, b.Until)
		}
		until = b.Until
		frames += uint64(len(b.Packets))
		out = append(out, unfold(b)...)
	}
	return out, nil
}

func unfold(b *capture.Batch) (out story) {
	for _, p := range b.Packets {
		out = append(out, sighted{p.Time, p.Point, p.Dir, p.Orig, string(b.Arena[p.Off : p.Off+p.Len])})
	}
	for _, r := range b.Records {
		out = append(out, spoken{r.Time, r.Origin, r.Kind, r.Netns, string(r.Data)})
	}
	return out
}

func tellBytes(t testing.TB, name string, b []byte) (story, *Info, error) {
	t.Helper()
	source, info, err := OpenReader(bytes.NewReader(b), name)
	if err != nil {
		return nil, nil, err
	}
	s, err := tell(t, source)
	return s, info, err
}

func mustTell(t testing.TB, name string, b []byte) (story, *Info) {
	t.Helper()
	s, info, err := tellBytes(t, name, b)
	if err != nil {
		t.Fatal(err)
	}
	return s, info
}

func record(time int64, origin, kind, netns string, v any) capture.Record {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return capture.Record{Time: time, Origin: origin, Kind: kind, Netns: netns, Data: data}
}

func pointRecord(time int64, p capture.Point) capture.Record {
	return record(time, capture.OriginPackets, capture.KindPoint, "", p)
}

const noon = int64(1740830400e9)

// incident is a small recording with everything in it that a recording can
// hold; a point appears in its midst.
func incident() []*capture.Batch {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 500<<10) // several entries even when compressed
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	rules, _ := json.Marshal(map[string]string{"data": strings.Repeat("a long ruleset ", 4000)})
	arena := []byte("\x00\x01\x02\x03abcdefghijklmnopqrstuvwxyz")
	return []*capture.Batch{
		{Records: []capture.Record{
			record(noon, capture.OriginMeta, capture.KindStart, "", capture.Start{Format: Format, Program: "dnatrace test", Target: "8080", Started: noon}),
			record(noon, capture.OriginMeta, capture.KindSource, "", capture.SourceState{Name: "drops", State: capture.SourceAbsent, Why: "no privilege"}),
			pointRecord(noon, capture.Point{ID: 0, Name: "eth0", Netns: "host", Role: capture.RoleNIC, Link: 1, Counting: true, MAC: "02:42:ac:11:00:02"}),
			pointRecord(noon, capture.Point{ID: 1, Name: "docker0", Netns: "host", Role: capture.RoleBridge, Link: 1, Counting: true}),
		}},
		{Arena: arena, First: 1, Packets: []capture.Packet{
			{Time: noon + 1, Off: 0, Len: 30, Orig: 1500, Point: 0, Dir: capture.DirIn},
			{Time: noon + 2, Off: 4, Len: 3, Orig: 3, Point: 1, Dir: capture.DirOut},
			{Time: noon + 2, Off: 5, Len: 0, Orig: 0, Point: 1},
		}},
		{Records: []capture.Record{
			{Time: noon + 3, Origin: capture.OriginConntrack, Kind: capture.KindEvent, Netns: "host", Data: []byte{0, 10, 13, '=', 255, 0}},
			{Time: noon + 4, Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: "odd\nname", Data: noise},
			{Time: noon + 4, Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: "host", Data: rules},
			{Time: noon + 4, Origin: "later", Kind: "unheard-of"},
			{Time: noon + 5, Origin: capture.OriginHost, Kind: capture.KindSample, Data: []byte("{\n}")},
			pointRecord(noon+6, capture.Point{ID: 2, Name: "web:eth0", Netns: "web", Role: capture.RoleContainer, Ring: 1, Link: 1, Counting: true, Container: "web"}),
		}},
		{Arena: arena, First: 4, Packets: []capture.Packet{
			{Time: noon + 7, Off: 9, Len: 9, Orig: 10, Point: 2, Dir: capture.DirIn},
		}},
		{Records: []capture.Record{
			record(noon+8, capture.OriginPackets, capture.KindLoss, "", capture.Loss{Ring: 1, From: noon + 1, To: noon + 7, Lost: 3}),
			record(noon+9, capture.OriginMeta, capture.KindEnd, "", capture.End{Ended: noon + 9, Packets: 4, Lost: 3}),
		}},
	}
}

func write(t testing.TB, batches []*capture.Batch) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, Options{Program: "dnatrace test", OS: "Linux 6.18", Hardware: "x86_64"})
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func told(batches []*capture.Batch) (out story) {
	for _, b := range batches {
		out = append(out, unfold(b)...)
	}
	return out
}

func zipped(t testing.TB, b []byte) []byte {
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

func TestARecordingTellsWhatWasWritten(t *testing.T) {
	want := told(incident())
	file := write(t, incident())
	for name, b := range map[string][]byte{"plain": file, "gzipped": zipped(t, file)} {
		got, info := mustTell(t, "x.pcapng", b)
		if d := differ(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		f := info.Files[0]
		if f.Format != FormatOwn || !f.Ended || f.Packets != 4 || len(f.Damage) != 0 || f.Skipped+f.Malformed+f.Late != 0 {
			t.Errorf("%s: %+v", name, *f)
		}
	}
}

func TestAManyPacketRecordingKeepsEveryPacket(t *testing.T) {
	batches := incident()[:1]
	rng := rand.New(rand.NewPCG(3, 4))
	now := noon
	for range 200 {
		b := &capture.Batch{Arena: make([]byte, 9000)}
		for range 1 + rng.IntN(capture.BatchSize) {
			now += rng.Int64N(1000)
			n := rng.Uint32N(9000)
			b.Packets = append(b.Packets, capture.Packet{Time: now, Len: n, Orig: n + rng.Uint32N(2), Point: uint16(rng.IntN(2)), Dir: capture.Direction(rng.IntN(3))})
		}
		batches = append(batches, b)
	}
	got, _ := mustTell(t, "x", write(t, batches))
	if d := differ(told(batches)[len(batches[0].Records):], got[len(batches[0].Records):len(got)-1]); d != "" {
		t.Error(d)
	}
}

// A crash, a full disk, a copy that was interrupted: whatever is left of a
// recording tells its beginning, and that something is missing.
func TestARecordingCutAnywhereTellsItsBeginning(t *testing.T) {
	batches := incident()
	noise := batches[2].Records[1].Data[:100]
	batches[2].Records[1].Data = noise
	file := write(t, batches)
	whole := told(batches)
	for n := 4; n < len(file); n++ {
		got, info := mustTell(t, "cut", file[:n])
		damage := got.damage(t)
		if info.Files[0].Ended {
			t.Fatalf("cut at %d of %d: counts as ended", n, len(file))
		}
		if len(damage) == 0 && len(got) > 0 {
			t.Fatalf("cut at %d of %d: no damage told", n, len(file))
		}
		rest := got[:len(got)-len(damage)]
		if d := differ(whole[:len(rest)], rest); d != "" {
			t.Fatalf("cut at %d: %s", n, d)
		}
	}
	if got, _ := mustTell(t, "whole", file); len(got.damage(t)) != 0 {
		t.Errorf("the whole file counts as damaged: %q", got.damage(t))
	}
}

func TestACompressedRecordingCutAnywhereDoesNotPanic(t *testing.T) {
	batches := incident()
	batches[2].Records[1].Data = nil
	file := zipped(t, write(t, batches))
	for n := range len(file) {
		got, _, err := tellBytes(t, "cut.gz", file[:n])
		if err == nil && n > 0 && len(got.damage(t)) == 0 {
			t.Fatalf("cut at %d of %d: neither error nor damage", n, len(file))
		}
	}
}

func TestDamageNamesThePlace(t *testing.T) {
	file := write(t, incident())
	at := bytes.LastIndex(file, []byte{blockEnhanced, 0, 0, 0, 56, 0, 0, 0}) // of the packet at the last point
	if at < 0 {
		t.Fatal("no such block")
	}
	bad := bytes.Clone(file)
	bad[at+4] = 57
	got, _ := mustTell(t, "bad", bad)
	if n := len(got.packets()); n != 3 {
		t.Errorf("%d packets before the corrupt block, want 3", n)
	}
	want := []string{"bad cannot be read beyond byte " + itoa(at) + ": a block claims a length of 57 bytes"}
	if d := cmp.Diff(want, got.damage(t)); d != "" {
		t.Error(d)
	}
}

func TestWhatIsNoCaptureIsOneClearError(t *testing.T) {
	section := write(t, nil)
	broken := bytes.Clone(section)
	broken[4] = 13
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"text":                           {[]byte("hello, this is no capture\n"), "read x: neither a pcapng nor a pcap file"},
		"a newline":                      {[]byte("\n"), "read x: neither a pcapng nor a pcap file"},
		"compressed text":                {zipped(t, []byte("hello, this is no capture\n")), "read x: neither a pcapng nor a pcap file"},
		"a section without byte order":   {append([]byte("\n\r\r\n"), make([]byte, 40)...), "read x: neither a pcapng nor a pcap file"},
		"a first block of absurd length": {broken, "read x: a block claims a length of"},
		"gzip in gzip in gzip":           {zipped(t, zipped(t, zipped(t, section))), "read x: neither a pcapng nor a pcap file"},
	} {
		_, _, err := tellBytes(t, "x", tc.file)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
		if strings.Contains(tc.want, "neither") && !errors.Is(err, ErrNotCapture) {
			t.Errorf("%s: %v does not wrap ErrNotCapture", name, err)
		}
	}
}

func TestAnEmptyFileIsAnAbsentSource(t *testing.T) {
	got, info := mustTell(t, "empty", nil)
	if len(got) != 0 || info.Files[0].Format != FormatEmpty {
		t.Errorf("told %v, %+v", got, *info.Files[0])
	}
}

func TestAStreamIsReadOnceAndASeekerAgain(t *testing.T) {
	file := write(t, incident())
	seeker, _, err := OpenReader(bytes.NewReader(file), "x")
	if err != nil {
		t.Fatal(err)
	}
	first, err := tell(t, seeker)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tell(t, seeker)
	if d := differ(first, second); d != "" || err != nil {
		t.Error(err, d)
	}
	pipe, _, err := OpenReader(io.MultiReader(bytes.NewReader(file)), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tell(t, pipe); err != nil {
		t.Fatal(err)
	}
	if _, err := tell(t, pipe); err == nil {
		t.Error("a pipe was read twice")
	}
}

func TestReadingStopsWhenTheContextEnds(t *testing.T) {
	source, _, err := OpenReader(bytes.NewReader(write(t, incident())), "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var told []string
	for b, err := range source(ctx) {
		switch {
		case err != nil:
			told = append(told, err.Error())
		case len(b.Records) > 0:
			told = append(told, b.Records[0].Kind)
		}
		cancel()
	}
	// What comes after the end is that the rest was not read, and no more of it.
	if len(told) != 3 || told[1] != capture.KindDamage || !strings.Contains(told[2], "read x: interrupted after ") {
		t.Errorf("told: %q", told)
	}
}
