package ruleset

import "dnatrace/decode"

// bridgeTable is a table of the bridge family in which something may drop, "" if
// there is none. What bridges do to frames is not evaluated.
func (s *Set) bridgeTable() string {
	hooked := map[tableKey]bool{}
	for k, c := range s.chains {
		if c.Family == decode.FamilyBridge && c.Base && !c.table.Dormant {
			hooked[k.table] = true
		}
	}
	for i := range s.rules.Chains { // in order, so that the answer is always the same
		c := &s.rules.Chains[i]
		k := tableKey{c.Family, c.Table, c.Legacy}
		if hooked[k] && (c.Drop || stops(s.chains[chainKey{k, c.Name}].rules)) {
			return c.Table
		}
	}
	return ""
}

// stops reports whether any rule may end a packet's way.
func stops(rules []*decode.Rule) bool {
	for _, r := range rules {
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case decode.ImmediateExpr:
				if v := e.Data.Verdict; v != nil && (v.Code == decode.VerdictDrop || v.Code == decode.VerdictQueue) {
					return true
				}
			case decode.RejectExpr, decode.FwdExpr, decode.QueueExpr, decode.LookupExpr, decode.UnknownExpr, *decode.XTTarget:
				return true
			}
		}
	}
	return false
}
