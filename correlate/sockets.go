package correlate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// finding is what a look at state says.
type finding struct {
	cause Cause
	why   string
	fix   []string
	fact  string
	proof Proof
	rule  *RuleHit // the deciding one; nil for none

	listens bool   // a socket is there that would have taken it
	absent  bool   // it says that something is not there at all
	lacks   string // why it is not more than that; "" if nothing is missing
}

// socketCause says why a reset came for to, from the sockets of the same
// protocol in the namespace it went to.
func (p *path) socketCause(to decode.Tuple, n known.Namespace) finding {
	name, port := p.name(), to.DstPort
	where := fmt.Sprintf("%s:%d/%s", name, port, to.Proto)
	f := finding{cause: CauseNoListener, proof: Inferred,
		why: fmt.Sprintf("%s %s with a reset: nothing accepts on port %d/%s there.", name, p.tense("answered", "would answer"), port, to.Proto),
		fix: []string{fmt.Sprintf("start the server in %s, or map the port it listens on", name)}}
	all := n.Listeners(to.Proto.String())
	found, ok := all.Get()
	if !ok {
		f.lacks = all.Why()
		return f
	}
	f.proof = Proven
	socks := withoutResolver(found)
	samePort := slices.DeleteFunc(slices.Clone(socks), func(k host.Socket) bool { return k.Local.Port() != port })
	dst := to.Dst.Addr()
	switch {
	case slices.ContainsFunc(samePort, func(k host.Socket) bool { return known.Accepts(&k, dst) }):
		f.listens, f.proof = true, Inferred
		f.why = fmt.Sprintf("%s listens on %s now, and yet the connection was reset: it may have started only now, or it resets on purpose.", name, where)
		f.fix = []string{fmt.Sprintf("look at the log of %s", name)}
		f.fact = fmt.Sprintf("a listener on %s is there", samePort[0].Local)
	case slices.ContainsFunc(samePort, func(k host.Socket) bool { return k.Local.Addr().IsLoopback() }):
		f.cause = CauseListenerOnLoopback
		f.why = fmt.Sprintf("The server in %s listens on %s only, which nothing outside the container can reach.", name, socketList(samePort))
		f.fix = []string{fmt.Sprintf("make the server in %s listen on %s", name, everyAddress(dst, port))}
		f.fact = fmt.Sprintf("%s listens on %s", processName(&samePort[0]), socketList(samePort))
	case len(samePort) > 0:
		f.cause = CauseListenerElsewhere
		f.why = fmt.Sprintf("The server in %s listens on %s, not on %s where the request goes.", name, socketList(samePort), netip.AddrPortFrom(dst, port))
		f.fix = []string{fmt.Sprintf("make the server in %s listen on %s", name, everyAddress(dst, port))}
		f.fact = fmt.Sprintf("%s listens on %s", processName(&samePort[0]), socketList(samePort))
	case len(socks) > 0:
		f.cause = CauseWrongContainerPort
		f.why = fmt.Sprintf("Nothing in %s listens on port %d; it listens on %s.", name, port, socketList(socks))
		f.fix = p.remapFix(socks[0].Local.Port(), to.Proto)
		f.fact = fmt.Sprintf("%s listens on %s", processName(&socks[0]), socketList(socks))
	default:
		f.why = fmt.Sprintf("Nothing in %s listens on any %s port.", name, to.Proto)
		f.fact = fmt.Sprintf("no %s socket listens in %s", to.Proto, name)
	}
	return f
}

// remapFix says how to publish the port that is really served.
func (p *path) remapFix(port uint16, proto decode.Proto) []string {
	if p.binding == nil {
		return []string{fmt.Sprintf("ask for port %d, or make the server listen on %d", port, p.served().tuple.DstPort)}
	}
	return []string{fmt.Sprintf("recreate %s with -p %d:%d%s", p.name(), p.binding.HostPort, port, unlessTCP(proto))}
}

// withoutResolver leaves out the engine's own DNS, which listens on 127.0.0.11
// in every container of a user-defined network.
func withoutResolver(socks []host.Socket) []host.Socket {
	resolver := netip.AddrFrom4([4]byte{127, 0, 0, 11})
	return slices.DeleteFunc(socks, func(k host.Socket) bool { return k.Local.Addr() == resolver })
}

func socketList(socks []host.Socket) string {
	var out []string
	for _, k := range socks {
		out = appendNew(out, k.Local.String())
	}
	return strings.Join(out, ", ")
}

func everyAddress(dst netip.Addr, port uint16) string {
	if dst.Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), port).String()
}

func processName(k *host.Socket) string {
	if k.Process == "" {
		return "a process"
	}
	return fmt.Sprintf("%s (pid %d)", k.Process, k.PID)
}
