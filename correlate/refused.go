package correlate

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// resetByContainer: the container's own stack said no. Its sockets say why.
func resetByContainer(p *path, j *judgement) {
	j.verdict, j.stage = Refused, stage.Container
	to := p.atServer().tuple
	c, was := p.socketCause(to, p.homeNamespace()), p.t.world.inState(p.home, p.earlierInside())
	if old := p.socketCause(to, was); c.listens && !old.listens {
		c = old // it listens since
		c.proof = Inferred
	}
	if p.wrongOwner(j) {
		return
	}
	p.leftBehind(&c)
	j.cause, j.why, j.fix = c.cause, c.why, c.fix
	j.proof = Inferred
	now := p.socketCause(to, p.t.world.namespace(p.home))
	if c.proof == Proven && p.proven && was.InEvidence() && now.cause == c.cause && !now.listens && p.socketCause(to, was).cause == c.cause {
		j.proof = Proven
	}
	if c.fact != "" {
		j.fact("host", p.now, "%s", c.fact)
	} else if c.lacks != "" {
		j.blind = append(j.blind, fmt.Sprintf("the sockets of %s are not in evidence", p.name()))
	}
}

// resetByHost: the host's own stack said no, so nothing translated the request
// and nothing on the host takes it. The engine says why.
func resetByHost(p *path, j *judgement) {
	j.verdict, j.stage = Refused, stage.Host
	if p.redirected(j) {
		return
	}
	if mayGoIn := p.binding != nil || mappingsLack(p.engineThen()) != "" || p.isDirect(); mayGoIn && !p.untranslated() {
		if p.wentIn() {
			resetByContainer(p, j)
			return
		}
		p.saidBySomeone(j)
		return
	}
	if p.isDirect() && p.x.conntrack != nil {
		resetByContainer(p, j) // it passed the rules as it came
		return
	}
	f := p.orRejected(p.hostCause(p.engineThen(), p.onHost()))
	j.cause, j.why, j.fix, j.proof = f.cause, f.why, f.fix, f.proof
	if f.fact != "" {
		j.fact("engine", p.now, "%s", f.fact)
	}
	p.tellExemption(j, f.rule)
	if was := p.earlierEngine(); f.proof == Proven && (was == nil || p.otherCause(f, was, p.earlierHost()) || p.otherCause(f, p.latestEngine(), p.latestHost())) {
		j.proof = Inferred
	}
	if !p.surelyPassed() {
		j.proof = Inferred
		j.blind = append(j.blind, "whether a rule rejected the request is not in evidence")
	}
	if !p.t.world.known() {
		j.blind = append(j.blind, "what the engine publishes is not in evidence")
	}
}

// otherCause reports whether the host would refuse for another reason in another
// state.
func (p *path) otherCause(f finding, e *engine.Snapshot, h *host.Sample) bool {
	q := *p // whom it was meant for stays
	return q.hostCause(e, p.t.world.inState(capture.HostNetns, h)).cause != f.cause
}

// orRejected takes back a cause that rests on no rule having said no, where the
// rules are not in evidence: that a mapping's rules are gone, that nothing is
// there. What the engine says is told all the same.
func (p *path) orRejected(f finding) finding {
	lack := p.rulesLack(capture.HostNetns)
	taken := listener(p.onHost(), p.tuple)
	claims := f.cause == CauseRulesMissing || taken.Is() || f.absent && !taken.None()
	if lack == "" || !claims || p.x.conntrack != nil || !p.t.world.known() {
		return f
	}
	p.lack(lack)
	if f.absent {
		p.lack(taken.Why())
	}
	return finding{cause: CauseUnknown, proof: Inferred, fix: f.fix, why: f.why + " Or a rule rejected it: " + lack + "."}
}

// proxyMayHold reports whether the engine publishes what was asked for, so that its
// docker-proxy may be what took the request.
func (p *path) proxyMayHold() bool {
	c, _ := p.t.world.mapping(p.engineThen(), p.tuple)
	return c != nil
}

// refusedLate: accepted, then closed or reset before any byte of answer.
func refusedLate(p *path, j *judgement, flag decode.TCPFlags) bool {
	if p.answerBytes() != nil {
		return false
	}
	j.verdict, j.proof = Refused, Inferred
	word := map[decode.TCPFlags]string{decode.RST: "reset", decode.FIN: "closed"}[flag]
	proxy := p.proxy()
	switch from := p.replyFrom(flag); {
	case p.proxied():
		p.judgeBackend(j)
	case proxy != nil && p.untranslated() && p.neverDialled(proxy):
		j.exhausted(proxy, word+" it", "")
	case p.inner == nil && p.inside == nil && proxy != nil && p.untranslated():
		j.stage, j.cause = stage.Proxy, CauseProxyBackendFailed
		j.why = fmt.Sprintf("docker-proxy (pid %d) accepted the connection and %s it: its own connection to %s failed.", proxy.PID, word, proxy.Container)
		j.fix = []string{fmt.Sprintf("check that the server behind %s accepts connections", proxy.Container)}
	case from != nil && (p.inContainer(from) || p.handedIn() || p.isDirect() && p.inner == nil || flag == decode.FIN && p.wentIn()):
		j.stage, j.cause, j.proof = stage.Container, CauseServerReset, proofOf(p.proven)
		j.why = fmt.Sprintf("The server in %s accepted the connection and %s it without a byte of answer.", p.name(), word)
		j.fix = []string{fmt.Sprintf("look at the log of %s", p.name())}
	case flag == decode.RST && p.invalid(j):
	case !p.untranslated():
		p.takenBySomeone(j)
	case !p.t.world.known() || !listener(p.onHost(), p.tuple).Known() && p.proxyMayHold():
		j.stage, j.cause = stage.Host, CauseUnknown
		j.why = fmt.Sprintf("The host accepted the connection and %s it without a byte of answer; whose process did so is not in evidence.", word)
		j.blind = append(j.blind, "whether docker-proxy holds the port is not in evidence")
	default:
		j.stage, j.cause = stage.Host, CauseServerReset
		j.why = fmt.Sprintf("The host accepted the connection and %s it without a byte of answer.", word)
		j.fix = []string{fmt.Sprintf("see what listens on port %d of the host: ss -lntp", p.tuple.DstPort)}
	}
	j.fact("packets", p.r.decided, "the connection was %s before any answer", word)
	if !p.closedUnanswered() {
		p.claim(j, p.clientPoint())
	}
	if flag == decode.FIN && p.x.unseen {
		j.undetermined(p, "the server acknowledges more of the client than was seen, and the client may have closed first")
	}
	if shut := p.side(reply); flag == decode.FIN && shut != nil && p.client.tuple.Proto == decode.TCP && p.client.flags&legReplyISN == 0 {
		// What was not captured cannot have been the SYN-ACK alone, for all that is known.
		j.undetermined(p, "the server's SYN-ACK is missing in the capture, and bytes of an answer may be as well")
	}
	return true
}

// answerBytes is the first place where bytes of an answer are known to have
// gone by, seen or counted by what came after them; nil if there is none.
func (p *path) answerBytes() *stop {
	for i := range p.coming {
		if s := &p.coming[i]; s.leg.tuple.Proto == decode.TCP && s.leg.bytes(s.sighting) > 0 {
			return s
		}
	}
	return nil
}

// closedUnanswered reports whether the server's FIN itself says that no byte of
// answer came before it, nor the client's FIN: no loss can excuse it.
func (p *path) closedUnanswered() bool {
	asked, back := p.side(request), p.side(reply)
	return p.r.marks&markServerRST == 0 && asked != nil && back != nil && back.flags&decode.FIN != 0 &&
		p.client.flags&(legISN|legReplyISN) == legISN|legReplyISN && back.end == 2 && int32(back.acked-1-p.client.bytes(asked)) <= 0
}

func proofOf(proven bool) Proof {
	if proven {
		return Proven
	}
	return Inferred
}

// name is what the server's side is called.
func (p *path) name() string {
	if p.container != nil {
		return p.container.Name
	}
	for _, s := range p.going {
		if owner := p.t.containerOf(s.at); owner != "" && p.isServersDoor(s.at) {
			return owner
		}
	}
	if p.inner != nil {
		return p.inner.tuple.Dst.Addr().String()
	}
	return "the container"
}
