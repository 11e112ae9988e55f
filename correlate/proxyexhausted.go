package correlate

import (
	"fmt"
	"net/netip"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// neverDialled reports whether docker-proxy took a connection and made none of its
// own: the points behind it were watched all the time and saw none, and no rule
// keeps the host from the container. It cannot, then: it has no file descriptor or
// no local port left, or it hangs.
func (p *path) neverDialled(proxy *host.Proxy) bool {
	behind := p.wayIn()
	if p.inner != nil || p.inside != nil || len(behind) == 0 || p.t.undecidedDial >= p.r.opened || len(p.watched(behind...).gaps) > 0 {
		return false
	}
	return p.reachesProxied(proxy)
}

// reachesProxied reports whether the rules are known to let the host ask the
// container that a docker-proxy leads to.
func (p *path) reachesProxied(proxy *host.Proxy) bool {
	set, n := p.t.world.ruleset(capture.HostNetns, p.now), p.onHost()
	if set == nil || !n.InEvidence() || p.rulesLack(capture.HostNetns) != "" {
		return false
	}
	to := proxy.Container.Addr()
	src, ok := n.Source(to).Get()
	if !ok {
		return false
	}
	k := ruleset.Packet{Sent: true, State: decode.CtNew, TCPFlags: byte(decode.SYN), Tuple: decode.Tuple{
		Proto: p.tuple.Proto, Src: decode.IPFrom(src), SrcPort: p.tuple.SrcPort, Dst: decode.IPFrom(to), DstPort: proxy.Container.Port()}}
	if k.OIF, ok = n.Leaves(known.Lookup{Src: src, Dst: to}).Get(); !ok {
		return false
	}
	p.t.world.terrain(n, &k)
	out := set.Evaluate(k)
	return out.Certain() && out.Verdict == ruleset.Passed
}

// exhausted tells of a docker-proxy that accepts and makes no connection of its own.
func (j *judgement) exhausted(proxy *host.Proxy, then, or string) {
	j.stage, j.cause, j.proof = stage.Proxy, CauseProxyExhausted, Inferred
	j.why = fmt.Sprintf("docker-proxy (pid %d) accepted the connection and %s, and never asked %s: it has no file descriptor or no local port left for a connection of its own%s.", proxy.PID, then, proxy.Container, or)
	j.fix = []string{
		fmt.Sprintf("compare what it has open with what it may: lsof -np %d | wc -l; prlimit --nofile --pid %d", proxy.PID, proxy.PID),
		"raise LimitNOFILE of the engine's service, and restart it",
		fmt.Sprintf("or see the host's local ports: ss -tn dst %s | wc -l; sysctl net.ipv4.ip_local_port_range", netip.AddrPort(proxy.Container)),
	}
}
