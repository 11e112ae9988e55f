package correlate

import (
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// namespace answers questions about a namespace as it was when the request met it.
func (p *path) namespace(netns string) known.Namespace {
	if netns == "" {
		return known.Namespace{}
	}
	return p.t.world.inState(netns, p.sampleThen(netns))
}

// met is when the request met the state that it met: when the last packet of it was
// seen. What changed later does not explain it.
func (p *path) met() int64 {
	at := p.r.lastNew
	for i := range p.going {
		at = max(at, p.going[i].last)
	}
	if at == 0 {
		return p.now
	}
	return min(at, p.now)
}

// held is the version that held at a time: the last one before it, else the first
// that there is.
func held[T any](versions []version[T], at int64) *T {
	if v := before(versions, at); v != nil {
		return v.value
	}
	if len(versions) > 0 {
		return versions[0].value
	}
	return nil
}

// sampleThen is the state of a namespace as it was when the request met it; nil if
// it is not in evidence, as that of a source that had failed by then.
func (p *path) sampleThen(netns string) *host.Sample {
	if src := p.t.world.sources[capture.OriginHost]; src != nil && src.State == capture.SourceFailed && src.Time <= p.met() {
		return nil
	}
	return held(p.t.world.hosts[netns], p.met())
}

// engineThen is what the engine said, as it was when the request met it. An event
// between what was said before and then means that what was said next holds.
func (p *path) engineThen() *engine.Snapshot {
	w, at := &p.t.world, p.met()
	v, next := before(w.engines, at), after(w.engines, at)
	if v != nil && next != nil && slices.ContainsFunc(w.did, func(e *decode.EngineEvent) bool { return e.Time > v.time && e.Time <= at }) {
		return next.value
	}
	return held(w.engines, at)
}

// containerAt is the running container that owned an address then, else the one
// that has it by now, or nil.
func (p *path) containerAt(ip decode.IP) *engine.Container {
	e := p.engineThen()
	if e == p.t.world.engine() {
		return p.t.world.containerAt(ip)
	}
	if c, ok := p.t.world.owner(e, ip.Addr()).Get(); ok {
		return c
	}
	return p.t.world.containerAt(ip)
}

// owner is the running container that owned an address then. One that got it at
// about that time may have had it.
func (p *path) owner(ip netip.Addr) known.Answer[*engine.Container] {
	w := &p.t.world
	a := w.owner(p.engineThen(), ip)
	if next := after(w.engines, p.met()); a.None() && next != nil && w.owner(next.value, ip).Is() {
		return known.Unknown[*engine.Container]("who had " + ip.String() + " then is not in evidence: somebody got it since")
	}
	return a
}

func (p *path) onHost() known.Namespace        { return p.namespace(capture.HostNetns) }
func (p *path) homeNamespace() known.Namespace { return p.namespace(p.home) }

// lack notes what a ruling would have had to know.
func (p *path) lack(why string) {
	if why != "" {
		p.lacks = appendNew(p.lacks, why)
	}
}

// tellLacks says in a judgement that names no cause what would have had to be known
// for one.
func (p *path) tellLacks(j *judgement) {
	if j.cause != CauseUnknown || j.verdict == Delivered {
		return
	}
	for _, why := range p.lacks {
		j.blind = appendNew(j.blind, why)
	}
}

// rulesLack says why the rules of a namespace cannot tell what becomes of the
// request; "" if they can.
func (p *path) rulesLack(netns string) string {
	return p.t.world.rulesLack(netns, familyOf(p.tuple.Dst.Is4()), p.now)
}

func (p *path) earlierInside() *host.Sample {
	if p.home == "" {
		return nil
	}
	return dated(valueOf(before(p.t.world.hosts[p.home], p.r.opened)))
}

func (p *path) latestHost() *host.Sample { return p.t.world.host(capture.HostNetns) }

func (p *path) earlierHost() *host.Sample {
	return dated(valueOf(before(p.t.world.hosts[capture.HostNetns], p.r.opened)))
}

func (p *path) latestEngine() *engine.Snapshot { return p.t.world.engine() }

func (p *path) earlierEngine() *engine.Snapshot {
	if e := valueOf(before(p.t.world.engines, p.r.opened)); e != nil && !e.Undated {
		return e
	}
	return nil
}

// dated leaves out a state that was dumped at an unknown time: nobody knows
// whether that was before.
func dated(s *host.Sample) *host.Sample {
	if s != nil && s.Undated {
		return nil
	}
	return s
}

func valueOf[T any](v *version[T]) *T {
	if v == nil {
		return nil
	}
	return v.value
}
