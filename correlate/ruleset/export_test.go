package ruleset

import (
	"fmt"
	"slices"

	"dnatrace/decode"
)

// Rendered is every rule's text as printed where it was read from, and as written
// again from its expressions.
func (s *Set) Rendered(f func(where, printed, rendered string)) {
	for i := range s.rules.Rules {
		r := &s.rules.Rules[i]
		c := s.chains[chainKey{tableKey{r.Family, r.Table, r.Legacy}, r.Chain}]
		_, text := s.render(c, r)
		f(r.Family.String()+" "+r.Table+" "+r.Chain, r.Text, text)
	}
}

// ParseIPSets reads what ipset prints.
func ParseIPSets(text []byte) ([]decode.IPSet, error) { return parseIPSets(text) }

// IPSetLines are sets and their entries as text, in order.
func IPSetLines(list []decode.IPSet) (lines []string) {
	for i := range list {
		n := newIPSets(list[i : i+1]).byName[list[i].Name]
		lines = append(lines, fmt.Sprint("create ", n.Name, " ", n.Type, " ", n.Family, " ", n.Netmask, " ", n.Timeouts, " ", n.Absent))
		for j := range n.Entries {
			x := &n.Entries[j]
			lines = append(lines, fmt.Sprint("add ", n.Name, " ", n.entryText(x), " ", x.NoMatch, " ", x.Timeout != 0, " ", x.Comment))
		}
	}
	slices.Sort(lines)
	return lines
}
