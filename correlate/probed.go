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
	if !p.probed() {
		return false
	}
	for i := range p.going {
		s := &p.going[i]
		if s.at.Netns != capture.HostNetns || s.facing() != capture.DirOut || s.leg.tuple.Src != p.tuple.Src && !p.isTranslated() {
			continue
		}
		if r := s.at.Role; r == capture.RoleNIC || r == capture.RoleOverlay || r == capture.RoleOther {
			j.undetermined(p, fmt.Sprintf("the request leaves this host by %s, for %s, and a probe lets nothing leave: what becomes of it there takes a client's own request", s.at.Name, s.leg.tuple.DstEnd()))
			return true
		}
	}
	return false
}

// probeNote says what a request without a client does not exercise.
func (p *path) probeNote() string {
	return fmt.Sprintf("this request was put into %s inside the host, and its answers were stopped behind the last hook: the interface and all before it, and what lies behind that hook, were not exercised", p.clientPoint().Name)
}
