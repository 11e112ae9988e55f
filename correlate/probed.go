package correlate

import (
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/decode"
)

// probes are the clients that were made up (capture.Start): their packets were put
// into an interface inside the host, and a guard of ours stops behind the last hook
// what would leave.
type probes []netip.Addr

func (s *probes) add(all []netip.Addr) {
	for _, ip := range all {
		if !slices.Contains(*s, ip.Unmap()) {
			*s = append(*s, ip.Unmap())
		}
	}
}

// probed reports whether the request was made without a client.
func (p *path) probed() bool { return p.t.isProbe(p.tuple.Src) }

func (t *Tracker) isProbe(ip decode.IP) bool {
	return len(t.journal.probes) > 0 && slices.Contains(t.journal.probes, ip.Addr().Unmap())
}

// keptFromLeaving: the request goes on to another machine, and a probe lets nothing
// leave. That nobody answers is its own doing.
func keptFromLeaving(p *path, j *judgement) bool {
	if !p.probed() || p.detour(nil).Is() { // it was for a container here
		return false
	}
	for i := range p.going {
		if s := &p.going[i]; s.leaves() {
			j.undetermined(p, fmt.Sprintf("the request leaves this host by %s, for %s, and a probe lets nothing leave: what becomes of it there shows only with a client's own request", s.at.Name, s.leg.tuple.DstEnd()))
			return true
		}
	}
	return false
}

// leaves reports whether a packet was sent there to another machine; of a probe, it
// would have been.
func (s *stop) leaves() bool {
	r := s.at.Role
	return s.at.Netns == capture.HostNetns && s.facing() == capture.DirOut && (r == capture.RoleNIC || r == capture.RoleOverlay || r == capture.RoleOther)
}

// guarded reports whether a drop is the guard's own: it stopped what then stands as
// sent. The guard is asked last, so that whoever else drops a packet does it before.
func (p *path) guarded(d *decode.Drop, w way) bool {
	if d.Reason != netfilterDrop || !p.probed() {
		return false
	}
	stops := p.going
	if w == reply {
		stops = p.coming
	}
	return slices.ContainsFunc(stops, func(s stop) bool { return s.leaves() && d.At <= s.last })
}

// elsewhereNote says of an answer that left by another interface what a probe cannot
// know of it.
const elsewhereNote = "whether a client gets an answer that leaves there is not known without one: networks with several ways out may be made so"

// probeNote says what a request without a client does not exercise.
func (p *path) probeNote() string {
	return fmt.Sprintf("this request was put into %s inside the host, and its answers were stopped behind the last hook: the interface and all before it, and what lies behind that hook, were not exercised", p.clientPoint().Name)
}
