package correlate

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// Hypothesis is a request that was not made.
type Hypothesis struct {
	Tuple     decode.Tuple      // as it is sent
	Target    decode.Tuple      // as it reaches the container; zero if it goes nowhere, or nobody knows where
	Container *engine.Container // what it is meant for; nil unknown
	Binding   *engine.Binding   // the mapping that it asks for; nil for none
	Home      string            // netns in which it ends, a container's; "" unknown
	Link      string            // the host's NIC that it comes in by; "" for none
	Exempt    *RuleHit          // the rule that exempts it from connection tracking; nil for none
}

// Finding is what state says of a hypothesis.
type Finding struct {
	Verdict   Verdict
	Stage     stage.Stage
	Cause     Cause
	Why       string
	Fix       []string
	Rule      *RuleHit
	Container *engine.Container // whom it concerns; nil for none
}

// path lays out a hypothesis as if it had been seen at one nameless point.
func (s *State) path(h Hypothesis) *path {
	p := &path{t: s.t, r: &reqRecord{}, x: &extra{}, now: math.MaxInt64, supposed: true, exempt: h.Exempt, tuple: h.Tuple, client: &leg{tuple: h.Tuple},
		container: h.Container, binding: h.Binding, home: h.Home, target: h.Target}
	if h.Target != (decode.Tuple{}) && h.Target != h.Tuple {
		p.inner = &leg{tuple: h.Target}
	}
	s.t.points[0].Name, s.t.points[0].Role = h.Link, capture.RoleNIC
	if h.Link == "" {
		s.t.points[0].Role = capture.RoleOther // it comes by none of the host's cards
	}
	return p
}

// Refused says why the host itself refuses what nothing on it takes.
func (s *State) Refused(h Hypothesis) Finding {
	p := s.path(h)
	f := p.hostCause(s.Engine(), s.Namespace(capture.HostNetns))
	return Finding{Verdict: Refused, Stage: stage.Host, Cause: f.cause, Why: f.why, Fix: f.fix, Rule: f.rule, Container: p.container}
}

// NotTaken says why a container's namespace refuses a request.
func (s *State) NotTaken(h Hypothesis) Finding {
	f := s.path(h).socketCause(h.Target, s.Namespace(h.Home))
	return Finding{Verdict: Refused, Stage: stage.Container, Cause: f.cause, Why: f.why, Fix: f.fix, Container: h.Container}
}

// Silent looks for what keeps a container from answering: it is paused, it has
// no route back, its accept queue is full. False if nothing of it holds.
func (s *State) Silent(h Hypothesis) (Finding, bool) {
	p := s.path(h)
	for _, look := range []func(*path, *judgement, *leg) bool{pausedContainer, addressGone, noRouteBack, backlogFull} {
		j := judgement{verdict: Unanswered, stage: stage.Container}
		if look(p, &j, &leg{tuple: h.Target}) {
			return found(p, &j), true
		}
	}
	return Finding{}, false
}

// Misremembered says that the host sends to a link-layer address that the
// container does not have, nor any other. False if it does not.
func (s *State) Misremembered(h Hypothesis) (Finding, bool) {
	p, j := s.path(h), judgement{verdict: Unanswered, stage: stage.Container}
	if now := s.Host(capture.HostNetns); now != nil {
		for _, n := range now.Neighbours {
			if n.IP == h.Target.Dst.Addr() && p.ownerOfMAC(strings.ToLower(n.MAC)) != "" {
				return Finding{}, false // it is somebody's: who answers first is not in state
			}
		}
	}
	ok := misremembered(p, &j, &leg{tuple: h.Target})
	return found(p, &j), ok
}

// LeavesElsewhere says that a container's answer leaves by another of its
// interfaces than the request comes in at, and not to the host.
func (s *State) LeavesElsewhere(h Hypothesis, in, out string) Finding {
	p := s.path(h)
	client := h.Target.Src.Addr()
	return Finding{Verdict: Unanswered, Stage: stage.Container, Cause: CauseReplyMisrouted, Container: h.Container,
		Why: fmt.Sprintf("The answer of %s leaves by %s, and the request comes in at %s: the container's own routes lead to %s another way.", p.name(), out, in, client),
		Fix: p.insideFix([]string{fmt.Sprintf("ip route add %s/%d via %s", client, client.BitLen(), p.t.world.gatewayWords(h.Target.Dst.Addr()))})}
}

// PortBlocked says that the container's port of its bridge forwards nothing: neither
// what asks for its link-layer address, nor the request if that is known.
func (s *State) PortBlocked(h Hypothesis, bridge string, port host.Link) Finding {
	f := Finding{Verdict: Refused, Stage: stage.Neighbour, Cause: CauseBridgePortBlocked, Container: h.Container}
	f.Why, f.Fix = blockedPort(bridge, port)
	if e, ok := s.Namespace(capture.HostNetns).Neighbour(h.Target.Dst.Addr(), bridge).Get(); ok && e.MAC != "" {
		f.Verdict, f.Stage = Dropped, stage.Bridge
	}
	return f
}

// ProxyCutOff says that a rule keeps docker-proxy from the container.
func (s *State) ProxyCutOff(h Hypothesis, o ruleset.Outcome) Finding {
	f := s.blamed(h, o, request)
	f.Verdict, f.Stage, f.Cause, f.Rule = Unanswered, stage.Proxy, CauseProxyBackendFailed, nil
	f.Why = "docker-proxy accepts the connection and gets no answer from the container. " + f.Why
	f.Fix = passingBy(o, request, h.Target)
	return f
}

// NotForwarded says why the host would not forward what comes in at a link:
// forwarding is off, by the setting that is the answer.
func (s *State) NotForwarded(t decode.Tuple, in string) (Finding, known.Answer[string]) {
	off := s.Namespace(capture.HostNetns).NotForwarding(in, familyOf(t.Dst.Is4()))
	key, _ := off.Get()
	f := notForwarded(in, key)
	return Finding{Verdict: Dropped, Stage: stage.Route, Cause: f.cause, Why: f.why, Fix: f.fix}, off
}

// NotReturned says why an answer that comes from a bridge would go nowhere: no
// route leads back, or forwarding is off. False if neither.
func (s *State) NotReturned(h Hypothesis, bridge string) (Finding, bool) {
	f, stage := s.path(h).returnCause(stop{at: &point{Point: capture.Point{Name: bridge, Role: capture.RoleBridge}}})
	return Finding{Verdict: AnswerLost, Stage: stage, Cause: f.cause, Why: f.why, Fix: f.fix, Container: h.Container}, stage != ""
}

// Misrouted says that the answer leaves by another link than the request came
// in at, since a rule of the host's routing has it do so.
func (s *State) Misrouted(h Hypothesis, link string) Finding {
	f := s.path(h).misrouted(link, Inferred)
	return Finding{Verdict: AnswerLost, Stage: stage.ReplyRoute, Cause: f.cause, Why: f.why, Fix: f.fix, Container: h.Container}
}

// HostCannotAnswer says that a process of the host takes a request, and the host has
// no route back.
func (s *State) HostCannotAnswer(h Hypothesis) Finding {
	f := noWayBackFromHost(h.Tuple.Src.Addr(), s.path(h).returnFix())
	return Finding{Verdict: Unanswered, Stage: stage.ReplyRoute, Cause: f.cause, Why: f.why, Fix: f.fix, Container: h.Container}
}

// Held says that the engine holds a port without serving it, since rules are to
// translate what is for it. False if it does not.
func (s *State) Held(h Hypothesis) (Finding, bool) {
	p, j := s.path(h), judgement{verdict: Unanswered}
	ok := p.heldByEngine(&j)
	return found(p, &j), ok
}

// Redirected says that a rule sent the request to an address of the host where
// nobody listens. False if none did.
func (s *State) Redirected(h Hypothesis) (Finding, bool) {
	p, j := s.path(h), judgement{verdict: Refused, stage: stage.Host}
	ok := p.redirected(&j)
	return found(p, &j), ok
}

// Replied says that the rules stop an answer.
func (s *State) Replied(h Hypothesis, o ruleset.Outcome) Finding {
	f := s.blamed(h, o, reply)
	f.Verdict, f.Stage, f.Cause, f.Fix = AnswerLost, o.Stage.Reply(), CauseReplyFiltered, passingBy(o, reply, h.Target)
	return f
}

// Filtered says that the rules of the host stop a request.
func (s *State) Filtered(h Hypothesis, o ruleset.Outcome) Finding { return s.blamed(h, o, request) }

// FilteredInside says that the rules in a container's namespace stop a request.
func (s *State) FilteredInside(h Hypothesis, o ruleset.Outcome) Finding {
	f, p := s.blamed(h, o, request), s.path(h)
	f.Stage, f.Cause = stage.Container, CauseContainerFirewall
	f.Why = fmt.Sprintf("A firewall inside %s %s %s: %s.", p.name(), verb(o.Verdict == ruleset.Rejected), askedFor(h.Target), f.Rule.Text)
	f.Fix = p.insideFix(passingBy(o, request, h.Target))
	if f.Verdict == Dropped {
		f.Verdict = Unanswered
	}
	return f
}

func (s *State) blamed(h Hypothesis, o ruleset.Outcome, w way) Finding {
	p, j := s.path(h), judgement{verdict: Dropped}
	if o.Verdict == ruleset.Rejected {
		j.verdict = Refused
	}
	f := filtering{way: w, stage: o.Stage, hit: *HitOf(*o.Rule), to: o.Tuple}
	f.fill(*o.Rule)
	f.leaves, f.mark = o.OIF, o.Mark
	if o.Translation != nil {
		f.by = HitOf(*o.Translation)
	}
	f.lookups = o.Lookups()
	f.reject = o.Verdict == ruleset.Rejected
	p.blame(&j, f, w)
	return found(p, &j)
}

// LedAstray says that routing sends a request that has been translated elsewhere
// than to its container; none if it does not.
func (s *State) LedAstray(h Hypothesis, o ruleset.Outcome) known.Answer[Finding] {
	p, j := s.path(h), judgement{verdict: Dropped}
	f := &filtering{way: request, stage: stage.Forward, to: o.Tuple, leaves: o.OIF, mark: o.Mark}
	if a := p.detour(f); !a.Known() {
		return known.Unknown[Finding](a.Why())
	}
	if !p.ledAstray(&j, f) {
		return known.None[Finding]()
	}
	return known.Is(found(p, &j))
}

// HitOf is a rule as the document shows it.
func HitOf(r ruleset.Rule) *RuleHit {
	hit := &RuleHit{Kind: "rule", Backend: r.Backend, Table: r.Table, Chain: r.Chain, Handle: r.Handle, Text: r.Text, Owner: r.Owner}
	if r.Policy {
		hit.Kind = "policy"
	}
	return hit
}

// passingBy is what lets by what the rules stop on the way of a request to t.
func passingBy(o ruleset.Outcome, w way, t decode.Tuple) []string {
	f := filtering{hit: *HitOf(*o.Rule), lookups: o.Lookups(), stage: o.Stage, way: w}
	return f.passing(t)
}

// Stale says that a request is sent to an address that nobody owns, by a rule if
// one translates it.
func (s *State) Stale(h Hypothesis, by *RuleHit) Finding {
	ip := h.Target.Dst.Addr()
	why, fix := leftover(ip, by)
	return Finding{Verdict: Refused, Stage: stage.Neighbour, Cause: CauseStaleTranslation, Rule: by, Why: why, Fix: fix}
}

// Taken says that a process of the host has the port that a container was meant
// to have. False if it has not, or it is that container's own process.
func (s *State) Taken(h Hypothesis) (Finding, bool) {
	socket, listens := s.Listener(capture.HostNetns, h.Tuple).Get()
	k, p := &socket, s.path(h)
	c := p.container
	if c == nil {
		c = p.failedToGet()
	}
	if !listens || c == nil || k.Process == "" || p.enginesOwn(k) || strings.HasPrefix(c.Mode, "host") {
		return Finding{}, false
	}
	return Finding{Verdict: Misdelivered, Stage: stage.Host, Cause: CausePortTaken, Container: c,
		Why: fmt.Sprintf("%s of the host answers on port %d, which %s was meant to have.", processName(k), h.Tuple.DstPort, c.Name),
		Fix: []string{fmt.Sprintf("stop it or move it to another port, then: docker start %s", shell(c.Name))}}, true
}

// Serving is the container whose process listens where a request ends; nil if
// that is not known, or a process of the host's.
func (s *State) Serving(h Hypothesis) *engine.Container { return s.path(h).servingContainer() }

func found(p *path, j *judgement) Finding {
	return Finding{Verdict: j.verdict, Stage: j.stage, Cause: j.cause, Why: j.why, Fix: j.fix, Rule: j.rule, Container: p.container}
}

// ReversePath says that reverse path filtering drops what comes from src at a
// link.
func (s *State) ReversePath(src netip.Addr, in string, how known.Strictness) Finding {
	f := reversePath(src, in, how)
	return Finding{Verdict: Dropped, Stage: stage.Route, Cause: f.cause, Why: f.why, Fix: f.fix}
}

// Removal is the command that takes a rule away.
func Removal(h *RuleHit) []string { return h.removal() }

// Unhidden says that a request reaches a container from an address that its
// kernel takes for its own, or a neighbour's, since nothing masquerades it. Ok is
// false if it does not; bridged says that what the bridge passes is not
// translated back.
func (s *State) Unhidden(h Hypothesis, bridged bool) (f Finding, ok bool) {
	src, name := h.Target.Src, s.path(h).name()
	f = Finding{Verdict: Unanswered, Stage: stage.Container, Cause: CauseUntranslatedSource, Container: h.Container,
		Why: fmt.Sprintf("The request reaches %s from %s, and its kernel drops what seems to come from itself: the rule that was to masquerade it is missing.", name, src.Addr()),
		Fix: []string{"docker restart " + shell(name), "if that does not help: systemctl restart docker"}}
	switch {
	case src == h.Target.Dst || src.Addr().IsLoopback() && h.Target != h.Tuple:
		return f, true
	case bridged:
		own := h.Target.DstEnd()
		f.Verdict, f.Stage = AnswerLost, stage.Bridge
		f.Why = fmt.Sprintf("The client asks %s and the answer comes from %s: both are on one bridge, and what passes there is not translated back.", h.Tuple.DstEnd(), own)
		f.Fix = []string{"sysctl -w net.bridge.bridge-nf-call-iptables=1", "or let the engine run docker-proxy", fmt.Sprintf("or ask %s directly: http://%s", name, own)}
		return f, true
	}
	return Finding{}, false
}

// NotTranslatedBack says that an answer leaves with the container's own address,
// after the host's rules did this with it.
func (s *State) NotTranslatedBack(h Hypothesis, out ruleset.Outcome) Finding {
	why, fix := tracksApart(out, reply).advice()
	return Finding{Verdict: AnswerLost, Stage: stage.ReplyPrerouting, Cause: CauseUntranslatedSource, Container: h.Container,
		Why: fmt.Sprintf("The client asks %s and the answer comes from %s: nothing translates it back.", h.Tuple.DstEnd(), h.Target.DstEnd()) + why, Fix: fix}
}

// LookedFor says that the container looks for a client among its neighbours,
// where it is not.
func (s *State) LookedFor(h Hypothesis) Finding {
	name := s.path(h).name()
	return Finding{Verdict: Unanswered, Stage: stage.Container, Cause: CauseReplyMisrouted, Container: h.Container,
		Why: fmt.Sprintf("The client's address %s lies in a network that %s takes for its own: it looks for the client among its neighbours, and nobody answers.", h.Target.Src.Addr(), name),
		Fix: []string{"give the container's network another subnet, one that no client uses: docker network create --subnet …, or bip and default-address-pools of the engine"}}
}

// ReplyReversePath says that reverse path filtering drops the answer where it
// leaves the container by another of its networks.
func (s *State) ReplyReversePath(h Hypothesis, bridge string) Finding {
	name := s.path(h).name()
	return Finding{Verdict: AnswerLost, Stage: stage.ReplyRoute, Cause: CauseReversePathFilter, Container: h.Container,
		Why: fmt.Sprintf("The answer leaves %s by %s, which is not the host's way to it, and strict reverse path filtering drops such packets.", name, bridge),
		Fix: []string{fmt.Sprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2", bridge), fmt.Sprintf("or have %s answer by the network it is published on", name)}}
}

// Full says that connection tracking has no room for another connection. False
// if it has, or that is not known.
func (s *State) Full() (Finding, bool) {
	h := s.Host(capture.HostNetns)
	if h == nil {
		return Finding{}, false
	}
	most, err := strconv.ParseUint(h.Sysctls["net.netfilter.nf_conntrack_max"], 10, 64)
	if now := h.Counters["nf_conntrack.count"]; err != nil || most == 0 || now < most {
		return Finding{}, false
	}
	return Finding{Verdict: Dropped, Stage: stage.Prerouting, Cause: CauseConntrackFull,
		Why: fmt.Sprintf("Connection tracking is full (%d entries): the host drops what would open another connection.", most),
		Fix: []string{fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*most), "find who opens so many: conntrack -L | sort"}}, true
}
