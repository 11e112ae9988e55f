package ruleset

import (
	"dnatrace/decode"

	"dnatrace/correlate/stage"
)

// base runs a base chain and, if nothing there decides, applies its policy.
func (m *machine) base(c *chain) bool {
	m.root = c
	v := m.walk(c, 0)
	if v == undecided {
		v = m.applyPolicy(c)
	}
	switch v {
	case decided(Dropped), decided(Rejected):
		m.verdict = Verdict(v)
		m.stage = m.stageName(c)
		return false
	}
	return true
}

func (m *machine) applyPolicy(c *chain) decided {
	v, word := decided(Passed), "accept"
	if c.Drop {
		v, word = decided(Dropped), "drop"
		m.by, m.rule = c, nil
	}
	m.steps = append(m.steps, step{chain: c, verdict: "policy " + word, stage: m.stageName(c), before: m.tuple, after: m.tuple, leaving: m.leaving()})
	return v
}

// stageName is the word of the place where a chain is called.
func (m *machine) stageName(c *chain) stage.Stage {
	switch {
	case c.Family == decode.FamilyBridge:
		return stage.Bridge
	case m.at == decode.HookIngress:
		return stage.Ingress
	case c.Family == decode.FamilyNetdev:
		return stage.Postrouting
	case m.at == decode.HookPrerouting && c.Type == "nat":
		return stage.DNAT
	case m.at == decode.HookPrerouting && c.Priority < priorityConntrack:
		return stage.Raw
	}
	return hookStage(m.at)
}

// leaving reports whether it is known by which interface the packet leaves.
func (m *machine) leaving() bool {
	if m.framed() {
		_, out := m.frameEnds()
		return out
	}
	return m.hasOIF
}

// decided is a Verdict that ends a base chain, or undecided.
type decided uint8

const undecided = decided(Unclear)

// mostJumps is how deep chains may call each other (NFT_JUMP_STACK_SIZE).
const mostJumps = 16

// mostRules bounds what one packet may meet: chains that go to each other in a
// circle cannot be in the kernel, but in a damaged recording.
const mostRules = 1 << 18

// walk runs the rules of a chain until one decides.
func (m *machine) walk(c *chain, depth int) decided {
	if depth > mostJumps {
		m.doubt("chain " + c.Name + " is called too deep")
		return undecided
	}
	for _, r := range c.rules {
		if m.met++; m.met > mostRules {
			m.doubt("too many rules")
			return undecided
		}
		before := m.tuple
		v, matched := m.rules(c, r)
		if !matched {
			continue
		}
		m.steps = append(m.steps, step{chain: c, rule: r, verdict: v.word, stage: m.stageName(m.root), before: before, after: m.tuple, leaving: m.leaving(), lookups: m.lookups})
		switch v.code {
		case decode.VerdictAccept:
			return decided(Passed)
		case decode.VerdictDrop:
			m.rule, m.by = r, c
			if v.rejects {
				return decided(Rejected)
			}
			return decided(Dropped)
		case decode.VerdictReturn:
			return undecided
		case decode.VerdictJump, decode.VerdictGoto:
			next := m.set.chains[chainKey{tableKey{c.Family, c.Chain.Table, c.Legacy}, v.chain}]
			if next == nil {
				m.doubt("chain " + v.chain + " is not in the dump")
				continue
			}
			d := m.walk(next, depth+1)
			if d != undecided || v.code == decode.VerdictGoto {
				return d
			}
		}
	}
	return undecided
}
