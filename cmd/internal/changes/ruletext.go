package changes

import (
	"regexp"
	"strings"

	"dnatrace/correlate/ruleset"
)

var (
	counters  = regexp.MustCompile(`\[\d+:\d+\] ?|counter packets \d+ bytes \d+ ?`)
	handle    = regexp.MustCompile(` # handle \d+$`)
	chainLine = regexp.MustCompile(`^chain (\S+) \{`)
	tableLine = regexp.MustCompile(`^table (\S+ \S+) \{`)
)

// TextRules takes the rules out of what iptables-save and nft list ruleset
// print, without counters and handles.
func TextRules(backend string, data []byte) []ruleset.Rule {
	if strings.HasSuffix(backend, "-save") {
		return saved(backend, string(data))
	}
	return listed(backend, string(data))
}

// saved reads the format of iptables-save.
func saved(backend, text string) []ruleset.Rule {
	family := "ip "
	if strings.HasPrefix(backend, "ip6") {
		family = "ip6 "
	}
	var out []ruleset.Rule
	table := ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(counters.ReplaceAllString(line, ""))
		if name, ok := strings.CutPrefix(line, "*"); ok {
			table = name
		}
		if rest, ok := strings.CutPrefix(line, "-A "); ok {
			chain, _, _ := strings.Cut(rest, " ")
			out = append(out, ruleset.Rule{Table: family + table, Chain: chain, Text: line, Backend: ruleset.Backend(strings.TrimSuffix(backend, "-save"))})
		}
	}
	return out
}

// listed reads the format of nft list ruleset.
func listed(backend, text string) []ruleset.Rule {
	var out []ruleset.Rule
	table, chain := "", ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		line = handle.ReplaceAllString(line, "")
		switch m := chainLine.FindStringSubmatch(line); {
		case m != nil:
			chain = m[1]
		case tableLine.MatchString(line):
			table, chain = tableLine.FindStringSubmatch(line)[1], ""
		case line == "}":
			chain = ""
		case chain != "" && line != "":
			out = append(out, ruleset.Rule{Table: table, Chain: chain, Text: strings.TrimSpace(counters.ReplaceAllString(line, "")), Backend: ruleset.Backend(strings.TrimSuffix(backend, "-text"))})
		}
	}
	return out
}
