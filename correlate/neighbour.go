package correlate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// wrongOwner: another than the container answers ARP or ND for its address, so
// that what is meant for it goes there.
func (p *path) wrongOwner(j *judgement) bool {
	n := p.t.neighbours.Get(p.served().tuple.Dst)
	if n == nil || n.mac == [6]byte{} || p.container == nil {
		return false
	}
	ip := p.served().tuple.Dst.Addr()
	mine := macOf(p.container, ip)
	who := macText(n.mac)
	thief := p.ownerOfMAC(who)
	switch {
	case n.other != [6]byte{}:
		j.fact("packets", n.answered, "both %s and %s answered for %s on %s", macText(n.other), who, ip, p.t.pointName(n.point))
	case mine != "" && mine != who && thief != "" && thief != p.home:
		j.fact("packets", n.answered, "%s, which is %s's, answered for %s on %s", who, thief, ip, p.t.pointName(n.point))
	default:
		return false
	}
	if thief == "" || thief == p.home {
		thief = p.ownerOfMAC(macText(n.other))
	}
	if thief == "" || thief == p.home {
		thief = "something else"
	}
	j.cause, j.proof = CauseDuplicateAddress, Inferred
	j.why = fmt.Sprintf("%s and %s both have the address %s on %s: what is meant for one reaches the other.", p.home, thief, ip, p.t.pointName(n.point))
	j.fix = []string{fmt.Sprintf("find who has it: arping -I %s %s", p.t.pointName(n.point), ip), "give each container an address of its own, and remove fixed MAC addresses"}
	return true
}

// sharedAddress: another took what was meant for the container, and is silent.
func sharedAddress(p *path, j *judgement, _ *leg) bool { return p.wrongOwner(j) }

// misremembered: the host sends to a link-layer address that the container does
// not have.
func misremembered(p *path, j *judgement, inner *leg) bool {
	now := p.sampleThen(capture.HostNetns)
	ip := inner.tuple.Dst.Addr()
	if now == nil || p.container == nil || p.container.Name != p.home {
		return false
	}
	mine := macOf(p.container, ip)
	for _, n := range now.Neighbours {
		if n.IP != ip || n.MAC == "" || mine == "" || strings.ToLower(n.MAC) == mine {
			continue
		}
		if s := p.sampleThen(p.home); s != nil && slices.ContainsFunc(s.Links, func(l host.Link) bool { return strings.EqualFold(l.MAC, n.MAC) }) {
			return false // it has changed its own
		}
		dev := now.LinkName(n.Link)
		j.cause = CauseNeighbourUnresolved
		j.why = fmt.Sprintf("The host sends what is for %s to %s, and %s has %s: its neighbour entry is wrong, and the container's kernel ignores what is not addressed to it.", ip, n.MAC, p.home, mine)
		j.fix = []string{fmt.Sprintf("ip neigh del %s dev %s", ip, dev)}
		j.fact("host", p.now, "neighbour %s on %s is %s (%s)", ip, dev, n.MAC, n.State)
		return true
	}
	return false
}

// macOf is the link-layer address that the engine gave a container for ip; ""
// if it does not say.
func macOf(c *engine.Container, ip netip.Addr) string {
	for _, ep := range c.Endpoints {
		if ep.IPv4 == ip || ep.IPv6 == ip {
			return strings.ToLower(ep.MAC)
		}
	}
	return ""
}

// ownerOfMAC names the container with a link-layer address, "" if none has it.
func (p *path) ownerOfMAC(mac string) string {
	e := p.engineThen()
	if e == nil {
		return ""
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return strings.ToLower(ep.MAC) == mac }) {
			return c.Name
		}
	}
	return ""
}

func macText(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// lookedFor: the container looks for the client among its neighbours, in vain:
// the client's address lies in the container's own network.
func lookedFor(p *path, j *judgement, inner *leg) bool {
	n := p.t.unansweredNeighbour(inner.tuple.Src, p.r.opened, p.now)
	if n == nil || p.containerAt(inner.tuple.Src) != nil || p.t.world.isHost(inner.tuple.Src) {
		return false
	}
	client := inner.tuple.Src.Addr()
	j.cause = CauseReplyMisrouted
	j.why = fmt.Sprintf("The client's address %s lies in a network that %s takes for its own: it looks for the client among its neighbours on %s, and nobody answers.", client, p.name(), p.t.pointName(n.point))
	j.fix = []string{"give the container's network another subnet, one that no client uses: docker network create --subnet …, or bip and default-address-pools of the engine"}
	j.fact("packets", n.firstAsked, "%s asked for on %s %d times, and nobody answered", client, p.t.pointName(n.point), n.asks)
	return true
}

// tunnelled: the answer left by another interface of the container than the
// request came in by, and did not come out of its namespace.
func (p *path) tunnelled(j *judgement, back []stop) bool {
	home := cmp.Or(p.home, p.furthest().at.Netns)
	for _, s := range back {
		same := slices.ContainsFunc(p.going, func(g stop) bool { return g.point == s.point })
		if s.at.Role != capture.RoleContainer && s.at.Netns == capture.HostNetns || s.at.Netns != home || same {
			return false
		}
		if len(p.watched(s.at).gaps) > 0 {
			return false // it may have come in there, and not been captured
		}
	}
	if !p.entered() {
		return false // by which it came in is not in evidence
	}
	if !p.doorsWatched() {
		j.undetermined(p, fmt.Sprintf("the answer left %s by another of its networks, where nothing else was watched", p.name()))
		return true
	}
	p.silentIn(j)
	if j.verdict != Unanswered || j.cause == CauseContainerPaused || j.cause == CauseContainerFirewall {
		return true
	}
	out := back[0].at.Name
	j.cause, j.proof = CauseReplyMisrouted, Inferred
	j.why = fmt.Sprintf("The answer of %s left by %s, and the request came in at %s: the container's own routes lead to %s another way.", p.name(), out, p.furthest().at.Name, p.served().tuple.Src.Addr())
	j.fix = p.insideFix([]string{fmt.Sprintf("ip route add %s/%d via %s", p.served().tuple.Src.Addr(), p.served().tuple.Src.Addr().BitLen(), p.t.world.gatewayWords(p.served().tuple.Dst.Addr()))})
	j.fact("packets", back[0].first, "the answer was seen at %s", out)
	return true
}

// ownSource: the request has a source that the container cannot answer: its own
// address, or one of loopback. Something was to hide it.
func ownSource(p *path, j *judgement, inner *leg) bool {
	src := inner.tuple.Src
	if p.heard() || src != inner.tuple.Dst && !(src.Addr().IsLoopback() && inner != p.client) {
		return false
	}
	j.cause = CauseUntranslatedSource
	j.why = fmt.Sprintf("The request reached %s from %s, and its kernel drops what seems to come from itself: the rule that was to masquerade it is missing.", p.name(), src.Addr())
	j.fix = []string{"docker restart " + shell(p.name()), "if that does not help: systemctl restart docker"}
	j.fact("packets", p.furthest().first, "seen from %s at %s", inner.tuple.SrcEnd(), p.furthest().at.Name)
	return true
}

// comesAsItself is the stop at the client's side where an answer was seen that
// no one had translated back; nil if there is none.
func (p *path) comesAsItself() *stop {
	for i := range p.coming {
		s := &p.coming[i]
		if s.leg != p.client && s.leg.tuple.Dst != p.client.tuple.Dst && s.leg.tuple.Proto != decode.ICMP && s.point == p.r.point {
			return s
		}
	}
	return nil
}

// notForThisMAC: the frames came by the host's card, for its address, and bear the
// link-layer address of somebody else: the kernel passes over them.
func (p *path) notForThisMAC(j *judgement) bool {
	now, at, to := p.sampleThen(capture.HostNetns), p.clientPoint(), p.r.to
	if now == nil || at.Role != capture.RoleNIC || at.Netns != capture.HostNetns || to == [6]byte{} || to[0]&1 != 0 || len(p.coming) > 0 || !p.t.world.isHost(p.tuple.Dst) {
		return false
	}
	if now.Undated && !at.macs.usable() {
		return false // no frame bears the address that the dump tells: it may be of another day
	}
	mine := now.LinkNamed(at.Name)
	if mine == nil || mine.MAC == "" || slices.ContainsFunc(now.Links, func(l host.Link) bool { return strings.EqualFold(l.MAC, macText(to)) }) {
		return false
	}
	j.stage, j.between, j.cause, j.proof = stage.NIC, [2]string{}, CauseWrongMAC, Inferred
	j.why = fmt.Sprintf("The frames came to %s for the link-layer address %s, and the host has no such one (%s has %s): the sender's neighbour entry for %s is wrong.", at.Name, macText(to), at.Name, mine.MAC, p.tuple.Dst.Addr())
	j.fix = []string{fmt.Sprintf("on the client, or the last router before the host: ip neigh flush to %s; see who else answers: arping -c 3 %s", p.tuple.Dst.Addr(), p.tuple.Dst.Addr())}
	j.fact("host", p.now, "%s has %s", at.Name, mine.MAC)
	return true
}
