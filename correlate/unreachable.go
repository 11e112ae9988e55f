package correlate

import (
	"fmt"
	"slices"

	"dnatrace/capture/host"
	"dnatrace/decode"
)

// refusedByICMP: an ICMP error came back to the client's point.
func refusedByICMP(p *path, j *judgement) bool {
	e := p.errorToClient()
	if e == nil || p.r.answered != 0 || p.r.synAck != 0 {
		return false
	}
	j.verdict, j.proof = Refused, Inferred
	name := icmpName(e)
	j.fact("packets", e.time, "ICMP %s from %s at %s", name, e.from.Addr(), p.t.pointName(e.point))
	inner := slices.IndexFunc(p.x.errors, func(o icmpError) bool { return o.way == request && o.leg != p.r.client })
	switch {
	case inner >= 0 && p.portUnreachable(e) && p.tuple.Proto == decode.UDP:
		resetByContainer(p, j)
	case p.hostUnreachable(e) && p.unresolved() != nil:
		neighbourGone(p, j)
	case p.hostUnreachable(e) && p.withoutCarrier() != "":
		p.neighbourCutOff(j)
	case p.portUnreachable(e) && p.tuple.Proto == decode.UDP && p.translated() == "":
		resetByHost(p, j)
	case p.noRoute(e):
		j.stage, j.cause = "route", CauseNoRoute
		j.why = fmt.Sprintf("The host has no route to %s.", p.destination())
		j.fix = p.t.world.routeToContainers(p.target.Dst.Addr())
	default:
		j.between = p.gapAfterLast()
		if f, ok := p.filtered(request, false); ok {
			p.blame(j, f, request)
			break
		}
		j.cause = CauseFirewallReject
		j.why = fmt.Sprintf("A firewall rule rejected the request with ICMP %s.", name)
		j.fix = []string{"find the REJECT rule: nft list ruleset, iptables-save"}
		j.blind = append(j.blind, "which rule it was is not in evidence")
	}
	return true
}

// withoutCarrier names the bridge that leads to where the request is translated
// to, if nothing is plugged into it: then not even a question is seen there. ""
// if something is, or if that is not known.
func (p *path) withoutCarrier() string {
	now := p.latestHost()
	if now == nil || p.inner != nil || p.t.world.containerAt(p.target.Dst) == nil {
		return ""
	}
	r := routeTo(now, p.target.Dst.Addr())
	if r == nil || r.Link == 0 {
		return ""
	}
	i := slices.IndexFunc(now.Links, func(l host.Link) bool { return l.Index == r.Link && l.Kind == "bridge" && !l.Running })
	if i < 0 {
		return ""
	}
	return now.Links[i].Name
}

// neighbourCutOff: the container is up, and its bridge has no port left.
func (p *path) neighbourCutOff(j *judgement) {
	bridge := p.withoutCarrier()
	j.stage, j.cause, j.proof = "neighbour", CauseNeighbourUnresolved, Inferred
	j.why = fmt.Sprintf("Nobody on %s answers for %s: nothing is plugged into %s.", bridge, p.target.Dst.Addr(), bridge)
	j.fix = p.unplugged(bridge)
	j.fact("host", p.now, "%s has no carrier", bridge)
}

// errorToClient is the first ICMP error about the request at the client's
// point.
func (p *path) errorToClient() *icmpError {
	for i := range p.x.errors {
		if e := &p.x.errors[i]; e.leg == p.r.client && e.point == p.r.point && e.way == request && e.mtu == 0 {
			return e
		}
	}
	return nil
}

func (p *path) portUnreachable(e *icmpError) bool {
	return !e.v6 && e.typ == 3 && e.code == 3 || e.v6 && e.typ == 1 && e.code == 4
}

func (p *path) hostUnreachable(e *icmpError) bool {
	return !e.v6 && e.typ == 3 && e.code == 1 || e.v6 && e.typ == 1 && e.code == 3
}

func (p *path) noRoute(e *icmpError) bool {
	return !e.v6 && e.typ == 3 && e.code == 0 || e.v6 && e.typ == 1 && e.code == 0
}

// icmpName names an error as RFC 792, RFC 1812 §5.2.7.1 and RFC 4443 do.
func icmpName(e *icmpError) string {
	v4 := map[uint8]string{0: "net unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable", 4: "fragmentation needed", 9: "net prohibited", 10: "host prohibited", 13: "administratively prohibited"}
	v6 := map[uint8]string{0: "no route", 1: "administratively prohibited", 3: "address unreachable", 4: "port unreachable"}
	switch {
	case !e.v6 && e.typ == 3 && v4[e.code] != "":
		return v4[e.code]
	case e.v6 && e.typ == 1 && v6[e.code] != "":
		return v6[e.code]
	}
	return fmt.Sprintf("type %d code %d", e.typ, e.code)
}
