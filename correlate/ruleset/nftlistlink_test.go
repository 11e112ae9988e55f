package ruleset_test

import (
	"fmt"
	"strings"
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
)

// links are lo, eth0 and docker0, as a dump of the host's interfaces has them.
func links(name string) ruleset.Link {
	return map[string]ruleset.Link{
		"lo":      {Index: 1, Type: 772},
		"eth0":    {Index: 2, Type: 1},
		"docker0": {Index: 3, Type: 1, Kind: "bridge"},
	}[name]
}

// inputOf is a chain of input that accepts what matches and drops all else.
func inputOf(conditions string) string {
	return fmt.Sprintf(`table inet filter {
	set ifs {
		type iface_index
		elements = { "lo", "docker0" }
	}

	set cards {
		typeof iif . ip saddr
		elements = { "eth0" . 203.0.113.7 }
	}

	chain input {
		type filter hook input priority filter; policy drop;
		%s accept
	}
}
`, conditions)
}

func TestNftListsInterfacesByNameWhereRulesKnowTheirNumbers(t *testing.T) {
	for _, c := range []struct {
		condition string
		want      ruleset.Verdict // of a packet that comes by eth0
	}{
		{`iif "lo"`, ruleset.Dropped},
		{`iif lo`, ruleset.Dropped},
		{`meta iif "eth0"`, ruleset.Passed},
		{`iif != "lo"`, ruleset.Passed},
		{`iif { "lo", "docker0" }`, ruleset.Dropped},
		{`iif != { "lo", "docker0" }`, ruleset.Passed},
		{`iif { "lo", "eth0" } tcp dport 8000`, ruleset.Passed},
		{`iif @ifs`, ruleset.Dropped},
		{`iif . ip saddr @cards`, ruleset.Passed},
		{`iif . tcp dport { "eth0" . 8000, "lo" . 22 }`, ruleset.Passed},
		{`iif vmap { "eth0" : accept, "lo" : drop } counter`, ruleset.Passed},
		{`iif 2`, ruleset.Passed},
		{`iif != 2`, ruleset.Dropped},
		{`iif 17`, ruleset.Dropped}, // that is gone
		{`iif { 2, 17 }`, ruleset.Unclear},
		{`oif "eth0"`, ruleset.Dropped}, // there is none yet
		{`iifname "eth0"`, ruleset.Passed},
		{`iifname "eth*"`, ruleset.Passed},
		{`meta iifname != "lo"`, ruleset.Passed},
		{`meta iiftype ether`, ruleset.Passed},
		{`meta iiftype loopback`, ruleset.Dropped},
		{`iiftype != { ether, loopback }`, ruleset.Dropped},
		{`meta oiftype != ether`, ruleset.Dropped},
		{`iifgroup "default"`, ruleset.Unclear},
		{`iifgroup 5`, ruleset.Unclear},
		{`oifgroup != "default"`, ruleset.Unclear},
		{`meta iifkind "bridge"`, ruleset.Unclear},
	} {
		p := fromOutside(8000)
		p.Link = links
		o := listed(t, inputOf(c.condition)).Evaluate(p)
		if o.Verdict != c.want || o.Certain() != (c.want != ruleset.Unclear) {
			t.Errorf("%s: %v, unknown %q", c.condition, o.Verdict, o.Unknown)
		}
	}
}

func TestAnInterfaceWhoseNumberIsNotKnownIsSaidToBe(t *testing.T) {
	o := listed(t, inputOf("iif 2")).Evaluate(fromOutside(8000))
	if o.Verdict != ruleset.Unclear || !strings.Contains(strings.Join(o.Unknown, "; "), "the interface's index is not known") {
		t.Errorf("%v, unknown %q", o.Verdict, o.Unknown)
	}
}

func TestRulesAboutInterfacesAreWrittenAgain(t *testing.T) {
	set := parseDumps(t, rules.Ruleset{Backend: "nft-text", Data: []byte(inputOf(`iif "lo" iif != { "eth0", "lo" } iif . ip saddr @cards meta iiftype ether iifgroup "default" oif "docker0" meta iifkind "bridge"`))})
	set.Rendered(func(where, printed, rendered string) {
		if printed != rendered {
			t.Errorf("%s:\n got %s\nwant %s", where, rendered, printed)
		}
	})
}
