package correlate

import (
	"cmp"
	"time"
	"unsafe"

	"dnatrace/decode"
)

// reqRecord is one request while it is followed. It is pointer-free; the little
// that few requests need is in extra.
type reqRecord struct {
	number   uint32 // in order of opening, from 1; 0 is a free record
	rev      uint16
	marks    marks
	phase    phase
	verdict  Verdict
	pushes   uint8  // of the client, of new bytes, before any answer; stays at its maximum
	point    uint16 // where it was seen first: the client's side
	outcome  uint16 // of the last judgement, as journal numbers it; 0 before
	client   uint32 // number of the leg on the client's side
	last     uint32 // number of the leg joined last
	attempts uint32
	end      uint32 // hash of the client's end, under which ends holds it
	carried  uint32 // hash of what its last packet carried, likewise; 0 none

	from, to [6]byte // link-layer addresses of the first packet; zero if it had none

	opened   int64 // Unix ns, first packet at the client's point
	lastNew  int64 // last new attempt there
	lastSeen int64 // last turning point
	synAck   int64 // first SYN-ACK at the client's point; 0 none
	shaken   int64 // the client's ACK of it; 0 none
	asked    int64 // first request bytes at the client's point; 0 none
	answered int64 // first answer bytes at the client's point; 0 none
	decided  int64 // the deciding packet

	clientFIN, serverFIN int64 // first FIN of each side at the client's point; 0 none
}

type phase uint8

const (
	waiting      phase = iota
	settlingDown       // the deciding packet was seen; late evidence may still come
	judged
)

type marks uint16

const (
	markWindow    marks = 1 << iota // a window deadline is armed
	markMiddle                      // joined in the middle
	markClientFIN                   // at the client's point
	markServerFIN
	markClientRST
	markServerRST
	markClosed     // both sides are done
	markError      // an ICMP error came back towards the client
	markProxied    // a docker-proxy backend leg belongs to it
	markIdle       // an idle deadline is armed
	markCrowded    // more requests are like it than are told apart
	markChallenged // the SYN was answered by an ACK of an older connection (RFC 5961 §4.2)
	markUnfinal    // the judgement was told before the window was over
	markOneWay     // judged delivered, since no answer is called for
	markHalfway    // first seen behind the host, on its way to a container
	markBare       // one SYN, and nothing that followed it up
)

// extra is what few requests have.
type extra struct {
	conntrack *decode.Conntrack // entry of the client's leg
	requested *decode.Tuple     // what was asked for, where no leg shows it: translated before the first point
	errors    []icmpError
	stall     *stallWatch
	rival     uint16     // 1 + the point where something was seen that is this request's, or another's; 0 none
	repeated  uint32     // TCP: end of the client's bytes that were sent again before an answer, from its initial sequence number; 0 none
	again     bool       // TCP: answer bytes were sent again at a point behind the client's, before any came out there
	unseen    bool       // TCP: the server closed and acknowledged more than was seen of the client
	leaves    bool       // it goes out: no point of the host is on its way in
	told      string     // what was said of it at once
	passages  []*passage // its packets' ways through the rules, as the kernel traced them
}

func (t *Tracker) extra(req uint32) *extra {
	x := t.extras[req]
	if x == nil {
		x = &extra{}
		t.extras[req] = x
	}
	return x
}

// reused reports whether p opens a new connection on the tuple of an old one,
// and if so makes room for it.
func (t *Tracker) reused(n uint32, w way, p *decode.Packet) bool {
	g := t.legs.slab.at(n)
	if p.Kind != decode.Segment {
		return false
	}
	if p.Flags&(decode.SYN|decode.ACK|decode.RST) != decode.SYN {
		heardAlone := g.req == 0 && w == request && g.flags&legMiddle != 0 // its server, until now
		if g.flags&legEnding == 0 && p.Flags&decode.SYN == 0 && !heardAlone || !t.ofAnother(g, w, p) {
			return false
		}
		t.replaced(n, g, p)
		return true
	}
	if w == request && g.flags&legISN != 0 && g.isn[request] == p.Seq {
		return false // a further attempt
	}
	if w == reply && g.flags&legMiddle == 0 && g.seen[0].flags&decode.ACK == 0 {
		return false // simultaneous open: one connection (RFC 9293 §3.5)
	}
	if w == request && g.req != 0 && t.challenged(g.req-1) {
		g.isn[request], g.stamp = p.Seq, stampOf(p) // the older connection is gone: the same request once more
		if r := t.requests.at(g.req - 1); r.marks&markBare != 0 {
			r.lastNew = p.Time // nothing of it but other SYNs: that is no client that waits for its second
		}
		return false
	}
	t.replaced(n, g, p)
	return true
}

// replaced makes room for the leg of a new connection, which p is of, on the tuple of
// an old one.
func (t *Tracker) replaced(n uint32, g *leg, p *decode.Packet) {
	if g.req == 0 {
		t.legs.detach(n)
		return
	}
	if r := t.requests.at(g.req - 1); r.client == n && r.phase == settlingDown {
		t.judge(g.req-1, p.Time, true)
	}
	t.legs.detach(n)
	t.superseded(g.req - 1)
}

// ofAnother reports whether a segment on the tuple of a connection that is ending, or the
// answer to a SYN on any, is of a later one, whose opening was not seen: what it carries
// and what it acknowledges are both far from all that was seen of that connection.
func (t *Tracker) ofAnother(g *leg, w way, p *decode.Packet) bool {
	if p.Flags&(decode.ACK|decode.RST) != decode.ACK {
		return false
	}
	if opening := [2]legFlags{legISN, legReplyISN}[1-w]; p.Flags&decode.SYN != 0 && g.flags&opening != 0 && p.Ack == g.isn[1-w]+1 {
		return false // it answers the SYN, whatever was said before
	}
	near := false
	t.legs.each(g, func(s *sighting) {
		end, acked := s.end+g.isn[s.way], s.acked+g.isn[1-s.way]
		if s.way != w {
			end, acked = acked, end
		}
		near = near || distance(p.Seq, end) < leastApart || distance(p.Ack, acked) < leastApart
	})
	return !near
}

// distance is how far two sequence numbers are from each other.
func distance(a, b uint32) uint32 { return min(a-b, b-a) }

// superseded lets a request go soon whose tuple carries another one now.
func (t *Tracker) superseded(req uint32) {
	if r := t.requests.at(req); r.marks&markClosed == 0 && r.phase == judged {
		r.marks |= markClosed
		t.after(&t.lingering, linger, req)
	}
}

// begin makes leg n, first seen by p, a request of its own.
func (t *Tracker) begin(n uint32, p *decode.Packet, pt *point) {
	t.makeRoom()
	t.numbers++
	t.opened = [2]int64{t.opened[1], p.Time}
	req := t.requests.get()
	r := t.requests.at(req)
	g := t.legs.slab.at(n)
	*r = reqRecord{number: t.numbers, client: n, last: n, point: pt.same, opened: p.Time, lastNew: p.Time, lastSeen: p.Time, end: t.endHash(&g.tuple), from: p.SrcMAC, to: p.DstMAC}
	if g.flags&legMiddle != 0 {
		r.marks |= markMiddle
	}
	if t.leavesHost(p, pt) {
		r.marks |= markHalfway
	}
	g.req = req + 1
	t.identify(&t.ends, r.end, req)
	t.carries(req, r, p)
	t.after(&t.windows, t.config.Window, req)
	r.marks |= markWindow
	t.aging.push(age{req, r.number})
	t.bare(req, r, g)
	t.expectProxy(req, r, g)
	if e := t.foretold(g); e != nil {
		t.extra(req).conntrack = e
	}
}

// younger orders requests by when they were opened.
func (t *Tracker) younger(a, b uint32) bool { return t.requests.at(a).number < t.requests.at(b).number }

// carries notes what the last packet of a request carried, for as long as no leg
// behind a translation is known.
func (t *Tracker) carries(req uint32, r *reqRecord, p *decode.Packet) {
	h := uint32(0)
	if r.last == r.client || !t.isTranslated(r) {
		h = t.carriedHash(p)
	}
	if b := t.bytesHash(p); b != 0 && (r.last == r.client || !t.isTranslated(r)) {
		t.learned.said.add(b, req, r.number, p.Time)
	}
	if h == r.carried {
		return
	}
	if r.carried != 0 {
		t.carried.remove(r.carried, req)
	}
	if r.carried = h; h != 0 {
		t.identify(&t.carried, h, req)
	}
}

// identify enters a request into a table that finds it. One that is not found any
// more, for another that is like it, is told apart from nobody.
func (t *Tracker) identify(in *identities, hash, req uint32) {
	if out, pushed := in.add(hash, req, t.younger); pushed {
		t.requests.at(out).marks |= markCrowded
	}
}

// unidentify takes a request out of the tables that find it.
func (t *Tracker) unidentify(req uint32, r *reqRecord) {
	t.ends.remove(r.end, req)
	if r.carried != 0 {
		t.carried.remove(r.carried, req)
	}
}

// belong adds leg n to a request.
func (t *Tracker) belong(n, req uint32) {
	r := t.requests.at(req)
	g := t.legs.slab.at(n)
	g.req = req + 1
	if r.marks&(markClosed|markClientFIN|markServerFIN) != 0 {
		g.flags |= legEnding
	}
	t.legs.slab.at(r.last).next = n + 1
	r.last = n
}

// turn is called where a packet may change what becomes of a request: a point
// sees it for the first time, a flag, bytes while there is no answer yet.
func (t *Tracker) turn(req, n uint32, w way, s *sighting, p *decode.Packet, news bool) {
	r := t.requests.at(req)
	r.lastSeen = p.Time
	if n != r.client || s.point != r.point {
		if w == reply && !news && r.answered == 0 && p.Payload > 0 && p.Kind == decode.Segment {
			t.extra(req).again = true
		}
		return // what other points saw is read when judging
	}
	switch {
	case p.Kind == decode.Segment && w == request:
		t.clientSaid(req, r, p, news)
		if g := t.legs.slab.at(n); g.flags&legReplyISN != 0 && int32(s.acked) > finAndSYN && p.Flags&decode.ACK != 0 {
			t.answer(req, r, n, p.Time) // the ring may have lost the answer; the client has it
		}
	case p.Kind == decode.Segment:
		t.serverSaid(req, r, n, p)
	case w == request:
		if r.answered == 0 {
			if !t.again(req, r, p.Time) {
				return
			}
			t.attempt(req, r, p.Time)
		}
		if r.attempts <= mostRetries {
			t.carries(req, r, p)
		}
	case p.Kind == decode.Chunk && p.Type == chunkAbort:
		r.marks |= markServerRST
		t.close(req, r, p.Time)
	default:
		t.answer(req, r, n, p.Time)
	}
}

// finAndSYN is how much of the other side's sequence space an acknowledgement
// can cover without a byte of payload in it.
const finAndSYN = 2

// chunkAbort is SCTP's way to refuse (RFC 9260 §3.3.7).
const chunkAbort = 6

// clientSaid takes a segment of the client at the client's own point.
func (t *Tracker) clientSaid(req uint32, r *reqRecord, p *decode.Packet, news bool) {
	switch {
	case p.Flags&decode.SYN != 0:
		if r.attempts > 0 && !t.again(req, r, p.Time) {
			return
		}
		t.attempt(req, r, p.Time)
		if r.attempts > 1 && r.attempts <= mostRetries {
			t.clientLeg(req).ipid = p.IPID
			t.carries(req, r, p)
		}
		return
	}
	t.followed(req, r)
	switch {
	case p.Flags&decode.RST != 0 && t.challenged(req):
		return // it ends the server's older connection, and will try again
	case p.Flags&decode.RST != 0:
		r.marks |= markClientRST
		t.close(req, r, p.Time)
		return
	}
	if r.synAck != 0 && r.shaken == 0 {
		r.shaken = p.Time
		t.mayBeProxied(req, r)
	}
	if p.Payload > 0 && r.answered == 0 {
		t.clientAsked(req, r, p, news)
	}
	if p.Flags&decode.FIN != 0 {
		r.marks |= markClientFIN
		t.endLegs(r)
		r.clientFIN = cmp.Or(r.clientFIN, p.Time)
		if r.asked == 0 && r.synAck != 0 && r.answered == 0 {
			t.decide(req, r, p.Time)
		}
		if r.verdict == Stalled && r.phase == judged {
			t.decide(req, r, p.Time) // it is alive, and never got the answer
		}
		if r.marks&markServerFIN != 0 {
			t.close(req, r, p.Time)
		}
	}
}

// clientAsked takes bytes of the client that nobody has answered yet.
func (t *Tracker) clientAsked(req uint32, r *reqRecord, p *decode.Packet, news bool) {
	if !news {
		x := t.extra(req)
		if end := p.Seq + p.Payload - t.legs.slab.at(r.client).isn[request]; int32(end-x.repeated) > 0 {
			x.repeated = end
		}
		return
	}
	if r.asked == 0 {
		r.asked = p.Time
	}
	if p.Flags&decode.PSH != 0 && r.pushes < streamPushes {
		r.pushes++
	}
	t.await(req, r, p.Time)
}

// nowThrough reports whether what the client had to send again is acknowledged.
func (t *Tracker) nowThrough(req uint32, r *reqRecord) bool {
	x, back := t.extras[req], t.legs.at(t.legs.slab.at(r.client), r.point, reply)
	return x != nil && x.repeated != 0 && back != nil && int32(x.repeated-back.acked) <= 0
}

// challenged reports whether the server has answered the SYN for an older
// connection of its own, and not yet for this one.
func (t *Tracker) challenged(req uint32) bool {
	r := t.requests.at(req)
	return r.marks&markChallenged != 0 && r.synAck == 0
}

// leastApart is how much further a later connection of the same ends begins at least
// (RFC 6528): what acknowledges less than that beyond a SYN is of the same connection,
// and what it acknowledges was not seen.
const leastApart = 1 << 16

// isChallenge reports whether a segment of the server is neither an answer to the
// SYN nor part of a handshake: an ACK of bytes that this connection does not have
// (RFC 5961 §4.2).
func (t *Tracker) isChallenge(r *reqRecord, p *decode.Packet) bool {
	if r.synAck != 0 || r.asked != 0 || r.marks&markMiddle != 0 || p.Payload > 0 || p.Flags&(decode.SYN|decode.FIN|decode.RST|decode.ACK) != decode.ACK {
		return false
	}
	g := t.legs.slab.at(r.client)
	asked := t.legs.at(g, r.point, request)
	return g.flags&legISN != 0 && p.Ack-g.isn[request]-1 >= leastApart && asked != nil && asked.flags&decode.ACK == 0
}

// serverSaid takes a segment that came back to the client's own point.
func (t *Tracker) serverSaid(req uint32, r *reqRecord, n uint32, p *decode.Packet) {
	if p.Flags&decode.SYN != 0 && r.synAck == 0 {
		r.synAck = p.Time
	}
	if t.isChallenge(r, p) {
		r.marks |= markChallenged
	}
	if r.verdict == Stalled && r.phase == judged && r.answered == 0 && t.nowThrough(req, r) {
		t.await(req, r, p.Time)
	}
	if p.Payload > 0 && p.Flags&decode.RST == 0 {
		t.answer(req, r, n, p.Time)
	}
	if p.Flags&decode.RST != 0 {
		t.followed(req, r)
		r.marks |= markServerRST
		t.close(req, r, p.Time)
	}
	if p.Flags&decode.FIN != 0 {
		t.followed(req, r)
		r.marks |= markServerFIN
		t.endLegs(r)
		r.serverFIN = cmp.Or(r.serverFIN, p.Time)
		if g := t.legs.slab.at(r.client); r.answered == 0 && g.flags&legISN != 0 {
			asked := t.legs.at(g, r.point, request)
			if asked != nil && int32(p.Ack-g.isn[request]-asked.end) > 0 {
				t.extra(req).unseen = true
			}
		}
		if r.answered == 0 {
			t.decide(req, r, p.Time)
		}
		if r.marks&markClientFIN != 0 {
			t.close(req, r, p.Time)
		}
	}
}

// attempt counts a further try of the client.
func (t *Tracker) attempt(req uint32, r *reqRecord, now int64) {
	r.attempts++
	t.await(req, r, now)
}

// await starts the window anew.
func (t *Tracker) await(req uint32, r *reqRecord, now int64) {
	r.lastNew = now
	if r.phase == judged && r.verdict != Delivered && r.marks&(markClosed|markUnfinal) == 0 {
		r.phase = waiting // it tries again: the judgement may change
	}
	if (r.phase == waiting || r.marks&markUnfinal != 0) && r.marks&markWindow == 0 {
		r.marks |= markWindow
		t.rearm(now+int64(t.config.Window), req)
	}
}

// answer notes the first answer bytes at the client's point.
func (t *Tracker) answer(req uint32, r *reqRecord, n uint32, now int64) {
	if r.answered != 0 {
		return
	}
	t.followed(req, r)
	r.answered = now
	t.legs.slab.at(n).flags |= legAnswered
	t.decide(req, r, now)
}

// close notes that one side ended the connection for good.
func (t *Tracker) close(req uint32, r *reqRecord, now int64) {
	if r.answered == 0 {
		t.decide(req, r, now)
	}
	if r.marks&markClosed != 0 {
		return
	}
	r.marks |= markClosed
	t.after(&t.lingering, linger, req)
	t.endLegs(r)
}

// endLegs notes at the legs of a request that one side has ended the connection.
func (t *Tracker) endLegs(r *reqRecord) {
	for n := r.client + 1; n != 0; {
		g := t.legs.slab.at(n - 1)
		g.flags |= legEnding
		n = g.next
	}
}

// decide notes the deciding packet. The judgement follows when what the kernel
// tells of it late has had time to come.
func (t *Tracker) decide(req uint32, r *reqRecord, now int64) {
	if !r.decidable() {
		return
	}
	r.decided = now
	r.phase = settlingDown
	t.after(&t.settling, settle, req)
}

// decidable reports whether a packet, or what the kernel tells of one, can still
// decide about a request: it waits, or was judged by what did not come.
func (r *reqRecord) decidable() bool {
	return r.phase == waiting || r.phase == judged && (r.verdict != Delivered || r.marks&markOneWay != 0)
}

// settled judges a request whose deciding packet was seen a moment ago.
func (t *Tracker) settled(req uint32, r *reqRecord, at int64) {
	if r.phase == settlingDown {
		t.judge(req, at, false)
	}
}

// windowOver judges a request that has waited long enough, or waits on.
func (t *Tracker) windowOver(req uint32, r *reqRecord, at int64) {
	r.marks &^= markWindow
	if r.phase == judged && r.marks&markUnfinal == 0 {
		t.watchAnswer(req, r, at)
	}
	if r.phase != waiting && (r.phase != judged || r.marks&markUnfinal == 0) {
		return
	}
	if r.attempts > 1 && t.floods(req, r) {
		return
	}
	if due := r.lastNew + int64(t.patience(req, r)); due > at && !t.streams(r) {
		r.marks |= markWindow
		t.rearm(due, req)
		return
	}
	if r.phase == judged {
		t.finish(req, r, at)
		return
	}
	t.judge(req, at, true)
}

// patience is how long a request waits after its last new attempt.
func (t *Tracker) patience(req uint32, r *reqRecord) time.Duration {
	if t.config.Window < neighbourWindow && t.neighbourOutstanding(req, r) {
		return neighbourWindow
	}
	return t.config.Window
}

// idled lets a request go that has been silent, or looks again later. One that
// waits for its judgement gets a new deadline with that; were it looked at again
// and again meanwhile, a day without packets would cost as much as a day with
// them.
func (t *Tracker) idled(req uint32, r *reqRecord, at int64) {
	r.marks &^= markIdle
	switch {
	case r.phase == waiting || r.phase == settlingDown:
	case at-r.lastSeen < int64(idle):
		t.armIdle(req, r)
	default:
		t.forget(req)
	}
}

// forget releases a request and its legs.
func (t *Tracker) forget(req uint32) {
	r := t.requests.at(req)
	if r.phase != judged && !t.floods(req, r) {
		t.judge(req, t.now, true)
	}
	t.finish(req, r, t.now)
	t.unbare(r)
	t.unidentify(req, r)
	for n := r.client + 1; n != 0; {
		next := t.legs.slab.at(n - 1).next
		t.legs.release(n - 1)
		n = next
	}
	delete(t.extras, req)
	t.requests.put(req)
}

// makeRoom lets requests go when there are too many: those that are closed first,
// then those that are judged, then the oldest. Those that never end must not take
// the memory of the host.
func (t *Tracker) makeRoom() {
	if t.requests.live() < t.config.Capacity && t.bytes() < t.config.Memory {
		t.forgetAges()
		return
	}
	if t.thin() {
		return
	}
	for !t.lingering.empty() {
		t.touchNext(&t.lingering, true)
		if d := t.lingering.pop(); t.requests.at(d.req).number == d.number {
			t.forget(d.req)
			return
		}
	}
	for !t.idling.empty() {
		t.touchNext(&t.idling, true)
		d := t.idling.pop()
		r := t.requests.at(d.req)
		if r.number != d.number {
			continue
		}
		if r.marks &^= markIdle; r.phase == judged {
			t.forget(d.req)
			return
		}
	}
	for !t.aging.empty() {
		a := t.aging.pop()
		r := t.requests.at(a.req)
		if r.number != a.number {
			continue
		}
		if r.phase != judged && !t.floods(a.req, r) {
			r.phase = judged
			if r.marks&markMiddle == 0 { // delivered or not judged
				t.journal.evicted++
			}
		}
		t.forget(a.req)
		return
	}
}

// extraBytes is about what an extra takes, with a connection tracking entry.
const extraBytes = 512

// bytes is about how much memory the requests that are held take.
func (t *Tracker) bytes() int {
	return t.legs.slab.live()*int(unsafe.Sizeof(leg{})) + t.legs.extra.live()*int(unsafe.Sizeof(extraSightings{})) +
		t.requests.live()*int(unsafe.Sizeof(reqRecord{})) + len(t.extras)*extraBytes
}

// age is a request in the order in which they were opened.
type age struct{ req, number uint32 }

// forgetAges drops what aging holds of requests that are gone, now and then: one
// connection that stays open must not have all later ones remembered.
func (t *Tracker) forgetAges() {
	if t.aging.size > 2*t.requests.live()+queueChunk {
		t.aging.keep(func(a *age) bool { return t.requests.at(a.req).number == a.number })
	}
}
