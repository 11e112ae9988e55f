package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/rules"
)

// between is a stream with all there is between its packets.
func between(t *testing.T) []*capture.Batch {
	t.Helper()
	point, err := json.Marshal(capture.Point{Name: "eth0", Netns: capture.HostNetns, Link: 1})
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 300_000) // more than one journal entry holds
	random := rand.NewChaCha8([32]byte{1})
	random.Read(content)
	set, err := json.Marshal(rules.Ruleset{Backend: "nft", Why: "start", Data: content})
	if err != nil {
		t.Fatal(err)
	}
	out := []*capture.Batch{{Records: []capture.Record{
		{Time: 1e18, Origin: capture.OriginMeta, Kind: capture.KindStart, Data: []byte(`{"format":1}`)},
		{Time: 1e18, Origin: capture.OriginPackets, Kind: capture.KindPoint, Data: point},
		{Time: 1e18, Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: "host", Data: set},
		{Time: 1e18, Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: "a\nname", Data: []byte(`{ "backend":"nft","why":"change","data":"AAAA"}`)}, // not as we write it
		{Time: 1e18, Origin: capture.OriginEngine, Kind: capture.KindSnapshot, Data: []byte(`{"version":"29"}`)},
		{Time: 1e18, Origin: "else", Kind: "unknown"},
	}}}
	for i := range int64(3) {
		out = append(out,
			&capture.Batch{Arena: []byte("frame"), Packets: []capture.Packet{{Time: 1e18 + i*100, Len: 5, Orig: 5}}},
			&capture.Batch{Records: []capture.Record{{Time: 1e18 + i*100 + 50, Origin: capture.OriginConntrack, Kind: capture.KindEvent, Netns: "host", Data: []byte{byte(i), 0, '\n', 255}}}})
	}
	return append(out, &capture.Batch{Records: []capture.Record{{Time: 1e18 + 1000, Origin: capture.OriginMeta, Kind: capture.KindEnd, Data: []byte(`{"packets":3}`)}}})
}

// readBack is what a reader gets of it, one line for each packet and record.
func readBack(t *testing.T, b []byte) (lines []string, info *Info) {
	t.Helper()
	src, info, err := OpenReader(bytes.NewReader(b), "x")
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range src(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			lines = append(lines, fmt.Sprintf("%d packet at %d", p.Time, p.Point))
		}
		for _, r := range b.Records {
			lines = append(lines, fmt.Sprintf("%d %s %s %q %q", r.Time, r.Origin, r.Kind, r.Netns, r.Data))
		}
	}
	return lines, info
}

func TestWhatIsBundledIsReadBackAsItWas(t *testing.T) {
	var files [2][]byte
	var lines [2][]string
	for i, small := range []bool{false, true} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{Small: small})
		for _, batch := range between(t) {
			if err := w.Write(batch); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var info *Info
		files[i] = b.Bytes()
		lines[i], info = readBack(t, b.Bytes())
		if f := info.Files[0]; f.Malformed > 0 || len(f.Damage) > 0 || !f.Ended {
			t.Errorf("small %v: %+v", small, f)
		}
	}
	if d := cmp.Diff(lines[0], lines[1]); d != "" {
		t.Error(d)
	}
	if bytes.Equal(files[0], files[1]) {
		t.Error("nothing is bundled")
	}
}

func TestADamagedBundleIsCountedAndWhatIsWholeOfItIsRead(t *testing.T) {
	var b bundle
	for i := range 3 {
		b.add(capture.Record{Time: int64(i), Origin: "else", Kind: "some", Data: []byte("data")})
	}
	for n := range b.data {
		records, err := unpacked(b.data[:n])
		if len(records) > 2 || n > 0 && err == nil && len(records) != n*3/len(b.data) {
			t.Fatalf("of %d bytes %d records: %v", n, len(records), err)
		}
	}
	within := bundle{}
	within.add(capture.Record{Origin: capture.OriginMeta, Kind: kindBundle, Data: b.data})
	if records, err := unpacked(within.data); len(records) > 0 || err != nil {
		t.Errorf("a bundle in a bundle gives %d records: %v", len(records), err)
	}
}
