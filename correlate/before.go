package correlate

import (
	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
)

// namespace answers questions about a namespace as it was when the request met it.
func (p *path) namespace(netns string) known.Namespace {
	if netns == "" {
		return known.Namespace{}
	}
	return p.t.world.namespace(netns)
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

func (p *path) latestInside() *host.Sample {
	if p.home == "" {
		return nil
	}
	return p.t.world.host(p.home)
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
