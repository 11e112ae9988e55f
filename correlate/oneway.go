package correlate

import (
	"time"

	"dnatrace/decode"
)

// streamPushes is how often a client has to speak, with nobody answering, before
// it is taken for one that expects no answer.
const streamPushes = 3

// streams reports whether a client has gone on speaking, without an answer, for
// longer than anybody waits for one.
func (t *Tracker) streams(r *reqRecord) bool {
	if r.pushes < streamPushes || r.answered != 0 || time.Duration(r.lastNew-r.asked) <= t.config.Window {
		return false
	}
	g := t.legs.slab.at(r.client)
	asked, back := t.legs.at(g, r.point, request), t.legs.at(g, r.point, reply)
	return asked != nil && back != nil && int32(back.acked-1-g.bytes(asked)) >= 0
}

// oneWayStream: the client alone speaks, and goes on speaking, and the server
// takes all of it: such protocols have no answer (syslog, RFC 6587). A server that
// has answered others has one.
func oneWayStream(p *path, j *judgement) bool {
	if p.tuple.Proto != decode.TCP || !p.established() || !p.t.streams(p.r) || p.paused() || p.t.talkers.Get(talker(p.served().tuple)) != 0 {
		return false
	}
	if p.proxied() && (p.backendSaw(decode.SYN) == nil || p.backendRefused()) {
		return false
	}
	j.deliver(p)
	j.proof, j.oneWay = Inferred, true
	j.fact("packets", p.r.lastNew, "%d bytes of the client were acknowledged over %.1f s", p.bytes(request), float64(p.r.lastNew-p.r.asked)/1e9)
	j.note("no answer was seen; the client goes on speaking without one, as for syslog: the protocol may have none")
	return true
}

// established reports whether the client is known to have seen the SYN-ACK, or a
// capture without it shows that it went on.
func (p *path) established() bool {
	s := p.side(request)
	return p.r.shaken != 0 || p.client.flags&legISN != 0 && p.tuple.Proto == decode.TCP && p.r.asked != 0 && s != nil && s.flags&decode.ACK != 0
}

// challenged: the server still holds an older connection of the client's port, and
// has answered the SYN for that one (RFC 5961 §4.2). It says nothing of this
// request, and shows that packets get through both ways.
func challenged(p *path, j *judgement) bool {
	if p.tuple.Proto != decode.TCP || p.r.synAck != 0 || p.r.answered != 0 || p.r.marks&markMiddle != 0 {
		return false
	}
	found := false
	for i := range p.coming {
		s := &p.coming[i]
		if s.flags&(decode.SYN|decode.RST|decode.FIN) != 0 {
			return false
		}
		found = found || p.isChallenge(s)
	}
	if !found {
		return false
	}
	j.fact("packets", p.coming[0].first, "an ACK without SYN at %s, of bytes that this connection never had", p.coming[0].at.Name)
	j.undetermined(p, "the server answered the SYN with an ACK of an older connection that it still holds for the client's port (RFC 5961), and no further try was seen to get through")
	return true
}

// isChallenge reports whether all that was seen of a reply somewhere is an ACK
// that cannot be of this connection.
func (p *path) isChallenge(s *stop) bool {
	asked := p.t.legs.at(s.leg, s.point, request)
	return s.leg.tuple.Proto == decode.TCP && s.flags&(decode.SYN|decode.RST|decode.FIN|decode.ACK) == decode.ACK && s.leg.flags&(legISN|legReplyISN) == legISN &&
		s.acked != 1 && (asked == nil || asked.flags&decode.ACK == 0)
}
