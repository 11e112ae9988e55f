package correlate

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// hostCannotAnswer: a process of the host, docker-proxy or a container's without a
// network of its own, serves the port, and the host has no route back to who asks. Its
// kernel makes no answer then, and says nothing of it.
func hostCannotAnswer(p *path, j *judgement) bool {
	if len(p.coming) > 0 || p.entered() || p.translated() != "" || p.tuple.Proto != decode.TCP || !p.t.world.own(p.onHost(), p.tuple.Dst.Addr()).Is() {
		return false
	}
	n := p.onHost()
	back := p.hostsWayBack(n)
	if !back.None() {
		p.lack(back.Why())
		return false
	}
	socket, ok := listener(n, p.tuple).Get()
	if !ok || !p.keptHere() || p.lastDrop(request, false) != nil {
		return false
	}
	if _, filtered := p.filtered(request, false); filtered {
		return false
	}
	client := p.tuple.Src.Addr()
	f := noWayBackFromHost(client, p.returnFix())
	j.verdict, j.stage, j.cause, j.why, j.fix = Unanswered, stage.ReplyRoute, f.cause, f.why, f.fix
	old, new := p.t.world.inState(capture.HostNetns, p.earlierHost()), p.t.world.namespace(capture.HostNetns)
	j.proof = proofOf(p.x.conntrack != nil && !p.x.conntrack.Undated && p.hostsWayBack(old).None() && p.hostsWayBack(new).None())
	j.fact("packets", p.r.opened, "%s at %s", tries(p.r.attempts), p.furthest().at.Name)
	j.fact("host", p.now, "%s listens on %s, and no route of the host leads to %s", processName(&socket), socket.Local, client)
	counter := map[bool]string{true: "Ip.OutNoRoutes", false: "Ip6.OutNoRoutes"}[client.Is4()]
	if grown := p.grown(counter); grown > 0 {
		j.fact("host", p.now, "%s grew by %d meanwhile", counter, grown)
	}
	p.claim(j, p.clientPoint())
	return true
}

// keptHere reports whether it is known that nothing translated the request: so says
// connection tracking, or what is behind the host, or the rules.
func (p *path) keptHere() bool {
	if p.untranslated() {
		return true
	}
	if !p.t.world.hasRules(capture.HostNetns) {
		return p.rulesLack(capture.HostNetns) == ""
	}
	out, ok := p.evaluate(request, false, p.now)
	return ok && out.Verdict == ruleset.Passed && out.Local
}

// hostsWayBack is the route by which the host answers, with its own address, who asks
// it.
func (p *path) hostsWayBack(n known.Namespace) known.Answer[string] {
	return n.Leaves(p.t.world.lookup(n, p.tuple.Dst.Addr(), p.tuple.Src.Addr(), ""))
}

func noWayBackFromHost(client fmt.Stringer, fix []string) finding {
	return finding{cause: CauseReplyNoRoute, fix: fix,
		why: fmt.Sprintf("The host itself serves the port and has no route back to %s: it takes the request and cannot answer.", client)}
}

// returnFix gives the host a way back to the client: a default route where it has
// none, by the neighbour that handed the request on.
func (p *path) returnFix() []string {
	way, _ := p.wayHome()
	return []string{"ip route add " + p.widened(way)}
}

// mayBeUnableToAnswer reports whether a process of the host may have been asked for
// a connection that the host has no route back for: its kernel is silent then.
func (p *path) mayBeUnableToAnswer() bool {
	n := p.onHost()
	if p.tuple.Proto != decode.TCP || !p.t.world.own(n, p.tuple.Dst.Addr()).Is() || p.toBeForwarded() {
		return false
	}
	back, socket := p.hostsWayBack(n), listener(n, p.tuple)
	return !back.Is() && !socket.None()
}
