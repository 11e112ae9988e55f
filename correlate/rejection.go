package correlate

import (
	"strings"

	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// answerTo is what the kernel of a namespace sends back to a packet that it will
// not take, by the rules of that namespace: a reset, or an error of ICMP.
// Connection tracking has the answer of a rule as related to the packet that it is
// about (nf_ct_attach), and a reset of the kernel's own as its reply.
func (w *world) answerTo(n known.Namespace, set *ruleset.Set, asked decode.Tuple, out ruleset.Outcome) ruleset.Outcome {
	at := out.Tuple // as it was when it was refused
	at.Src, at.SrcPort = asked.Src, asked.SrcPort
	p := ruleset.Packet{Sent: true, Tuple: at.Reverse(), State: decode.CtEstablished, TTL: 64}
	if out.Verdict == ruleset.Rejected {
		p.State = decode.CtRelated
	}
	if resets(asked.Proto, out) {
		p.TCPFlags = byte(decode.RST | decode.ACK)
	} else {
		p.ICMP = &ruleset.ICMP{Type: 3, Code: 3}
		p.Tuple = decode.Tuple{Src: at.Dst, Dst: at.Src, Proto: decode.ICMP}
		if !asked.Dst.Is4() {
			p.ICMP = &ruleset.ICMP{Type: 1, Code: 4}
			p.Tuple.Proto = decode.ICMPv6
		}
	}
	p.Flow = &ruleset.Flow{Orig: asked, Reply: at.Reverse(), Status: decode.StatusConfirmed}
	if at.Dst != asked.Dst || at.DstPort != asked.DstPort {
		p.Flow.Status |= decode.StatusDstNAT
	}
	w.terrain(n, &p)
	return set.Evaluate(p)
}

// resets reports whether what refuses a packet says so with a reset.
func resets(proto decode.Proto, out ruleset.Outcome) bool {
	if proto != decode.TCP {
		return false
	}
	return out.Rule == nil || strings.Contains(out.Rule.Text, "tcp-reset") || strings.Contains(out.Rule.Text, "tcp reset")
}

// AnswerTo is what becomes of the answer of a namespace to a packet that a rule
// rejects, or, without a rule, that nothing there takes: whether it gets out. False
// where the rules are not in evidence.
func (s *State) AnswerTo(netns string, asked decode.Tuple, out ruleset.Outcome) (ruleset.Outcome, bool) {
	set, why := s.Rules(netns, familyOf(asked.Dst.Is4()))
	if set == nil {
		return ruleset.Outcome{Verdict: ruleset.Passed}, why == ""
	}
	return s.t.world.answerTo(s.Namespace(netns), set, asked, out), true
}

// Unheard says of a finding that what the client is told does not get out.
func (s *State) Unheard(h Hypothesis, f Finding, o ruleset.Outcome) Finding {
	stop := s.blamed(h, o, reply)
	said := strings.Replace(strings.TrimSuffix(stop.Why, "."), " drops it: ", " drops that answer: ", 1)
	f.Why += " The client is not told: " + strings.ToLower(said[:1]) + said[1:] + "."
	switch {
	case f.Cause == CauseFirewallReject || f.Rule == nil && f.Stage == stage.Host:
		f.Cause = CauseFirewallDrop
	}
	f.Verdict = Dropped
	if f.Rule == nil {
		f.Stage, f.Rule = o.Stage.Reply(), stop.Rule
		f.Fix = append(f.Fix, passingBy(o, reply, h.Target)...)
	}
	return f
}

// unheard is the rule that stops the answer of a rule that rejects the request;
// nil if it gets out, or that is not certain.
func (p *path) unheard(out ruleset.Outcome, at int64) *ruleset.Rule {
	set := p.t.world.ruleset(p.netns(false), at)
	if out.Verdict != ruleset.Rejected || set == nil {
		return nil
	}
	answer := p.t.world.answerTo(p.onHost(), set, p.tuple, out)
	if !answer.Certain() || answer.Verdict != ruleset.Dropped && answer.Verdict != ruleset.Rejected {
		return nil
	}
	return answer.Rule
}
