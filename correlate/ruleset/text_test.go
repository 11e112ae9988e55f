package ruleset_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/fixtures"
)

var (
	saveCounter = regexp.MustCompile(`^\[\d+:\d+\] `)
	nftCounter  = regexp.MustCompile(`counter packets \d+ bytes \d+ ?`)
	nftHandle   = regexp.MustCompile(` # handle (\d+)$`)
)

// savedLines are the rules that iptables-save printed, table by table.
func savedLines(text []byte, family string) map[string][]string {
	lines := map[string][]string{}
	table := ""
	for _, l := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(l, "*") {
			table = family + " " + l[1:]
		}
		if l = saveCounter.ReplaceAllString(l, ""); strings.HasPrefix(l, "-A ") {
			chain := strings.Fields(l)[1]
			lines[table+" "+chain] = append(lines[table+" "+chain], l)
		}
	}
	return lines
}

// listedLines are the rules that nft printed, by table and handle.
func listedLines(text []byte) map[string]map[string]string {
	lines := map[string]map[string]string{}
	table := ""
	for _, l := range strings.Split(string(text), "\n") {
		words := strings.Fields(l)
		if len(words) > 2 && words[0] == "table" {
			table = words[1] + " " + words[2]
			lines[table] = map[string]string{}
		}
		m := nftHandle.FindStringSubmatch(l)
		if m == nil || strings.HasSuffix(strings.TrimSuffix(l, m[0]), "{") {
			continue
		}
		l = strings.TrimSpace(nftCounter.ReplaceAllString(strings.TrimSuffix(l, m[0]), ""))
		lines[table][m[1]] = l
	}
	return lines
}

func TestRulesReadAsTheirOwnersWroteThem(t *testing.T) {
	same, all := 0, 0
	for _, name := range fixtures.Names() {
		for moment, r := range openIncident(t, name).texts {
			s, a := compareTexts(t, name+" "+moment, r)
			same, all = same+s, all+a
		}
	}
	if all < 1000 {
		t.Errorf("only %d rules compared", all)
	}
	t.Logf("%d of %d rules read as iptables-save and nft print them", same, all)
}

func compareTexts(t *testing.T, name string, r recorded) (same, all int) {
	t.Helper()
	set := parseDumps(t, rules.Ruleset{Backend: "nft", Data: r["nft"]}, rules.Ruleset{Backend: "ipset", Data: r["ipset"]})
	saved := map[string][]string{}
	for backend, family := range map[string]string{"iptables-save": "ip", "ip6tables-save": "ip6"} {
		for k, v := range savedLines(r[backend], family) {
			saved[k] = v
		}
	}
	listed := listedLines(r["nft-text"])
	rulesOf := map[string]int{}
	for _, rule := range set.Rules() {
		rulesOf[rule.Table+" "+rule.Chain]++
	}
	at := map[string]int{}
	for _, rule := range set.Rules() {
		want, known := "", false
		if rule.Backend == ruleset.Iptables {
			k := rule.Table + " " + rule.Chain
			if len(saved[k]) != rulesOf[k] {
				t.Logf("%s: %s changed between the two readings", name, k)
				continue
			}
			if i := at[k]; i < len(saved[k]) {
				want, known = saved[k][i], true
			}
			at[k]++
		} else {
			if listed[rule.Table] == nil && len(listed) > 0 { // a table that came or went
				t.Logf("%s: %s changed between the two readings", name, rule.Table)
				continue
			}
			want, known = listed[rule.Table][strconv.FormatUint(rule.Handle, 10)]
		}
		all++
		switch {
		case !known:
			t.Errorf("%s: %s %s handle %d: %q is not in the text", name, rule.Table, rule.Chain, rule.Handle, rule.Text)
		case rule.Text != want:
			t.Errorf("%s: %s %s handle %d:\n got %s\nwant %s", name, rule.Table, rule.Chain, rule.Handle, rule.Text, want)
		default:
			same++
		}
	}
	return same, all
}
