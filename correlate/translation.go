package correlate

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// misdelivered: something other than what the mapping intends answered.
func misdelivered(p *path, j *judgement) {
	if p.proxied() {
		return
	}
	if p.translated() != "" {
		p.translatedElsewhere(j)
		return
	}
	p.takenByProcess(j)
}

// translatedElsewhere: a rule other than that of the mapping in force sent the
// request to another server, which answered.
func (p *path) translatedElsewhere(j *judgement) {
	if p.latestEngine() == nil || p.intended(p.latestEngine()) || p.intended(p.earlierEngine()) {
		return
	}
	meant, _ := p.t.world.mapping(p.latestEngine(), p.tuple)
	hit, known := p.translatingRule()
	leftover := known && hit.Owner == ruleset.OwnerDocker
	taker := p.t.world.containerAt(p.target.Dst)
	switch {
	case meant == nil && !leftover:
		return // nobody publishes the port: the rule is somebody's own mapping
	case taker == nil && (leftover || !known):
		return // a container that the engine has not told of yet may have it by right
	}
	j.verdict, j.stage, j.cause, j.proof = Misdelivered, "dnat", CauseOtherTranslation, proofOf(p.proven && known && p.intendedBefore())
	j.why = fmt.Sprintf("The request for %s was translated to %s, and %s answered", p.tuple.DstEnd(), p.translated(), p.name())
	switch {
	case leftover:
		j.cause = CauseStaleTranslation
		j.why += ": a rule of the engine's is a leftover, and its address belongs to another container now"
	default:
		j.why += fmt.Sprintf(" instead of %s: another rule came before the engine's", meant.Name)
	}
	j.fix = []string{fmt.Sprintf("find the rule and delete it: iptables -t nat -S | grep %d; nft -a list ruleset | grep %d", p.tuple.DstPort, p.tuple.DstPort)}
	if known {
		j.rule, j.fix = &hit, hit.removal()
		j.why += ": " + hit.Text
		_, step := p.tracedTranslation()
		j.ruledAt = step.Time
		j.fact("ruletrace", step.Time, "rule in %s: %s", placeOf(&hit), hit.Text)
	}
	j.why += "."
}

// intended reports whether the engine's mapping leads to where the request was
// translated to. An engine that was not asked intends nothing.
func (p *path) intended(e *engine.Snapshot) bool {
	if e == nil {
		return false
	}
	to := p.target.Dst.Addr()
	for i := range e.Containers {
		c := &e.Containers[i]
		mine := slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return ep.IPv4 == to || ep.IPv6 == to })
		if mine && slices.ContainsFunc(c.Mappings, func(b engine.Binding) bool {
			return b.HostPort == p.tuple.DstPort && b.Proto == p.tuple.Proto.String() && bindsTo(b.HostIP, p.tuple.Dst.Addr())
		}) {
			return true
		}
	}
	return false
}

// intendedBefore reports whether the engine's intent before the request is in
// evidence.
func (p *path) intendedBefore() bool { return p.earlierEngine() != nil }

// takenByProcess: a process of the host other than docker-proxy answered, on a
// port that a container publishes or failed to get.
func (p *path) takenByProcess(j *judgement) {
	if !p.answeredByHost() || p.t.world.proxyFor(p.tuple) != nil || !p.untranslated() {
		return
	}
	k := p.hostListener()
	if k == nil || k.Process == "" || k.Process == "dockerd" || k.Process == "docker-proxy" {
		return
	}
	c := p.container
	if c == nil {
		c = p.failedToGet()
	}
	if c == nil || strings.HasPrefix(c.Mode, "host") {
		return
	}
	p.container = c
	j.verdict, j.stage, j.cause = Misdelivered, "host", CausePortTaken
	j.why = fmt.Sprintf("%s of the host answered on port %d, which %s was meant to have.", processName(k), p.tuple.DstPort, c.Name)
	j.fix = []string{fmt.Sprintf("stop it or move it to another port, then: docker start %s", shell(c.Name))}
	j.fact("host", p.now, "%s listens on %s", processName(k), k.Local)
}

// hostListener is the socket of the host that takes what is asked for, or nil.
func (p *path) hostListener() *host.Socket {
	for _, k := range listeners(p.latestHost(), p.tuple.Proto) {
		if k.Local.Port() == p.tuple.DstPort && accepts(&k, p.tuple.Dst.Addr()) {
			return &k
		}
	}
	return nil
}

// redirected: a rule sent the request to another port or address of the host,
// where nobody listens.
func (p *path) redirected(j *judgement) bool {
	if p.translated() == "" || p.proxied() || !p.t.world.isHost(p.target.Dst) {
		return false
	}
	j.cause, j.proof = CauseOtherTranslation, proofOf(p.proven)
	j.why = fmt.Sprintf("A rule translated the request to %s, an address of the host where nobody listens", p.translated())
	j.fix = []string{fmt.Sprintf("find the rule and delete it: iptables -t nat -S | grep %d; nft -a list ruleset | grep %d", p.tuple.DstPort, p.tuple.DstPort)}
	if hit, ok := p.translatingRule(); ok {
		j.rule, j.fix = &hit, hit.removal()
		j.why += ": " + hit.Text
	}
	j.why += "."
	return true
}

// heldByHost: connection tracking says that the request went to the host itself,
// untranslated, on a port that a container publishes.
func heldByHost(p *path, j *judgement) bool {
	e := p.x.conntrack
	if e == nil || e.Reply.Reverse() != e.Orig || p.binding == nil || p.entered() || p.r.synAck != 0 || p.proxied() || p.t.world.proxyFor(p.tuple) != nil || !p.t.world.isHost(p.tuple.Dst) {
		return false
	}
	j.verdict, j.stage, j.proof = Unanswered, "host", Inferred
	if !p.heldByEngine(j) && !p.pinned(j) {
		j.cause = CauseRulesMissing
		j.why = fmt.Sprintf("The engine publishes %s on port %d, but the request went to the host itself, untranslated: the engine's NAT rule is not in force.", p.name(), p.binding.HostPort)
		j.fix = []string{"docker restart " + shell(p.name()), "if that does not help: systemctl restart docker"}
	}
	p.claim(j, p.clientPoint())
	return true
}

// heldByEngine: without docker-proxy the engine holds the port and serves
// nothing there. What gets that far was not translated.
func (p *path) heldByEngine(j *judgement) bool {
	k := p.hostListener()
	if k == nil || k.Process != "dockerd" || p.binding == nil {
		return false
	}
	if p.pinned(j) {
		return true
	}
	j.stage, j.cause, j.proof = "host", CauseRulesMissing, Inferred
	j.why = fmt.Sprintf("The engine holds port %d for %s without serving it, and the request got there untranslated: the engine's NAT rule is not in force.", p.binding.HostPort, p.name())
	j.fix = []string{"docker restart " + shell(p.name()), "if that does not help: systemctl restart docker"}
	j.fact("host", p.now, "%s listens on %s", processName(k), k.Local)
	return true
}

// pinned: an entry of connection tracking is older than the mapping, and rules
// of NAT see only the first packet of what one entry covers.
func (p *path) pinned(j *judgement) bool {
	e := p.x.conntrack
	if e == nil || p.tuple.Proto != decode.UDP || e.Reply.Reverse() != e.Orig || e.Time > p.r.opened {
		return false
	}
	j.cause = CauseStaleTranslation
	j.why = fmt.Sprintf("Connection tracking has kept the sender's datagrams untranslated since before %s published the port.", p.name())
	j.fix = []string{fmt.Sprintf("conntrack -D -p udp --orig-src %s --orig-port-dst %d", p.tuple.Src.Addr(), p.tuple.DstPort)}
	j.fact("conntrack", e.Time, "%s, not translated, before the request", e.Orig)
	return true
}

// invalid: the host reset a connection that a container had accepted. Connection
// tracking found a segment invalid and left it untranslated, so that the host
// took it for its own.
func (p *path) invalid(j *judgement) bool {
	from := p.replyFrom(decode.RST)
	if p.translated() == "" || p.proxied() || p.r.synAck == 0 || from == nil || from.leg != p.client || from.point != p.r.point {
		return false
	}
	if len(p.replies()) == 0 || len(p.watched(p.wayIn()...).gaps) > 0 {
		return false // where the RST came from was not watched
	}
	j.stage, j.cause, j.proof = "host", CauseConntrackInvalid, Inferred
	j.why = fmt.Sprintf("%s accepted the connection, and the host itself reset it: connection tracking found a segment of the client's invalid and did not translate it.", p.name())
	j.fix = []string{"iptables -I INPUT -m conntrack --ctstate INVALID -j DROP", "or sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1"}
	if grown := p.grown("nf_conntrack.invalid"); grown > 0 {
		j.fact("host", p.now, "nf_conntrack counted %d more invalid packets", grown)
	}
	return true
}

// grown is by how much a counter of the host grew since before the request.
func (p *path) grown(counter string) uint64 {
	now, old := p.latestHost(), p.earlierHost()
	if now == nil || old == nil || now.Counters[counter] < old.Counters[counter] {
		return 0
	}
	return now.Counters[counter] - old.Counters[counter]
}

// tableFull: connection tracking had no room for the request.
func (p *path) tableFull(j *judgement) bool {
	grown := p.grown("nf_conntrack.drop")
	if p.x.conntrack != nil || grown < uint64(max(1, p.r.attempts)) {
		return false
	}
	now := p.latestHost()
	j.stage, j.cause = "prerouting", CauseConntrackFull
	j.why = "Connection tracking is full: the host drops what would open another connection."
	j.fix = []string{"sysctl -w net.netfilter.nf_conntrack_max=…, at least twice what it is", "find who opens so many: conntrack -L | sort"}
	j.fact("host", p.now, "nf_conntrack dropped %d meanwhile; %d entries, at most %s", grown, now.Counters["nf_conntrack.count"], now.Sysctls["net.netfilter.nf_conntrack_max"])
	return true
}

// answeredAsItself: the answer came out with the container's own address, since
// nothing translated it back: the client does not take it.
func (p *path) answeredAsItself(j *judgement) bool {
	s := p.comesAsItself()
	if s == nil {
		return false
	}
	j.stage, j.between, j.cause = "reply-prerouting", [2]string{}, CauseUntranslatedSource
	own := s.leg.tuple.DstEnd()
	j.why = fmt.Sprintf("The client asked %s and the answer came from %s: nothing translated it back.", p.tuple.DstEnd(), own)
	j.fix = []string{"look for rules that exempt answers from connection tracking: iptables -t raw -S, nft list ruleset"}
	if s.at.Role == capture.RoleVeth || s.at.Role == capture.RoleContainer {
		j.stage = "bridge"
		j.why = fmt.Sprintf("The client asked %s and the answer came from %s: both are on one bridge, and what passes there is not translated back.", p.tuple.DstEnd(), own)
		j.fix = []string{"sysctl -w net.bridge.bridge-nf-call-iptables=1", "or let the engine run docker-proxy", fmt.Sprintf("or ask %s directly: http://%s", p.name(), own)}
	}
	j.fact("packets", s.first, "the answer from %s at %s", own, s.at.Name)
	p.claim(j, p.clientPoint())
	return true
}

// misrouted: the answer goes out by another link than the request came in.
func (p *path) misrouted(link string, proof Proof) finding {
	return finding{cause: CauseReplyMisrouted, proof: proof,
		why:  fmt.Sprintf("The answer leaves by %s, and the request came in at %s: the host's routes lead to %s another way.", link, p.clientPoint().Name, p.tuple.Src.Addr()),
		fix:  []string{fmt.Sprintf("see the route and the rules: ip route get %s; ip rule", p.tuple.Src.Addr()), fmt.Sprintf("route it back: ip route add %s/%d dev %s", p.tuple.Src.Addr(), p.tuple.Src.Addr().BitLen(), p.clientPoint().Name)},
		fact: fmt.Sprintf("the way to %s is %s", p.tuple.Src.Addr(), link)}
}

// routedElsewhere reports whether the host's route to the client is by another
// link than the request came in at.
func (p *path) routedElsewhere(s *host.Sample) bool {
	if s == nil || p.clientPoint().Role != capture.RoleNIC {
		return false
	}
	r := routeTo(s, p.tuple.Src.Addr())
	const main = 254 // RT_TABLE_MAIN; what other tables hold depends on rules that are not looked at
	return r != nil && r.Table == main && r.Link != 0 && linkName(s, r.Link) != p.clientPoint().Name
}

// replyFilteredByReversePath reports whether the strict check of the reverse
// path dropped the answer where it came from a container.
func (p *path) replyFilteredByReversePath(now *host.Sample, last stop) bool {
	return last.at.Netns == capture.HostNetns && last.leg != p.client && p.strictAgainst(now, last.at, last.leg.tuple.Dst)
}

// leftBehind says so where the container's own servers are in a namespace that
// it has left, or that its owner has.
func (p *path) leftBehind(f *finding) {
	e := p.latestEngine()
	if e == nil || p.container == nil || f.cause != CauseNoListener && f.cause != CauseWrongContainerPort {
		return
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if isUp(c) && (c.Mode == "container:"+p.container.ID || c.Mode == "container:"+p.container.Name) && !p.lives(c) {
			f.cause = CauseNoListener
			f.why = fmt.Sprintf("%s has restarted, and %s, which shares its network, is still in the namespace that it had before.", p.container.Name, c.Name)
			f.fix = []string{"docker restart " + shell(c.Name)}
			return
		}
	}
}

// lives reports whether a process of c has a socket in the namespace where the
// request ended.
func (p *path) lives(c *engine.Container) bool {
	s := p.latestInside()
	return s == nil || slices.ContainsFunc(s.Sockets, func(k host.Socket) bool { return k.Container == c.ID })
}
