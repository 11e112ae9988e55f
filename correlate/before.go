package correlate

import (
	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
)

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
	return valueOf(before(p.t.world.hosts[p.home], p.r.opened))
}

func (p *path) latestHost() *host.Sample { return p.t.world.host(capture.HostNetns) }

func (p *path) earlierHost() *host.Sample {
	return valueOf(before(p.t.world.hosts[capture.HostNetns], p.r.opened))
}

func (p *path) latestEngine() *engine.Snapshot { return p.t.world.engine() }

func (p *path) earlierEngine() *engine.Snapshot {
	return valueOf(before(p.t.world.engines, p.r.opened))
}

func valueOf[T any](v *version[T]) *T {
	if v == nil {
		return nil
	}
	return v.value
}
