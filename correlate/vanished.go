package correlate

import (
	"fmt"
	"net/netip"

	"dnatrace/capture"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

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
	if p.stoppedAtPort(j) || p.droppedElsewhere(dropped) && p.astrayOut(j) || p.kernelDropped(j, dropped) {
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
		j.undetermined(p, "whether "+last.at.Name+" is the veth of the container that asks or of the one that is asked is not in evidence")
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
