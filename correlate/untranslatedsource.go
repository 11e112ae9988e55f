package correlate

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
)

// answeredAsItself: the answer came out with the container's own address, since
// nothing translated it back: the client does not take it.
func (p *path) answeredAsItself(j *judgement) bool {
	s := p.comesAsItself()
	if s == nil {
		return false
	}
	j.stage, j.between, j.cause = stage.ReplyPrerouting, [2]string{}, CauseUntranslatedSource
	own := s.leg.tuple.DstEnd()
	j.why = fmt.Sprintf("The client asked %s and the answer came from %s: nothing translated it back.", p.tuple.DstEnd(), own)
	why, fix := p.trackedApart().advice()
	j.why, j.fix = j.why+why, fix
	if s.at.Role == capture.RoleVeth || s.at.Role == capture.RoleContainer {
		j.stage = stage.Bridge
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
	r, ok := p.wayOfAnswers(p.onHost()).Get()
	if p.home == "" || !ok || p.onHost().State().LinkName(r.Link) == p.clientPoint().Name || r.Table == known.TableMain {
		return 0
	}
	return r.Table
}

// wayOfAnswers is the host's route back to the client, for what the server sends:
// with its own address, as it comes in by its bridge, and before that is translated
// back.
func (p *path) wayOfAnswers(n known.Namespace) known.Answer[host.Route] {
	bridge, _ := p.t.world.wayTo(p.home, p.served().tuple.Dst)
	q := p.t.world.lookup(n, p.served().tuple.Dst.Addr(), p.tuple.Src.Addr(), bridge)
	q.AnyIIF = bridge == ""
	return n.Route(q)
}

// routedElsewhere names the link by which the host's route leads to the client,
// if it is another than the request came in at.
func (p *path) routedElsewhere(n known.Namespace) (string, bool) {
	route := p.wayOfAnswers(n)
	r, ok := route.Get()
	if !ok || p.clientPoint().Role != capture.RoleNIC {
		p.lack(route.Why())
		return "", false
	}
	if n.State().LinkNamed(p.clientPoint().Name) == nil {
		return "", false // a point that goes by another name than the host has for it
	}
	link := n.State().LinkName(r.Link)
	return link, link != "" && link != p.clientPoint().Name && r.Type != "local"
}

// replyFilteredByReversePath reports whether the strict check of the reverse
// path dropped the answer where it came from a container.
func (p *path) replyFilteredByReversePath(last stop) bool {
	return last.at.Netns == capture.HostNetns && last.leg != p.client && p.checkedAway(last.at, last.leg.tuple.Dst, p.tuple.Src)
}
