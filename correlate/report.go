package correlate

import (
	"fmt"
	"slices"
	"strconv"

	"dnatrace/decode"
)

// incident writes a judgement down as the document shows it.
func (p *path) incident(j *judgement) *Incident {
	r := p.r
	i := &Incident{
		ID: strconv.FormatUint(uint64(r.number), 10), Rev: int(r.rev), Final: j.final,
		Protocol: p.tuple.Proto.String(), Client: p.tuple.SrcEnd(), Requested: p.tuple.DstEnd(),
		Translated: p.translated(), Via: p.via(j),
		First: unix(r.opened), Last: unix(p.lastSeen()), Attempts: int(max(1, r.attempts)), Timing: p.timing(),
		Rule: j.rule, Verdict: j.verdict, Stage: j.stage, Cause: j.cause, Why: j.why, Proof: j.proof,
		Between: []string{}, Evidence: j.facts, Blind: j.blind, Notes: j.notes, Fix: j.fix,
	}
	if w := p.unwatchedInside(j); w != "" {
		i.Blind = appendNew(slices.Clone(i.Blind), w)
	}
	if j.between[0] != "" {
		i.Between = append(i.Between, j.between[:]...)
	}
	if c := p.container; c != nil {
		i.Container, i.Project, i.Service = c.Name, c.Project, c.Service
		i.Network = p.t.world.network(p.target.Dst)
	} else if p.inner != nil || p.inside != nil {
		i.Container = p.ownerSeen()
	}
	if c := p.containerAt(p.tuple.Src); c != nil {
		i.ClientContainer = c.Name
	}
	if g := p.served(); g != p.client && (g.tuple.Src != p.tuple.Src || g.tuple.SrcPort != p.tuple.SrcPort) {
		i.ClientSeen = g.tuple.SrcEnd()
	}
	i.Openings = p.openings()
	i.Hops = p.hops(j)
	i.Unseen = p.unseen(j)
	if j.verdict == Delivered && i.Why == "" {
		i.Why = p.deliveredWhy(i)
	}
	p.remarks(i)
	p.proofs(i)
	i.fill()
	return i
}

// fill makes missing lists empty ones: the document has no null.
func (i *Incident) fill() {
	for _, list := range []*[]string{&i.Blind, &i.Notes, &i.Fix} {
		if *list == nil {
			*list = []string{}
		}
	}
	if i.Evidence == nil {
		i.Evidence = []Evidence{}
	}
	if i.Hops == nil {
		i.Hops = []Hop{}
	}
}

// ownerSeen names the container by the points that saw the request.
func (p *path) ownerSeen() string {
	for _, s := range slices.Backward(p.going) { // the first ones may be its client's
		if owner := p.t.containerOf(s.at); owner != "" && p.isServersDoor(s.at) {
			return owner
		}
	}
	return ""
}

func (p *path) lastSeen() int64 {
	last := p.r.lastNew
	for _, s := range slices.Concat(p.going, p.coming) {
		last = max(last, s.last)
	}
	return last
}

// timing is 0 where the clock of the capture went backwards in between.
func (p *path) timing() Timing { return timingOf(p.r) }

func timingOf(r *reqRecord) Timing {
	var t Timing
	if r.synAck != 0 {
		t.Connect = max(0, float64(r.synAck-r.opened)/1e9)
	}
	if r.answered != 0 {
		from := r.opened
		if r.asked != 0 {
			from = r.asked
		}
		t.FirstByte = max(0, float64(r.answered-from)/1e9)
	}
	return t
}

func (p *path) deliveredWhy(i *Incident) string {
	if p.r.answered == 0 {
		return "It was accepted, and no answer was due."
	}
	switch i.Via {
	case ViaDNAT:
		return fmt.Sprintf("Translated to %s, and the answer left towards the client.", p.translated())
	case ViaProxy:
		return "Served through docker-proxy, and the answer left towards the client."
	case ViaIPVS, ViaDirect, ViaHost:
	}
	return "The answer left towards the client."
}

// remarks add what a reader should know beside the verdict.
func (p *path) remarks(i *Incident) {
	w := &p.t.world
	if w.known() && w.isHost(p.tuple.Src) && p.tuple.Src != (decode.IP{}) && w.containerAt(p.tuple.Src) == nil {
		i.Notes = append(i.Notes, "the host itself made this request: the way in from outside was not exercised")
	}
	if p.probed() {
		i.Notes = append(i.Notes, p.probeNote())
		if i.Cause == CauseReplyMisrouted {
			i.Notes = append(i.Notes, elsewhereNote)
		}
	}
	if i.Via == ViaProxy && i.Verdict == Delivered && p.binding != nil && !w.isHost(p.tuple.Src) && w.containerAt(p.tuple.Src) == nil && p.tuple.Dst.Is4() && p.target.Dst.Is4() {
		note := "the engine's NAT rule did not translate this request; docker-proxy served it, and the server sees the bridge's address instead of the client's"
		if away, ok := w.elsewhere(p.engineThen(), p.onHost()).Get(); ok {
			note = "the engine's port driver served this request, and the server does not see the client's address: " + away
		}
		i.Notes = append(i.Notes, note)
	}
	i.Notes = append(i.Notes, p.slowness(i.Timing)...)
	if e := p.latestEngine(); e != nil && i.Verdict == Delivered {
		for k := range e.Containers {
			if c := &e.Containers[k]; c.Error != "" && !isUp(c) && p.wants(c) != nil && c != p.container {
				i.Notes = append(i.Notes, fmt.Sprintf("%s was to publish this port too, and could not start: %s", c.Name, c.Error))
			}
		}
	}
	if i.Via == ViaDNAT && i.ClientSeen != "" && i.Verdict == Delivered {
		i.Notes = append(i.Notes, fmt.Sprintf("the server sees the request coming from %s, not from the client: a rule masquerades it", i.ClientSeen))
	}
}

// proofs add how the translation is known to the evidence.
func (p *path) proofs(i *Incident) {
	switch e := p.x.conntrack; {
	case e != nil && e.Reply.Reverse() != e.Orig:
		i.Evidence = append(i.Evidence, Evidence{Source: "conntrack", Time: unix(e.Time), Text: fmt.Sprintf("%s is translated to %s", e.Orig, e.Reply.Reverse().DstEnd())})
	case e != nil:
		i.Evidence = append(i.Evidence, Evidence{Source: "conntrack", Time: unix(e.Time), Text: fmt.Sprintf("%s, not translated", e.Orig)})
	case i.Translated == "" || p.proxied():
	case p.translator != nil:
		i.Evidence = append(i.Evidence, Evidence{Source: "ruletrace", Time: unix(p.translator.Time), Text: fmt.Sprintf("%s is translated to %s by %s", p.tuple, i.Translated, p.ruleWords(p.translator))})
	default:
		i.Evidence = append(i.Evidence, Evidence{Source: "packets", Time: unix(p.r.opened), Text: "the legs before and after translation carry the same " + p.joinedBy()})
	}
}

func (p *path) joinedBy() string {
	if p.tuple.Proto == decode.TCP && p.client.flags&legISN != 0 {
		return "initial sequence number and client end"
	}
	return "client end"
}

// unseen lists the watched points where the request, or the reply, should have
// been seen and was not.
func (p *path) unseen(j *judgement) []Unseen {
	out := []Unseen{}
	if j.verdict == Delivered || j.verdict == Misdelivered {
		return out
	}
	if j.verdict == AnswerLost {
		return append(out, p.unseenAt(p.clientPoint(), reply))
	}
	if j.verdict == Refused && p.inner == nil && p.inside == nil {
		return out
	}
	for _, pt := range p.wayIn() {
		if !p.saw(pt, request) && !p.sawAnother(pt) {
			out = append(out, p.unseenAt(pt, request))
		}
	}
	return out
}

func (p *path) unseenAt(pt *point, w way) Unseen {
	u := Unseen{Point: pt.Name, Direction: w.String(), Detail: "nothing lost"}
	if c := p.watched(pt); len(c.gaps) > 0 {
		u.Detail = c.gaps[0]
	} else if w == request && p.beyondTarget() != "" {
		u.Detail = "what it is translated to was not captured"
	} else if len(c.caveats) > 0 {
		u.Detail = "losses not recorded"
	}
	return u
}
