package ruleset_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate/ruleset"
)

// counts are the packets that every legacy rule has counted, by place. What the
// host answers meets OUTPUT and POSTROUTING: those are left out.
func counts(t *testing.T) (map[string]uint64, *ruleset.Set) {
	t.Helper()
	set := parseDumps(t, legacyBlobs(t)...)
	n := map[string]uint64{}
	for _, r := range set.Rules() {
		if r.Chain != "OUTPUT" && r.Chain != "POSTROUTING" {
			n[placeOf(r)] = r.Counter.Packets
		}
	}
	return n, set
}

func placeOf(r ruleset.Rule) string {
	return fmt.Sprintf("%s %s %d: %s", r.Table, r.Chain, r.Number, r.Text)
}

func TestLegacyTablesCountWhereTheEvaluationSaysThePacketWent(t *testing.T) {
	if testing.Short() {
		t.Skip("sends hundreds of packets one by one: run without -short")
	}
	for _, file := range []string{"docker-20.rules4", "docker-28.rules4", "docker-29.rules4", "kubernetes.rules4", "ufw.rules4"} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			router(t)
			installLegacy(t, "testdata/"+file)
			run(t, "table inet mute { chain output { type filter hook output priority -500; policy drop; }; }\n", "nft", "-f", "-") // answers would count, too
			sure, all := 0, 0
			before, set := counts(t)
			for i, p := range packets() {
				if !p.Tuple.Dst.Is4() {
					continue
				}
				all++
				p.Tuple.SrcPort += uint16(i)
				o := set.Evaluate(p)
				want := []string{}
				for _, s := range o.Steps {
					if !s.Rule.Policy && s.Rule.Chain != "OUTPUT" && s.Rule.Chain != "POSTROUTING" {
						want = append(want, placeOf(s.Rule))
					}
				}
				send(t, p)
				after := settled(t)
				got := []string{}
				for place, n := range after {
					if n != before[place] {
						got = append(got, place)
					}
				}
				before = after
				slices.Sort(got)
				slices.Sort(want)
				if !o.Certain() {
					continue
				}
				sure++
				if d := cmp.Diff(slices.Compact(want), got); d != "" {
					t.Errorf("%s from %s (-evaluation +counters):\n%s", p.Tuple, p.IIF, d)
				}
			}
			if sure < all*3/4 {
				t.Errorf("of %d packets, only %d are certain", all, sure)
			}
			t.Logf("%s: %d packets, %d certain", strings.TrimSuffix(file, ".rules4"), all, sure)
		})
	}
}

// settled are the counters once a packet has gone its way, which takes microseconds.
func settled(t *testing.T) map[string]uint64 {
	t.Helper()
	time.Sleep(3 * time.Millisecond)
	n, _ := counts(t)
	return n
}
