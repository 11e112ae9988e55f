package correlate

import (
	"fmt"
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// refusedByICMP: an ICMP error came back to the client's point. A rule is blamed
// for it only if one is in evidence, or nothing else explains what it says.
func refusedByICMP(p *path, j *judgement) bool {
	e := p.errorToClient()
	if e == nil || p.r.answered != 0 || p.r.synAck != 0 {
		return false
	}
	j.verdict, j.proof = Refused, Inferred
	p.tellErrors(j)
	for _, explains := range []func(*path, *judgement, *icmpError) bool{
		expired, ruleInContainer, provenRule, nobodyInContainer, neighbourSilent, bridgeEmpty, otherRule, nobodyOnHost, withoutRoute, neighbourLate, rejected,
	} {
		if explains(p, j, e) {
			return true
		}
	}
	j.stage, j.between, j.cause = p.sayer(e), p.gapAfterLast(), CauseUnknown
	j.why = fmt.Sprintf("%s refused the request with ICMP %s; why is not in evidence.", e.from.Addr(), icmpName(e))
	return true
}

// expired: the request was too long on its way, in hops or in pieces.
func expired(p *path, j *judgement, e *icmpError) bool {
	if !e.timeExceeded() {
		return false
	}
	from := e.from.Addr()
	if e.code == reassembly {
		j.stage, j.cause = p.sayer(e), CauseFragmentsMissing
		j.why = fmt.Sprintf("The request came in fragments, and the rest of them did not reach %s.", from)
		j.fix = []string{"find what drops fragments on the way to it, or send smaller packets: ping -M do -s 1472 finds the size that gets through"}
		return true
	}
	j.stage, j.cause = stage.Route, CauseTTLExpired
	j.why = fmt.Sprintf("The request's time to live ran out at %s: it was sent with too small a one, or its way goes round in circles.", from)
	j.fix = []string{fmt.Sprintf("see its way: traceroute -n %s; the last router that comes again and again has a wrong route", p.tuple.Dst.Addr())}
	return true
}

// provenRule: the kernel says which rule rejected the request.
func provenRule(p *path, j *judgement, _ *icmpError) bool {
	f, ok := p.filtered(request, false)
	if !ok || !f.proven || !f.mayReject() {
		return false
	}
	p.blame(j, f, request)
	j.between = p.gapAfterLast()
	return true
}

// otherRule: by the recorded rules, one of them rejects the request.
func otherRule(p *path, j *judgement, e *icmpError) bool {
	f, ok := p.filtered(request, false)
	if !ok || !f.mayReject() || !e.rejectable() {
		return false
	}
	p.blame(j, f, request)
	j.between = p.gapAfterLast()
	return true
}

// mayReject reports whether a rule can have answered. Of one whose text is not
// in evidence that is not known.
func (f *filtering) mayReject() bool { return f.reject || f.hit.Text == "" }

// cameFromBehind reports whether an error came from behind the host's own rules.
func (p *path) cameFromBehind(e *icmpError) bool {
	return slices.ContainsFunc(p.x.errors, func(o icmpError) bool { return o.way == request && o.leg != p.r.client && o.same(e) })
}

// ruleInContainer: a rule inside the container's own namespace rejects it.
func ruleInContainer(p *path, j *judgement, e *icmpError) bool {
	if !e.rejectable() || p.container == nil || !p.cameFromBehind(e) {
		return false
	}
	f, ok := p.filtered(request, true)
	if ok = ok && f.mayReject(); !ok && e.saysNobody(p.tuple.Proto) || p.sayer(e) != stage.Container {
		return false
	}
	if ok {
		p.blame(j, f, request)
		j.fix = p.insideFix(f.passing(p.served().tuple))
		j.why = fmt.Sprintf("A firewall inside %s rejects %s: %s.", p.name(), askedFor(p.served().tuple), f.hit.Text)
	} else {
		j.why = fmt.Sprintf("A firewall inside %s rejects the request with ICMP %s.", p.name(), icmpName(e))
		j.fix = p.insideFix([]string{"nft list ruleset"})
		j.blind = append(j.blind, "which rule it was is not in evidence")
	}
	j.stage, j.cause = stage.Container, CauseContainerFirewall
	return true
}

// nobodyInContainer: the container's own kernel says that nobody takes it.
func nobodyInContainer(p *path, j *judgement, e *icmpError) bool {
	if !p.cameFromBehind(e) && p.sayer(e) != stage.Container && !p.wentIn() || !e.saysNobody(p.tuple.Proto) {
		return false
	}
	resetByContainer(p, j)
	return true
}

// nobodyOnHost: the host's own kernel says that nobody takes it.
func nobodyOnHost(p *path, j *judgement, e *icmpError) bool {
	if !e.saysNobody(p.tuple.Proto) || p.translated() != "" || p.foreign(e) {
		return false
	}
	resetByHost(p, j)
	return true
}

func neighbourSilent(p *path, j *judgement, e *icmpError) bool {
	if !e.hostUnreachable() || p.unresolved() == nil {
		return false
	}
	neighbourGone(p, j)
	return true
}

func bridgeEmpty(p *path, j *judgement, e *icmpError) bool {
	if !e.hostUnreachable() || p.withoutCarrier() == "" {
		return false
	}
	p.neighbourCutOff(j)
	return true
}

// withoutRoute: the host has no route, or one that says no.
func withoutRoute(p *path, j *judgement, e *icmpError) bool {
	to := p.destination()
	n := p.onHost()
	denies, denied := n.Denied(p.onward(to)).Get()
	switch {
	case p.foreign(e):
		return false
	case denied && denies.Type == e.deniedBy():
		j.stage, j.cause = stage.Route, CauseNoRoute
		j.why = fmt.Sprintf("The host has a route to %s that says no: %s %s.", to, denies.Type, denies.Dst)
		j.fix = []string{fmt.Sprintf("ip route del %s %s", denies.Type, denies.Dst)}
		j.fact("host", p.now, "the route to %s is of type %s", to, denies.Type)
	case !e.netUnreachable() || n.Route(p.onward(to)).Is():
		return false
	default:
		j.stage, j.cause = stage.Route, CauseNoRoute
		j.why = fmt.Sprintf("The host has no route to %s.", to)
		j.fix = p.t.world.routeToContainers(p.target.Dst.Addr())
	}
	return true
}

// neighbourLate: the host gave up after the time that it asks for a neighbour,
// where the questions themselves were not captured. A rule answers at once.
func neighbourLate(p *path, j *judgement, e *icmpError) bool {
	if !e.hostUnreachable() || p.foreign(e) || !p.t.world.addressed() && e.from != p.tuple.Dst || !p.afterAsking(e) {
		return false
	}
	neighbourGone(p, j)
	return true
}

// How long the kernel asks for a neighbour: three questions, one second apart
// (mcast_solicit and retrans_time_ms), and then its timer comes when it can.
const (
	askingLeast = 2800 * time.Millisecond
	askingMost  = 4500 * time.Millisecond
	// answersAtOnce is the longest that a rule takes to answer.
	answersAtOnce = 10 * time.Millisecond
)

// afterAsking reports whether an error came as long after a try as the kernel asks
// for a neighbour, and not as a rule's answer to the latest one.
func (p *path) afterAsking(e *icmpError) bool {
	asked := func(since int64) bool {
		return e.time-since >= int64(askingLeast) && e.time-since <= int64(askingMost)
	}
	atOnce := e.time-e.tried < int64(answersAtOnce)
	if n := p.t.neighbours.Get(p.target.Dst); n != nil && n.answered >= p.r.opened {
		return false // it was found
	}
	return asked(e.tried) || asked(p.r.opened) && (!atOnce || p.errorsAt(e) > 1)
}

// errorsAt is how many errors came at the moment of e: one for each packet that
// waited for the neighbour.
func (p *path) errorsAt(e *icmpError) int {
	n := 0
	for i := range p.x.errors {
		o := &p.x.errors[i]
		if o.point == e.point && o.leg == e.leg && o.same(e) && max(o.time-e.time, e.time-o.time) < int64(time.Millisecond) {
			n++
		}
	}
	return n
}

// rejected: nothing else says such a thing but a rule.
func rejected(p *path, j *judgement, e *icmpError) bool {
	if e.netUnreachable() && p.target == (decode.Tuple{}) {
		return false // a route may be missing for where it was translated to, which is not in evidence
	}
	if e.hostUnreachable() && e.time-e.tried > int64(answersAtOnce) {
		return false // the host has asked for a neighbour meanwhile; since when was not seen
	}
	if !e.rejectable() || p.foreign(e) || p.gotThrough() || p.passed() || (e.hostUnreachable() || e.netUnreachable()) && !p.canReach() {
		return false
	}
	j.between, j.cause = p.gapAfterLast(), CauseFirewallReject
	j.why = fmt.Sprintf("A firewall rule rejected the request with ICMP %s.", icmpName(e))
	j.fix = []string{"find the REJECT rule: nft list ruleset, iptables-save"}
	j.blind = append(j.blind, "which rule it was is not in evidence")
	return true
}

// canReach reports whether the host is known to have a way to where the request
// goes: without that it may say itself that there is none.
func (p *path) canReach() bool {
	return p.onHost().Route(p.onward(p.destination())).Is()
}

// foreign reports whether an error is known to come from elsewhere than this host
// and its containers.
func (p *path) foreign(e *icmpError) bool {
	w := &p.t.world
	return w.addressed() && !w.isHost(e.from) && w.containerAt(e.from) == nil && e.from != p.tuple.Dst
}

// sayer is the stage of who sent an error; "" if that is a router somewhere, or
// not known.
func (p *path) sayer(e *icmpError) stage.Stage {
	w := &p.t.world
	first := e
	for i := range p.x.errors {
		if o := &p.x.errors[i]; o.way == request && o.same(e) && o.time <= first.time && (o.leg != p.r.client || o.point != p.r.point) {
			first = o
		}
	}
	at := &p.t.points[first.point]
	switch {
	case at.Role == capture.RoleContainer && p.isServersDoor(at) || at.Role == capture.RoleVeth && p.isServersDoor(at) || w.containerAt(first.from) != nil, p.handedIn() && e.from == p.tuple.Dst:
		return stage.Container
	case w.isHost(e.from) || !w.addressed() && e.from == p.tuple.Dst:
		return stage.Host
	}
	return ""
}

// withoutCarrier names the bridge that leads to where the request is translated
// to, if nothing is plugged into it: then not even a question is seen there. ""
// if something is, or if that is not known.
func (p *path) withoutCarrier() string {
	now := p.sampleThen(capture.HostNetns)
	if now == nil || p.inner != nil || p.containerAt(p.target.Dst) == nil {
		return ""
	}
	bridge, _ := p.t.world.wayTo(p.home, p.target.Dst)
	if r := p.onHost().Route(p.onward(p.target.Dst.Addr())); r.Known() {
		way, ok := r.Get()
		if !ok || way.Link == 0 {
			return ""
		}
		bridge = now.LinkName(way.Link)
	}
	if l := now.LinkNamed(bridge); l == nil || l.Kind != "bridge" || l.Running {
		return ""
	}
	return bridge
}

// neighbourCutOff: the container is up, and its bridge has no port left.
func (p *path) neighbourCutOff(j *judgement) {
	bridge := p.withoutCarrier()
	j.stage, j.cause, j.proof = stage.Neighbour, CauseNeighbourUnresolved, Inferred
	if p.portBlocked(j) {
		return
	}
	j.why = fmt.Sprintf("Nobody on %s answers for %s: nothing is plugged into %s.", bridge, p.target.Dst.Addr(), bridge)
	j.fix = p.unplugged(bridge)
	j.fact("host", p.now, "%s has no carrier", bridge)
}
