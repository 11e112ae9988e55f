package ruleset_test

import (
	"strings"
	"testing"
)

func TestWhatNftListedIsWrittenAgain(t *testing.T) {
	all := 0
	for _, file := range files(t, "engines/*.nft") {
		d := dumpOf(t, file)
		set := parseDumps(t, d)
		set.Rendered(func(where, printed, rendered string) {
			all++
			// What nft translates from iptables keeps iptables' order of states.
			printed = strings.Replace(printed, "ct state related,established", "ct state established,related", 1)
			if strings.HasPrefix(rendered, "-A ") { // of iptables' own tables
				return
			}
			if printed != rendered {
				t.Errorf("%s: %s:\n got %s\nwant %s", file, where, rendered, printed)
			}
		})
	}
	t.Logf("%d rules", all)
}
