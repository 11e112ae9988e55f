package dumps

import (
	"regexp"
	"slices"
	"strings"
)

// listings reads what iptables -L -n -v prints: chains, and of each rule counters,
// target, protocol, options, interfaces, addresses, and then what extensions say of it.
// What is not understood becomes a rule that is not understood either.
func (s *Set) listings(netns, command string, b []byte) error {
	var all []*printedTable
	now, chain := &printedTable{built: map[string]bool{}}, ""
	verbose := true
	for _, raw := range lines(b) {
		line := string(raw)
		if m := listTitle.FindStringSubmatch(line); m != nil {
			if chain = m[1]; m[2] == "" {
				now.chains = append(now.chains, ":"+chain+" - [0:0]")
				continue
			}
			if now.built[chain] || len(now.chains) > len(now.built) {
				all = append(all, now)
				now = &printedTable{built: map[string]bool{}}
			}
			now.built[chain] = true
			now.chains = append(now.chains, ":"+chain+" "+m[2]+" [0:0]")
			continue
		}
		words := strings.Fields(line)
		if chain == "" || len(words) == 0 || slices.Contains(words, "prot") && slices.Contains(words, "source") {
			verbose = verbose && (len(words) == 0 || chain == "" || slices.Contains(words, "out"))
			continue
		}
		rule, ok := listedRule(line)
		if !ok {
			rule = "[as iptables -L prints it: " + strings.Join(words, " ") + "]"
		}
		now.rules = append(now.rules, "-A "+chain+" "+rule)
	}
	if !verbose {
		return errNoInterfaces
	}
	return s.printed(netns, command, append(all, now))
}

var errNoInterfaces = misuse("iptables -L without -v does not print interfaces, on which rules depend: run iptables-save, or iptables -L -n -v")

// misuse is an error about a dump that leaves out what would be needed.
type misuse string

func (m misuse) Error() string { return string(m) }

// listedRule puts a line of iptables -L -n -v into the words of iptables-save.
func listedRule(line string) (string, bool) {
	words := strings.Fields(line)
	at := slices.IndexFunc(words, func(w string) bool { return w == "--" || w == "-f" || w == "!f" })
	if at < 3 || at > 5 || len(words) < at+5 || words[at] != "--" {
		return "", false
	}
	proto, in, out, src, dst := words[at-1], words[at+1], words[at+2], words[at+3], words[at+4]
	target := words[at-2]
	if counted := regexp.MustCompile(`^\d+[KMGT]?$`); counted.MatchString(target) && (at == 3 || at == 4 && counted.MatchString(words[1]) && counted.MatchString(words[0])) {
		target = "" // a rule that only counts
	}
	var rule []string
	for _, f := range []struct{ flag, value string }{{"-s", src}, {"-d", dst}} {
		not, value := negated(f.value)
		switch {
		case value == "0.0.0.0/0", value == "::/0", value == "anywhere":
			continue
		case !addressOrPrefix(value).IsValid():
			return "", false // a name
		case not:
			rule = append(rule, "!")
		}
		rule = append(rule, f.flag, addressOrPrefix(value).String())
	}
	for _, f := range []struct{ flag, value string }{{"-i", in}, {"-o", out}} {
		not, value := negated(f.value)
		if value == "*" || value == "any" {
			continue
		}
		if not {
			rule = append(rule, "!")
		}
		rule = append(rule, f.flag, value)
	}
	not, proto := negated(proto)
	if name, ok := protocols[proto]; ok {
		proto = name
	}
	if proto != "all" {
		if not {
			rule = append(rule, "!")
		}
		rule = append(rule, "-p", proto)
	}
	conditions, actions, ok := extensions(strings.Join(words[at+5:], " "), target, proto)
	if !ok {
		return "", false
	}
	rule = append(rule, conditions...)
	if target != "" {
		jump := "-j"
		if len(actions) > 0 && actions[0] == "-g" {
			jump, actions = "-g", actions[1:]
		}
		rule = append(append(rule, jump, target), actions...)
	}
	return strings.Join(rule, " "), true
}

func negated(s string) (bool, string) {
	rest, not := strings.CutPrefix(s, "!")
	return not, rest
}

// protocols are the names that iptables-save has for numbers.
var protocols = map[string]string{"0": "all", "1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp", "icmpv6": "ipv6-icmp"}

// extension is how one kind of condition, or what a target says of itself, is printed.
type extension struct {
	form   *regexp.Regexp
	target string // of this target alone; "" is a condition
	words  func(m []string) []string
}

func ext(form, target string, words func(m []string) []string) extension {
	return extension{regexp.MustCompile(`^(?:` + form + `)(?: |$)`), target, words}
}

func match(name, flag string) func(m []string) []string {
	return func(m []string) []string {
		not, value := negated(m[len(m)-1])
		if not {
			return []string{"-m", name, "!", flag, value}
		}
		return []string{"-m", name, flag, value}
	}
}

func plainly(words ...string) func(m []string) []string {
	return func(m []string) []string { return append(slices.Clone(words), m[len(m)-1]) }
}

var extensionForms = []extension{
	ext(`/\* (.*?) \*/`, "", func(m []string) []string { return []string{"-m", "comment", "--comment", quoted(m[1])} }),
	ext(`(tcp|udp|sctp) dpts?:(!?[0-9:]+)`, "", func(m []string) []string { return match(m[1], "--dport")(m) }),
	ext(`(tcp|udp|sctp) spts?:(!?[0-9:]+)`, "", func(m []string) []string { return match(m[1], "--sport")(m) }),
	ext(`dpts?:(!?[0-9:]+)`, "", func(m []string) []string { return []string{"", "--dport", m[1]} }),
	ext(`spts?:(!?[0-9:]+)`, "", func(m []string) []string { return []string{"", "--sport", m[1]} }),
	ext(`(?:tcp )?flags:0x17/0x02`, "", func([]string) []string { return []string{"-m", "tcp", "--tcp-flags", "FIN,SYN,RST,ACK", "SYN"} }),
	ext(`multiport dports (!? ?[0-9:,]+)`, "", match("multiport", "--dports")),
	ext(`multiport sports (!? ?[0-9:,]+)`, "", match("multiport", "--sports")),
	ext(`multiport ports (!? ?[0-9:,]+)`, "", match("multiport", "--ports")),
	ext(`state (!?[A-Z,]+)`, "", match("conntrack", "--ctstate")),
	ext(`(! )?ctstate ([A-Z,]+)`, "", func(m []string) []string {
		return match("conntrack", "--ctstate")([]string{strings.TrimSpace(m[1]) + m[2]})
	}),
	ext(`ADDRTYPE match dst-type (!?[A-Z,]+)`, "", match("addrtype", "--dst-type")),
	ext(`ADDRTYPE match src-type (!?[A-Z,]+)`, "", match("addrtype", "--src-type")),
	ext(`mark match (!?0x[0-9a-f]+(?:/0x[0-9a-f]+)?)`, "", match("mark", "--mark")),
	ext(`limit: avg (\S+) burst (\d+)`, "", func(m []string) []string {
		if m[2] == "5" { // the default, which iptables-save leaves out
			return []string{"-m", "limit", "--limit", m[1]}
		}
		return []string{"-m", "limit", "--limit", m[1], "--limit-burst", m[2]}
	}),
	ext(`icmptype (!?\d+)(?: code (\d+))?`, "", func(m []string) []string {
		if m[2] != "" {
			m[1] += "/" + m[2]
		}
		return match("icmp", "--icmp-type")(m[:2])
	}),
	ext(`(! )?match-set (\S+) ([a-z,]+)`, "", func(m []string) []string {
		words := []string{"-m", "set"}
		if m[1] != "" {
			words = append(words, "!")
		}
		return append(words, "--match-set", m[2], m[3])
	}),
	ext(`to:(\S+)(?: random| persistent)*`, "DNAT", plainly("--to-destination")),
	ext(`to:(\S+)(?: random| persistent)*`, "SNAT", plainly("--to-source")),
	ext(`redir ports (\d+(?:-\d+)?)`, "REDIRECT", plainly("--to-ports")),
	ext(`masq ports: (\d+(?:-\d+)?)`, "MASQUERADE", plainly("--to-ports")),
	ext(`reject-with (\S+)`, "REJECT", plainly("--reject-with")),
	ext(`LOG flags \d+ level \d+(?: prefix "([^"]*)")?`, "LOG", func(m []string) []string { return []string{"--log-prefix", quoted(m[1])} }),
	ext(`MARK set (0x[0-9a-f]+)`, "MARK", plainly("--set-xmark")),
	ext(`MARK xset (0x[0-9a-f]+/0x[0-9a-f]+)`, "MARK", plainly("--set-xmark")),
	ext(`MARK or (0x[0-9a-f]+)`, "MARK", plainly("--or-mark")),
	ext(`CT notrack|NOTRACK`, "CT", func([]string) []string { return []string{"--notrack"} }),
	ext(`\[goto\]`, "", func([]string) []string { return []string{"-g"} }),
}

func quoted(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

// extensions reads what stands behind the addresses. False if not all of it is known.
func extensions(s, target, proto string) (conditions, actions []string, ok bool) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		known := false
		for _, e := range extensionForms {
			m := e.form.FindStringSubmatch(s + " ")
			if m == nil || e.target != "" && e.target != target {
				continue
			}
			known = true
			s = strings.TrimSpace(strings.TrimPrefix(s+" ", m[0]))
			words := e.words(m)
			switch {
			case e.target != "" || words[0] == "-g":
				actions = append(actions, words...)
			case words[0] == "":
				conditions = append(conditions, words[1:]...)
			default:
				conditions = append(conditions, words...)
			}
			break
		}
		if !known && strings.TrimSpace(s) == proto {
			break // the name of an extension without conditions
		}
		if !known {
			return nil, nil, false
		}
	}
	return conditions, actions, true
}
