package correlate

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// answerLost: an answer was seen leaving the server, and did not come out at
// the client's side.
func answerLost(p *path, j *judgement) bool {
	if p.r.synAck != 0 || p.r.answered != 0 {
		return false
	}
	back := p.replies()
	if len(back) == 0 || p.tuple.Proto == decode.TCP && p.side(reply) != nil {
		return false // there is none, or answers do come out
	}
	if p.tunnelled(j, back) {
		return true
	}
	if asked := p.side(request); p.tuple.Proto == decode.TCP && asked != nil && asked.flags&decode.ACK != 0 {
		j.undetermined(p, "the client acknowledges an answer, and none was seen coming out at "+p.clientPoint().Name)
		return true
	}
	lastBack := back[len(back)-1]
	j.verdict, j.proof = AnswerLost, Inferred
	j.between = [2]string{lastBack.at.Name, p.clientPoint().Name}
	j.fact("packets", lastBack.first, "the answer was seen at %s", lastBack.at.Name)
	if p.answeredAsItself(j) {
		return true
	}
	f, stage := p.returnCause(lastBack)
	d := p.tellDrop(j, reply)
	if d != nil && d.Reason == "IP_RPFILTER" && f.cause == CauseReversePathFilter {
		f.proof = Proven
	}
	if d != nil && isQueueReason(d.Reason) {
		p.queueDropped(j, d, reply)
		return true
	}
	j.cause, j.why, j.fix = f.cause, f.why, f.fix
	if f.fact != "" {
		j.fact("host", p.now, "%s", f.fact)
	}
	if stage != "" {
		j.stage, j.proof = stage, f.proof
	}
	if hit, ok := p.filtered(reply, false); ok && stage == "" {
		p.blame(j, hit, reply)
		j.stage, j.cause, j.fix = hit.stage.Reply(), CauseReplyFiltered, hit.passing(p.target)
	}
	p.claim(j, p.clientPoint())
	return true
}

// returnCause says from state why an answer did not come out.
func (p *path) returnCause(lastBack stop) (finding, stage.Stage) {
	now, old := p.onHost(), p.t.world.inState(capture.HostNetns, p.earlierHost())
	back := p.tuple.Src.Addr()
	link := lastBack.at.Name
	route := p.wayOfAnswers(now)
	notForwarding := func(n known.Namespace) bool {
		v, _ := n.Setting("net.ipv4.conf." + link + ".forwarding").Get()
		return v == "0"
	}
	elsewhere, led := p.routedElsewhere(now)
	switch {
	case route.None():
		return finding{cause: CauseReplyNoRoute, proof: proofOf(p.proven && p.wayOfAnswers(old).None() && p.wayOfAnswers(p.t.world.namespace(capture.HostNetns)).None()),
			why:  fmt.Sprintf("The host has no route back to %s: the answer left the container and went nowhere.", back),
			fix:  p.returnFix(),
			fact: fmt.Sprintf("no route of the host leads to %s", back)}, stage.ReplyRoute
	case lastBack.leg == p.client && !p.halfway() && lastBack.at.Netns == capture.HostNetns:
		return p.misrouted(link, proofOf(p.proven)), stage.ReplyRoute
	case back.Is4() && lastBack.at.Role == capture.RoleBridge && notForwarding(now):
		return finding{cause: CauseForwardingDisabled, proof: proofOf(p.proven && notForwarding(old)),
			why:  fmt.Sprintf("Forwarding is off for what comes from %s.", link),
			fix:  []string{fmt.Sprintf("sysctl -w net.ipv4.conf.%s.forwarding=1", link)},
			fact: fmt.Sprintf("net.ipv4.conf.%s.forwarding = 0", link)}, stage.ReplyRoute
	case p.replyFilteredByReversePath(lastBack):
		return finding{cause: CauseReversePathFilter, proof: Inferred,
			why:  fmt.Sprintf("The answer left %s by %s, which is not the host's way to it, and strict reverse path filtering drops such packets.", p.name(), link),
			fix:  []string{fmt.Sprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2", link), fmt.Sprintf("or have %s answer by the network it is published on", p.name())},
			fact: p.strictFact(link)}, stage.ReplyRoute
	case led:
		return p.misrouted(elsewhere, Inferred), stage.ReplyRoute
	}
	return finding{cause: CauseUnknown,
		why: fmt.Sprintf("The server answered, and the answer vanished in the host between %s and %s: a rule or a route on the way back.", link, p.clientPoint().Name),
		fix: []string{"look for rules that match the reply: source " + p.served().tuple.DstEnd()}}, ""
}
