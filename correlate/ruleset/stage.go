package ruleset

import (
	"dnatrace/decode"

	"dnatrace/correlate/stage"
)

// Stage is where a base chain acts, in the words of the JSON document: "raw"
// before connection tracking, "dnat" where translation happens, else the hook;
// "" for a chain that is not known or has no hook.
func (s *Set) Stage(f decode.Family, table, chain string) stage.Stage {
	c := s.chains[chainKey{tableKey{f, table, false}, chain}]
	switch {
	case c == nil || !c.Base:
		return ""
	case c.Family == decode.FamilyBridge:
		return stage.Bridge
	case c.Family == decode.FamilyNetdev && c.Hook == netdevEgress:
		return stage.Postrouting
	case c.Family == decode.FamilyNetdev:
		return stage.Ingress
	case c.Hook == decode.HookPrerouting && c.Type == "nat":
		return stage.DNAT
	case c.Hook == decode.HookPrerouting && c.Priority < priorityConntrack:
		return stage.Raw
	}
	return hookStage(c.Hook)
}
