package ruleset

import (
	"strconv"

	"dnatrace/correlate/stage"
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

// hookStages are the hooks of IP as stages, by number.
var hookStages = [...]stage.Stage{stage.Prerouting, stage.Input, stage.Forward, stage.Output, stage.Postrouting, stage.Ingress}

// hookStage is the stage of a hook; none for one that is not known.
func hookStage(hook uint32) stage.Stage {
	if int(hook) < len(hookStages) {
		return hookStages[hook]
	}
	return stage.None
}

// netdevEgress is NF_NETDEV_EGRESS.
const netdevEgress = 1

var hookNames = [...]string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}

// hookName is the hook as nft names it.
func hookName(f decode.Family, hook uint32) string {
	if f == decode.FamilyNetdev {
		if hook == netdevEgress {
			return "egress"
		}
		return "ingress"
	}
	if int(hook) < len(hookNames) {
		return hookNames[hook]
	}
	return strconv.Itoa(int(hook))
}

// namedPriority is a priority that has a name, at one hook or at any.
type namedPriority struct {
	name string
	p    int32
	at   bool // this is such a hook
}

// namedPriorities are those of a family at a hook (nft's std_prio_lookup).
func namedPriorities(f decode.Family, hook uint32) []namedPriority {
	switch f {
	case decode.FamilyIPv4, decode.FamilyIPv6, decode.FamilyInet:
		return []namedPriority{
			{"raw", -300, true},
			{"mangle", -150, true},
			{"dstnat", -100, hook == decode.HookPrerouting},
			{"filter", 0, true},
			{"security", 50, true},
			{"srcnat", 100, hook == decode.HookPostrouting},
		}
	case decode.FamilyBridge:
		return []namedPriority{
			{"dstnat", -300, hook == decode.HookPrerouting},
			{"filter", -200, true},
			{"out", 100, hook == decode.HookOutput},
			{"srcnat", 300, hook == decode.HookPostrouting},
		}
	}
	return nil
}

// priorityName is the priority as nft lists it: by name where it has one at
// this hook, or is close to such a one.
func priorityName(f decode.Family, hook uint32, p int32) string {
	for _, n := range namedPriorities(f, hook) {
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
