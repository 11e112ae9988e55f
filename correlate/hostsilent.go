package correlate

import (
	"fmt"

	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// heldByHost: connection tracking says that the request went to the host itself,
// untranslated, on a port that a container publishes.
func heldByHost(p *path, j *judgement) bool {
	e := p.x.conntrack
	if e == nil || e.Reply.Reverse() != e.Orig || p.entered() || p.r.synAck != 0 || p.proxied() || p.proxy() != nil {
		return false
	}
	if lack := p.nobodysHost(); lack != "" {
		j.undetermined(p, lack) // it passed the rules, and what took it is not told
		return true
	}
	return p.keptUntranslated(j)
}

// keptUntranslated: the request is for a port that a container publishes, went to the
// host itself as it came, and whoever holds the port there does not serve it.
func (p *path) keptUntranslated(j *judgement) bool {
	if p.binding == nil || !p.t.world.own(p.onHost(), p.tuple.Dst.Addr()).Is() {
		return false
	}
	j.verdict, j.stage, j.proof = Unanswered, stage.Host, Inferred
	switch proxy := p.t.world.proxyAt(p.onHost(), p.tuple); {
	case p.heldByEngine(j) || p.pinned(j) || p.keptUntracked(j):
	case !proxy.Known():
		j.cause = CauseUnknown
		j.why = fmt.Sprintf("The engine publishes %s on port %d, and the request went to the host itself, untranslated: what takes it there is not in evidence.", p.name(), p.binding.HostPort)
		p.lack(proxy.Why())
	default:
		j.cause = CauseRulesMissing
		j.why = fmt.Sprintf("The engine publishes %s on port %d, but the request went to the host itself, untranslated: the engine's NAT rule is not in force.", p.name(), p.binding.HostPort)
		j.fix = []string{"docker restart " + shell(p.name()), "if that does not help: systemctl restart docker"}
	}
	p.claim(j, p.clientPoint())
	return true
}

// nobodysHost says what is missing for telling who on the host was to take an
// untranslated request; "" if nothing is, or it is not for the host.
func (p *path) nobodysHost() string {
	if own := p.t.world.own(p.onHost(), p.tuple.Dst.Addr()); !own.Known() {
		return own.Why()
	} else if own.None() || p.binding != nil {
		return ""
	}
	return mappingsLack(p.engineThen())
}

// heldByEngine: without docker-proxy the engine holds the port and serves
// nothing there. What gets that far was not translated.
func (p *path) heldByEngine(j *judgement) bool {
	k := p.hostListener()
	if k == nil || k.Process != "dockerd" || p.binding == nil {
		return false
	}
	if p.pinned(j) {
		return true
	}
	if f, ok := leftUntracked(p, p.engineThen()); ok {
		j.fact("host", p.now, "%s listens on %s, and serves nothing there", processName(k), k.Local)
		p.tellUntracked(j, f)
		return true
	}
	j.stage, j.cause, j.proof = stage.Host, CauseRulesMissing, Inferred
	j.why = fmt.Sprintf("The engine holds port %d for %s without serving it, and the request got there untranslated: the engine's NAT rule is not in force.", p.binding.HostPort, p.name())
	j.fix = []string{"docker restart " + shell(p.name()), "if that does not help: systemctl restart docker"}
	j.fact("host", p.now, "%s listens on %s", processName(k), k.Local)
	return true
}

// keptUntracked: a rule exempts the request from connection tracking.
func (p *path) keptUntracked(j *judgement) bool {
	f, ok := leftUntracked(p, p.engineThen())
	if ok {
		p.tellUntracked(j, f)
	}
	return ok
}

// tellUntracked tells of a request that nothing translates, since it is not tracked.
func (p *path) tellUntracked(j *judgement, f finding) {
	j.stage, j.cause, j.proof, j.why, j.fix = stage.Host, f.cause, Inferred, f.why, f.fix
	p.tellExemption(j, f.rule)
}

// pinned: an entry of connection tracking is older than the mapping, and rules
// of NAT see only the first packet of what one entry covers.
func (p *path) pinned(j *judgement) bool {
	e := p.x.conntrack
	if e == nil || p.tuple.Proto != decode.UDP || e.Reply.Reverse() != e.Orig || e.Time > p.r.opened {
		return false
	}
	j.cause = CauseStaleTranslation
	j.why = fmt.Sprintf("Connection tracking has kept the sender's datagrams untranslated since before %s published the port.", p.name())
	j.fix = []string{fmt.Sprintf("conntrack -D -p udp --orig-src %s --orig-port-dst %d", p.tuple.Src.Addr(), p.tuple.DstPort)}
	j.fact("conntrack", e.Time, "%s, not translated, before the request", e.Orig)
	return true
}
