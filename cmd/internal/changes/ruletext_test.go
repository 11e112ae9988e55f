package changes

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate/ruleset"
)

func TestPrintedRulesAreRead(t *testing.T) {
	nft := "table inet site { # handle 1\n\tchain forward { # handle 2\n\t\ttype filter hook forward priority filter; policy accept;\n\t\ttcp dport 80 counter packets 1 bytes 2 drop # handle 3\n\t}\n}\n"
	got := TextRules("nft-text", []byte(nft))
	want := []ruleset.Rule{{Table: "inet site", Chain: "forward", Text: "type filter hook forward priority filter; policy accept;", Backend: "nft"}, {Table: "inet site", Chain: "forward", Text: "tcp dport 80 drop", Backend: "nft"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzPrintedRules(f *testing.F) {
	f.Add("*filter\n-A FORWARD -j DROP\n", "table ip x {\nchain y {\n}\n}")
	f.Fuzz(func(t *testing.T, saved, listed string) {
		TextRules("iptables-save", []byte(saved))
		TextRules("nft-text", []byte(listed))
	})
}
