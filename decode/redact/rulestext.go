package redact

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// ruleTokens are the parts of what nft and iptables-save print: strings, what
// may be an address, a name or a word, and the rest.
var ruleTokens = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|[0-9A-Za-z_:@\x80-\xff][0-9A-Za-z_.:/@+*%\-\x80-\xff]*|\n`)

// namesAfter are words of nft and iptables-save behind which a name stands.
var namesAfter = map[string]manner{
	"-i": asIface, "-o": asIface, "--in-interface": asIface, "--out-interface": asIface, "--physdev-in": asIface, "--physdev-out": asIface,
	"iifname": asIface, "oifname": asIface, "iif": asIface, "oif": asIface, "--oif": asIface, "sdifname": asIface, "ibrname": asIface, "obrname": asIface,
	"ibriport": asIface, "obriport": asIface, "device": asIface,
	"-A": asRuleName, "-N": asRuleName, "-P": asRuleName, "-j": asTarget, "-g": asRuleName, "jump": asRuleName, "goto": asRuleName, "chain": asRuleName,
	"--add-set": asRuleName, "--del-set": asRuleName, "--map-set": asRuleName,
	"set": asDeclared, "map": asDeclared, "meter": asDeclared, "--match-set": asRuleName, "flowtable": asRuleName, "progname": asRuleName,
	"comment": asComment, "--comment": asComment, "prefix": asComment, "--log-prefix": asComment, "--nflog-prefix": asComment, "--string": asComment, "--hex-string": asComment,
	"--path": asComment, "--name": asComment, "--hashlimit-name": asComment, "--hashlimit": asComment, "--secctx": asComment, "--selctx": asComment, "--bytecode": asComment, "--u32": asComment,
	"--cgroup": asSetting, "--label": asComment, "--led-trigger-id": asComment, "--nfacct-name": asComment, "--genre": asComment, "--helper": asHelper, "--timeout": asSetting,
	"-m": asExtension, "match": asExtension, "target": asExtension,
}

// setOptions are the options of iptables that names of ipsets follow.
var setOptions = map[string]bool{"--match-set": true, "--add-set": true, "--del-set": true, "--map-set": true}

var (
	asRuleName  manner = func(r *Redactor, s string) string { return r.names.ruleName(s) }
	asComment   manner = func(r *Redactor, s string) string { return r.names.comment(s) }
	asTarget    manner = keptIf(knownExtension, asRuleName)
	asExtension manner = keptIf(knownExtension, asRuleName)
	asHelper    manner = keptIf(knownWord, asComment)
	// asDeclared is of words that what is set follows, too: meta mark set 1.
	asDeclared manner = keptIf(func(s string) bool { return ruleWords[s] || aRuleNumber.MatchString(s) }, asRuleName)
)

// keptIf leaves what is known, and rewrites all else in another manner.
func keptIf(known func(string) bool, as manner) manner {
	return func(r *Redactor, s string) string {
		if known(s) {
			return s
		}
		return as(r, s)
	}
}

// declared finds names that are declared before they are used.
var declared = regexp.MustCompile(`(?m)^\s*(?:table (?:ip6?|inet|arp|bridge|netdev)|chain|set|map|meter|flowtable|counter|quota|limit|secmark|synproxy|ct (?:helper|timeout|expectation)|:)\s*([0-9A-Za-z_][0-9A-Za-z_.\-]*)(?: (?:\{|[A-Z-]))`)

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
	l := ruleLine{Redactor: r, own: own}
	var out strings.Builder
	for line := range strings.Lines(s) {
		l.set(line)
		out.WriteString(l.rewrite(line))
	}
	return out.String()
}

// ruleLine is one line of a printed ruleset while it is rewritten, and what the
// lines before say of it.
type ruleLine struct {
	*Redactor
	own  map[string]bool // names that are declared
	last string          // the token before
	raw  int             // of bytes that are named by where they are: what comes next
	// rawSet says that the line is of a set whose keys or values are such bytes.
	rawSet bool
}

// rawTypeof is the type of a set of bytes that are named by where they are.
var rawTypeof = regexp.MustCompile(`^\s*typeof .*@(ll|nh|th|ih),`)

// begins are lines that begin another thing than the set before.
var begins = regexp.MustCompile(`^\s*(table|chain|set|map|meter|flowtable|counter|quota|limit|ct|secmark|synproxy) \S+ .*\{\s*$`)

// set notes what a line says of those behind it.
func (l *ruleLine) set(line string) {
	switch {
	case rawTypeof.MatchString(line):
		l.rawSet = true
	case begins.MatchString(line):
		l.rawSet = false
	}
}

// Parts of such bytes: @th,288,32 0xc6336401.
const (
	rawNone   = iota
	rawOffset // where they begin
	rawLength // how many bits
	rawValue  // what they are compared with
)

func (r *Redactor) ruleLine(s string, own map[string]bool) string {
	l := ruleLine{Redactor: r, own: own}
	return l.rewrite(s)
}

func (l *ruleLine) rewrite(s string) string {
	if strings.HasPrefix(s, "#") { // who printed it, and when
		return "#\n"
	}
	l.last, l.raw = "", rawNone
	var b strings.Builder
	end := 0
	for _, at := range ruleTokens.FindAllStringIndex(s, -1) {
		if at[0] < end { // of a name that was taken whole
			continue
		}
		if setOptions[l.last] { // ipset allows anything in names
			if i := strings.IndexAny(s[at[0]:], " \t\n"); i > 0 {
				at[1] = at[0] + i
			}
		}
		t, before := s[at[0]:at[1]], s[end:at[0]]
		b.WriteString(plainMarks(before))
		end = at[1]
		dashes := optionDashes(before)
		if dashes == "" {
			b.WriteString(l.word(t, strings.TrimSpace(s[:at[0]]) == ""))
			continue
		}
		l.last = dashes + t
		if !anOption.MatchString(t) {
			t = l.names.chars(t)
		}
		b.WriteString(t)
	}
	b.WriteString(plainMarks(s[end:]))
	return b.String()
}

// anOption is what an option of iptables is called: no name of anyone's, if it is
// known or a single letter.
var anOption = regexp.MustCompile(`^([A-Za-z]|` + strings.Join(iptablesOptions, "|") + `)$`)

// plainMarks leaves of what is between two tokens what the languages are written
// with.
func plainMarks(s string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \t\r\n{}()[]<>=!,;.:|&^/*+-#\\\"$'", c) {
			return c
		}
		return '?'
	}, s)
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

// word rewrites a token, in quotes or not.
func (l *ruleLine) word(t string, first bool) string {
	as := namesAfter[l.last]
	if setOptions[l.last] {
		as = asRuleName
	}
	inner, quoted := strings.CutPrefix(t, `"`)
	if l.raw != rawNone && !quoted {
		if to, ok := l.rawBytes(t); ok {
			return to
		}
	}
	l.raw = rawNone
	l.last = t
	if quoted {
		inner = strings.TrimSuffix(inner, `"`)
		if as == nil {
			as = func(r *Redactor, s string) string { return l.quoted(s) }
		}
		return `"` + as(l.Redactor, inner) + `"`
	}
	return l.token(t, as, first)
}

// rawHeaders are the headers whose bytes nft names by where they are.
var rawHeaders = []string{"@ll", "@nh", "@th", "@ih"}

// rawBytes rewrites what is behind such a header: numbers say where the bytes are,
// and what they are compared with is not known to be anything, and goes. It reports
// false at the end of it.
func (l *ruleLine) rawBytes(t string) (string, bool) {
	switch {
	case l.raw < rawValue && isNum.MatchString(t):
		l.raw++
		return t, true
	case l.raw == rawValue && aRawValue.MatchString(t):
		l.Cleared["values in rules"]++
		return aRawDigit.ReplaceAllString(t, "0"), true
	case l.raw == rawValue && (t == "and" || t == "or" || t == "xor" || t == "set"):
		return t, true
	}
	return "", false
}

var (
	aRawValue = regexp.MustCompile(`^(0x[0-9a-fA-F]+|[0-9]+)(-(0x[0-9a-fA-F]+|[0-9]+))?$`)
	aRawDigit = regexp.MustCompile(`0x[0-9a-fA-F]+|[0-9]+`)
)

// quoted rewrites a string that no word announces: within { } of interfaces.
func (l *ruleLine) quoted(s string) string {
	switch {
	case l.own[s]:
		return l.names.ruleName(s)
	case knownWord(s):
		return s
	}
	return l.iface(s)
}

// token rewrites what is in no quotes. What is neither an address nor a number, nor
// a word of the languages, nor announced by one, is a name of something.
func (l *ruleLine) token(t string, as manner, first bool) string {
	if slices.Contains(rawHeaders, t) {
		l.raw = rawOffset
		return t
	}
	if to, ok := l.address(t); ok {
		return to
	}
	if rest, ok := strings.CutPrefix(t, ":"); ok && aRuleNumber.MatchString(rest) { // a port behind an address in brackets
		return t
	}
	begin := ""
	if t[0] == '@' || t[0] == ':' && first {
		begin, t = t[:1], t[1:]
	}
	switch {
	case t == "":
		return begin
	case begin != "", l.own[t] && !(ruleWords[t] && as == nil):
		return begin + l.names.ruleName(t)
	case as != nil:
		return as(l.Redactor, t)
	case l.names.ifaces[t] && !ruleWords[t]:
		return l.iface(t)
	case l.rawSet && aRawValue.MatchString(t) && l.last != "size":
		l.Cleared["values in rules"]++
		return aRawDigit.ReplaceAllString(t, "0")
	case ruleWords[t], aRuleNumber.MatchString(t), knownExtension(t):
		return t
	case compound(t):
		return t
	case plainIface.MatchString(t):
		return t
	}
	return l.names.chars(t)
}

// compound reports whether a token is of words of the languages, and numbers, with
// marks between.
func compound(t string) bool {
	parts := strings.FieldsFunc(t, func(c rune) bool { return strings.ContainsRune("./:+*%", c) })
	for _, p := range parts {
		if !ruleWords[p] && !aRuleNumber.MatchString(p) {
			return false
		}
	}
	return len(parts) > 0
}

// aRuleNumber is a number, a range or a mask of them, a time, or a date.
var aRuleNumber = regexp.MustCompile(`^(-?[0-9]{1,20}([-:/][0-9]{0,20})*|[0-9]{1,10}\.[0-9]{1,12}|0x[0-9a-fA-F]{1,8}(/0x[0-9a-fA-F]{1,8})?(-0x[0-9a-fA-F]{1,8})?|([0-9]{1,5}(ms|[dhms])){1,5}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})$`)

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
