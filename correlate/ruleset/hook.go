package ruleset

import (
	"strconv"

	"dnatrace/decode"
)

// Priorities at which connection tracking and translation act, as compared with
// those of chains (linux/netfilter_ipv4.h).
const (
	priorityConntrack = -200
	priorityDstNAT    = -100
	prioritySrcNAT    = 100
)

// natPriority is the one priority at which all translation of a hook happens.
func natPriority(hook uint32) int32 {
	if hook == decode.HookPrerouting || hook == decode.HookOutput {
		return priorityDstNAT
	}
	return prioritySrcNAT
}

var hookNames = [...]string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}

// hookName is the hook as nft names it.
func hookName(f decode.Family, hook uint32) string {
	if f == decode.FamilyNetdev {
		if hook == 1 {
			return "egress"
		}
		return "ingress"
	}
	if int(hook) < len(hookNames) {
		return hookNames[hook]
	}
	return strconv.Itoa(int(hook))
}

// priorityName is the priority as nft lists it: by name where it has one at
// this hook, or is close to such a one.
func priorityName(f decode.Family, hook uint32, p int32) string {
	if f != decode.FamilyIPv4 && f != decode.FamilyIPv6 && f != decode.FamilyInet {
		return strconv.Itoa(int(p))
	}
	for _, n := range []struct {
		name string
		p    int32
		at   bool
	}{
		{"raw", -300, true},
		{"mangle", -150, true},
		{"dstnat", -100, hook == decode.HookPrerouting},
		{"filter", 0, true},
		{"security", 50, true},
		{"srcnat", 100, hook == decode.HookPostrouting},
	} {
		switch d := p - n.p; {
		case !n.at || d < -10 || d > 10:
		case d == 0:
			return n.name
		case d > 0:
			return n.name + " + " + strconv.Itoa(int(d))
		default:
			return n.name + " - " + strconv.Itoa(int(-d))
		}
	}
	return strconv.Itoa(int(p))
}
