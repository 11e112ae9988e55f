package recording

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

func openAll(t *testing.T, files map[string][]byte) (story, *Info) {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for name, b := range files {
		paths = append(paths, filepath.Join(dir, name))
		if err := os.WriteFile(paths[len(paths)-1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(paths)
	source, info, err := Open(paths...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := tell(t, source)
	if err != nil {
		t.Fatal(err)
	}
	return s, info
}

// The usual way without dnatrace: one tcpdump per interface, started one after
// the other.
func TestSeveralCapturesAreOneStreamInTimeOrder(t *testing.T) {
	eth, bridge, veth := little().section().iface(1, ""), big().section().iface(1, ""), little().section().iface(1, "")
	var want []sighted
	for i := range 3000 {
		t := uint64(noon/1000) + uint64(10*i)
		name := fmt.Sprintf("packet %d", i)
		eth.packet(0, t, name)
		bridge.packet(0, t+1, name)
		want = append(want, sighted{int64(t) * 1000, 1, 0, uint32(len(name)), name}, sighted{int64(t+1) * 1000, 0, 0, uint32(len(name)), name})
	}
	veth.packet(0, uint64(noon/1000)+30_000, "late")
	want = append(want, sighted{noon + 30_000_000, 2, 0, 4, "late"})
	got, info := openAll(t, map[string][]byte{"a-docker0.pcapng": bridge.b, "b-eth0.pcapng": eth.b, "c-veth12.pcapng": veth.b, "d.pcap": nil})
	if d := cmp.Diff(want, got.packets()); d != "" {
		t.Error(d)
	}
	for i, name := range []string{"a-docker0", "b-eth0", "c-veth12"} {
		r, ok := got[i].(spoken)
		if !ok || r.Kind != capture.KindPoint || r.Time != noon || points(t, got)[i].Name != name {
			t.Errorf("want the point of %s at the start, there is %v", name, got[i])
		}
	}
	if len(info.Files) != 4 || info.Files[1].Packets != 3000 || info.Files[3].Format != FormatEmpty {
		t.Errorf("%+v", *info)
	}
}

func TestRecordingsMergeToOneWithItsOwnNumbers(t *testing.T) {
	got, _ := openAll(t, map[string][]byte{"a": write(t, incident()), "b": zipped(t, write(t, incident()))})
	count := func(kind string) int { return len(got.records(kind)) }
	if count(capture.KindStart) != 1 || count(capture.KindEnd) != 1 {
		t.Errorf("%d starts and %d ends, want one each", count(capture.KindStart), count(capture.KindEnd))
	}
	last, ok := got[len(got)-1].(spoken)
	if !ok || last.Kind != capture.KindEnd || last.Data != `{"ended":1740830400000000009,"packets":8,"lost":6}` {
		t.Errorf("the last word is %v", got[len(got)-1])
	}
	ids := map[uint16]bool{}
	rings := map[uint16]bool{}
	for _, p := range points(t, got) {
		ids[p.ID], rings[p.Ring] = true, true
	}
	if len(ids) != 6 || len(rings) != 4 {
		t.Errorf("points %v of rings %v, want 6 of 4", ids, rings)
	}
	perPoint := map[uint16]int{}
	for _, p := range got.packets() {
		perPoint[p.Point]++
	}
	if len(got.packets()) != 8 || len(perPoint) != 6 {
		t.Errorf("packets per point %v", perPoint)
	}
	lossy := map[string]bool{}
	for _, r := range got.records(capture.KindLoss) {
		lossy[r.Data] = true
	}
	if len(lossy) != 2 {
		t.Errorf("losses of two rings are told alike: %v", lossy)
	}
}

func TestOneCutRecordingAmongSeveralLeavesNoEnd(t *testing.T) {
	whole := write(t, incident())
	got, _ := openAll(t, map[string][]byte{"a": whole, "b": whole[:len(whole)-10]})
	if n := len(got.records(capture.KindEnd)); n != 0 {
		t.Errorf("%d ends, want none", n)
	}
	if len(got.damage(t)) != 1 {
		t.Errorf("damage %q, want one", got.damage(t))
	}
}

// What several hosts call eth0, or a tool any, is known to who made the files.
func TestAPointIsNamedByWhoKnowsWhereItWas(t *testing.T) {
	pcap := classicFile(binary.LittleEndian, magicMicro, 7, 0, "one")
	ng := little().section().iface(1, "any").packet(0, uint64(noon/1000), "x")
	twice := append(bytes.Clone(ng.b), ng.b...)
	for name, file := range map[string][]byte{"a pcap": pcap, "a pcapng": ng.b, "a gzipped one": zipped(t, ng.b), "two sections of one interface": twice} {
		got, _, err := tellNamed(t, file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ps := points(t, got)
		if len(ps) != 1 || ps[0].Name != "web:eth0" || ps[0].Role != capture.RoleContainer || ps[0].Netns != "web" {
			t.Errorf("%s: points %+v", name, ps)
		}
	}
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"several interfaces":      {little().section().iface(1, "eth0").iface(1, "docker0").packet(1, 1, "x").b, "name its point web:eth0: it is a capture of several interfaces"},
		"a recording of dnatrace": {write(t, incident()), "name its point web:eth0: it is a recording, whose points have names"},
	} {
		_, path, err := tellNamed(t, tc.file)
		if want := "read " + path + ": " + tc.want; err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}

// tellNamed reads a file as the capture at web:eth0.
func tellNamed(t *testing.T, file []byte) (story, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "1.pcap")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	source, _, err := OpenNamed(Named{Path: path, Point: "web:eth0"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tell(t, source)
	return s, path, err
}
