package correlate

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// TestEveryReasonOfTheKernelIsExplained holds the table against the names that
// kernels from 6.1 to 6.18 have.
func TestEveryReasonOfTheKernelIsExplained(t *testing.T) {
	f, err := os.Open("testdata/dropreasons.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		name := strings.TrimSpace(s.Text())
		if name == "" || name[0] == '#' {
			continue
		}
		known[name] = true
		if means, _ := ExplainDrop(name); means == "" {
			t.Errorf("%s is not explained", name)
		}
	}
	for _, name := range DropReasons() {
		if !known[name] {
			t.Errorf("%s is explained, and no kernel is known that has it", name)
		}
	}
}

func TestAReasonThatNamesACauseSaysWhereAndWhatToDo(t *testing.T) {
	for name, r := range dropReasons {
		if r.cause == "" {
			continue
		}
		if r.stage == "" || r.fix == nil {
			t.Errorf("%s: stage %q, no fix", name, r.stage)
			continue
		}
		for _, at := range []dropSite{{in: "eth0", link: "docker0", to: "172.17.0.2"}, {in: "eth0", to: "172.17.0.2"}} {
			for _, line := range r.fix(at) {
				if strings.Contains(line, "INTERFACE") || strings.Contains(line, "ADDRESS") || strings.HasSuffix(line, " ") {
					t.Errorf("%s: fix %q", name, line)
				}
			}
		}
	}
}
