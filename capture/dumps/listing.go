package dumps

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// iptables -S and iptables -L print one table at a time, and not which. They are put
// into the words of iptables-save, and the tables that were not printed are known not
// to be.
var (
	specLine  = regexp.MustCompile(`^-(P|N|A) (\S+)( .*)?$`)
	listTitle = regexp.MustCompile(`^Chain (\S+) \((?:policy (\S+?)(?: [0-9]+[KMGT]? packets, [0-9]+[KMGT]? bytes)?|\d+ references?)\)`)
)

func isSpec(b []byte) bool    { return specLine.Match(b) }
func isListing(b []byte) bool { return listTitle.Match(b) }

// printedTable is a table of iptables in the words of iptables-save.
type printedTable struct {
	chains []string // ":NAME POLICY [0:0]"
	rules  []string
	built  map[string]bool // the built-in chains that it has
}

// tableNames are those of iptables that a host may have rules in, but for security.
var tableNames = []string{"raw", "mangle", "nat", "filter"}

// name tells a table by its built-in chains (iptables(8)).
func (t *printedTable) name() string {
	switch has := t.built; {
	case has["PREROUTING"] && has["FORWARD"]:
		return "mangle"
	case has["PREROUTING"] && has["POSTROUTING"], has["POSTROUTING"]:
		return "nat"
	case has["PREROUTING"]:
		return "raw"
	case has["INPUT"] || has["FORWARD"]:
		return "filter"
	}
	return ""
}

// specs reads what iptables -S prints, of one table or several behind one another.
func (s *Set) specs(netns, command string, b []byte) error {
	var all []*printedTable
	now := &printedTable{built: map[string]bool{}}
	for _, raw := range lines(b) {
		m := specLine.FindStringSubmatch(string(raw))
		if m == nil {
			continue
		}
		if m[1] == "P" && (len(now.rules) > 0 || now.built[m[2]] || len(now.chains) > len(now.built)) {
			all = append(all, now)
			now = &printedTable{built: map[string]bool{}}
		}
		switch m[1] {
		case "P":
			now.built[m[2]] = true
			policy, _, _ := strings.Cut(strings.TrimSpace(m[3]), " ")
			now.chains = append(now.chains, ":"+m[2]+" "+policy+" [0:0]")
		case "N":
			now.chains = append(now.chains, ":"+m[2]+" - [0:0]")
		default:
			now.rules = append(now.rules, counters.ReplaceAllString(string(raw), ""))
		}
	}
	return s.printed(netns, command, append(all, now))
}

// counters are what -v adds to a rule.
var counters = regexp.MustCompile(` -c \d+ \d+`)

// printed adds tables that were printed by themselves.
func (s *Set) printed(netns, command string, all []*printedTable) error {
	p := s.place(netns)
	var unknown []string
	for _, t := range all {
		name := after(strings.Fields(command), "-t")
		if name == "" {
			name = t.name()
		}
		if name == "" {
			unknown = append(unknown, strings.Join(slices.Concat(t.chains, t.rules), " "))
			continue
		}
		family := 4
		if strings.Contains(command, "ip6tables") || slices.ContainsFunc(t.rules, func(r string) bool { return ipv6Rules.MatchString(r) }) {
			family = 6
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "*%s\n", name)
		for _, l := range slices.Concat(t.chains, t.rules) {
			fmt.Fprintln(&b, l)
		}
		b.WriteString("COMMIT\n")
		p.addTable(family, name, b.Bytes())
	}
	if len(unknown) > 0 {
		return fmt.Errorf("which table %q is of is not told: print -P lines too, or put the command in front", clipped(unknown[0]))
	}
	return nil
}

func (p *place) addTable(family int, name string, text []byte) {
	if p.tables == nil {
		p.tables = map[int]map[string][]byte{}
	}
	if p.tables[family] == nil {
		p.tables[family] = map[string][]byte{}
	}
	p.tables[family][name] = text
}

// tableSets are the tables that were printed one by one, as rulesets, and what is known
// to be missing of them. Where iptables-save was printed too, it says more.
func (p *place) tableSets() (out []ruleset) {
	for _, family := range slices.Sorted(maps.Keys(p.tables)) {
		backend := map[int]string{4: "iptables-save", 6: "ip6tables-save"}[family]
		if slices.ContainsFunc(p.rulesets, func(r ruleset) bool {
			return strings.HasSuffix(r.backend, "-save") && strings.HasPrefix(r.backend, "ip6") == (family == 6)
		}) {
			continue
		}
		var text []byte
		var missing []string
		for _, name := range tableNames {
			if b, ok := p.tables[family][name]; ok {
				text = append(text, b...)
			} else {
				missing = append(missing, name)
			}
		}
		out = append(out, ruleset{backend: backend, text: text})
		if len(missing) > 0 {
			out = append(out, ruleset{backend: backend, table: strings.Join(missing, ","), err: "not printed: the tables " + strings.Join(missing, ", ") + "; iptables-save prints all of them"})
		}
	}
	return out
}
