package ruleset

import (
	"cmp"
	"slices"

	"dnatrace/decode"
)

// swap makes the other set, where it is not known which of two back ends is asked
// first: the kernel calls first whose hook was made last.
func (s *Set) swap() {
	tied := false
	for _, list := range s.hooks {
		for i := 1; i < len(list); i++ {
			tied = tied || list[i].Legacy != list[i-1].Legacy && list[i].place() == list[i-1].place()
		}
	}
	if !tied {
		return
	}
	other := *s
	other.hooks = map[hookKey][]*chain{}
	other.order(true)
	s.swapped = &other
}

// order lists the base chains of each hook by priority; of equals, the one made
// last is called first (nf_hook_entries_grow).
func (s *Set) order(legacyFirst bool) {
	for i := len(s.rules.Chains) - 1; i >= 0; i-- {
		r := &s.rules.Chains[i]
		c := s.chains[chainKey{tableKey{r.Family, r.Table, r.Legacy}, r.Name}]
		if !c.Base || c.table.Dormant {
			continue
		}
		for _, f := range families(c.Family) {
			k := hookKey{f, c.Hook}
			s.hooks[k] = append(s.hooks[k], c)
		}
	}
	for _, list := range s.hooks {
		slices.SortStableFunc(list, func(a, b *chain) int {
			if c := cmp.Compare(a.place(), b.place()); c != 0 || a.Legacy == b.Legacy {
				return c
			}
			if a.Legacy == legacyFirst {
				return -1
			}
			return 1
		})
	}
}

// place is the priority at which a chain is really called: all those that
// translate share one (nf_nat_register_fn), and among them go by their own.
func (c *chain) place() int64 {
	if c.Type == "nat" {
		return int64(natPriority(c.Hook))<<32 + int64(c.Priority)
	}
	return int64(c.Priority) << 32
}

func families(f decode.Family) []decode.Family {
	if f == decode.FamilyInet {
		return []decode.Family{decode.FamilyIPv4, decode.FamilyIPv6}
	}
	return []decode.Family{f}
}
