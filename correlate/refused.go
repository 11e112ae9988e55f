package correlate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// resetByContainer: the container's own stack said no. Its sockets say why.
func resetByContainer(p *path, j *judgement) {
	j.verdict, j.stage = Refused, "container"
	c := p.socketCause(p.served().tuple, p.latestInside())
	j.cause, j.why, j.fix = c.cause, c.why, c.fix
	j.proof = Inferred
	if c.proof == Proven && p.proven && p.socketCause(p.served().tuple, p.earlierInside()).cause == c.cause {
		j.proof = Proven
	}
	if c.fact != "" {
		j.fact("host", p.now, "%s", c.fact)
	} else {
		j.blind = append(j.blind, fmt.Sprintf("the sockets of %s are not in evidence", p.name()))
	}
}

// finding is what a look at state says.
type finding struct {
	cause Cause
	why   string
	fix   []string
	fact  string
	proof Proof
}

// socketCause says why a reset came for to, from the sockets of the same
// protocol in the namespace it went to.
func (p *path) socketCause(to decode.Tuple, s *host.Sample) finding {
	name, port := p.name(), to.DstPort
	where := fmt.Sprintf("%s:%d/%s", name, port, to.Proto)
	f := finding{cause: CauseNoListener, proof: Inferred,
		why: fmt.Sprintf("%s answered with a reset: nothing accepts on port %d/%s there.", name, port, to.Proto),
		fix: []string{fmt.Sprintf("start the server in %s, or map the port it listens on", name)}}
	if s == nil {
		return f
	}
	f.proof = Proven
	socks := withoutResolver(listeners(s, to.Proto))
	samePort := slices.DeleteFunc(slices.Clone(socks), func(k host.Socket) bool { return k.Local.Port() != port })
	dst := to.Dst.Addr()
	switch {
	case slices.ContainsFunc(samePort, func(k host.Socket) bool { return accepts(&k, dst) }):
		f.cause, f.proof = CauseServerReset, Inferred
		f.why = fmt.Sprintf("%s listens on %s, and yet the connection was reset: it may have started only now, or it resets on purpose.", name, where)
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
	suffix := ""
	if proto == decode.UDP {
		suffix = "/udp"
	}
	return []string{fmt.Sprintf("recreate %s with -p %d:%d%s", p.name(), p.binding.HostPort, port, suffix)}
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

// resetByHost: the host's own stack said no, so nothing translated the request
// and nothing on the host takes it. The engine says why.
func resetByHost(p *path, j *judgement) {
	j.verdict, j.stage = Refused, "host"
	f := p.hostCause(p.latestEngine(), p.latestHost())
	j.cause, j.why, j.fix, j.proof = f.cause, f.why, f.fix, f.proof
	if f.fact != "" {
		j.fact("engine", p.now, "%s", f.fact)
	}
	if f.proof == Proven && p.hostCause(p.earlierEngine(), p.earlierHost()).cause != f.cause {
		j.proof = Inferred
	}
	if !p.t.world.known() {
		j.blind = append(j.blind, "what the engine publishes is not in evidence")
	}
}

// hostCause is the first that holds of what makes a host refuse a port.
func (p *path) hostCause(e *engine.Snapshot, h *host.Sample) finding {
	if e == nil {
		return finding{cause: CauseUnknown, proof: Inferred, why: fmt.Sprintf("The host itself refused %s: nothing translates it and nothing listens there.", p.tuple.DstEnd())}
	}
	for _, look := range []func(*path, *engine.Snapshot) (finding, bool){
		portTaken, otherMode, internalNetwork, notRunning, publishedElsewhere, rulesMissing, declaredOnly,
	} {
		if f, ok := look(p, e); ok {
			f.proof = Proven
			if p.hostListens(h) || f.cause == CauseUnknown {
				f.proof = Inferred
			}
			return f
		}
	}
	return finding{cause: CauseNotPublished, proof: Proven, fact: "no container declares or publishes the port",
		why: fmt.Sprintf("No container publishes port %d/%s, and nothing on the host listens on it.", p.tuple.DstPort, p.tuple.Proto),
		fix: []string{fmt.Sprintf("publish it: docker run -p %d:PORT …", p.tuple.DstPort)}}
}

func (p *path) hostListens(h *host.Sample) bool {
	return slices.ContainsFunc(listeners(h, p.tuple.Proto), func(k host.Socket) bool {
		return k.Local.Port() == p.tuple.DstPort && accepts(&k, p.tuple.Dst.Addr())
	})
}

// wants reports whether a container was asked to publish the requested port.
func (p *path) wants(c *engine.Container) *engine.Binding {
	for i := range c.Bindings {
		b := &c.Bindings[i]
		if b.Proto == p.tuple.Proto.String() && b.HostPort != 0 && p.tuple.DstPort >= b.HostPort && p.tuple.DstPort <= max(b.HostPort, b.HostEnd) {
			return b
		}
	}
	return nil
}

func (p *path) exposes(c *engine.Container) bool {
	return slices.Contains(c.Exposed, engine.Port{Proto: p.tuple.Proto.String(), Port: p.tuple.DstPort})
}

func portTaken(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		taken := strings.Contains(c.Error, "port is already allocated") || strings.Contains(c.Error, "address already in use")
		if taken && p.wants(c) != nil {
			return finding{cause: CausePortTaken, fact: fmt.Sprintf("%s could not start: %s", c.Name, c.Error),
				why: fmt.Sprintf("%s failed to start because port %d was taken; whoever held it is gone now.", c.Name, p.tuple.DstPort),
				fix: []string{"docker start " + c.Name}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

// meantFor notes the container a request was meant for.
func (p *path) meantFor(c *engine.Container) bool {
	p.container = c
	return true
}

func otherMode(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		wanted, declared := p.wants(c), p.exposes(c)
		mode, _, _ := strings.Cut(c.Mode, ":")
		switch {
		case mode == "host" && wanted != nil:
			return finding{cause: CauseModeHost, fact: fmt.Sprintf("%s runs with --network host", c.Name),
				why: fmt.Sprintf("%s uses the host's own network: -p %d:%d means nothing there, and the server answers on the port it listens on itself.", c.Name, wanted.HostPort, wanted.Container),
				fix: []string{fmt.Sprintf("ask for port %d, or run %s without --network host", wanted.Container, c.Name)}}, p.meantFor(c)
		case mode == "host" && declared && isUp(c):
			return finding{cause: CauseNoListener, fact: fmt.Sprintf("%s runs with --network host and declares the port", c.Name),
				why: fmt.Sprintf("%s uses the host's own network and declares port %d, but nothing listens on it.", c.Name, p.tuple.DstPort),
				fix: []string{fmt.Sprintf("start the server in %s", c.Name)}}, p.meantFor(c)
		case mode == "none" && wanted != nil:
			return finding{cause: CauseModeNone, fact: fmt.Sprintf("%s runs with --network none", c.Name),
				why: fmt.Sprintf("%s has no network at all, so -p %d:%d has no effect.", c.Name, wanted.HostPort, wanted.Container),
				fix: []string{fmt.Sprintf("run %s on a bridge network", c.Name)}}, p.meantFor(c)
		case mode == "container" && wanted != nil:
			return finding{cause: CauseModeContainer, fact: fmt.Sprintf("%s runs with --network %s", c.Name, c.Mode),
				why: fmt.Sprintf("%s shares another container's network: ports are published by that one.", c.Name),
				fix: []string{fmt.Sprintf("publish %d:%d on the container that owns the network", wanted.HostPort, wanted.Container)}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

func internalNetwork(p *path, e *engine.Snapshot) (finding, bool) {
	internal := func(name string) bool {
		return slices.ContainsFunc(e.Networks, func(n engine.Network) bool { return n.Name == name && n.Internal })
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if p.wants(c) == nil || len(c.Endpoints) == 0 || !isUp(c) {
			continue
		}
		if !slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return !internal(ep.Network) }) {
			return finding{cause: CauseInternalNetwork, fact: fmt.Sprintf("%s is on internal networks only", c.Name),
				why: fmt.Sprintf("%s is only on network %s, which is internal: nothing is published from there.", c.Name, c.Endpoints[0].Network),
				fix: []string{fmt.Sprintf("docker network connect bridge %s, or recreate the network without --internal", c.Name)}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

func notRunning(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		if isUp(c) || p.wants(c) == nil {
			continue
		}
		why := fmt.Sprintf("%s publishes port %d, but it is not running: its state is %s.", c.Name, p.tuple.DstPort, c.State)
		if c.Error != "" {
			why += " " + c.Error
		}
		return finding{cause: CauseContainerNotRunning, why: why,
			fact: fmt.Sprintf("%s is %s (exit code %d)", c.Name, c.State, c.ExitCode),
			fix:  []string{"docker start " + c.Name}}, p.meantFor(c)
	}
	return finding{}, false
}

func publishedElsewhere(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		for _, b := range c.Mappings {
			if b.HostPort == 0 {
				continue
			}
			where := netip.AddrPortFrom(b.HostIP, b.HostPort)
			sameProto := b.Proto == p.tuple.Proto.String()
			onPort := b.HostPort == p.tuple.DstPort && (!sameProto || !bindsTo(b.HostIP, p.tuple.Dst.Addr()))
			byTarget := sameProto && b.Container == p.tuple.DstPort && b.HostPort != p.tuple.DstPort
			if !onPort && !byTarget {
				continue
			}
			if other, _ := p.t.world.mapping(e, p.tuple); other != nil {
				return finding{}, false // it is published here as well
			}
			fix := fmt.Sprintf("ask for %s/%s", where, b.Proto)
			if onPort && sameProto {
				fix = fmt.Sprintf("recreate %s with -p %d:%d", c.Name, b.HostPort, b.Container)
			}
			return finding{cause: CausePublishedElsewhere, fact: fmt.Sprintf("%s publishes %d/%s on %s/%s", c.Name, b.Container, b.Proto, where, b.Proto),
				why: fmt.Sprintf("%s publishes its port %d/%s on %s, not on %s/%s.", c.Name, b.Container, b.Proto, where, p.tuple.DstEnd(), p.tuple.Proto),
				fix: []string{fix}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

func rulesMissing(p *path, e *engine.Snapshot) (finding, bool) {
	c, b := p.t.world.mapping(e, p.tuple)
	if c == nil {
		return finding{}, false
	}
	if p.maybeRejected() {
		return finding{cause: CauseUnknown, fact: fmt.Sprintf("the engine says that %s publishes %d on port %d", c.Name, b.Container, b.HostPort),
			why: fmt.Sprintf("The engine publishes %s on port %d, but a reset came from the host, and connection tracking knows nothing of the request: a rule may have rejected it.", c.Name, b.HostPort),
			fix: []string{"look for a REJECT rule: nft list ruleset, iptables-save"}}, p.meantFor(c)
	}
	return finding{cause: CauseRulesMissing, fact: fmt.Sprintf("the engine says that %s publishes %d on port %d", c.Name, b.Container, b.HostPort),
		why: fmt.Sprintf("The engine publishes %s on port %d, but the host refused it untranslated: the engine's NAT rule is not in force.", c.Name, b.HostPort),
		fix: []string{"docker restart " + c.Name, "if that does not help: systemctl restart docker"}}, p.meantFor(c)
}

// maybeRejected reports that a reset on behalf of the host may be a rule's
// doing. A connection that reaches the host's own stack is tracked; one that a
// rule rejects on its way is not.
func (p *path) maybeRejected() bool {
	return p.x.conntrack == nil && p.t.journal.sources[capture.OriginConntrack].State == "ok" && p.t.world.hasRules(capture.HostNetns)
}

func declaredOnly(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		if !p.exposes(c) || slices.ContainsFunc(c.Mappings, func(b engine.Binding) bool { return b.HostPort != 0 && b.Container == p.tuple.DstPort }) {
			continue
		}
		return finding{cause: CauseNotPublished, fact: fmt.Sprintf("%s exposes %d/%s and publishes nothing for it", c.Name, p.tuple.DstPort, p.tuple.Proto),
			why: fmt.Sprintf("%s only EXPOSEs port %d: that declares it, and publishes nothing.", c.Name, p.tuple.DstPort),
			fix: []string{fmt.Sprintf("recreate %s with -p %d:%d", c.Name, p.tuple.DstPort, p.tuple.DstPort)}}, p.meantFor(c)
	}
	return finding{}, false
}

// refusedLate: accepted, then closed or reset before any byte of answer.
func refusedLate(p *path, j *judgement, flag decode.TCPFlags) bool {
	j.verdict, j.proof = Refused, Inferred
	word := map[decode.TCPFlags]string{decode.RST: "reset", decode.FIN: "closed"}[flag]
	proxy := p.t.world.proxyFor(p.tuple)
	switch from := p.replyFrom(flag); {
	case p.proxied():
		p.judgeBackend(j)
	case p.inner == nil && p.inside == nil && proxy != nil:
		j.stage, j.cause = "proxy", CauseProxyBackendFailed
		j.why = fmt.Sprintf("docker-proxy (pid %d) accepted the connection and %s it: its own connection to %s failed.", proxy.PID, word, proxy.Container)
		j.fix = []string{fmt.Sprintf("check that the server behind %s accepts connections", proxy.Container)}
	case from != nil && p.inContainer(from):
		j.stage, j.cause, j.proof = "container", CauseServerReset, proofOf(p.proven)
		j.why = fmt.Sprintf("The server in %s accepted the connection and %s it without a byte of answer.", p.name(), word)
		j.fix = []string{fmt.Sprintf("look at the log of %s", p.name())}
	default:
		j.stage, j.cause = "host", CauseServerReset
		j.why = fmt.Sprintf("The host accepted the connection and %s it without a byte of answer.", word)
		j.fix = []string{fmt.Sprintf("see what listens on port %d of the host: ss -lntp", p.tuple.DstPort)}
	}
	j.fact("packets", p.r.decided, "the connection was %s before any answer", word)
	return true
}

func proofOf(proven bool) Proof {
	if proven {
		return Proven
	}
	return Inferred
}

// refusedByICMP: an ICMP error came back to the client's point.
func refusedByICMP(p *path, j *judgement) bool {
	e := p.errorToClient()
	if e == nil || p.r.answered != 0 || p.r.synAck != 0 {
		return false
	}
	j.verdict, j.proof = Refused, Inferred
	name := icmpName(e)
	j.fact("packets", e.time, "ICMP %s from %s at %s", name, e.from.Addr(), p.t.pointName(e.point))
	inner := slices.IndexFunc(p.x.errors, func(o icmpError) bool { return o.way == request && o.leg != p.r.client })
	switch {
	case inner >= 0 && p.portUnreachable(e) && p.tuple.Proto == decode.UDP:
		resetByContainer(p, j)
	case p.hostUnreachable(e) && p.unresolved() != nil:
		neighbourGone(p, j)
	case p.portUnreachable(e) && p.tuple.Proto == decode.UDP && p.translated() == "":
		resetByHost(p, j)
	case p.noRoute(e):
		j.stage, j.cause = "route", CauseNoRoute
		j.why = fmt.Sprintf("The host has no route to %s.", p.destination())
		j.fix = []string{fmt.Sprintf("ip route get %s", p.destination())}
	default:
		j.between = p.gapAfterLast()
		j.cause = CauseFirewallReject
		j.why = fmt.Sprintf("A firewall rule rejected the request with ICMP %s.", name)
		j.fix = []string{"find the REJECT rule: nft list ruleset, iptables-save"}
		j.blind = append(j.blind, "which rule it was is not in evidence")
	}
	return true
}

// errorToClient is the first ICMP error about the request at the client's
// point.
func (p *path) errorToClient() *icmpError {
	for i := range p.x.errors {
		if e := &p.x.errors[i]; e.leg == p.r.client && e.point == p.r.point && e.way == request && e.mtu == 0 {
			return e
		}
	}
	return nil
}

func (p *path) portUnreachable(e *icmpError) bool {
	return !e.v6 && e.typ == 3 && e.code == 3 || e.v6 && e.typ == 1 && e.code == 4
}

func (p *path) hostUnreachable(e *icmpError) bool {
	return !e.v6 && e.typ == 3 && e.code == 1 || e.v6 && e.typ == 1 && e.code == 3
}

func (p *path) noRoute(e *icmpError) bool {
	return !e.v6 && e.typ == 3 && e.code == 0 || e.v6 && e.typ == 1 && e.code == 0
}

// icmpName names an error as RFC 792, RFC 1812 §5.2.7.1 and RFC 4443 do.
func icmpName(e *icmpError) string {
	v4 := map[uint8]string{0: "net unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable", 4: "fragmentation needed", 9: "net prohibited", 10: "host prohibited", 13: "administratively prohibited"}
	v6 := map[uint8]string{0: "no route", 1: "administratively prohibited", 3: "address unreachable", 4: "port unreachable"}
	switch {
	case !e.v6 && e.typ == 3 && v4[e.code] != "":
		return v4[e.code]
	case e.v6 && e.typ == 1 && v6[e.code] != "":
		return v6[e.code]
	}
	return fmt.Sprintf("type %d code %d", e.typ, e.code)
}

func (p *path) latestInside() *host.Sample {
	if p.container == nil {
		return nil
	}
	return p.t.world.host(p.container.Name)
}

func (p *path) earlierInside() *host.Sample {
	if p.container == nil {
		return nil
	}
	return valueOf(before(p.t.world.hosts[p.container.Name], p.r.opened))
}

func (p *path) latestHost() *host.Sample { return p.t.world.host(capture.HostNetns) }

func (p *path) earlierHost() *host.Sample {
	return valueOf(before(p.t.world.hosts[capture.HostNetns], p.r.opened))
}

func (p *path) latestEngine() *engine.Snapshot { return p.t.world.engine() }

func (p *path) earlierEngine() *engine.Snapshot {
	return valueOf(before(p.t.world.engines, p.r.opened))
}

func valueOf[T any](v *version[T]) *T {
	if v == nil {
		return nil
	}
	return v.value
}

// name is what the server's side is called.
func (p *path) name() string {
	if p.container != nil {
		return p.container.Name
	}
	for _, s := range p.going {
		if owner := p.t.containerOf(s.at); owner != "" && p.isServersDoor(s.at) {
			return owner
		}
	}
	if p.inner != nil {
		return p.inner.tuple.Dst.Addr().String()
	}
	return "the container"
}
