package correlate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
	"dnatrace/decode/programs"
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
	if p.latestEngine() == nil || p.intended(p.latestEngine()) || p.intended(p.engineThen()) || p.intended(p.earlierEngine()) {
		return
	}
	meant, _ := p.t.world.mapping(p.engineThen(), p.tuple)
	hit, known := p.translatingRule()
	_, step := p.tracedTranslation()
	leftover := known && hit.Owner == programs.Docker
	taker := p.containerAt(p.target.Dst)
	switch {
	case meant == nil && mappingsLack(p.latestEngine()) != "":
		return // what is not in evidence may publish it
	case meant == nil && !leftover:
		return // nobody publishes the port: the rule is somebody's own mapping
	case taker == nil && (leftover || !known), leftover && p.latestEngine().Partial:
		return // a container that the engine has not told of may have it by right
	}
	j.verdict, j.stage, j.cause, j.proof = Misdelivered, stage.DNAT, CauseOtherTranslation, proofOf(p.proven && step != nil && p.intendedBefore())
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
	}
	if known && step != nil {
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
	if !p.answeredByHost() || p.proxy() != nil || !p.untranslated() {
		return
	}
	k := p.hostListener()
	if k == nil || k.Process == "" || p.enginesOwn(k) {
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
	j.verdict, j.stage, j.cause = Misdelivered, stage.Host, CausePortTaken
	j.why = fmt.Sprintf("%s of the host answered on port %d, which %s was meant to have.", processName(k), p.tuple.DstPort, c.Name)
	j.fix = []string{fmt.Sprintf("stop it or move it to another port, then: docker start %s", shell(c.Name))}
	j.fact("host", p.now, "%s listens on %s", processName(k), k.Local)
}

// hostListener is the socket of the host that takes what is asked for, or nil.
func (p *path) hostListener() *host.Socket {
	if k, ok := listener(p.onHost(), p.tuple).Get(); ok {
		return &k
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
		if _, step := p.tracedTranslation(); step == nil {
			j.proof = Inferred // so the rules say, and not the kernel
		}
	}
	j.why += "."
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
	j.stage, j.cause, j.proof = stage.Host, CauseConntrackInvalid, Inferred
	j.why = fmt.Sprintf("%s accepted the connection, and the host itself reset it: connection tracking found a segment of the client's invalid and did not translate it.", p.name())
	j.fix = []string{"iptables -I INPUT -m conntrack --ctstate INVALID -j DROP", "or sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1"}
	if idle := p.remembered(); idle > 0 && time.Duration(from.last-p.r.synAck) > idle {
		j.why = fmt.Sprintf("%s accepted the connection, and the host itself reset it: connection tracking forgets what is idle for %v, and did not translate what the client said after that.", p.name(), idle)
		j.fix = []string{"sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=432000", "or have the client say something more often: TCP keepalives"}
	}
	if grown := p.grown("nf_conntrack.invalid"); grown > 0 {
		j.fact("host", p.now, "nf_conntrack counted %d more invalid packets", grown)
	}
	return true
}

// remembered is how long the host's connection tracking keeps an idle TCP
// connection; 0 if that is not known.
func (p *path) remembered() time.Duration {
	now := p.sampleThen(capture.HostNetns)
	if now == nil {
		return 0
	}
	seconds, err := strconv.Atoi(now.Sysctls["net.netfilter.nf_conntrack_tcp_timeout_established"])
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
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
	j.stage, j.cause = stage.Prerouting, CauseConntrackFull
	j.why = "Connection tracking is full: the host drops what would open another connection."
	j.fix = []string{"sysctl -w net.netfilter.nf_conntrack_max=…, at least twice what it is", "find who opens so many: conntrack -L | sort"}
	j.fact("host", p.now, "nf_conntrack dropped %d meanwhile; %d entries, at most %s", grown, now.Counters["nf_conntrack.count"], now.Sysctls["net.netfilter.nf_conntrack_max"])
	return true
}

// leftBehind says so where the container's own servers are in a namespace that
// it has left, or that its owner has.
func (p *path) leftBehind(f *finding) {
	e := p.engineThen()
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
	s := p.sampleThen(p.home)
	return s == nil || slices.ContainsFunc(s.Sockets, func(k host.Socket) bool { return k.Container == c.ID })
}
