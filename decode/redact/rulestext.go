package redact

import (
	"net/netip"
	"regexp"
	"strings"
)

// ruleTokens are the parts of what nft and iptables-save print: strings, what
// may be an address, a name or a word, and the rest.
var ruleTokens = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|[0-9A-Za-z_:@][0-9A-Za-z_.:/@+*%\-]*|\n`)

// namesAfter are words of nft and iptables-save behind which a name stands.
var namesAfter = map[string]manner{
	"-i": asIface, "-o": asIface, "--in-interface": asIface, "--out-interface": asIface, "--physdev-in": asIface, "--physdev-out": asIface,
	"iifname": asIface, "oifname": asIface, "iif": asIface, "oif": asIface, "--oif": asIface,
	"-A": asRuleName, "-N": asRuleName, "-P": asRuleName, "-j": asRuleName, "-g": asRuleName, "jump": asRuleName, "goto": asRuleName, "chain": asRuleName,
	"create": asRuleName, "add": asRuleName, "--add-set": asRuleName, "--del-set": asRuleName, "--map-set": asRuleName,
	"set": asRuleName, "map": asRuleName, "--match-set": asRuleName, "flowtable": asRuleName,
	"comment": asComment, "--comment": asComment, "prefix": asComment, "--log-prefix": asComment, "--nflog-prefix": asComment, "--string": asComment, "--hex-string": asComment,
	"--path": asComment, "--name": asComment, "--hashlimit-name": asComment, "--secctx": asComment,
}

// setOptions are the options of iptables that names of ipsets follow.
var setOptions = map[string]bool{"--match-set": true, "--add-set": true, "--del-set": true, "--map-set": true}

var (
	asRuleName manner = func(r *Redactor, s string) string {
		if targetsOfXtables.MatchString(s) {
			return s
		}
		return r.names.ruleName(s)
	}
	asComment manner = func(r *Redactor, s string) string { return r.names.comment(s) }
)

// targetsOfXtables are the extensions that -j names.
var targetsOfXtables = regexp.MustCompile(`^[A-Z][A-Z0-9]+$`)

// declared finds names that are declared before they are used.
var declared = regexp.MustCompile(`(?m)^\s*(?:table (?:ip6?|inet|arp|bridge|netdev)|chain|set|map|flowtable|:)\s*([0-9A-Za-z_.\-]+)`)

// declaredIPSets are the same in what ipset prints.
var declaredIPSets = regexp.MustCompile(`(?m)^(?:create|Name:) (\S+)`)

// ruleText rewrites a printed ruleset.
func (r *Redactor) ruleText(s string) string {
	own := map[string]bool{}
	for _, form := range []*regexp.Regexp{declared, declaredIPSets} {
		for _, m := range form.FindAllStringSubmatch(s, -1) {
			own[m[1]] = true
		}
	}
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, r.ruleLine(line, own))
	}
	return strings.Join(lines, "")
}

func (r *Redactor) ruleLine(s string, own map[string]bool) string {
	if strings.HasPrefix(s, "#") { // who printed it, and when
		return "#\n"
	}
	var b strings.Builder
	last, end := "", 0
	for _, at := range ruleTokens.FindAllStringIndex(s, -1) {
		if at[0] < end { // of a name that was taken whole
			continue
		}
		if setOptions[last] { // ipset allows anything in names
			if i := strings.IndexAny(s[at[0]:], " \t\n"); i > 0 {
				at[1] = at[0] + i
			}
		}
		t, before := s[at[0]:at[1]], s[end:at[0]]
		b.WriteString(before)
		end = at[1]
		if dashes := optionDashes(before); dashes != "" { // what an option is called is no name
			last = dashes + t
			b.WriteString(t)
			continue
		}
		as := namesAfter[last]
		last = t
		b.WriteString(r.ruleWord(t, as, own))
	}
	b.WriteString(s[end:])
	return b.String()
}

// optionDashes are those that begin an option of iptables, behind what is between
// two tokens; "" if none do.
func optionDashes(before string) string {
	if i := strings.LastIndexAny(before, " \t"); i >= 0 {
		before = before[i+1:]
	}
	if before == "-" || before == "--" {
		return before
	}
	return ""
}

// ruleWord rewrites a token, in quotes or not.
func (r *Redactor) ruleWord(t string, as manner, own map[string]bool) string {
	inner, quoted := strings.CutPrefix(t, `"`)
	if !quoted {
		return r.ruleToken(t, as, own)
	}
	if as == nil {
		as = func(r *Redactor, s string) string { return r.quoted(s, own) }
	}
	return `"` + as(r, strings.TrimSuffix(inner, `"`)) + `"`
}

// quoted rewrites a string that no word announces: within { } of interfaces.
func (r *Redactor) quoted(s string, own map[string]bool) string {
	if own[s] {
		return r.names.ruleName(s)
	}
	return r.iface(s)
}

func (r *Redactor) ruleToken(t string, as manner, own map[string]bool) string {
	if to, ok := r.address(t); ok {
		return to
	}
	begin := ""
	if t[0] == ':' || t[0] == '@' {
		begin, t = t[:1], t[1:]
	}
	switch {
	case own[t] || begin != "" && t != "":
		return begin + r.names.ruleName(t)
	case as != nil:
		return begin + as(r, t)
	case r.names.ifaces[t]:
		return begin + r.iface(t)
	case r.names.learned[t] && !isOwnName(t) && !aRuleWord.MatchString(t):
		return begin + r.names.chars(t)
	}
	return begin + t
}

// aRuleWord is a word of the two languages: a name that is one too stays where no
// name is expected.
var aRuleWord = regexp.MustCompile(`^-|^(tcp|udp|sctp|icmp|icmpv6|ip|ip6|th|meta|ct|state|new|established|related|invalid|untracked|counter|packets|bytes|type|hook|priority|policy|table|rule|elements|flags|interval|timeout|dstnat|srcnat|saddr|daddr|dport|sport|fib|addrtype|local|drop|accept|masquerade|to|with|reset|port|mark|limit|rate|second|minute|hour|day|burst|over|log|level|queue|handle)$`)

// spans of printed rules: from-to.
var textSpan = regexp.MustCompile(`([0-9A-Fa-f:.]{3,})-([0-9A-Fa-f:.]{3,})`)

// learnText pins the ranges in a printed ruleset.
func (r *Redactor) learnText(s string) {
	for _, m := range textSpan.FindAllStringSubmatch(s, -1) {
		a, errA := netip.ParseAddr(m[1])
		b, errB := netip.ParseAddr(m[2])
		if errA == nil && errB == nil && a.BitLen() == b.BitLen() {
			r.v4.span(a.AsSlice(), b.AsSlice())
			r.v6.span(a.AsSlice(), b.AsSlice())
		}
	}
}
