package correlate

import (
	"slices"

	"dnatrace/capture"
	"dnatrace/decode"
)

// What is proven is told at once: the kernel says that it dropped this very
// packet, by a rule or for a reason. The window goes on, and the judgement is
// final when it is over.

// provenAtOnce judges a request of which the kernel has told what it did to the
// latest try, before the window is over. False while it has not.
func provenAtOnce(p *path, j *judgement) bool {
	if p.r.synAck != 0 || p.r.answered != 0 || p.r.marks&(markMiddle|markProxied) != 0 {
		return false
	}
	forth, back, inside := p.dropTold(request, false), p.dropTold(reply, false), p.dropTold(request, true)
	if !forth && !back && !inside {
		return false
	}
	rest(p, j)
	switch {
	case j.verdict == Dropped && forth, j.verdict == AnswerLost && back, j.cause == CauseContainerFirewall && inside && j.proof == Proven:
		return true
	}
	*j = judgement{unread: j.unread}
	return false
}

// dropTold reports whether the kernel told that it dropped the latest packet of a
// direction.
func (p *path) dropTold(w way, inner bool) bool {
	if g := p.lastPassage(w, inner); g != nil && g.last >= p.r.lastNew && g.dropped() {
		return true
	}
	if inner {
		return false // the container's kernel drops what is no part of this, too
	}
	d := p.lastDrop(w, false)
	return d != nil && d.At >= p.r.lastNew && tellsALoss(d.Reason)
}

// dropped reports whether a rule or a policy ended a packet's way.
func (g *passage) dropped() bool {
	last := g.steps[len(g.steps)-1]
	return last.Verdict.Code == decode.VerdictDrop && (last.Type == decode.TraceRule || last.Type == decode.TracePolicy)
}

// droppedAtOnce has a request judged soon, of which the kernel told at a time that
// it dropped a packet. Such records come out of order: what counts is the time they
// bear, and of several the earliest, so that a recording is judged as the live run
// was.
func (t *Tracker) droppedAtOnce(req uint32, at int64) {
	r := t.requests.at(req)
	if r.synAck != 0 || r.answered != 0 || r.marks&markClosed != 0 || !r.decidable() && !(r.phase == settlingDown && at < r.decided) {
		return
	}
	r.decided, r.phase = at, settlingDown
	t.hurried.push(deadline{at: at + int64(settle), req: req, number: r.number})
	t.due = min(t.due, at+int64(settle))
}

// findDropped is the request whose packet the kernel dropped. Behind a translation
// that no point saw, only the client's end tells: one of the youngest requests has
// it.
func (t *Tracker) findDropped(d *decode.Drop) (uint32, bool) {
	if n, _, ok := t.legs.lookup(d.Tuple, 0); ok && t.legs.slab.at(n).req != 0 {
		return t.legs.slab.at(n).req - 1, true
	}
	const youngest = 64
	for i := t.aging.size - 1; i >= max(0, t.aging.size-youngest); i-- {
		o := t.aging.peek(i)
		r := t.requests.at(o.req)
		if r.number != o.number {
			continue
		}
		c := t.legs.slab.at(r.client).tuple
		if c.Proto == d.Proto && slices.Contains([]decode.Tuple{{Src: d.Src, SrcPort: d.SrcPort}, {Src: d.Dst, SrcPort: d.DstPort}}, decode.Tuple{Src: c.Src, SrcPort: c.SrcPort}) {
			return o.req, true
		}
	}
	return 0, false
}

// dropTellsOf has the request judged that a drop in the host's namespace tells of.
func (t *Tracker) dropTellsOf(d *decode.Drop) {
	if d.Netns != capture.HostNetns || !tellsALoss(d.Reason) {
		return
	}
	if req, ok := t.findDropped(d); ok {
		t.droppedAtOnce(req, d.Time)
	}
}
