package correlate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

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
