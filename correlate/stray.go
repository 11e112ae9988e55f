package correlate

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// answeredAsItself: the answer came out with the container's own address, since
// nothing translated it back: the client does not take it.
func (p *path) answeredAsItself(j *judgement) bool {
	s := p.comesAsItself()
	if s == nil {
		return false
	}
	j.stage, j.between, j.cause = "reply-prerouting", [2]string{}, CauseUntranslatedSource
	own := s.leg.tuple.DstEnd()
	j.why = fmt.Sprintf("The client asked %s and the answer came from %s: nothing translated it back.", p.tuple.DstEnd(), own)
	j.fix = p.exemptionFix()
	if s.at.Role == capture.RoleVeth || s.at.Role == capture.RoleContainer {
		j.stage = "bridge"
		j.why = fmt.Sprintf("The client asked %s and the answer came from %s: both are on one bridge, and what passes there is not translated back.", p.tuple.DstEnd(), own)
		j.fix = []string{"sysctl -w net.bridge.bridge-nf-call-iptables=1", "or let the engine run docker-proxy", fmt.Sprintf("or ask %s directly: http://%s", p.name(), own)}
	}
	j.fact("packets", s.first, "the answer from %s at %s", own, s.at.Name)
	p.claim(j, p.clientPoint())
	return true
}

// misrouted: the answer goes out by another link than the request came in.
func (p *path) misrouted(link string, proof Proof) finding {
	way, _ := p.wayHome()
	if table := p.tableOfAnswers(); table != 0 {
		way += fmt.Sprintf(" table %d", table)
	}
	return finding{cause: CauseReplyMisrouted, proof: proof,
		why:  fmt.Sprintf("The answer leaves by %s, and the request came in at %s: the host's routes lead to %s another way.", link, p.clientPoint().Name, p.tuple.Src.Addr()),
		fix:  []string{"ip route replace " + way, fmt.Sprintf("or see the route and the rules: ip route get %s; ip rule", p.tuple.Src.Addr())},
		fact: fmt.Sprintf("the way to %s is %s", p.tuple.Src.Addr(), link)}
}

// tableOfAnswers is the routing table that has the answer leave by another link
// than the request came in at, if a policy rule leads there; 0 where it is the
// main one, or not known.
func (p *path) tableOfAnswers() int {
	now := p.latestHost()
	if now == nil || p.home == "" {
		return 0
	}
	bridge, _ := p.t.world.wayTo(p.home, p.target.Dst)
	r := now.RouteFor(host.Lookup{Src: p.target.Dst.Addr(), Dst: p.tuple.Src.Addr(), IIF: bridge})
	if r == nil || now.LinkName(r.Link) == p.clientPoint().Name || r.Table == tableMain {
		return 0
	}
	return r.Table
}

// tableMain is RT_TABLE_MAIN.
const tableMain = 254

// routedElsewhere reports whether the host's route to the client is by another
// link than the request came in at.
func (p *path) routedElsewhere(s *host.Sample) bool {
	if s == nil || p.clientPoint().Role != capture.RoleNIC {
		return false
	}
	r := routeTo(s, p.tuple.Src.Addr())
	// What other tables hold depends on rules that are not looked at.
	return r != nil && r.Table == tableMain && r.Link != 0 && s.LinkName(r.Link) != p.clientPoint().Name
}

// replyFilteredByReversePath reports whether the strict check of the reverse
// path dropped the answer where it came from a container.
func (p *path) replyFilteredByReversePath(now *host.Sample, last stop) bool {
	return last.at.Netns == capture.HostNetns && last.leg != p.client && p.strictAgainst(now, last.at, last.leg.tuple.Dst)
}
