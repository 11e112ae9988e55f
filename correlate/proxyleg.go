package correlate

import (
	"fmt"
	"slices"

	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// backendFailed: docker-proxy took the request; its own connection tells.
func backendFailed(p *path, j *judgement) bool {
	if !p.proxied() {
		return false
	}
	p.judgeBackend(j)
	p.claim(j, p.clientPoint())
	return true
}

// judgeBackend judges a proxied request by the connection that docker-proxy
// made for it.
func (p *path) judgeBackend(j *judgement) {
	switch {
	case p.backendRefused():
		at := p.t.now
		if s := p.backendSaw(decode.RST); s != nil {
			at = s.first
		}
		j.fact("packets", at, "docker-proxy's own connection to %s was reset", p.inner.tuple.DstEnd())
		resetByContainer(p, j)
	case p.backendSaw(decode.RST) != nil || p.backendSaw(decode.FIN) != nil && p.r.marks&markServerFIN != 0:
		j.verdict, j.stage, j.cause, j.proof = Refused, stage.Container, CauseServerReset, Inferred
		j.why = fmt.Sprintf("The server in %s ended docker-proxy's connection without a byte of answer.", p.name())
		j.fix = []string{fmt.Sprintf("look at the log of %s", p.name())}
	case p.backendSaw(0) == nil && !p.entered() && p.next() == nil:
		j.undetermined(p, "nothing behind "+p.furthest().at.Name+" was watched")
	case p.backendSaw(0) == nil && !p.entered():
		j.verdict, j.proof, j.cause = Dropped, Inferred, CauseUnknown
		j.between = p.gapAfterLast()
		j.why = fmt.Sprintf("docker-proxy's own connection to %s vanished on the way.", p.inner.tuple.DstEnd())
		p.claim(j, p.wayIn()...)
	case !silentContainer(p, j):
		p.silentIn(j)
	}
}

// backendSaw is a reply with a flag on the proxy's connection, or nil.
func (p *path) backendSaw(flag decode.TCPFlags) *stop {
	for i := range p.coming {
		if s := &p.coming[i]; s.leg == p.inner && s.flags&flag == flag {
			return s
		}
	}
	return nil
}

func (p *path) backendRefused() bool {
	s := p.backendSaw(decode.RST)
	return p.inner != nil && s != nil && (s.leg.tuple.Proto != decode.TCP || s.opening&decode.SYN == 0)
}

// backendUnheard reports whether docker-proxy asked the server and nothing has come
// back: that it accepts for the server says nothing of that.
func (p *path) backendUnheard() bool {
	return p.inner != nil && p.inner.tuple.Proto == decode.TCP && p.backendSaw(0) == nil &&
		slices.ContainsFunc(p.going, func(s stop) bool { return s.leg == p.inner && s.opening&decode.SYN != 0 })
}
