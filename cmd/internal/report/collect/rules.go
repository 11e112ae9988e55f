package collect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dnatrace/capture/engine"
	"dnatrace/capture/rules"
	"dnatrace/cmd/internal/changes"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// maxRules bounds the rules shown as concerned.
const maxRules = 60

// ruleList are the rules concerned: the one that decided, those that packets of
// the request passed as the kernel traced them, and those that name its
// address or the port asked for.
func (w *world) ruleList() []report.Rule {
	var out []report.Rule
	for _, k := range w.ruleKeys() {
		switch k.Backend {
		case "nft":
			out = append(out, w.fromSet(k)...)
		case rules.Legacy, rules.Legacy6, "ipset", "ipset-text":
		default:
			if n := w.rules[changes.RuleKey{Netns: k.Netns, Backend: "nft"}]; n == nil || len(n.Data) == 0 || strings.Contains(k.Backend, "legacy") {
				out = append(out, w.fromText(k)...)
			}
		}
	}
	out = w.deciding(out)
	slices.SortStableFunc(out, func(a, b report.Rule) int { return cmp.Compare(relevance(&a), relevance(&b)) })
	return out[:min(len(out), maxRules)]
}

func relevance(r *report.Rule) int {
	switch {
	case r.Decided:
		return 0
	case strings.HasPrefix(r.Why, "passed"):
		return 1
	}
	return 2
}

func (w *world) ruleKeys() []changes.RuleKey {
	return slices.SortedFunc(maps.Keys(w.rules), func(a, b changes.RuleKey) int {
		return cmp.Or(cmp.Compare(a.Netns, b.Netns), cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Table, b.Table))
	})
}

// deciding marks the rule that decided, or adds it where it was not recorded.
func (w *world) deciding(out []report.Rule) []report.Rule {
	if w.about == nil || w.about.Rule == nil {
		return out
	}
	hit := w.about.Rule
	for n := range out {
		r := &out[n]
		if r.Table == hit.Table && r.Chain == hit.Chain && (r.Handle == hit.Handle && hit.Handle != 0 || r.Text == hit.Text) {
			r.Why, r.Decided = "decided", true
			return out
		}
	}
	return append(out, report.Rule{Table: hit.Table, Chain: hit.Chain, Handle: hit.Handle, Text: hit.Text, Owner: hit.Owner, Backend: string(hit.Backend), Why: "decided", Decided: true})
}

// fromSet lists the rules of an nf_tables ruleset that are concerned.
func (w *world) fromSet(k changes.RuleKey) []report.Rule {
	e := w.rules[k]
	if len(e.Data) == 0 {
		return nil
	}
	set := changes.SetOf(e, w.rules[changes.RuleKey{Netns: k.Netns, Backend: "ipset"}])
	names := w.names()
	var out []report.Rule
	for _, r := range set.Rules() {
		why := w.passed(k.Netns, &r)
		if why == "" {
			why = saidOf(r.Text, names)
		}
		if why == "" && w.isDeciding(&r) {
			why = "decided"
		}
		if why != "" {
			out = append(out, toRule(k.Netns, r, why))
		}
	}
	return append(out, w.policies(k.Netns, set)...)
}

func (w *world) isDeciding(r *ruleset.Rule) bool {
	hit := w.about
	return hit != nil && hit.Rule != nil && hit.Rule.Table == r.Table && hit.Rule.Chain == r.Chain && hit.Rule.Handle == r.Handle
}

func toRule(netns string, r ruleset.Rule, why string) report.Rule {
	return report.Rule{Netns: netns, Table: r.Table, Chain: r.Chain, Handle: r.Handle, Text: r.Text, Owner: r.Owner, Backend: string(r.Backend), Why: why}
}

// passed says what a rule did to a traced packet of the request.
func (w *world) passed(netns string, r *ruleset.Rule) string {
	for _, s := range w.steps {
		if s.Type == decode.TraceRule && s.Handle == r.Handle && s.Netns == netns && s.Chain == r.Chain && s.Family.String()+" "+s.Table == r.Table {
			return fmt.Sprintf("passed by this request: %s", s.Verdict)
		}
	}
	return ""
}

// policies are those that decided about a traced packet of the request.
func (w *world) policies(netns string, set *ruleset.Set) []report.Rule {
	var out []report.Rule
	said := map[string]bool{}
	for _, s := range w.steps {
		k := s.Family.String() + " " + s.Table + " " + s.Chain
		if s.Type != decode.TracePolicy || s.Netns != netns || said[k] {
			continue
		}
		said[k] = true
		if p, ok := set.Policy(s.Family, s.Table, s.Chain); ok {
			out = append(out, toRule(netns, p, fmt.Sprintf("passed by this request: %s", s.Verdict)))
		}
	}
	return out
}

// fromText lists the rules of a printed ruleset that are concerned.
func (w *world) fromText(k changes.RuleKey) []report.Rule {
	var out []report.Rule
	names := w.names()
	hit := w.about != nil && w.about.Rule != nil
	for _, r := range changes.TextRules(k.Backend, w.rules[k].Data) {
		why := saidOf(r.Text, names)
		if why == "" && hit && r.Chain == w.about.Rule.Chain && r.Text == w.about.Rule.Text {
			why = "decided"
		}
		if why != "" {
			out = append(out, toRule(k.Netns, r, why))
		}
	}
	return out
}

// names are what a rule concerned would name: addresses of the containers
// concerned and the ports asked for and translated to.
func (w *world) names() []string {
	var out []string
	for _, c := range w.containers() {
		if w.about != nil && c.Name != w.about.Container && w.about.Container != "" {
			continue
		}
		out = append(out, addresses(c)...)
	}
	if w.about == nil {
		return out
	}
	if end, ok := endOf(w.about.Translated); ok {
		out = append(out, end.Addr().String())
	}
	if end, ok := endOf(w.about.Requested); ok && end.Port() != 0 {
		out = append(out, fmt.Sprintf("dport %d", end.Port()))
	}
	return slices.Compact(out)
}

func addresses(c *engine.Container) []string {
	var out []string
	for _, ip := range c.Addrs() {
		out = append(out, ip.String())
	}
	return out
}

// saidOf says which of the names stands in a rule.
func saidOf(rule string, names []string) string {
	if n := changes.Naming(rule, names); n != "" {
		return "names " + n
	}
	return ""
}
