package correlate

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/decode"
)

// fact adds an observation the verdict rests on.
func (j *judgement) fact(source string, at int64, format string, args ...any) {
	if j.unread {
		return
	}
	j.facts = append(j.facts, Evidence{Source: source, Time: unix(at), Text: fmt.Sprintf(format, args...)})
}

func (j *judgement) note(format string, args ...any) {
	if j.unread {
		return
	}
	j.notes = append(j.notes, fmt.Sprintf(format, args...))
}

// deliver sets the verdict of what got through.
func (j *judgement) deliver(p *path) {
	j.verdict, j.stage, j.cause = Delivered, "", CauseNone
	j.proof = proofOf(p.proven)
	if p.proxied() {
		j.proof = Inferred
	}
}

// undetermined says that the evidence does not suffice, and what is missing.
func (j *judgement) undetermined(p *path, missing ...string) {
	j.verdict, j.stage, j.between, j.cause, j.proof, j.fix, j.rule = Undetermined, "", [2]string{}, CauseUnknown, Inferred, nil, nil
	for _, m := range missing {
		j.blind = appendNew(j.blind, m)
	}
	if !j.unread {
		j.why = "What became of the request cannot be told: " + strings.Join(j.blind, "; ") + "."
	}
}

// claim checks that the absence the verdict rests on can be claimed at points,
// and takes the verdict back if not.
func (p *path) claim(j *judgement, points ...*point) {
	if gaps := p.gaps(points...); len(gaps) > 0 {
		j.undetermined(p, gaps...)
		return
	}
	if p.r.marks&markMiddle != 0 {
		j.undetermined(p, "the capture began in the middle of the connection")
		return
	}
	if s := p.side(request); p.tuple.Proto == decode.TCP && p.side(reply) == nil && s != nil && s.flags&(decode.ACK|decode.RST) != 0 {
		j.undetermined(p, fmt.Sprintf("the client acknowledges what was not seen at %s: not all of the connection was captured", p.clientPoint().Name))
		return
	}
	if p.r.marks&markCrowded != 0 && p.inner == nil && p.inside == nil {
		j.undetermined(p, "the client's end has made more requests at once than are told apart")
		return
	}
	for _, w := range p.watched(points...).caveats {
		j.blind = appendNew(j.blind, w)
		j.proof = Inferred
	}
}

// gaps are the reasons for which nothing can be said to be missing at points.
func (p *path) gaps(points ...*point) []string {
	gaps := p.watched(points...).gaps
	if p.x.leaves {
		gaps = append(gaps, "it left the host: what became of it outside was not watched")
	}
	if p.t.cutErrors.Get(p.tuple.Src) >= p.r.opened {
		gaps = append(gaps, "the capture kept too little of an ICMP error to the client to tell what it is about")
	}
	if p.x.rival != 0 {
		gaps = append(gaps, fmt.Sprintf("what was seen at %s is this request's or another's: they cannot be told apart", p.t.pointName(p.x.rival-1)))
	}
	for _, pt := range points {
		if p.toldApart(pt) {
			gaps = append(gaps, fmt.Sprintf("what was seen of the request at %s had been taken for a request of its own", pt.Name))
		}
	}
	return gaps
}

// toldApart reports whether a point saw what may be the request behind the translation,
// and that was told as a request of its own: the capture lacks what came before it.
func (p *path) toldApart(pt *point) bool {
	var buffer [mostAlike]uint32
	alike, _ := p.t.ends.find(buffer[:0], p.r.end)
	return slices.ContainsFunc(alike, func(req uint32) bool {
		o := p.t.requests.at(req)
		c := p.t.legs.slab.at(o.client)
		if req == p.req || o.marks&markHalfway == 0 || c.tuple.Src != p.client.tuple.Src || c.tuple.SrcPort != p.client.tuple.SrcPort || c.tuple.Proto != p.client.tuple.Proto {
			return false
		}
		if numbered(c.tuple.Proto) && c.flags&p.client.flags&legISN != 0 && c.isn[request] != p.client.isn[request] {
			return false
		}
		s := p.t.legs.at(c, pt.same, request)
		return s != nil && s.last >= p.r.opened
	})
}

// untranslated reports whether it is known that a request was not translated, and was
// for the host itself: conntrack says so, or the first point behind would have seen it.
func (p *path) untranslated() bool {
	if e := p.x.conntrack; e != nil {
		return e.Reply.Reverse() == e.Orig
	}
	if p.t.asksForTargetAlone() && len(p.coming) == 0 {
		return false // what it may have become was not captured
	}
	if p.halfway() || p.x.rival != 0 || p.seenBehind() || p.firstLost() || p.maskedBeyondRecognition() {
		return false // what it was before it was seen, or is behind, is not in evidence
	}
	if at := p.clientPoint().Role; at != capture.RoleNIC && at != capture.RoleLoopback && !p.t.ours(p.tuple.Dst) {
		return false // it may have been for a container as it was
	}
	if p.clientPoint().Role == capture.RoleLoopback && p.translated() == "" {
		return true // what is translated leaves the host's loopback before it is seen there
	}
	way := p.wayIn()
	return p.translated() == "" && len(way) > 0 && len(p.watched(p.nextDoors(way[0])...).gaps) == 0
}

// maskedBeyondRecognition reports whether a point behind would not know the request
// again: it comes from a container, which is masqueraded towards its own bridge, and
// carries nothing that tells it from others when both its ends are replaced, or that
// bridge does not tell what comes in from what goes out.
func (p *path) maskedBeyondRecognition() bool {
	if depth(p.clientPoint()) == 0 {
		return false
	}
	return p.r.carried == 0 || slices.ContainsFunc(p.going, func(s stop) bool { return s.at.Role == capture.RoleBridge && s.facing() == capture.DirUnknown })
}

// firstLost reports whether the capture may lack the client's first packet: an answer
// was seen before any other, or packets were lost there just before. What is behind came
// before what was seen first, then.
func (p *path) firstLost() bool {
	asked, back := p.side(request), p.side(reply)
	lost := p.t.journal.lostBetween(p.clientPoint().Ring, p.r.opened-int64(neighbourWindow), p.r.opened)
	return asked == nil || back != nil && back.first < asked.first || lost > 0
}

// seenBehind reports whether datagrams of the client's own end were seen on their way
// into a container just then: they may be the request's, whose own the ring lost.
func (p *path) seenBehind() bool {
	if numbered(p.tuple.Proto) {
		return false
	}
	var buffer [mostAlike]uint32
	alike, crowd := p.t.ends.find(buffer[:0], p.r.end)
	return crowd || slices.ContainsFunc(alike, func(req uint32) bool {
		o := p.t.requests.at(req)
		c := p.t.legs.slab.at(o.client)
		return req != p.req && o.marks&markHalfway != 0 && c.tuple.Src == p.client.tuple.Src && c.tuple.SrcPort == p.client.tuple.SrcPort
	})
}

// failedToGet is the container that was to publish the port and could not.
func (p *path) failedToGet() *engine.Container {
	e := p.engineThen()
	if e == nil {
		return nil
	}
	for i := range e.Containers {
		if c := &e.Containers[i]; c.Error != "" && p.wants(c) != nil {
			return c
		}
	}
	return nil
}

func sameState(id, state string) func(engine.Container) bool {
	return func(c engine.Container) bool { return c.ID == id && c.State == state }
}

// judge decides about a request, once the deciding packet was seen or the
// window is over, and reports the incident if it is new or has changed. With last
// set the window is over, and the judgement final, as far as that can be.
func (t *Tracker) judge(req uint32, at int64, last bool) {
	r := t.requests.at(req)
	first := r.rev == 0
	if t.floods(req, r) {
		return
	}
	if t.plainlyDelivered(req, r) {
		t.delivered(req, r)
		return
	}
	p := t.path(req, at)
	if p.disowned() {
		t.disown(req, r)
		return
	}
	j, ok := t.weigh(p, last, !t.journal.reads(r))
	if !ok && last && r.marks&markMiddle != 0 {
		r.phase = judged // delivered or not judged
		t.armIdle(req, r)
		return
	}
	if !ok {
		// With the window over, only what the client or the server does next
		// can change anything, and that arms what is needed.
		if r.phase = waiting; r.marks&markUnfinal != 0 {
			r.phase = judged // as it was told, until the window is over
		}
		if !last && r.marks&(markWindow|markClosed) == 0 {
			r.marks |= markWindow
			t.rearm(max(at, r.lastNew)+int64(t.config.Window), req)
		}
		return
	}
	if p.unread && t.journal.lists(j.verdict) {
		p = t.path(req, at)
		j, _ = t.weigh(p, last, false)
	}
	t.conclude(req, r, j.verdict)
	if r.marks &^= markOneWay; j.oneWay {
		r.marks |= markOneWay
	}
	awaited := r.marks&markUnfinal != 0 && j.final && t.journal.tells() // somebody waits for the word that it is final
	same := !first && t.unchanged(req, r, j)
	t.finality(req, r, j)
	if same && !awaited {
		t.journal.recount(p, j)
		return
	}
	r.rev++
	t.journal.report(p, j)
}

// weigh judges what was laid out. Of a judgement that is unread there are no facts
// and no notes. It is valid until the next.
func (t *Tracker) weigh(p *path, last, unread bool) (*judgement, bool) {
	j := &t.finding
	*j, p.unread = judgement{unread: unread}, unread
	ok := decide(p, j, last)
	if ok {
		p.unhide(j)
		p.tellLacks(j)
	}
	ok = ok && (!t.ending || p.cutShort(j))
	j.final = last || (j.verdict == Delivered || j.verdict == Misdelivered) && !j.oneWay
	return j, ok
}

// disown lets something go that is no request after all, untold.
func (t *Tracker) disown(req uint32, r *reqRecord) {
	r.phase = judged
	t.armIdle(req, r)
}

// saying is what is compared of two judgements of one request.
func saying(j *judgement) string {
	return j.verdict.String() + " " + string(j.stage) + " " + string(j.cause)
}

// unchanged reports whether a new judgement says what the last one said.
func (t *Tracker) unchanged(req uint32, r *reqRecord, j *judgement) bool {
	if t.journal.unchanged(r, j) {
		return true
	}
	x := t.extras[req]
	return r.marks&markUnfinal != 0 && x != nil && x.told == saying(j)
}

// finality notes whether a judgement is final, and has one that is not made so
// when its window is over.
func (t *Tracker) finality(req uint32, r *reqRecord, j *judgement) {
	if j.final {
		r.marks &^= markUnfinal
		return
	}
	r.marks |= markUnfinal
	if t.journal.tells() {
		t.extra(req).told = saying(j)
	}
	if r.marks&markWindow == 0 {
		r.marks |= markWindow
		t.rearm(max(t.now, r.lastNew)+int64(t.config.Window), req)
	}
}

// finish makes a judgement final that was told at once. Who said no has said so,
// and what the host is like later says nothing of it; of what was dropped, counters
// may have come.
func (t *Tracker) finish(req uint32, r *reqRecord, at int64) {
	if r.phase != judged || r.marks&markUnfinal == 0 {
		return
	}
	stands := r.marks&markClosed != 0 || r.verdict == Refused && r.lastSeen <= r.decided+int64(settle)
	if stands && t.journal.finish(r) {
		r.marks &^= markUnfinal
		return
	}
	t.judge(req, at, true)
}

// conclude closes the judgement of a request and arms what lets it go.
func (t *Tracker) conclude(req uint32, r *reqRecord, v Verdict) {
	if r.rev > 0 {
		t.journal.uncount(r.verdict)
	}
	if v == Refused && r.marks&markBare != 0 {
		t.lone(r)
	}
	t.unbare(r)
	r.phase, r.verdict = judged, v
	t.journal.count(v)
	tcp := t.legs.slab.at(r.client).tuple.Proto == decode.TCP
	if r.answered != 0 {
		t.spoke(t.servedTuple(r))
	}
	if v != Delivered || !tcp {
		t.armIdle(req, r)
	}
}

// armIdle looks after a request that may have no close.
func (t *Tracker) armIdle(req uint32, r *reqRecord) {
	if r.marks&(markClosed|markIdle) == 0 {
		r.marks |= markIdle
		t.after(&t.idling, idle, req)
	}
}

// spoke remembers a server that answers.
func (t *Tracker) spoke(server decode.Tuple) {
	k := talker(server)
	if k == t.lastTalker {
		return // most requests are to few servers
	}
	t.lastTalker = k
	t.talkers.Put(k, t.now)
}

// talkersKept bounds the servers that are remembered to have answered.
const talkersKept = 8192

func (t *Tracker) servedTuple(r *reqRecord) decode.Tuple {
	return t.legs.slab.at(r.last).tuple
}

// plainlyDelivered reports whether a request was answered by the one it was meant
// for, and nobody will read more about it than its count: with hundreds of
// thousands of flows this is what nearly all are.
func (t *Tracker) plainlyDelivered(req uint32, r *reqRecord) bool {
	if r.answered == 0 || r.last == r.client || r.marks&markHalfway != 0 || t.journal.lists(Delivered) {
		return false
	}
	reads := t.journal.reads(r)
	if reads && (t.journal.onPlain == nil || r.rev > 0) {
		return false
	}
	if x := t.extras[req]; x != nil && x.stall != nil && x.stall.stuck {
		return false
	}
	if t.world.engine() != nil && !t.world.leadsTo(t.legs.slab.at(r.client).tuple, t.legs.slab.at(r.last).tuple) {
		return false
	}
	return !reads || t.told(r)
}

// delivered counts a plainly delivered request.
func (t *Tracker) delivered(req uint32, r *reqRecord) {
	t.conclude(req, r, Delivered)
	r.marks &^= markUnfinal | markOneWay
	t.journal.uncaused(r)
	r.outcome = 0
	r.rev++
	c, l := t.legs.slab.at(r.client), t.legs.slab.at(r.last)
	if r.rev == 1 && (c.tuple.Dst != l.tuple.Dst || c.tuple.DstPort != l.tuple.DstPort) {
		t.journal.summary.Translated++
	}
}
