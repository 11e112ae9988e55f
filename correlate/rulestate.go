package correlate

import (
	"dnatrace/capture/host"
	"dnatrace/correlate/ruleset"
)

// Types of links (ARPHRD_* in linux/if_arp.h).
const (
	arphrdEther    = 1
	arphrdLoopback = 772
)

// RulePolicy is whether routing in a namespace asks for what rules may have
// written to a packet.
func RulePolicy(s *host.Sample, v4 bool) func(mark uint32, tos bool) bool {
	return func(mark uint32, tos bool) bool { return s.PolicyAsks(v4, mark, tos) }
}

// RuleLinks are the interfaces of a namespace as its rules can ask for them.
func RuleLinks(s *host.Sample) func(name string) ruleset.Link {
	return func(name string) ruleset.Link {
		l := s.LinkNamed(name)
		if l == nil {
			return ruleset.Link{}
		}
		out := ruleset.Link{Index: uint32(l.Index), Kind: l.Kind}
		switch {
		case l.Loopback:
			out.Type = arphrdLoopback
		case len(l.MAC) == len("00:00:00:00:00:00"):
			out.Type = arphrdEther
		}
		return out
	}
}
