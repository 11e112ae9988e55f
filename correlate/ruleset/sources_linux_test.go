package ruleset_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
)

// answer is what matters of an outcome, whatever the rules were read from.
type answer struct {
	Verdict  ruleset.Verdict
	Stage    stage.Stage
	Rule     string
	To       string
	Unknown  int
	Rules    []string
	Snatted  bool
	ForLocal bool
}

// answerOf tells an outcome, with the rules' texts or their places alone.
func answerOf(o ruleset.Outcome, texts bool) answer {
	a := answer{Verdict: o.Verdict, Stage: o.Stage, To: o.Tuple.String(), Snatted: o.Masqueraded, ForLocal: o.Local}
	if o.Rule != nil {
		a.Rule = o.Rule.Table + " " + o.Rule.Chain + ": " + o.Rule.Text + " of " + string(o.Rule.Owner)
	}
	for _, s := range o.Steps {
		if s.Verdict == "policy accept" { // iptables-save makes up empty chains
			continue
		}
		a.Rules = append(a.Rules, s.Rule.Table+" "+s.Rule.Chain+": "+s.Rule.Text+" → "+s.Verdict)
	}
	if !texts {
		a.Rules = nil
		if o.Rule != nil {
			a.Rule = fmt.Sprintf("%s %s %d", o.Rule.Table, o.Rule.Chain, o.Rule.Number)
		}
	}
	if !o.Certain() {
		a.Unknown = 1
	}
	return a
}

// dumps are what was read from the kernel, by where it was read from.
func dumps(r recorded) map[string][]rules.Ruleset {
	pick := func(backends ...string) (out []rules.Ruleset) {
		for _, b := range backends {
			out = append(out, rules.Ruleset{Backend: b, Data: r[b]})
		}
		return out
	}
	return map[string][]rules.Ruleset{
		"netlink":               pick("nft"),
		"nft's list":            pick("nft-text"),
		"iptables-save and nft": pick("iptables-save", "ip6tables-save", "nft-text"),
	}
}

// lossy are rules of iptables of which nft's list leaves out what it cannot say:
// comments, some targets, all but the first of some conditions. What it says
// must be true all the same.
var lossy = []string{"kubernetes.rules4", "ufw.rules4", "odds.rules4"}

func TestTheSameRulesGiveTheSameAnswerWhateverTheyWereReadFrom(t *testing.T) {
	for _, file := range append(rulesets(t), files(t, "engines/*.iptables", "engines/*.ip6tables", "engines/*29nft*.nft")...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			router(t)
			install(t, file)
			sources := dumps(installed(t))
			want := parseDumps(t, sources["netlink"]...)
			for source, list := range sources {
				got := parseDumps(t, list...)
				texts := source != "nft's list" || !slices.Contains(lossy, filepath.Base(file))
				if texts {
					sameRules(t, source, want, got)
				}
				got.Rendered(func(where, printed, rendered string) {
					translated := source == "nft's list" && strings.HasPrefix(rendered, "-A ")
					if printed != rendered && printed != "" && !translated && texts {
						t.Errorf("%s: %s:\n got %s\nwant %s", source, where, rendered, printed)
					}
				})
				sure := 0
				for _, p := range packets() {
					was, is := want.Evaluate(p), got.Evaluate(p)
					if !texts && !is.Certain() {
						continue
					}
					sure++
					if d := cmp.Diff(answerOf(was, texts), answerOf(is, texts)); d != "" {
						t.Errorf("%s from %s, by %s (-netlink +text):\n%s", p.Tuple, p.IIF, source, d)
						break
					}
				}
				t.Logf("%s: %d of %d packets", source, sure, len(packets()))
			}
		})
	}
}

// sameRules compares every rule and its counter. The order of tables may differ,
// that within a chain not.
func sameRules(t *testing.T, source string, want, got *ruleset.Set) {
	t.Helper()
	lines := func(s *ruleset.Set) map[string]string {
		by := map[string]string{}
		for _, r := range s.Rules() {
			line := r.Text + " of " + string(r.Owner)
			if r.Counter != nil {
				line = strings.TrimSpace(line)
			}
			by[r.Table+" "+r.Chain] += line + "\n"
		}
		return by
	}
	if d := cmp.Diff(lines(want), lines(got)); d != "" {
		t.Errorf("%s (-netlink +text):\n%s", source, d)
	}
}

func TestWhatIsNotDecodedIsTakenFromWhatIptablesSavePrinted(t *testing.T) {
	router(t)
	run(t, "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 80 -m recent --update --seconds 60 --name bad --mask 255.255.255.255 --rsource -j DROP\n-A FORWARD -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT\nCOMMIT\n", "iptables-nft-restore")
	r := installed(t)
	var texts []string
	for _, rule := range parseDumps(t, rules.Ruleset{Backend: "nft", Data: r["nft"]}, rules.Ruleset{Backend: "iptables-save", Data: r["iptables-save"]}).Rules() {
		texts = append(texts, rule.Text)
	}
	want := []string{
		"-A FORWARD -p tcp -m tcp --dport 80 -m recent --update --seconds 60 --name bad --mask 255.255.255.255 --rsource -j DROP",
		"-A FORWARD -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
	}
	if d := cmp.Diff(want, texts); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
