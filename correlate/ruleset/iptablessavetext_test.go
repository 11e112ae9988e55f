package ruleset_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
)

// dumpOf is a file as a dump: its extension says what printed it.
func dumpOf(t *testing.T, file string) rules.Ruleset {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	backend := map[string]string{".iptables": "iptables-save", ".ip6tables": "ip6tables-save", ".rules4": "iptables-save", ".rules6": "ip6tables-save", ".nft": "nft-text"}[filepath.Ext(file)]
	return rules.Ruleset{Backend: backend, Data: data}
}

func parseDumps(t *testing.T, dumps ...rules.Ruleset) *ruleset.Set {
	t.Helper()
	s, err := ruleset.Parse(dumps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func files(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, p := range patterns {
		list, err := filepath.Glob("testdata/" + p)
		if err != nil || len(list) == 0 {
			t.Fatalf("no files %s: %v", p, err)
		}
		all = append(all, list...)
	}
	return all
}

func TestWhatIptablesSavePrintedIsWrittenAgain(t *testing.T) {
	all := 0
	for _, file := range files(t, "engines/*.iptables", "engines/*.ip6tables") {
		d := dumpOf(t, file)
		lines := 0
		for _, l := range strings.Split(string(d.Data), "\n") {
			if strings.HasPrefix(l, "-A ") || strings.HasPrefix(l, "[") {
				lines++
			}
		}
		parseDumps(t, d).Rendered(func(where, printed, rendered string) {
			all++
			lines--
			if printed != rendered {
				t.Errorf("%s: %s:\n got %s\nwant %s", file, where, rendered, printed)
			}
		})
		if lines != 0 {
			t.Errorf("%s: %d rules are missing", file, lines)
		}
	}
	t.Logf("%d rules", all)
}
