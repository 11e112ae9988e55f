package correlate

import (
	"fmt"

	"dnatrace/capture/host"
	"dnatrace/correlate/stage"
)

// portBlocked: the container's veth is a port of its bridge, and the bridge's
// spanning tree has it forward nothing.
func (p *path) portBlocked(j *judgement) bool {
	bridge, veth := p.t.world.wayTo(p.home, p.target.Dst)
	port, ok := p.onHost().Link(veth).Get()
	if veth == "" || !ok || !port.Blocked() {
		return false
	}
	j.cause, j.proof = CauseBridgePortBlocked, Inferred
	j.why, j.fix = blockedPort(bridge, port)
	j.fact("host", p.now, "%s is in state %s", veth, port.PortState)
	return true
}

// stoppedAtPort is portBlocked for what was seen at the bridge, and not behind it.
func (p *path) stoppedAtPort(j *judgement) bool {
	last, next := p.furthest(), p.next()
	if bridge, veth := p.t.world.wayTo(p.home, p.target.Dst); next == nil || last.at.Name != bridge || next.Name != veth || !p.portBlocked(j) {
		return false
	}
	j.stage, j.between = stage.Bridge, [2]string{last.at.Name, next.Name}
	p.claim(j, p.clientPoint(), next)
	return true
}

func blockedPort(bridge string, port host.Link) (why string, fix []string) {
	why = fmt.Sprintf("%s, the port of %s that leads to the container, is in state %s: the spanning tree of %s lets nothing pass there", port.Name, bridge, port.PortState, bridge)
	off := fmt.Sprintf("ip link set %s type bridge stp_state 0", shell(bridge))
	if port.PortState == host.PortBlocking {
		return why + ".", []string{off, fmt.Sprintf("or find the loop that it blocks: bridge -d link show dev %s", shell(port.Name))}
	}
	return why + " yet, for twice its forward delay after the port came up.", []string{off, fmt.Sprintf("or shorten the delay: ip link set %s type bridge forward_delay 200", shell(bridge))}
}
