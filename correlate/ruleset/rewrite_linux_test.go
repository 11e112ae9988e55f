package ruleset_test

import (
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
)

func TestTheKernelsFormOfARewriteIsKnownForWhatItIs(t *testing.T) {
	router(t)
	for _, c := range rewrites {
		run(t, "flush ruleset\n"+prerouting(c.statement), "nft", "-f", "-")
		r := installed(t)
		for source, set := range map[string]*ruleset.Set{
			"netlink":    parse(t, r["nft"]),
			"nft's list": parseDumps(t, rules.Ruleset{Backend: "nft-text", Data: r["nft-text"]}),
		} {
			o := set.Evaluate(fromOutside(8000))
			if o.Verdict != c.want || o.Certain() != (c.want != ruleset.Unclear) {
				t.Errorf("%s by %s: %v, unknown %q", c.statement, source, o.Verdict, o.Unknown)
			}
		}
	}
}
