package correlate

import (
	"fmt"
	"time"

	"dnatrace/decode"
)

// At the end of the input nothing more will come. A request that nobody accepted
// is judged by what is there, unless it is too young for that; one that was
// accepted has the whole window to be answered in. What is not judged is open.

// answersWithin is how old the last try has to be at the end of the input for its
// silence to count.
const answersWithin = time.Second

// settleAll judges what can be judged at the end of the input, and lists the rest.
func (t *Tracker) settleAll() {
	for i := range t.requests.used {
		r := t.requests.at(i)
		if r.number == 0 {
			continue
		}
		if t.floods(i, r) {
			continue
		}
		if r.phase == settlingDown {
			t.judge(i, t.now, false)
		}
		if r.phase == waiting && (r.rev > 0 || t.oldEnough(r)) {
			t.ending = true
			t.judge(i, t.now, true)
			t.ending = false
		}
		t.finish(i, r, t.now)
		if r.phase != judged && r.rev == 0 {
			t.journal.leaveOpen(t, i)
		}
	}
}

// oldEnough reports whether a request that nobody accepted has waited long enough
// at the end of the input: a SYN that was sent again has.
func (t *Tracker) oldEnough(r *reqRecord) bool {
	if r.marks&markMiddle != 0 || r.synAck != 0 || r.asked != 0 && t.legs.slab.at(r.client).tuple.Proto == decode.TCP {
		return false
	}
	again := r.attempts > 1 && t.legs.slab.at(r.client).tuple.Proto == decode.TCP
	return again || t.now-r.lastNew >= int64(answersWithin)
}

// cutShort says of a judgement at the end of the input that it was made early. It
// reports false where an accepted request waits for the application alone.
func (p *path) cutShort(j *judgement) bool {
	if p.tuple.Proto == decode.UDP && j.verdict == Unanswered && (j.cause == CauseServerSilent || j.cause == CauseUnknown) {
		return false
	}
	if !p.dropTold(request, false) && !p.dropTold(reply, false) {
		j.proof = Inferred
	}
	j.blind = appendNew(j.blind, "the capture ended "+lateness(p.now-p.r.lastNew)+" the last try")
	return true
}

// lateness says how long after something the input ended.
func lateness(ns int64) string {
	if ns < int64(50*time.Millisecond) {
		return "right after"
	}
	return fmt.Sprintf("%.1f s after", float64(ns)/1e9)
}

// OpenRequest is one that had no outcome when the input ended, and was too young
// to be judged, or had been accepted and was still waiting.
type OpenRequest struct {
	ID        string    `json:"id"`
	Protocol  string    `json:"protocol"`
	Client    string    `json:"client"`
	Requested string    `json:"requested"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"` // the client's last try, or its last bytes
	Attempts  int       `json:"attempts"`
	Accepted  bool      `json:"accepted"` // the server's side took the connection
	Seen      []string  `json:"seen"`     // points that saw the request, in order
	Answer    []string  `json:"answer"`   // points that saw anything of an answer
	Why       string    `json:"why"`
}

// mostOpen bounds how many open requests are listed.
const mostOpen = 1000

// leaveOpen counts a request without an outcome, and lists it unless there are
// too many.
func (g *journal) leaveOpen(t *Tracker, req uint32) {
	p := t.path(req, t.now)
	if p.disowned() {
		return
	}
	if p.r.marks&markMiddle != 0 && p.r.asked == 0 && p.tuple.Proto == decode.TCP && len(p.coming) == 0 {
		g.lastWords = true // the end of a connection, of which nothing came: nobody waits for anything
		return
	}
	g.open++
	if len(g.opened) >= mostOpen || g.keepMost >= 0 && !g.updates && len(g.opened) >= g.keepMost {
		return
	}
	r, o := p.r, p.openRequest()
	age := lateness(t.now - r.lastNew)
	switch {
	case r.marks&markMiddle != 0:
		o.Why = "the capture began in the middle of it"
	case r.asked != 0:
		o.Why = "the capture ended " + age + " the client's last bytes, before the server had the time to answer"
	case r.synAck != 0:
		o.Why = "it was accepted, and the client has not asked for anything yet"
	default:
		o.Why = "the capture ended " + age + " the last try"
	}
	g.opened = append(g.opened, o)
}
