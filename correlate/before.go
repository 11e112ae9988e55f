package correlate

import (
	"net/netip"
	"slices"

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

// knowsRoutes reports whether routes of an address's family are in evidence, so
// that the lack of one says something.
func knowsRoutes(s *host.Sample, ip netip.Addr) bool {
	return slices.ContainsFunc(s.Routes, func(r host.Route) bool { return r.Dst.Addr().Is4() == ip.Unmap().Is4() })
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
