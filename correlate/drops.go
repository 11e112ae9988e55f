package correlate

import (
	"cmp"
	"fmt"
	"slices"

	"dnatrace/capture"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// dropsKept bounds the ends of drops that are remembered at once, two of each.
const dropsKept = 1 << 14

// dropEnd is the client's end of packets that were dropped in a namespace: on
// their way from it, or to it. NAT of the destination leaves it alone, so that a
// drop behind a translation that nothing else tells of is found too.
type dropEnd struct {
	ip    decode.IP
	port  uint16
	proto decode.Proto
	way   way
	netns string
}

// dropEnds are the ends of d: as a packet from a client, and to one.
func dropEnds(d *decode.Drop) [2]dropEnd {
	return [2]dropEnd{
		{d.Src, d.SrcPort, d.Proto, request, d.Netns},
		{d.Dst, d.DstPort, d.Proto, reply, d.Netns},
	}
}

// dropped remembers what the kernel threw away. Requests look it up when they
// are judged: a drop may be told before the packet itself has come.
func (t *Tracker) dropped(d *decode.Drop) {
	if !d.Ports {
		return
	}
	for _, k := range dropEnds(d) {
		t.drops.Put(k, d) // the latest says what the deciding attempt met
	}
	t.dropTellsOf(d)
}

// lastDrop is the latest packet of one direction that the kernel threw away in
// the host's namespace, or in the container's; nil if it told of none. Attempts
// that came after it got further, or were not told of.
func (p *path) lastDrop(w way, inner bool) *decode.Drop {
	netns := capture.HostNetns
	if inner {
		netns = p.home
	}
	var last *decode.Drop
	for _, t := range []decode.Tuple{p.tuple, p.client.tuple, p.served().tuple} {
		d := p.t.drops.Get(dropEnd{t.Src, t.SrcPort, t.Proto, w, netns})
		if d != nil && d.At >= p.r.opened && p.isEnd(d, w) && !p.guarded(d, w) && (last == nil || d.At > last.At) {
			last = d
		}
	}
	return last
}

// isEnd reports whether the server's side of a drop is one that this request may
// have: a client may use a port for several servers at once.
func (p *path) isEnd(d *decode.Drop, w way) bool {
	to := decode.Tuple{Dst: d.Dst, DstPort: d.DstPort}
	if w == reply {
		to = decode.Tuple{Dst: d.Src, DstPort: d.SrcPort}
	}
	ends := []decode.Tuple{p.tuple, p.client.tuple, p.served().tuple, p.target}
	return slices.ContainsFunc(ends, func(t decode.Tuple) bool { return t.Dst == to.Dst && t.DstPort == to.DstPort }) ||
		p.target == (decode.Tuple{}) && p.containerAt(to.Dst) != nil
}

// tellDrop adds what the kernel said about one direction's packets, and returns
// it; nil if it said nothing.
func (p *path) tellDrop(j *judgement, w way) *decode.Drop {
	d := p.lastDrop(w, false)
	if d == nil {
		return nil
	}
	where := ""
	if d.Location != "" {
		where = " in " + d.Location
	}
	j.fact("drops", d.At, "the kernel dropped %s%s, reason %s", d.Tuple.DstEnd(), where, d.Reason)
	return d
}

// tellDropSince is tellDrop for what was dropped after a time.
func (p *path) tellDropSince(j *judgement, w way, since int64) *decode.Drop {
	if d := p.lastDrop(w, false); d == nil || d.At < since {
		return nil
	}
	return p.tellDrop(j, w)
}

// kernelDropped: the kernel says that it dropped the request, and why. No absence
// has to be claimed for that.
func (p *path) kernelDropped(j *judgement, d *decode.Drop) bool {
	if d == nil {
		return false
	}
	in := p.furthest().at
	j.between = p.gapAfterLast()
	switch at := p.siteOf(d, in); {
	case d.Reason == "IP_RPFILTER":
		f := p.reversePathAt(in)
		j.stage, j.cause, j.why, j.fix, j.proof = stage.Route, f.cause, f.why, p.reversePathFix(f.fix), Proven
	case d.Reason == "IP_INADDRERRORS":
		p.dropCause(j, in)
		if j.cause == CauseUnknown {
			j.stage, j.why = stage.Route, fmt.Sprintf("The host may not forward what came in at %s, or has no route for it.", in.Name)
			j.blind = nil
		}
	case slices.Contains(unansweredReasons, d.Reason) && p.target.Dst != (decode.IP{}):
		neighbourGone(p, j)
	case isQueueReason(d.Reason) && p.withoutCarrier() != "":
		p.neighbourCutOff(j) // what has no carrier has a queue that takes nothing
	case isQueueReason(d.Reason):
		p.queueDropped(j, d, request)
	case d.Reason == otherHost && p.notForThisMAC(j):
		j.proof = Proven
	case d.Reason == netfilterDrop:
		j.why = fmt.Sprintf("The host's packet filter dropped what came in at %s; by which rule is not in evidence.", in.Name)
		j.blind = appendNew(j.blind, "which rule dropped it is not in evidence")
		j.fix = []string{"look for rules that match it: nft list ruleset, iptables-save"}
	default:
		j.tellReason(d.Reason, at)
	}
	if j.cause == CauseUnknown {
		j.proof = Inferred
	}
	return true
}

// siteOf is where a packet was dropped that was seen last at a point.
func (p *path) siteOf(d *decode.Drop, in *point) dropSite {
	at := dropSite{in: in.Name, to: d.Dst.Addr().String()}
	if now := p.sampleThen(capture.HostNetns); now != nil {
		at.link = now.LinkName(d.Link)
	}
	return at
}

// queueDropped: a queueing discipline of an interface threw a packet away.
func (p *path) queueDropped(j *judgement, d *decode.Drop, w way) {
	at := p.siteOf(d, p.furthest().at)
	j.stage, j.cause, j.proof = stage.Postrouting, CauseQueueDrop, Proven
	if w == reply {
		j.stage = stage.ReplyNIC
	}
	j.why = fmt.Sprintf("The queueing discipline of %s dropped it.", cmp.Or(at.link, "an interface"))
	j.fix = queueFix(at)
}
