package foresee

import (
	"fmt"
	"strings"

	"dnatrace/correlate"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
)

// tell notes what rules did, one line for each stage.
func (w *walk) tell(steps []ruleset.Step) {
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].Stage == steps[0].Stage {
			n++
		}
		w.stages = append(w.stages, stageOf(steps[:n]))
		steps = steps[n:]
	}
}

// stageOf sums up the steps of one stage: the one that translated, or stopped,
// or at last let it pass.
func stageOf(steps []ruleset.Step) Stage {
	last := steps[len(steps)-1]
	for _, s := range steps {
		if s.Before != s.After || s.Verdict == "masquerade" || s.Verdict == "snat" {
			return Stage{Stage: s.Stage, Outcome: Translated, Rule: correlate.HitOf(s.Rule), Detail: translation(s)}
		}
	}
	out := Stage{Stage: last.Stage, Outcome: Pass}
	switch {
	case strings.HasSuffix(last.Verdict, "drop"):
		out.Outcome, out.Rule = Drop, correlate.HitOf(last.Rule)
	case last.Verdict == "reject":
		out.Outcome, out.Rule = Refuse, correlate.HitOf(last.Rule)
	case last.Rule.Policy && last.Stage == stage.DNAT:
		out.Detail = "not translated"
	case last.Rule.Policy:
		out.Detail = "policy accept"
	case last.Verdict == "accept":
		out.Rule = correlate.HitOf(last.Rule)
	default:
		out.Detail = "no rule stops it"
	}
	return out
}

func translation(s ruleset.Step) string {
	switch {
	case s.Before.Dst != s.After.Dst || s.Before.DstPort != s.After.DstPort:
		return fmt.Sprintf("%s becomes %s", s.Before.DstEnd(), s.After.DstEnd())
	case s.Verdict == "masquerade":
		return "the source becomes the address of the interface that it leaves by"
	}
	return fmt.Sprintf("source %s becomes %s", s.Before.SrcEnd(), s.After.SrcEnd())
}

// tellBack notes what rules did to the answer.
func (w *walk) tellBack(steps []ruleset.Step) {
	from := len(w.stages)
	w.tell(steps)
	for i := range w.stages[from:] {
		if w.stages[from+i].Stage != stage.Bridge { // which has one name for both ways
			w.stages[from+i].Stage = w.stages[from+i].Stage.Reply()
		}
	}
}
