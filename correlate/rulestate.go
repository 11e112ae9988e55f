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

// ruleLinks are the interfaces of a namespace as its rules can ask for them.
func ruleLinks(s *host.State) func(name string) ruleset.Link {
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
