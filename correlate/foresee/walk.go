package foresee

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// walk is a request on its way.
type walk struct {
	s      *correlate.State
	r      Request
	h      correlate.Hypothesis
	host   *host.Sample
	here   known.Namespace // the host's
	via    correlate.Via
	by     *correlate.RuleHit // that translated it
	stray  *correlate.Finding // it goes to another than the mapping intends; nil if not
	stages []Stage
	blind  []string
	holes  []string // what is not known on the way, so that delivery cannot be claimed
	ruled  bool     // the rules of the host were followed, which know its mark
	end    correlate.Finding
}

func newWalk(s *correlate.State, r Request) *walk {
	w := &walk{s: s, r: r, host: s.Host(capture.HostNetns), here: s.Namespace(capture.HostNetns)}
	w.h.Tuple = r.Tuple
	if r.From == Outside {
		w.h.Link = r.Link
	}
	w.h.Container, w.h.Binding = s.Mapping(r.Tuple)
	if c := s.ContainerAt(r.Tuple.Dst.Addr()); c != nil {
		w.h.Container, w.h.Target, w.h.Home, w.via = c, r.Tuple, s.Home(c), correlate.ViaDirect
	}
	return w
}

// forth takes the request as far as it gets.
func (w *walk) forth() {
	if w.host == nil {
		w.withoutHost()
		return
	}
	if l := w.host.LinkNamed(w.r.Link); l != nil && !l.Up {
		w.finish(correlate.Finding{Verdict: correlate.Dropped, Stage: stage.NIC, Cause: correlate.CauseNoRoute,
			Why: fmt.Sprintf("Interface %s of the host is down.", l.Name), Fix: []string{fmt.Sprintf("ip link set %s up", correlate.Shell(l.Name))}}, Drop)
		return
	}
	w.pass(w.entrance(), nil, "%s", w.entranceDetail())
	if elsewhere, ok := w.s.EngineElsewhere().Get(); ok && w.entrance() == stage.Bridge {
		w.hole(elsewhere)
		w.deliver()
		return
	}
	if w.bridged() && !w.bridgeCallsRules() {
		w.cross()
		return
	}
	out, ok := w.rules(capture.HostNetns, w.packet())
	if w.ruled = ok && out.Certain(); !ok {
		out = w.intended()
	}
	w.through(out)
}

// cross takes the request from one port of a bridge to another, by the rules of
// the bridge alone.
func (w *walk) cross() {
	if calls := w.here.BridgesCallRules(known.Family(w.r.Tuple.Dst.Addr())); !calls.Known() && w.stoppedIfCalled() {
		w.hole(calls.Why())
	}
	out, ok := w.rules(capture.HostNetns, w.packet())
	w.tell(out.Steps)
	switch {
	case !ok:
		w.enter(w.r.Tuple)
	case out.Verdict == ruleset.Unclear:
		w.unclear(out)
	case stopped(out):
		w.filtered(out)
	default:
		w.enter(w.r.Tuple)
	}
}

// stoppedIfCalled reports whether the rules of IP would keep the request from
// crossing a bridge, or may, if they were called there.
func (w *walk) stoppedIfCalled() bool {
	set, why := w.s.Rules(capture.HostNetns, known.Family(w.r.Tuple.Dst.Addr()))
	if set == nil {
		return why != ""
	}
	p := w.packet()
	told := p.Bridge
	p.Bridge = func(link string) (*ruleset.Bridge, bool) {
		b, known := told(link)
		if b != nil {
			b.Calls = true
		}
		return b, known
	}
	out := set.Evaluate(p)
	return stopped(out) || !out.Certain()
}

// withoutHost judges by what the engine says alone.
func (w *walk) withoutHost() {
	w.hole("the state of the host is not in evidence")
	out := w.intended()
	if out.Local || out.Tuple == w.r.Tuple && w.h.Target == (decode.Tuple{}) {
		w.refused()
		return
	}
	w.enter(out.Tuple)
}

// entrance is the stage that a request starts at.
func (w *walk) entrance() stage.Stage {
	switch {
	case w.r.Link == "":
		return stage.Host
	case w.r.From == SameNetwork || w.r.From == OtherNetwork:
		return stage.Bridge
	}
	return stage.NIC
}

func (w *walk) entranceDetail() string {
	if w.r.Link == "" {
		return fmt.Sprintf("sent by the host from %s", w.r.Tuple.Src.Addr())
	}
	return fmt.Sprintf("comes in at %s from %s", w.r.Link, w.r.Tuple.Src.Addr())
}

// bridged reports whether a request stays on the bridge that it comes in by. The
// host need not have a route there, nor an address of its own: an isolated
// network's bridge has none.
func (w *walk) bridged() bool {
	l := w.host.LinkNamed(w.r.Link)
	src, dst := w.r.Tuple.Src.Addr(), w.r.Tuple.Dst.Addr()
	if l == nil || l.Kind != "bridge" || w.s.IsHost(dst) {
		return false
	}
	neighbours := w.r.From == SameNetwork && w.s.Network(src) != "" && w.s.Network(src) == w.s.Network(dst)
	if neighbours {
		return true
	}
	oif, _ := w.here.Leaves(w.s.Lookup(w.here, src, dst, w.r.Link)).Get()
	return oif == w.r.Link
}

// bridgeCallsRules reports whether what a bridge forwards is known to meet the
// rules of IP.
func (w *walk) bridgeCallsRules() bool {
	return w.here.BridgesCallRules(known.Family(w.r.Tuple.Dst.Addr())).Is()
}

// packet is the request's first packet, as the host's rules meet it.
func (w *walk) packet() ruleset.Packet {
	p := ruleset.Packet{Sent: w.r.Link == "", IIF: w.r.Link, Tuple: w.r.Tuple}
	w.s.Terrain(w.here, &p)
	if w.bridged() {
		p.Route = func(netip.Addr) (string, bool) { return w.r.Link, true }
	}
	if l := w.host.LinkNamed(w.r.Link); l != nil {
		p.IIFIndex = uint32(l.Index)
	}
	if p.Tuple.Proto == decode.TCP {
		p.TCPFlags = byte(decode.SYN)
	}
	return p
}

// rules follows a packet through the rules of a namespace. False if they are
// not known: that is noted as missing.
func (w *walk) rules(netns string, p ruleset.Packet) (ruleset.Outcome, bool) {
	set, why := w.s.Rules(netns, known.Family(p.Tuple.Dst.Addr()))
	if set == nil && why != "" {
		w.hole(why)
		return ruleset.Outcome{}, false
	}
	if set == nil {
		local := !p.Sent && p.AddrType(p.Tuple.Dst.Addr()) == ruleset.TypeLocal
		return ruleset.Outcome{Verdict: ruleset.Passed, Tuple: p.Tuple, Local: local || p.Sent && w.s.IsHost(p.Tuple.Dst.Addr())}, true
	}
	out := set.Evaluate(p)
	if !out.Certain() {
		for _, u := range out.Unknown {
			w.hole(u)
		}
		if out.Verdict = ruleset.Passed; out.Rule != nil {
			out.Verdict = ruleset.Unclear
		}
	}
	return out, true
}

// intended is what the engine's rules for a mapping would do.
func (w *walk) intended() ruleset.Outcome {
	out := ruleset.Outcome{Verdict: ruleset.Passed, Tuple: w.r.Tuple, Local: w.s.IsHost(w.r.Tuple.Dst.Addr())}
	if w.h.Binding == nil || w.r.Tuple.Dst.Addr().IsLoopback() {
		return out
	}
	for _, ep := range w.h.Container.Endpoints {
		ip := ep.IPv4
		if !w.r.Tuple.Dst.Is4() {
			ip = ep.IPv6
		}
		if ip.IsValid() {
			out.Tuple.Dst, out.Tuple.DstPort, out.Local = decode.IPFrom(ip), w.h.Binding.Container, false
			return out
		}
	}
	return out
}

// through goes through what the rules say and the routing between them.
func (w *walk) through(out ruleset.Outcome) {
	if f, full := w.s.Full(); full {
		w.finish(f, Drop)
		return
	}
	before, after := w.split(out)
	w.h.Exempt = correlate.ExemptedBy(out)
	w.tell(before)
	w.translate(out)
	if stopped(out) && len(after) == 0 {
		w.filtered(out)
		return
	}
	if f, ok := w.routed(out); !ok {
		w.finish(f, outcomeOf(f))
		return
	}
	w.tell(after)
	if out.Local {
		w.bound()
	}
	switch {
	case out.Verdict == ruleset.Unclear && out.Sure == ruleset.Dropped && w.leftover(out):
		f := w.s.Stale(w.h, w.by)
		f.Verdict, f.Stage = correlate.Dropped, out.Stage
		// By which of two rules it is dropped makes no difference to that.
		w.holes = slices.DeleteFunc(w.holes, func(hole string) bool { return slices.Contains(out.Unknown, hole) })
		w.finish(f, told)
	case out.Verdict == ruleset.Unclear:
		w.unclear(out)
	case stopped(out):
		w.filtered(out)
	case out.Local:
		w.local()
	default:
		if f, ok := w.ledAstray(out); ok {
			w.finish(f, Drop)
			return
		}
		w.enter(w.leaving(out))
	}
}

// leftover reports whether the request is translated to an address of a network of
// the engine's that no running container has.
func (w *walk) leftover(out ruleset.Outcome) bool {
	w.h.Target = out.Tuple
	ip := out.Tuple.Dst.Addr()
	return out.Translation != nil && w.s.Network(ip) != "" && w.s.Owner(ip).None()
}

// ledAstray: routing leads what was translated past the bridge of its container.
func (w *walk) ledAstray(out ruleset.Outcome) (correlate.Finding, bool) {
	if w.via != correlate.ViaDNAT {
		return correlate.Finding{}, false
	}
	a := w.s.LedAstray(w.h, out)
	w.hole(a.Why())
	return a.Get()
}

// bound notes whose process of the host the request is for.
func (w *walk) bound() {
	if w.s.Proxy(w.r.Tuple).Is() || !w.s.Listener(capture.HostNetns, w.r.Tuple).Is() {
		return
	}
	w.via = correlate.ViaHost
	if c := w.s.Serving(correlate.Hypothesis{Tuple: w.r.Tuple}); c != nil {
		w.h.Container = c
	}
}

func stopped(out ruleset.Outcome) bool {
	return out.Rule != nil && (out.Verdict == ruleset.Dropped || out.Verdict == ruleset.Rejected)
}

// split parts the steps at the routing decision: what arrives is routed behind
// prerouting, what is sent before output.
func (w *walk) split(out ruleset.Outcome) (before, after []ruleset.Step) {
	i := slices.IndexFunc(out.Steps, func(s ruleset.Step) bool {
		return s.Leaving || slices.Contains([]stage.Stage{stage.Input, stage.Forward, stage.Output, stage.Postrouting}, s.Stage)
	})
	if i < 0 {
		return out.Steps, nil
	}
	return out.Steps[:i], out.Steps[i:]
}

// translate takes over where the rules send it.
func (w *walk) translate(out ruleset.Outcome) {
	t := w.r.Tuple
	if out.Translation != nil {
		w.by = correlate.HitOf(*out.Translation)
	}
	if out.Tuple.Dst == t.Dst && out.Tuple.DstPort == t.DstPort {
		return
	}
	w.h.Target, w.via = out.Tuple, correlate.ViaDNAT
	w.h.Target.Src, w.h.Target.SrcPort = t.Src, t.SrcPort
}

// leaving is the packet as it leaves towards the container.
func (w *walk) leaving(out ruleset.Outcome) decode.Tuple {
	t := out.Tuple
	if out.Masqueraded {
		if a := sourceFor(w.here, t.Dst.Addr()); a.IsValid() {
			t.Src = decode.IPFrom(a)
		}
	}
	return t
}

// filtered ends at a rule of the host.
func (w *walk) filtered(out ruleset.Outcome) {
	f := w.s.Filtered(w.h, out)
	if out.Verdict == ruleset.Rejected && out.Stage != stage.Bridge && out.Stage != stage.Ingress {
		f = w.heard(f, out)
	}
	w.finish(f, told)
}

// heard follows what tells the client that the request was refused through the
// host's own rules on its way out.
func (w *walk) heard(f correlate.Finding, out ruleset.Outcome) correlate.Finding {
	answer, ok := w.s.AnswerTo(capture.HostNetns, w.r.Tuple, out)
	switch {
	case !ok:
		return f // said already
	case !answer.Certain():
		for _, u := range answer.Unknown {
			w.hole(u)
		}
	case stopped(answer):
		w.tellBack(answer.Steps)
		return w.s.Unheard(w.h, f, answer)
	}
	return f
}

// unclear ends where it cannot be told what a rule does.
func (w *walk) unclear(out ruleset.Outcome) {
	w.unseen()
	w.end = correlate.Finding{Verdict: correlate.Undetermined, Cause: correlate.CauseUnknown, Rule: correlate.HitOf(*out.Rule), Container: w.h.Container,
		Why: fmt.Sprintf("Whether this rule stops it cannot be told from state: %s.", out.Rule.Text)}
	w.stages = append(w.stages, Stage{Stage: out.Stage, Outcome: Unknown, Rule: correlate.HitOf(*out.Rule), Detail: join(out.Unknown)})
}

// told is the outcome of what is told already.
const told Outcome = ""

func outcomeOf(f correlate.Finding) Outcome {
	if f.Verdict == correlate.Refused {
		return Refuse
	}
	return Drop
}

// pass notes a stage that lets the request by.
func (w *walk) pass(at stage.Stage, rule *correlate.RuleHit, format string, args ...any) {
	w.stages = append(w.stages, Stage{Stage: at, Outcome: Pass, Rule: rule, Detail: fmt.Sprintf(format, args...)})
}

// finish ends the walk with a finding, at its stage unless that is told already.
func (w *walk) finish(f correlate.Finding, o Outcome) {
	if f.Container == nil {
		f.Container = w.h.Container
	}
	w.end = f
	if o != told {
		w.stages = append(w.stages, Stage{Stage: f.Stage, Outcome: o, Rule: f.Rule, Detail: string(f.Cause)})
	}
	w.unseen()
}

// hole notes something that is missing on the way.
func (w *walk) hole(why string) {
	if why != "" && !slices.Contains(w.holes, why) {
		w.holes = append(w.holes, why)
	}
}

func join(list []string) string { return strings.Join(list, "; ") }
