package correlate

import (
	"slices"

	"dnatrace/capture"
	"dnatrace/correlate/stage"
)

// unwatchedInside says that what happened inside the container was not watched,
// where a judgement may rest on it; "" otherwise.
func (p *path) unwatchedInside(j *judgement) string {
	outside := p.t.journal.sources[capture.OriginPackets].Outside
	if len(outside) == 0 || p.container == nil {
		return ""
	}
	within := j.stage == stage.Container || j.verdict == Unanswered || j.verdict == AnswerLost || j.verdict == Stalled || j.verdict == Undetermined
	if !within || !slices.Contains(outside, p.container.Name) && !slices.Contains(outside, p.home) {
		return ""
	}
	return "the inside of " + p.container.Name + " was not watched: its host-side veth stands for it"
}
