package ruleset

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
