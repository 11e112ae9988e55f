package ruleset

import "dnatrace/decode"

// Stage is where a base chain acts, in the words of the JSON document: "raw"
// before connection tracking, "dnat" where translation happens, else the hook;
// "" for a chain that is not known or has no hook.
func (s *Set) Stage(f decode.Family, table, chain string) string {
	c := s.chains[chainKey{tableKey{f, table, false}, chain}]
	switch {
	case c == nil || !c.Base:
		return ""
	case c.Family == decode.FamilyBridge:
		return "bridge"
	case c.Family == decode.FamilyNetdev:
		return hookName(c.Family, c.Hook)
	case c.Hook == decode.HookPrerouting && c.Type == "nat":
		return "dnat"
	case c.Hook == decode.HookPrerouting && c.Priority < priorityConntrack:
		return "raw"
	}
	return hookName(c.Family, c.Hook)
}
