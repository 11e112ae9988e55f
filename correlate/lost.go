package correlate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
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
		j.stage, j.cause, j.fix = hit.stage.Reply(), CauseReplyFiltered, hit.removal()
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

// backendFailed: docker-proxy took the request; its own connection tells.
func backendFailed(p *path, j *judgement) bool {
	if !p.proxied() {
		return false
	}
	p.judgeBackend(j)
	p.claim(j, p.clientPoint())
	return true
}

// judgeBackend judges a proxied request by the connection that docker-proxy
// made for it.
func (p *path) judgeBackend(j *judgement) {
	switch {
	case p.backendRefused():
		at := p.t.now
		if s := p.backendSaw(decode.RST); s != nil {
			at = s.first
		}
		j.fact("packets", at, "docker-proxy's own connection to %s was reset", p.inner.tuple.DstEnd())
		resetByContainer(p, j)
	case p.backendSaw(decode.RST) != nil || p.backendSaw(decode.FIN) != nil && p.r.marks&markServerFIN != 0:
		j.verdict, j.stage, j.cause, j.proof = Refused, stage.Container, CauseServerReset, Inferred
		j.why = fmt.Sprintf("The server in %s ended docker-proxy's connection without a byte of answer.", p.name())
		j.fix = []string{fmt.Sprintf("look at the log of %s", p.name())}
	case p.backendSaw(0) == nil && !p.entered() && p.next() == nil:
		j.undetermined(p, "nothing behind "+p.furthest().at.Name+" was watched")
	case p.backendSaw(0) == nil && !p.entered():
		j.verdict, j.proof, j.cause = Dropped, Inferred, CauseUnknown
		j.between = p.gapAfterLast()
		j.why = fmt.Sprintf("docker-proxy's own connection to %s vanished on the way.", p.inner.tuple.DstEnd())
		p.claim(j, p.wayIn()...)
	case !silentContainer(p, j):
		p.silentIn(j)
	}
}

// backendSaw is a reply with a flag on the proxy's connection, or nil.
func (p *path) backendSaw(flag decode.TCPFlags) *stop {
	for i := range p.coming {
		if s := &p.coming[i]; s.leg == p.inner && s.flags&flag == flag {
			return s
		}
	}
	return nil
}

func (p *path) backendRefused() bool {
	s := p.backendSaw(decode.RST)
	return p.inner != nil && s != nil && (s.leg.tuple.Proto != decode.TCP || s.opening&decode.SYN == 0)
}

// backendUnheard reports whether docker-proxy asked the server and nothing has come
// back: that it accepts for the server says nothing of that.
func (p *path) backendUnheard() bool {
	return p.inner != nil && p.inner.tuple.Proto == decode.TCP && p.backendSaw(0) == nil &&
		slices.ContainsFunc(p.going, func(s stop) bool { return s.leg == p.inner && s.opening&decode.SYN != 0 })
}

// neighbourMissing: nobody answers for the address the request goes to.
func neighbourMissing(p *path, j *judgement) bool {
	if p.unresolved() == nil || len(p.coming) > 0 {
		return false
	}
	j.verdict = Dropped
	neighbourGone(p, j)
	p.claim(j, p.clientPoint())
	return true
}

// unresolved is the neighbour question nobody answered, or nil.
func (p *path) unresolved() *neighbourWatch {
	for _, ip := range p.t.destinations(p.req, p.r) {
		if n := p.t.unansweredNeighbour(ip, p.r.opened, p.now); n != nil {
			if p.target.Dst != ip {
				p.target = p.tuple
				p.target.Dst = ip
			}
			return n
		}
	}
	return p.askedMeanwhile()
}

// askedMeanwhile guesses the destination where no rule or entry names it: the
// one address on a bridge that was asked for, in vain, as soon as the request had
// come, where no other came with it.
func (p *path) askedMeanwhile() *neighbourWatch {
	if p.inner != nil || p.target != (decode.Tuple{}) && p.containerAt(p.target.Dst) != nil {
		return nil
	}
	if at := p.clientPoint(); at.Role != capture.RoleNIC && at.Role != capture.RoleLoopback && !p.t.ours(p.tuple.Dst) {
		return nil // it was seen on its way to somebody else
	}
	var found *neighbourWatch
	for ip := range p.t.neighbours.All() {
		n := p.t.unansweredNeighbour(ip, p.r.opened, p.now)
		if n == nil || p.t.points[n.point].Role != capture.RoleBridge || ip.Is4() != p.tuple.Dst.Is4() {
			continue
		}
		if n.asks < 2 || !n.alone || n.firstAsked < p.r.opened || n.firstAsked-p.r.opened > int64(nearby) {
			continue // the host asks as soon as it has something to send
		}
		if found != nil {
			return nil
		}
		found = n
		p.target = p.tuple
		p.target.Dst, p.target.DstPort = ip, 0
	}
	return found
}

// neighbourGone tells a stale translation from a container that is there and
// does not answer ARP or ND.
func neighbourGone(p *path, j *judgement) {
	n := p.unresolved()
	j.stage = stage.Neighbour
	if n == nil && p.target.Dst == (decode.IP{}) {
		j.cause, j.proof = CauseNeighbourUnresolved, Inferred
		j.why = "The host gave up after the three seconds for which it asks for a neighbour: nobody answers for the address that the request goes to."
		j.fix = []string{"see which: ip neigh show nud failed, nud incomplete"}
		j.blind = append(j.blind, "ARP and ND were not captured")
		return
	}
	ip := p.target.Dst.Addr()
	where, _ := p.t.world.wayTo(p.home, p.target.Dst)
	if n != nil {
		where = p.t.pointName(n.point)
		j.fact("packets", n.firstAsked, "%s asked for on %s %d times, and nobody answered", ip, where, n.asks)
	} else {
		where = cmp.Or(where, "its bridge")
		j.blind = append(j.blind, "the questions for "+ip.String()+" were not captured")
	}
	if p.nobodyOwns(p.target.Dst) {
		j.cause = CauseStaleTranslation
		if hit, ok := p.translatingRule(); ok {
			j.rule = &hit
		}
		j.why, j.fix = leftover(ip, j.rule)
		j.fact("engine", p.now, "no running container has %s", ip)
		j.proof = proofOf(p.x.conntrack != nil && !p.x.conntrack.Undated && ownerOf(p.earlierEngine(), ip) == "" && ownerOf(p.latestEngine(), ip) == "")
		return
	}
	if p.portBlocked(j) {
		return
	}
	if d, ok := p.detour(nil).Get(); ok {
		j.cause, j.proof, j.fix = CauseRoutedElsewhere, Inferred, p.detourFix(d)
		j.why = fmt.Sprintf("%s. Nobody on %s answers for it.", p.detourWords(d), where)
		return
	}
	j.cause, j.proof = CauseNeighbourUnresolved, Inferred
	j.why = fmt.Sprintf("Nobody on %s answers for %s.", where, ip)
	j.fix = p.unplugged(where)
}

// leftover says that a request is translated to an address that nobody owns, by a
// rule, nil if it is not known which, and takes that away.
func leftover(ip netip.Addr, by *RuleHit) (why string, fix []string) {
	if by == nil {
		return fmt.Sprintf("The request is translated to %s, an address no running container owns: the rule is a leftover.", ip),
			[]string{fmt.Sprintf("find the rule and delete it: iptables -t nat -S | grep %s; nft -a list ruleset | grep %s", ip, ip)}
	}
	return fmt.Sprintf("The request is translated to %s, an address no running container owns. The rule is a leftover: %s.", ip, by.Text), by.removal()
}

// nobodyOwns reports whether it is known that no running container had an address then:
// the engine was asked for all there are.
func (p *path) nobodyOwns(ip decode.IP) bool { return p.owner(ip.Addr()).None() }

// ownerOf names the running container with an address, "" if none has it.
func ownerOf(e *engine.Snapshot, ip netip.Addr) string {
	if e == nil {
		return ""
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if isUp(c) && slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return ep.IPv4 == ip || ep.IPv6 == ip }) {
			return c.Name
		}
	}
	return ""
}

// vanished: it was seen coming in, and nowhere behind.
func vanished(p *path, j *judgement) bool {
	j.verdict, j.cause, j.proof = Dropped, CauseUnknown, Inferred
	last := p.furthest()
	j.fact("packets", p.r.opened, "%s at %s", tries(p.r.attempts), last.at.Name)
	dropped := p.tellDrop(j, request)
	if f, ok := p.filtered(request, false); ok && (!p.gotThrough() || f.stage == stage.Postrouting || f.stage == stage.Bridge) {
		j.between = p.gapAfterLast()
		if f.stage == stage.Input {
			j.between[1] = "host"
		}
		p.blame(j, f, request)
		if !f.proven && dropped == nil {
			p.claimDrop(j, f)
		}
		return true
	}
	if dropped != nil && dropped.Reason == socketFilter && p.keptUntranslated(j) {
		return true // an engine since 29 holds its ports by sockets that take nothing
	}
	if p.stoppedAtPort(j) || p.kernelDropped(j, dropped) {
		return true
	}
	if p.notForThisMAC(j) {
		return true
	}
	if p.astrayOut(j) {
		return true
	}
	if p.maybeTaken() {
		j.undetermined(p, "whether a process of the host took the request is not in evidence")
		return true
	}
	if p.endsAtHost() {
		if p.translatedAway(j, last.at) {
			return true
		}
		if p.mayBeTranslated() {
			j.undetermined(p, "whether the request is translated is not in evidence, and nothing behind "+last.at.Name+" was watched")
			return true
		}
		j.between = [2]string{last.at.Name, "host"}
		j.why = fmt.Sprintf("The request for %s came in at %s, is translated by nothing that is in evidence, and the host gave no answer: a rule on INPUT, or in front of it.", p.tuple.DstEnd(), last.at.Name)
		j.fix = []string{"look at the rules for INPUT: nft list ruleset, iptables-save"}
		p.claim(j, p.clientPoint())
		return true
	}
	next := p.next()
	switch {
	case next == nil:
		j.undetermined(p, "nothing behind "+last.at.Name+" was watched")
		return true
	case p.mayHaveArrived(last.at):
		j.undetermined(p, "whether "+last.at.Name+" is the door of the container that asks, or of the one that is asked, is not in evidence")
		return true
	case p.inner == nil && p.maskedBeyondRecognition():
		j.undetermined(p, "nothing in the request would be known again at "+next.Name+", where it may have come from another address")
		return true
	}
	j.between = [2]string{last.at.Name, next.Name}
	p.dropCause(j, last.at)
	p.claim(j, p.nextDoors(next)...)
	return true
}

// translatedAway: by the recorded rules the request was not for the host itself,
// although nothing was seen of it behind the translation. What dropped it is not
// among the rules that were recorded: those let it through.
func (p *path) translatedAway(j *judgement, in *point) bool {
	to, hit, ok := p.ruledTranslation()
	if !ok || p.t.world.isHost(to.Dst) {
		return false
	}
	next := p.routed(to.Dst)
	if next == nil || p.saw(next, request) {
		j.undetermined(p, "nothing was watched where "+to.DstEnd()+" is, to which the rules translate the request")
		return true
	}
	j.between = [2]string{in.Name, next.Name}
	if p.nobodyOwns(to.Dst) {
		out, _ := p.ruled()
		j.stage, j.cause, j.rule = out.Stage, CauseStaleTranslation, &hit
		j.why, j.fix = leftover(to.Dst.Addr(), &hit)
	} else {
		p.dropCause(j, in)
		j.why = fmt.Sprintf("The rules translate the request to %s: %s. %s", to.DstEnd(), hit.Text, j.why)
	}
	j.fact("rules", p.r.opened, "rule in %s: %s", placeOf(&hit), hit.Text)
	p.claim(j, p.clientPoint(), next)
	return true
}

// routed is the watched point of the host's at which it hands over what goes to
// an address; nil if it is not watched, or not known.
func (p *path) routed(to decode.IP) *point {
	oif, ok := p.onHost().Leaves(p.onward(to.Addr())).Get()
	for i := range p.t.points {
		if pt := &p.t.points[i]; ok && pt.same == pt.ID && pt.Netns == capture.HostNetns && pt.Name == oif {
			return pt
		}
	}
	return nil
}

// onward is the question by which the host routes the request on to an address.
func (p *path) onward(to netip.Addr) known.Lookup {
	n := p.onHost()
	in := ""
	if s := n.State(); s != nil {
		in = bridgeOf(s, p.lastBefore().Name)
	}
	return p.t.world.lookup(n, p.tuple.Src.Addr(), to, in)
}

// claimDrop checks that a drop by a rule that was only evaluated can be claimed:
// what is behind the rule has to have been watched.
func (p *path) claimDrop(j *judgement, f filtering) {
	next := p.next()
	switch {
	case f.stage == stage.Input:
		p.claim(j, p.clientPoint())
	case next == nil:
		j.undetermined(p, "nothing behind "+p.furthest().at.Name+" was watched")
	default:
		p.claim(j, p.nextDoors(next)...)
	}
}

// endsAtHost reports whether the request is for the host itself, as far as is
// known.
func (p *path) endsAtHost() bool {
	return p.t.world.known() && p.t.world.isHost(p.tuple.Dst) && p.binding == nil && p.inner == nil && p.translated() == ""
}

// mayBeTranslated reports whether neither rules nor the engine tell that a request to
// the host is for the host itself, nor a point behind.
func (p *path) mayBeTranslated() bool {
	if p.untranslated() || mappingsLack(p.engineThen()) == "" {
		return false
	}
	if p.rulesLack(capture.HostNetns) != "" {
		return true
	}
	_, followed := p.ruled()
	return !followed && p.t.world.hasRules(capture.HostNetns)
}

// dropCause says from state why a request was not forwarded.
func (p *path) dropCause(j *judgement, in *point) {
	now, old := p.onHost(), p.earlierHost()
	off := now.NotForwarding(in.Name, familyOf(p.tuple.Dst.Is4()))
	if key, ok := off.Get(); ok && p.toBeForwarded() {
		f := notForwarded(in.Name, key)
		j.stage, j.cause, j.why, j.fix = stage.Route, f.cause, f.why, f.fix
		j.fact("host", p.now, "%s = 0 before and after", key)
		j.proof = proofOf(old != nil && old.Sysctls[key] == "0" && p.latestHost().Sysctls[key] == "0")
		return
	}
	p.lack(off.Why())
	if p.tableFull(j) {
		return
	}
	if p.checkedAway(in, p.tuple.Src, p.tuple.Dst) {
		f := p.reversePathAt(in)
		j.stage, j.cause, j.why, j.fix = stage.Route, f.cause, f.why, p.reversePathFix(f.fix)
		j.fact("host", p.now, "%s", p.strictFact(in.Name))
		return
	}
	j.why = fmt.Sprintf("The request came in at %s and never reached %s: the host dropped it in between, by a rule or a setting.", in.Name, j.between[1])
	j.fix = []string{"look for rules that match it: nft list ruleset, iptables-save"}
	j.blind = append(j.blind, "which rule or setting dropped it is not in evidence")
}

// toBeForwarded reports whether the host was to send the request on, as far as is
// known: it is for another, or translated, or meant to be.
func (p *path) toBeForwarded() bool {
	_, _, ruled := p.ruledTranslation()
	return ruled || p.translated() != "" || !p.t.world.own(p.onHost(), p.tuple.Dst.Addr()).Is() ||
		p.target != (decode.Tuple{}) && p.target.Dst.Is4() == p.tuple.Dst.Is4()
}

// notForwarded says that a setting keeps the host from forwarding what comes in at
// a link.
func notForwarded(in, key string) finding {
	return finding{cause: CauseForwardingDisabled,
		why: fmt.Sprintf("The host does not forward what comes in at %s: %s is 0.", in, key), fix: []string{"sysctl -w " + key + "=1"}}
}

// reversePath says that what comes from an address at a link is filtered.
func reversePath(src netip.Addr, in string, how known.Strictness) finding {
	if how == known.Loose {
		return finding{cause: CauseReversePathFilter,
			why: fmt.Sprintf("The host has no way back to %s, and reverse path filtering at %s drops what comes from where none leads.", src, in),
			fix: []string{fmt.Sprintf("ip route add %s/%d via GATEWAY", src, src.BitLen())}}
	}
	return finding{cause: CauseReversePathFilter,
		why: fmt.Sprintf("The host's way back to %s is not through %s, and strict reverse path filtering drops such packets.", src, in),
		fix: []string{fmt.Sprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2", in)}}
}

// checkedAway reports whether the check of the reverse path keeps packets from src
// to dst out at a point, and its counter moved.
func (p *path) checkedAway(in *point, src, dst decode.IP) bool {
	check := p.onHost().ReversePath(in.Name, src.Addr(), dst.Addr())
	if _, ok := check.Get(); !ok {
		p.lack(check.Why())
		return false
	}
	now, old := p.latestHost(), p.earlierHost()
	if now.Undated {
		return true
	}
	return old != nil && now.Counters["TcpExt.IPReversePathFilter"] >= old.Counters["TcpExt.IPReversePathFilter"]+uint64(p.r.attempts)
}

// reversePathAt says that the check at a point drops the request.
func (p *path) reversePathAt(in *point) finding {
	how, _ := p.onHost().Checks(in.Name).Get()
	return reversePath(p.tuple.Src.Addr(), in.Name, how)
}

// strictFact is what checkedAway rests on: of a dump, no counters.
func (p *path) strictFact(link string) string {
	if s := p.sampleThen(capture.HostNetns); s.Undated {
		return fmt.Sprintf("rp_filter is strict at %s, and the way back is another", link)
	}
	return fmt.Sprintf("rp_filter is strict at %s, and IPReversePathFilter grew meanwhile", link)
}

// gapAfterLast names the last stop and the first watched point it should have
// reached next.
func (p *path) gapAfterLast() [2]string {
	last := p.furthest().at.Name
	if next := p.next(); next != nil {
		return [2]string{last, next.Name}
	}
	return [2]string{last, "host"}
}

func (p *path) destination() netip.Addr {
	if p.target.Dst != (decode.IP{}) {
		return p.target.Dst.Addr()
	}
	return p.tuple.Dst.Addr()
}

func tries(n uint32) string {
	if n <= 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}
