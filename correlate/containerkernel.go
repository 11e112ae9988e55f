package correlate

import (
	"fmt"

	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// What a container's own kernel does with what got into its namespace: no point
// sees it, its state tells.

// filteredInside: the container checks the reverse path, and its kernel says that
// it dropped the request for that.
func filteredInside(p *path, j *judgement, inner *leg) bool {
	d := p.lastDrop(request, true)
	if d == nil || d.Reason != "IP_RPFILTER" || p.heard() {
		return false
	}
	src := inner.tuple.Src.Addr()
	j.cause, j.proof = CauseReversePathFilter, proofOf(p.proven)
	j.why = fmt.Sprintf("%s has its way back to %s by another interface than the request came in by, and checks that strictly.", p.name(), src)
	j.fix = p.insideFix([]string{"sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.default.rp_filter=2"})
	j.fact("drops", d.At, "the kernel dropped %s in %s, reason %s", d.Tuple.DstEnd(), p.name(), d.Reason)
	return true
}

// addressGone: no interface in the container has the address that the request was
// sent to.
func addressGone(p *path, j *judgement, inner *leg) bool {
	to := inner.tuple.Dst
	lacks := func(n known.Namespace) bool { return n.Local(to.Addr()).None() }
	if p.heard() || !lacks(p.homeNamespace()) || p.container == nil || p.containerAt(to) == nil {
		return false // or it may be a router, with the address behind it
	}
	j.cause = CauseContainerAddress
	j.why = fmt.Sprintf("No interface in %s has the address %s that the request is translated to: its kernel ignores what is not addressed to it.", p.name(), to.Addr())
	j.fix = []string{"docker restart " + shell(p.name()), "see what took the address away: " + p.insideFix([]string{"ip addr"})[0]}
	j.fact("host", p.now, "%s is on no interface of %s", to.Addr(), p.name())
	if lacks(p.t.world.inState(p.home, p.earlierInside())) && lacks(p.t.world.namespace(p.home)) {
		j.proof = proofOf(p.proven)
	}
	return true
}

// gatewaySilent: the container looks for its gateway among its neighbours, in
// vain, and the way back to the client is by that.
func gatewaySilent(p *path, j *judgement, inner *leg) bool {
	back := inner.tuple.Src.Addr()
	r, ok := p.wayBack(p.homeNamespace(), inner.tuple).Get()
	if !ok || !r.Gateway.IsValid() {
		return false
	}
	n := p.t.unansweredNeighbour(decode.IPFrom(r.Gateway), p.r.opened, p.now)
	if n == nil {
		return false
	}
	j.cause = CauseNeighbourUnresolved
	j.why = fmt.Sprintf("%s cannot answer: it asks for its gateway %s, by which its way to %s leads, and nobody answers.", p.name(), r.Gateway, back)
	j.fix = []string{fmt.Sprintf("see that the bridge has the address %s: ip addr; docker network inspect %s", r.Gateway, shell(p.t.world.network(inner.tuple.Dst)))}
	j.fact("packets", n.firstAsked, "%s asked for on %s %d times, and nobody answered", r.Gateway, p.t.pointName(n.point), n.asks)
	return true
}
