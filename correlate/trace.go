package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// passage is one packet's way through the rules of one namespace, as the
// kernel's own trace tells it.
type passage struct {
	last   int64 // Unix ns, when the latest step was received
	way    way
	bound  bool // it belongs to a request
	req    uint32
	number uint32 // of that request
	inner  bool   // in a container's namespace
	netns  string
	steps  []*decode.TraceStep
}

// passageKey tells packets apart within a run: the kernel uses ids again, but
// not within seconds.
type passageKey struct {
	space uint16
	id    uint32
}

const (
	passagesKept    = 4096 // of all requests together
	passagesPerCase = 24
	stepsPerPassage = 256
	idsAreUsedAgain = 2 * time.Second
)

// traced takes a step of the kernel's rule trace. Steps come late and in the
// order of the trace: they are joined by id, and to requests by tuple.
func (t *Tracker) traced(e *decode.TraceStep) {
	space, ok := t.netns[e.Netns]
	if !ok {
		return
	}
	key := passageKey{space, e.ID}
	g := t.passages.Use(key)
	if g == nil || e.Time-g.last > int64(idsAreUsedAgain) {
		g = &passage{netns: e.Netns, inner: space != 0}
		t.passages.Put(key, g)
	}
	g.last = e.Time
	if len(g.steps) < stepsPerPassage {
		g.steps = append(g.steps, e)
	}
	if !g.bound && e.Packet.Kind >= decode.Segment {
		t.bind(g, e, space)
	}
	if g.bound && g.dropped() && t.requests.at(g.req).number == g.number {
		t.droppedAtOnce(g.req, e.Time)
	}
}

// bind gives a passage to the request whose packet it tells of.
func (t *Tracker) bind(g *passage, e *decode.TraceStep, space uint16) {
	n, w, ok := t.legs.lookup(e.Packet.Tuple, space)
	if !ok || t.legs.slab.at(n).req == 0 {
		return
	}
	g.req = t.legs.slab.at(n).req - 1
	g.number = t.requests.at(g.req).number
	x := t.extra(g.req)
	g.bound, g.way = true, w
	if len(x.passages) == passagesPerCase {
		x.passages = slices.Delete(x.passages, passagesPerCase/2, passagesPerCase/2+1)
	}
	x.passages = append(x.passages, g)
}

// filtering is the rule or policy that ended a packet's way.
type filtering struct {
	hit     RuleHit
	way     way
	stage   stage.Stage
	at      int64
	reject  bool
	unheard *RuleHit // what stops the answer by which it rejects; nil if nothing does, as far as is known
	engine  bool     // the rule, or the policy, is the engine's
	proven  bool
	means   ruleset.Meaning  // what the engine has it for; "" if it is not the engine's
	moved   *[2]uint64       // its counter before and after; nil if that proves nothing
	lookups []ruleset.Lookup // what the rule asked sets
	to      decode.Tuple     // the packet as evaluated rules had translated it; zero where they were traced
	leaves  string           // the interface that routing had the packet leave by; "" if it was not routed, or that is not known
	mark    uint32           // of the packet then; valid iff leaves is set
	by      *RuleHit         // the rule that had translated the packet; nil for none, or where rules were traced
	mixed   bool             // iptables-legacy and nf_tables both have rules there
}

// filtered finds what ended the way of one direction's packets, in the host's
// namespace or in the container's.
func (p *path) filtered(w way, inner bool) (filtering, bool) {
	if g := p.lastPassage(w, inner); g != nil {
		if !g.dropped() {
			return filtering{}, false // the kernel says that no rule did it
		}
		return p.describe(g, g.steps[len(g.steps)-1]), true
	}
	return p.evaluated(w, inner)
}

// lastPassage is the way that the latest traced packet of a direction went, or
// nil: a rule that met an earlier attempt need not have met the last.
func (p *path) lastPassage(w way, inner bool) *passage {
	for i := len(p.x.passages) - 1; i >= 0; i-- {
		if g := p.x.passages[i]; g.way == w && g.inner == inner && len(g.steps) > 0 {
			return g
		}
	}
	return nil
}

// tracedTranslation is where the rules sent the request, and the rule that did:
// the last one that matched before the headers changed.
func (p *path) tracedTranslation() (decode.Tuple, *decode.TraceStep) {
	for _, g := range p.x.passages {
		if g.way != request || g.inner {
			continue
		}
		var rule *decode.TraceStep
		for _, s := range g.steps {
			if s.Packet.Kind >= decode.Segment && s.Packet.Tuple != p.tuple && s.Packet.Tuple.Src == p.tuple.Src {
				return s.Packet.Tuple, rule
			}
			if s.Type == decode.TraceRule && s.Handle != 0 {
				rule = s
			}
		}
	}
	return decode.Tuple{}, nil
}

// translatingRule is the rule that translated the request, by the trace, or else
// by the recorded rules.
func (p *path) translatingRule() (RuleHit, bool) {
	_, s := p.tracedTranslation()
	if s == nil {
		return p.evaluatedTranslation()
	}
	set := p.t.world.ruleset(s.Netns, s.Time)
	if set == nil {
		return RuleHit{}, false
	}
	r, ok := set.Rule(s.Family, s.Table, s.Chain, s.Handle)
	return *HitOf(r), ok
}

// translatedBy is the rule that had translated what a filter stopped, nil if that is
// not known.
func (p *path) translatedBy(f *filtering) *RuleHit {
	if f.by != nil {
		return f.by
	}
	if hit, ok := p.translatingRule(); ok {
		return &hit
	}
	return nil
}

// ruleWords names a traced rule and its owner: "docker: -A DOCKER … -j DNAT …".
func (p *path) ruleWords(s *decode.TraceStep) string {
	set := p.t.world.ruleset(s.Netns, s.Time)
	if set == nil {
		return ""
	}
	r, ok := set.Rule(s.Family, s.Table, s.Chain, s.Handle)
	if !ok {
		return ""
	}
	return string(r.Owner) + ": " + r.Text
}

// describe names the rule behind a step that dropped.
func (p *path) describe(g *passage, last *decode.TraceStep) filtering {
	f := filtering{at: last.Time, way: g.way, proven: true}
	f.hit = RuleHit{Kind: "rule", Backend: ruleset.NFT, Table: last.Family.String() + " " + last.Table, Chain: last.Chain, Handle: last.Handle}
	base := g.base()
	set := p.t.world.ruleset(g.netns, last.Time)
	if set == nil {
		f.hit.Owner = programs.User
		return f
	}
	f.mixed = set.Mixed()
	f.stage = set.Stage(base.Family, base.Table, base.Chain)
	if now := p.sampleThen(g.netns); now != nil && base.OIF != 0 {
		f.leaves, f.mark = now.LinkName(int(base.OIF)), base.Mark
	}
	rule, ok := set.Rule(last.Family, last.Table, last.Chain, last.Handle)
	if last.Type == decode.TracePolicy {
		f.hit.Kind = "policy"
		rule, ok = set.Policy(last.Family, last.Table, last.Chain)
	}
	if ok {
		f.fill(rule)
	}
	if last.Type == decode.TraceRule {
		f.lookups = p.lookupsOf(set, last, base)
	}
	return f
}

// fill takes over what the ruleset says of the rule.
func (f *filtering) fill(r ruleset.Rule) {
	f.hit.Backend, f.hit.Text, f.hit.Owner, f.hit.Handle = r.Backend, r.Text, r.Owner, r.Handle
	f.engine = r.Owner == programs.Docker
	f.means = r.Meaning()
	f.reject = r.Reject
}

// base is the step at which the last base chain was entered.
func (g *passage) base() *decode.TraceStep {
	for i := len(g.steps) - 1; i >= 0; i-- {
		if g.steps[i].Packet.Kind != decode.Other {
			return g.steps[i]
		}
	}
	return g.steps[0]
}

// blame writes a filter's decision about packets of one direction into a
// judgement, the engine's own rules included.
func (p *path) blame(j *judgement, f filtering, w way) {
	f.reject = f.reject || j.verdict == Refused && f.hit.Text == "" // what it does is not in evidence, but for that
	j.rule, j.stage, j.ruledAt = &f.hit, f.stage, f.at
	j.cause = p.filterCause(f)
	j.proof = proofOf(f.proven)
	j.fix = p.filterFix(f)
	what := f.hit.Text
	if what == "" {
		what = fmt.Sprintf("the one with handle %d", f.hit.Handle)
	}
	j.why = fmt.Sprintf("A %s of %s in %s %s it: %s", f.hit.Kind, ownerWords(f.hit.Owner), placeOf(&f.hit), verb(f.reject), what)
	if w == request && j.cause != CauseRoutedElsewhere {
		j.why += p.translationNote(f.stage)
	}
	j.why += meaningNotes[f.means] + "."
	if j.cause == CauseStaleTranslation {
		to := p.onceTranslated(&f).Dst.Addr()
		why, _ := leftover(to, p.translatedBy(&f))
		j.why = fmt.Sprintf("%s There %s%s", why, strings.ToLower(j.why[:1]), j.why[1:])
		j.fact("engine", p.now, "no running container has %s", to)
	}
	if d, ok := p.detour(&f).Get(); ok && j.cause == CauseRoutedElsewhere {
		j.why = fmt.Sprintf("%s. There %s%s", p.detourWords(d), strings.ToLower(j.why[:1]), j.why[1:])
		if !d.told {
			j.fact("host", p.now, "the way to %s is %s", d.to, d.link)
		}
	}
	if u := f.unheard; u != nil {
		j.why += fmt.Sprintf(" The client is not told: a %s of %s in %s drops that answer: %s.", u.Kind, ownerWords(u.Owner), placeOf(u), u.Text)
	}
	source := "ruletrace"
	if !f.proven || f.moved != nil {
		source = "rules"
	}
	j.fact(source, f.at, "%s in %s: %s", f.hit.Kind, placeOf(&f.hit), what)
	j.asked(&f)
	if f.moved != nil {
		j.fact(source, p.now, "it counted %d packets before and %d after: as many more as the request had attempts", f.moved[0], f.moved[1])
	}
	if f.mixed {
		j.note("Both iptables-legacy and nf_tables have rules here; it was one of %s.", f.hit.Backend)
	}
}

// meaningNotes say what the engine has such rules for, where that is not plain.
var meaningNotes = map[ruleset.Meaning]string{
	ruleset.MeaningInternal: ". The network is internal: the engine lets nothing in or out",
	ruleset.MeaningICC:      ". The network was made with enable_icc=false: the engine keeps its containers apart",
	ruleset.MeaningLoopback: ". The port is published on a loopback address, for this host alone",
}

func verb(reject bool) string {
	if reject {
		return "rejects"
	}
	return "drops"
}

func placeOf(h *RuleHit) string { return h.Table + " " + h.Chain }

func ownerWords(owner programs.Owner) string {
	switch owner {
	case programs.User:
		return "yours"
	case programs.Docker:
		return "the engine's"
	default:
		return string(owner) + "'s"
	}
}

// translationNote reminds that rules behind the translation meet another port.
func (p *path) translationNote(at stage.Stage) string {
	behind := at.BehindRouting() || at == stage.Bridge
	if !behind || p.binding == nil || p.binding.Container == p.tuple.DstPort {
		return ""
	}
	return fmt.Sprintf(". It acts after translation, so it meets the container's port (%d), not the published one (%d)", p.binding.Container, p.tuple.DstPort)
}

// filterCause is what a filter's decision amounts to.
func (p *path) filterCause(f filtering) Cause {
	to := p.onceTranslated(&f)
	switch {
	case to != (decode.Tuple{}) && to.Dst != p.tuple.Dst && p.nobodyOwns(to.Dst):
		return CauseStaleTranslation
	case p.isAstray(f):
		return CauseRoutedElsewhere
	case f.means == ruleset.MeaningIsolation || f.means == ruleset.MeaningICC || f.engine && p.isIsolation(f):
		return CauseNetworkIsolated
	case f.engine && p.isDirect() && p.fromOutside():
		return CauseDirectAccess
	case f.means == ruleset.MeaningInternal:
		return CauseInternalNetwork
	case f.means == ruleset.MeaningLoopback:
		return CausePublishedElsewhere
	case f.engine && p.binding != nil && p.ledToBridge(&f):
		return CauseRulesMissing
	case f.reject && f.unheard == nil:
		return CauseFirewallReject
	}
	return CauseFirewallDrop
}

// isAstray reports whether routing sent the request elsewhere than to its container
// before the filter met it.
func (p *path) isAstray(f filtering) bool {
	a := p.detour(&f)
	p.lack(a.Why())
	return a.Is()
}

// fromOutside reports whether it is known that the request does not come from one
// of the engine's networks.
func (p *path) fromOutside() bool {
	return p.clientPoint().Role == capture.RoleNIC || len(p.engineThen().Networks) > 0
}

// isIsolation reports whether the engine kept two of its networks apart.
func (p *path) isIsolation(f filtering) bool {
	from := p.t.world.networkOf(p.tuple.Src)
	return from != "" && from != p.t.world.networkOf(p.target.Dst) && p.isDirect()
}

// filterFix is what to type about a rule.
func (p *path) filterFix(f filtering) []string {
	switch p.filterCause(f) {
	case CauseStaleTranslation:
		_, fix := leftover(p.onceTranslated(&f).Dst.Addr(), p.translatedBy(&f))
		return fix
	case CauseRoutedElsewhere:
		d, _ := p.detour(&f).Get()
		return p.detourFix(d)
	case CauseRulesMissing:
		return []string{"docker restart " + shell(p.name()), "if that does not help: systemctl restart docker"}
	case CauseDirectAccess:
		if !hasPorts(p.tuple.Proto) {
			return []string{"ask the host: clients outside do not reach containers by their own addresses"}
		}
		return []string{fmt.Sprintf("ask for a published port of the host, or publish one: docker run -p %d:%d%s …", p.tuple.DstPort, p.tuple.DstPort, unlessTCP(p.tuple.Proto))}
	case CauseInternalNetwork:
		return []string{"docker network connect bridge " + shell(p.name())}
	case CausePublishedElsewhere:
		return []string{fmt.Sprintf("publish it on an address that clients reach: docker run -p %d:… …", p.tuple.DstPort)}
	case CauseNetworkIsolated:
		if f.means == ruleset.MeaningICC {
			return []string{"connect both to a network that was made without com.docker.network.bridge.enable_icc=false"}
		}
		return []string{fmt.Sprintf("docker network connect %s %s", shell(p.t.world.network(p.target.Dst)), shell(ownerOf(p.engineThen(), p.tuple.Src.Addr())))}
	}
	if fix, ok := p.admission(f); ok {
		return fix
	}
	return f.passing(p.onceTranslated(&f))
}

// removal is the command that takes a rule away. What comes from the ruleset is
// a stranger's text: it is quoted, or left out where the handle says it all.
func (h *RuleHit) removal() []string {
	family, table, _ := strings.Cut(h.Table, " ")
	where := fmt.Sprintf("%s %s %s", family, shell(table), shell(h.Chain))
	program := h.program(family)
	iptables := h.Backend == ruleset.Iptables || h.Backend == ruleset.Legacy
	asWritten := iptables && strings.HasPrefix(h.Text, "-A ") && !strings.ContainsAny(h.Text, "`$;&|<>(){}*?~#\\\n\"'")
	switch {
	case h.Kind == "policy":
		return nil // it stays: see filtering.passing
	case asWritten:
		return []string{fmt.Sprintf("%s -t %s -D %s", program, shell(table), h.Text[3:])}
	case h.Backend == ruleset.Legacy:
		return []string{fmt.Sprintf("find the rule's number and delete it: %s -t %s -L %s -n --line-numbers", program, shell(table), shell(h.Chain))}
	case h.Handle == 0:
		return []string{fmt.Sprintf("find the rule's handle: nft -a list chain %s", where), fmt.Sprintf("nft delete rule %s handle …", where)}
	}
	return []string{fmt.Sprintf("nft delete rule %s handle %d", where, h.Handle)}
}

// shell quotes a word for a POSIX shell, if it has to be.
func shell(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./:,@%+=-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// program is the iptables that a rule of its is changed with.
func (h *RuleHit) program(family string) string {
	if h.Backend == ruleset.Legacy {
		return iptablesFor(family) + "-legacy"
	}
	return iptablesFor(family)
}

func iptablesFor(family string) string {
	if family == "ip6" {
		return "ip6tables"
	}
	return "iptables"
}
