package correlate

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// exemption is the rule that exempts a packet from connection tracking, and with that
// from all translation.
type exemption struct {
	hit  RuleHit
	told int64 // when the kernel's trace told of it; 0 where the recorded rules say so
}

// exempted looks for the rule that exempted the request from connection tracking.
func (p *path) exempted() (exemption, bool) {
	switch {
	case p.exempt != nil:
		return exemption{hit: *p.exempt}, true
	case p.supposed || p.x.conntrack != nil && p.x.conntrack.Orig == p.tuple || p.isTranslated():
		return exemption{}, false // it was tracked
	}
	for _, g := range slices.Backward(p.x.passages) {
		if g.way == request && !g.inner && len(g.steps) > 0 {
			return p.tracedExemption(g)
		}
	}
	set, n := p.t.world.ruleset(capture.HostNetns, p.r.opened), p.onHost()
	if set == nil || !n.InEvidence() || p.rulesLack(capture.HostNetns) != "" {
		return exemption{}, false
	}
	packet, ok := p.packetFor(request, false, n)
	if !ok {
		return exemption{}, false
	}
	out := set.Evaluate(packet)
	hit := ExemptedBy(out)
	if hit == nil || !out.Certain() {
		return exemption{}, false
	}
	return exemption{hit: *hit}, true
}

// tracedExemption is the rule of that kind that the trace of a packet names.
func (p *path) tracedExemption(g *passage) (exemption, bool) {
	for _, s := range g.steps {
		if s.Type != decode.TraceRule || s.Handle == 0 {
			continue
		}
		set := p.t.world.ruleset(s.Netns, s.Time)
		if set == nil {
			continue
		}
		if r, ok := set.Rule(s.Family, s.Table, s.Chain, s.Handle); ok && exempts(r) {
			return exemption{*HitOf(r), s.Time}, true
		}
	}
	return exemption{}, false
}

// ExemptedBy is the rule that exempted a packet from connection tracking before it
// was tracked, or nil.
func ExemptedBy(o ruleset.Outcome) *RuleHit {
	for _, s := range o.Steps {
		if s.Stage == stage.Raw && exempts(s.Rule) {
			return HitOf(s.Rule)
		}
	}
	return nil
}

func exempts(r ruleset.Rule) bool { return hasWord(r, "notrack", "--notrack", "NOTRACK") }

// zones reports whether a rule puts what it matches into a zone of connection
// tracking.
func zones(r ruleset.Rule) bool {
	return hasWord(r, "--zone", "--zone-orig", "--zone-reply") || hasWord(r, "zone") && hasWord(r, "set")
}

func hasWord(r ruleset.Rule, any ...string) bool {
	words := strings.Fields(r.Text)
	return slices.ContainsFunc(any, func(w string) bool { return slices.Contains(words, w) })
}

// apart is the rule because of which an answer is none to the connection of its
// request: it exempts the answer from connection tracking, or puts one of both into
// another zone. The zero value is one that the recorded rules do not tell.
type apart struct {
	rule ruleset.Rule
	told bool
}

// trackedApart looks for that rule on the way of the answer, and of the request.
func (p *path) trackedApart() apart {
	set, n := p.t.world.ruleset(capture.HostNetns, p.now), p.onHost()
	if set == nil || !n.InEvidence() || p.rulesLack(capture.HostNetns) != "" {
		return apart{}
	}
	for _, w := range []way{reply, request} {
		if packet, ok := p.packetFor(w, false, n); ok {
			if a := tracksApart(set.Evaluate(packet), w); a.told {
				return a
			}
		}
	}
	return apart{}
}

// tracksApart is the rule of that kind that a packet of one direction met.
func tracksApart(o ruleset.Outcome, w way) apart {
	for _, s := range o.Steps {
		if s.Stage == stage.Raw && (zones(s.Rule) || w == reply && exempts(s.Rule)) {
			return apart{s.Rule, true}
		}
	}
	return apart{}
}

// advice says what the rule does, and takes it away.
func (a apart) advice() (why string, fix []string) {
	switch {
	case !a.told:
		return "", []string{"look for rules that exempt answers from connection tracking: iptables -t raw -S, nft list ruleset"}
	case zones(a.rule):
		why = " A rule puts one direction into a zone of connection tracking of its own: %s."
	default:
		why = " A rule exempts the answers from connection tracking: %s."
	}
	return fmt.Sprintf(why, a.rule.Text), HitOf(a.rule).removal()
}

// leftUntracked: the engine publishes the port, and a rule exempts the request from
// connection tracking on its way in, so that nothing translates it.
func leftUntracked(p *path, e *engine.Snapshot) (finding, bool) {
	c, b := p.t.world.mapping(e, p.tuple)
	x, ok := p.exempted()
	if c == nil || !ok {
		return finding{}, false
	}
	return finding{cause: CauseUntracked, rule: &x.hit, fact: fmt.Sprintf("the engine says that %s publishes %d on port %d", c.Name, b.Container, b.HostPort),
		why: fmt.Sprintf("The engine publishes %s on port %d, and a rule exempts what comes in for it from connection tracking, so that nothing translates it: %s.", c.Name, b.HostPort, x.hit.Text),
		fix: x.hit.removal()}, p.meantFor(c)
}

// tellExemption shows the rule that exempted the request as the deciding one.
func (p *path) tellExemption(j *judgement, hit *RuleHit) {
	if hit == nil {
		return
	}
	j.rule = hit
	if x, ok := p.exempted(); ok && x.told != 0 {
		j.ruledAt = x.told
		j.fact("ruletrace", x.told, "rule in %s: %s", placeOf(hit), hit.Text)
		return
	}
	j.fact("rules", p.r.opened, "rule in %s: %s", placeOf(hit), hit.Text)
}
