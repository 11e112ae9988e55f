package correlate

import (
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// judgement is what decide finds.
type judgement struct {
	verdict Verdict
	stage   stage.Stage
	between [2]string
	cause   Cause
	why     string
	proof   Proof
	fix     []string
	notes   []string
	blind   []string
	facts   []Evidence
	rule    *RuleHit
	ruledAt int64 // Unix ns; valid iff rule is set
	final   bool  // nothing that is waited for can change it
	oneWay  bool  // delivered without an answer: one, or an error, may still come
	unread  bool  // see path
}

// decide says what became of a request. The rules are tried in order; the
// first that holds decides. It is false while none does: it is to be waited for.
// With last set there is no more waiting.
func decide(p *path, j *judgement, last bool) bool {
	if answerStopped(p, j) || answered(p, j) {
		return true
	}
	if p.x.leaves {
		if last {
			j.undetermined(p, "it left the host: what became of it outside was not watched")
		}
		return last
	}
	if p.r.marks&markMiddle != 0 {
		return false // joined in the middle: delivered or not judged
	}
	for _, rule := range []func(*path, *judgement) bool{
		closedByClient,
		refusedByReset,
		refusedByICMP,
		closedByServer,
	} {
		if rule(p, j) {
			return true
		}
	}
	if !last {
		return provenAtOnce(p, j)
	}
	if p.idle() {
		return false // accepted, and nobody has said anything yet
	}
	rest(p, j)
	return true
}

// rest are the rules that rest on absence: the first that holds decides.
func rest(p *path, j *judgement) {
	for _, rule := range []func(*path, *judgement) bool{
		keptFromLeaving,
		outOfSight,
		oneWay,
		challenged,
		oneWayStream,
		answerLost,
		stalled,
		backendFailed,
		silentServer,
		silentContainer,
		neighbourMissing,
		hostCannotAnswer,
		heldByHost,
		vanished,
	} {
		if rule(p, j) {
			return
		}
	}
}

// idle reports an accepted connection on which nobody has sent anything: the
// judgement can wait for as long as they do.
func (p *path) idle() bool {
	return p.tuple.Proto == decode.TCP && p.r.shaken != 0 && p.r.asked == 0 && p.r.answered == 0 && p.r.marks&(markClosed|markClientFIN|markServerFIN) == 0 &&
		(!p.proxied() || p.backendSaw(decode.SYN) != nil && p.backendSaw(decode.RST) == nil && p.backendSaw(decode.FIN) == nil)
}

// answered: an answer left towards the client.
func answered(p *path, j *judgement) bool {
	if p.r.answered == 0 || p.halfway() && !p.arrived() {
		return false
	}
	j.deliver(p)
	if p.tuple.Proto == decode.TCP {
		j.fact("packets", p.r.answered, "answer bytes left at %s", p.clientPoint().Name)
	} else {
		j.fact("packets", p.r.answered, "the answer left at %s", p.clientPoint().Name)
	}
	misdelivered(p, j)
	return true
}

// closedByClient: the handshake was done and the client closed, having asked
// for nothing; or it asked, closed, and the server closed in return; or it left
// the handshake at the SYN-ACK, which is all that a scan wants to know.
func closedByClient(p *path, j *judgement) bool {
	if p.tuple.Proto != decode.TCP || p.r.synAck == 0 || p.r.answered != 0 || p.r.marks&markMiddle != 0 {
		return false
	}
	m := p.r.marks
	switch {
	case p.r.shaken == 0:
		if p.halfway() || m&markClientRST == 0 || m&(markServerRST|markServerFIN) != 0 || p.r.asked != 0 || p.proxied() && (p.backendRefused() || p.backendUnheard()) {
			return false
		}
		j.deliver(p)
		j.fact("packets", p.r.synAck, "the SYN-ACK left at %s; the client reset the connection", p.clientPoint().Name)
		j.note("the client reset the connection before it was established, as health checks and scans do")
	case p.r.asked == 0 && p.bytes(request) == 0 && !p.closedUnseen() && m&(markClientFIN|markClientRST) != 0 && m&markServerRST == 0 && !p.serverClosedFirst():
		if p.proxied() && (p.backendRefused() || p.backendUnheard()) {
			return false
		}
		j.deliver(p)
		j.fact("packets", p.r.shaken, "the handshake was completed; the client closed without asking for anything")
	case p.r.asked != 0 && m&markClientFIN != 0 && m&markServerFIN != 0 && m&markServerRST == 0 && !p.serverClosedFirst():
		j.deliver(p)
		j.proof = Inferred
		j.note("the server closed without a byte of answer, after the client had closed")
	default:
		return false
	}
	return true
}

// closedUnseen reports whether the client acknowledges more than a SYN of a server
// that was not seen closing: it did, or said something.
func (p *path) closedUnseen() bool {
	asked := p.side(request)
	return p.r.marks&markServerFIN == 0 && p.client.flags&legReplyISN != 0 && asked != nil && int32(asked.acked) >= finAndSYN
}

// serverClosedFirst reports whether the server's FIN came before the client's.
func (p *path) serverClosedFirst() bool {
	return p.r.serverFIN != 0 && (p.r.clientFIN == 0 || p.r.serverFIN < p.r.clientFIN)
}

// refusedByReset: a reset came back before any answer.
func refusedByReset(p *path, j *judgement) bool {
	if p.r.marks&markServerRST == 0 || p.r.answered != 0 {
		return false
	}
	if !p.synRefused() {
		return refusedLate(p, j, decode.RST)
	}
	from := p.replyFrom(decode.RST)
	j.verdict = Refused
	if from != nil && (p.inContainer(from) || p.handedIn()) {
		j.fact("packets", from.first, "RST seen first at %s", from.at.Name)
		resetByContainer(p, j)
		return true
	}
	if from != nil {
		j.fact("packets", from.first, "RST at %s, nothing behind it", from.at.Name)
	}
	if f, ok := p.filtered(request, false); ok && f.reject {
		p.blame(j, f, request)
		return true
	}
	resetByHost(p, j)
	return true
}

// synRefused reports whether the reset at the client's point answers the SYN
// itself: it has no sequence number of its own and acknowledges nothing else
// (RFC 9293 §3.5.2). Any other reset comes late in a connection, however little
// of that was seen.
func (p *path) synRefused() bool {
	if p.tuple.Proto != decode.TCP {
		return true
	}
	s := p.side(reply)
	return s == nil || s.opening&(decode.SYN|decode.RST|decode.ACK) == decode.RST|decode.ACK && s.end == 0 && s.acked == 1
}

// closedByServer: the server closed before any byte of answer.
func closedByServer(p *path, j *judgement) bool {
	if p.tuple.Proto != decode.TCP || p.r.marks&markServerFIN == 0 || p.r.answered != 0 {
		return false
	}
	return refusedLate(p, j, decode.FIN)
}

// oneWay: datagrams need no answer. A bound socket whose queue does not grow
// takes them.
func oneWay(p *path, j *judgement) bool {
	if p.tuple.Proto != decode.UDP || !p.entered() && !p.boundOnHost() {
		return false
	}
	server := p.served().tuple
	if _, filtered := p.filtered(request, p.entered()); filtered {
		return false
	}
	if p.t.talkers.Get(talker(server)) != 0 || p.paused() {
		return false
	}
	sock, grown := p.boundSocket(server)
	if sock == nil || grown || len(p.coming) > 0 {
		return false
	}
	if own := sock.Process != "" && !p.enginesOwn(sock); !p.entered() && !own && !p.keptByHost() {
		return false // the rules may have sent it on, or stopped it: docker-proxy is bound all the same
	}
	if gaps := p.gaps(p.doors()...); len(gaps) > 0 {
		j.undetermined(p, gaps...) // an answer, or an error, may have been missed
		return true
	}
	j.deliver(p)
	j.proof, j.oneWay = Inferred, true
	j.fact("host", p.now, "%s is bound to %s and its queue is not growing", processName(sock), sock.Local)
	j.note("no answer was seen; the protocol may have none")
	return true
}

// keptByHost reports whether connection tracking says that the request went to the
// host itself.
func (p *path) keptByHost() bool {
	e := p.x.conntrack
	return e != nil && e.Reply.Reverse() == e.Orig
}

// talker is how a server that answers is remembered.
func talker(t decode.Tuple) decode.Tuple {
	return decode.Tuple{Dst: t.Dst, DstPort: t.DstPort, Proto: t.Proto}
}
