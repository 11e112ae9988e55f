package correlate

import (
	"fmt"
	"slices"

	"dnatrace/capture"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// stalled: the connection was established, and then bytes of one side stopped
// getting through.
func stalled(p *path, j *judgement) bool {
	if p.tuple.Proto != decode.TCP || p.r.synAck == 0 {
		return false
	}
	j.verdict, j.cause, j.proof = Stalled, CauseUnknown, Inferred
	back := p.answerBytes()
	switch {
	case back == nil && p.r.asked != 0 && p.serverShut(j):
	case p.proxied():
		return false
	case back != nil && p.x.again:
		p.answerStuck(j)
	case p.r.asked != 0 && !p.acknowledged(p.client, p.r.point) && p.repeatedInVain():
		p.requestStuck(j)
	case back != nil || p.r.asked != 0 && !p.acknowledged(p.client, p.r.point):
		j.undetermined(p, append(p.watched(p.clientPoint()).gaps, "bytes that do not get through are sent again, and none were: the capture does not hold the whole connection")...)
		return true
	default:
		return false
	}
	if !p.droppedOnTheWay(j, back != nil) {
		p.claim(j, p.clientPoint())
	}
	return true
}

// repeatedInVain reports whether bytes that the client sent again were not
// acknowledged then either.
func (p *path) repeatedInVain() bool {
	back := p.side(reply)
	return p.x.repeated != 0 && (back == nil || int32(p.x.repeated-back.acked) > 0)
}

// droppedOnTheWay: the kernel says which rule, or for what reason, it dropped the
// bytes that do not get through. No absence has to be claimed then.
func (p *path) droppedOnTheWay(j *judgement, answer bool) bool {
	w := request
	if answer {
		w = reply
	}
	told := p.tellDropSince(j, w, p.r.synAck)
	if g := p.lastPassage(w, false); g != nil && g.last > p.r.synAck {
		if f, ok := p.filtered(w, false); ok {
			p.blame(j, f, w)
			if answer {
				j.stage, j.cause, j.fix = f.stage.Reply(), CauseReplyFiltered, f.passing(p.target)
			}
			return true
		}
	}
	if told == nil || answer || j.cause != CauseUnknown {
		return false
	}
	between := j.between
	p.kernelDropped(j, told)
	j.between = between
	return true
}

// serverShut: the server reads nothing, and its kernel takes no more.
func (p *path) serverShut(j *judgement) bool {
	i := slices.IndexFunc(p.coming, func(s stop) bool { return s.shut() && s.leg == p.served() })
	if i < 0 {
		return false
	}
	j.stage, j.cause = stage.Container, CauseZeroWindow
	who := "The server in " + p.name()
	if p.served() == p.client && p.answeredByHost() {
		j.stage, who = stage.Host, "A process of the host"
	}
	j.why = fmt.Sprintf("%s accepted the connection and does not read: its window is closed, and the client may send no more.", who)
	j.fix = []string{fmt.Sprintf("see what the server in %s is waiting for: docker logs %s", p.name(), shell(p.name()))}
	j.fact("packets", p.coming[i].last, "window 0 at %s", p.coming[i].at.Name)
	return true
}

// requestStuck: the client's bytes are not acknowledged.
func (p *path) requestStuck(j *judgement) {
	j.why = "The connection was established, and then the client's bytes were never acknowledged."
	j.between = p.lastBytes()
	if j.between[0] == "" {
		j.stage = stage.Container // they went in, and its kernel does not acknowledge them
	}
	p.tooLarge(j, request)
}

// answerStuck: the server's bytes do not come out at the client's side.
func (p *path) answerStuck(j *judgement) {
	j.why = fmt.Sprintf("The connection was established, and then the server's bytes never came out at %s.", p.clientPoint().Name)
	for _, s := range p.replies() {
		if s.leg.bytes(s.sighting) > 0 {
			j.between = [2]string{s.at.Name, p.clientPoint().Name}
		}
	}
	if !p.tooLarge(j, reply) && j.between[0] != "" {
		if hit, ok := p.filtered(reply, false); ok {
			p.blame(j, hit, reply)
			j.stage, j.cause, j.fix = hit.stage.Reply(), CauseReplyFiltered, hit.passing(p.target)
		}
	}
}

// tooLarge: packets of one direction are larger than a link on their way takes.
// Its message says so, or the sizes that the links are set to.
func (p *path) tooLarge(j *judgement, w way) bool {
	if i := slices.IndexFunc(p.x.errors, func(e icmpError) bool { return e.mtu != 0 && e.way == w }); i >= 0 {
		e := p.x.errors[i]
		j.cause = CauseMTU
		j.why = fmt.Sprintf("Packets are larger than the way allows: %s asks for at most %d bytes, and the sender does not comply.", e.from.Addr(), e.mtu)
		j.fix = append(mtuFix(int(e.mtu)), "let ICMP \"fragmentation needed\" through to the container")
		j.fact("packets", e.time, "ICMP from %s at %s: at most %d bytes", e.from.Addr(), p.t.pointName(e.point), e.mtu)
		return true
	}
	now := p.sampleThen(capture.HostNetns)
	if now == nil {
		return false
	}
	out, in := now.LinkNamed(j.between[1]), now.LinkNamed(j.between[0])
	if out == nil || in == nil || out.MTU == 0 || out.MTU >= in.MTU {
		return false
	}
	j.cause = CauseMTU
	j.why = fmt.Sprintf("Packets are larger than the way allows: %s takes %d bytes and %s only %d, and no message saying so got to the sender.", in.Name, in.MTU, out.Name, out.MTU)
	j.fix = append(mtuFix(out.MTU), "find what drops ICMP \"fragmentation needed\": nft list ruleset, iptables-save")
	j.fact("host", p.now, "MTU %d at %s, %d at %s", in.MTU, in.Name, out.MTU, out.Name)
	return true
}

func mtuFix(mtu int) []string {
	return []string{
		fmt.Sprintf("set the MTU of the network: docker network create --opt com.docker.network.driver.mtu=%d …", mtu),
		"or clamp: iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
	}
}

// lastBytes names the last point that the client's bytes reached and the first
// they did not reach; empty if they got as far as the connection itself.
func (p *path) lastBytes() [2]string {
	asked, last := p.bytes(request), p.clientPoint().Name
	for _, s := range p.going {
		if s.leg.bytes(s.sighting) < asked {
			return [2]string{last, s.at.Name}
		}
		last = s.at.Name
	}
	if !p.entered() {
		return [2]string{last, "host"}
	}
	return [2]string{}
}

// stallWatch is how far an answer had got when it was last looked at.
type stallWatch struct {
	since int64  // Unix ns, when it had got that far
	end   uint32 // bytes the server had sent
	acked uint32 // of which the client had acknowledged
	count uint16 // segments of the server
	stuck bool   // nothing moved since, however often it was sent again
}

// resent notes that an answer was sent again at the client's point, or that the
// client's window is closed. Only then is an answer looked after: of those that
// get through, none costs anything.
func (t *Tracker) resent(req, n uint32, s *sighting, at int64) {
	r := t.requests.at(req)
	if n != r.client || s.point != r.point {
		return
	}
	g := t.legs.slab.at(n)
	g.flags |= legResent
	if r.phase != judged || r.marks&markWindow != 0 {
		return // it is looked at when its window is over
	}
	if asked, back, ok := t.answering(r, g); ok {
		t.lookAfter(req, r, stallWatch{since: at, end: back.end, acked: asked.acked, count: back.count - 1})
	}
}

// answering is what was seen at the client's point of a request that was
// delivered, if its answer has begun and is not acknowledged, or its client has
// closed its window.
func (t *Tracker) answering(r *reqRecord, g *leg) (asked, back *sighting, ok bool) {
	if g.tuple.Proto != decode.TCP || r.verdict != Delivered || r.marks&markClosed != 0 || g.flags&legReplyISN == 0 && r.marks&markMiddle == 0 {
		return nil, nil, false
	}
	asked, back = t.legs.at(g, r.point, request), t.legs.at(g, r.point, reply)
	return asked, back, asked != nil && back != nil && (int32(back.end-asked.acked) > 0 || asked.shut())
}

// watchAnswer looks after an answer that is sent again and again. A window later
// it has moved, or it is stuck if all that was sent meanwhile was sent before.
func (t *Tracker) watchAnswer(req uint32, r *reqRecord, at int64) {
	g := t.legs.slab.at(r.client)
	if x := t.extras[req]; g.flags&legResent == 0 && (x == nil || x.stall == nil) {
		return
	}
	asked, back, ok := t.answering(r, g)
	if !ok {
		return
	}
	x := t.extra(req)
	if w := x.stall; w != nil && w.end == back.end && w.acked == asked.acked && back.count > w.count {
		w.stuck = true
		t.judge(req, at, true)
		return
	}
	x.stall = nil
	if g.flags&legResent != 0 && at-max(back.last, asked.last) < longestRetry {
		t.lookAfter(req, r, stallWatch{since: at, end: back.end, acked: asked.acked, count: back.count})
	}
	g.flags &^= legResent
}

// lookAfter looks at an answer again a window after the watch began.
func (t *Tracker) lookAfter(req uint32, r *reqRecord, w stallWatch) {
	t.extra(req).stall = &w
	if r.marks&markWindow == 0 {
		r.marks |= markWindow
		t.rearm(w.since+int64(t.config.Window), req)
	}
}

// longestRetry is the longest a sender waits before it sends again
// (TCP_RTO_MAX), in ns: after that there is nothing to look after.
const longestRetry = 120e9

// answerStopped: the answer began to leave, and then stopped getting through to
// the client.
func answerStopped(p *path, j *judgement) bool {
	w := p.x.stall
	if w == nil || !w.stuck || len(p.watched(p.clientPoint()).gaps) > 0 {
		return false
	}
	asked, back := p.side(request), p.side(reply)
	if p.r.marks&markMiddle != 0 || p.halfway() {
		j.undetermined(p, "the answer was sent again and again and got no further, and how the connection began was not seen")
		return true
	}
	j.verdict, j.stage, j.cause, j.proof = Stalled, stage.ReplyNIC, CauseUnknown, Inferred
	at := p.clientPoint().Name
	switch {
	case asked.shut():
		j.cause = CauseZeroWindow
		j.why = "The client has stopped reading the answer: its window is closed, and the server may send no more."
		j.fix = []string{"look at the client: it holds the connection and does not read"}
		j.fact("packets", asked.last, "window 0 from the client at %s", at)
		return true
	case p.tooLarge(j, reply):
	case asked.last > w.since && back.end-asked.acked > smallSegment:
		j.cause = CauseMTU
		j.why = fmt.Sprintf("The answer leaves at %s again and again, and its large packets never arrive, while the client's small ones do: somewhere behind, the way takes smaller packets only, and no ICMP error says so.", at)
		j.fix = append(mtuFix(1400), "find the size that gets through: ping -M do -s 1372 CLIENT")
	default:
		j.why = fmt.Sprintf("The answer leaves at %s again and again, and the client acknowledges no more of it.", at)
		j.fix = []string{"look for what drops packets between the host and the client, large ones first: ping -M do -s 1472 CLIENT"}
	}
	j.fact("packets", back.last, "%d bytes left at %s and were never acknowledged", back.end-asked.acked, at)
	return true
}

// smallSegment gets through everywhere: the least MTU of IPv4, less its headers
// (RFC 9293 §3.7.1).
const smallSegment = 536
