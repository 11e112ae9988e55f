package correlate

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/filter"
	"dnatrace/decode"
)

// filters are the expressions by which a capture, or several, were narrowed.
// Nothing can be claimed to be absent that one of them may have hidden.
type filters []*filter.Filter

// add takes the expressions of a recording in. One that is not understood may
// have hidden anything: whether a frame bears a tag is never known here.
func (f *filters) add(texts []string) {
	for _, text := range texts {
		e, err := filter.Parse(text)
		if err != nil {
			e = &filter.Filter{Text: text, Root: &filter.Node{Test: filter.Test{Kind: filter.VLAN}}}
		}
		if !slices.ContainsFunc(*f, func(o *filter.Filter) bool { return o.Text == text }) {
			*f = append(*f, e)
		}
	}
}

// hider is the first filter that does not surely pass a packet, or nil.
func (f filters) hider(p filter.Packet) *filter.Filter {
	for _, e := range f {
		if e.Sees(p) != filter.Passes {
			return e
		}
	}
	return nil
}

// texts are the expressions as they were written.
func (f filters) texts() []string {
	var out []string
	for _, e := range f {
		out = append(out, e.Text)
	}
	return out
}

// unhide takes a verdict back that rests on not having seen what a filter may
// have hidden.
func (p *path) unhide(j *judgement) {
	if len(p.t.journal.filters) == 0 && !p.t.asksForTargetAlone() || j.verdict == Undetermined {
		return
	}
	what := p.hidden(j)
	switch {
	case what == "" || p.kernelTold(j):
	case j.verdict == Delivered && p.r.answered != 0:
		j.note("%s: what became of the request there is not in evidence", what)
	default:
		j.undetermined(p, what)
	}
}

// kernelTold reports whether a verdict rests on what the kernel told of this very
// packet, and on nothing that was not seen.
func (p *path) kernelTold(j *judgement) bool {
	switch j.verdict {
	case Dropped:
		return p.dropTold(request, false)
	case AnswerLost:
		return p.dropTold(reply, false)
	case Unanswered:
		return j.cause == CauseContainerFirewall && p.dropTold(request, true)
	case Refused:
		return j.rule != nil && j.proof == Proven
	case Undetermined, Delivered, Misdelivered, Stalled, Absent:
	}
	return false
}

// hidden says which packets that belong to a request a filter may have hidden,
// "" if none.
func (p *path) hidden(j *judgement) string {
	for _, s := range []struct {
		what   string
		packet filter.Packet
	}{
		{"requests of the client", sought(p.tuple)},
		{"answers to the client", sought(p.tuple.Reverse())},
		{"requests behind the translation", sought(p.behind())},
		{"answers before the translation", sought(p.behind().Reverse())},
		{"ICMP errors to the client", errorTo(p.tuple)},
	} {
		if j.verdict == Delivered && s.packet == errorTo(p.tuple) {
			continue // it was answered all the same
		}
		if f := p.t.journal.filters.hider(s.packet); f != nil {
			return fmt.Sprintf("the capture filter %q may hide %s", f.Text, s.what)
		}
	}
	if j.verdict == Refused || j.verdict == Delivered {
		return "" // somebody said so
	}
	if j.verdict == Dropped && j.rule != nil {
		return "" // by the rules, it got no further, whatever was captured there
	}
	return p.beyondTarget()
}

// narrowed reports whether dnatrace itself captured for a target, and so no more than
// the target's ports and what the engine's mappings make of them.
func (g *journal) narrowed() bool {
	return g.opening != nil && g.opening.Target != "" && strings.HasPrefix(g.opening.Program, "dnatrace")
}

// asksForTargetAlone reports whether a capture for a target asked for the target's own
// ports alone, since no engine told where they lead.
func (t *Tracker) asksForTargetAlone() bool { return t.journal.narrowed() && t.world.engine() == nil }

// beyondTarget says that the request was translated, or may have been, to what a
// capture for a target did not ask for, since no engine told where the target's ports
// lead; "" if not.
func (p *path) beyondTarget() string {
	b := p.behind()
	switch {
	case !p.t.asksForTargetAlone() || p.inner != nil || p.inside != nil || p.proxied() || b.DstPort == p.tuple.DstPort:
		return ""
	case b.Dst != (decode.IP{}):
		return fmt.Sprintf("%s, to which the request is translated, was not captured: no engine told that it belongs to the target", b.DstEnd())
	case p.keptHere():
		return ""
	}
	return "what the request may be translated to was not captured: no engine told where the target's ports lead"
}

// behind is the tuple of the request as the server gets it, as far as it is
// known.
func (p *path) behind() decode.Tuple {
	switch {
	case p.target != (decode.Tuple{}) && (p.inner != nil || !p.proxied()):
		return p.target
	case p.proxied():
		return decode.Tuple{Proto: p.tuple.Proto}
	case p.x.conntrack != nil: // it says that there is no translation
		return p.tuple
	}
	return decode.Tuple{Proto: p.tuple.Proto, Src: p.tuple.Src, SrcPort: p.tuple.SrcPort}
}

// sought is what is known of the packets of a tuple. Ports of ICMP are
// identifiers.
func sought(t decode.Tuple) filter.Packet {
	p := filter.Packet{Proto: uint8(t.Proto), Src: t.Src.Addr(), Dst: t.Dst.Addr(), Ether: etherOf(t)}
	if t.Proto != decode.ICMP && t.Proto != decode.ICMPv6 {
		p.SrcPort, p.DstPort = t.SrcPort, t.DstPort
	}
	return p
}

func errorTo(t decode.Tuple) filter.Packet {
	p := filter.Packet{Proto: filter.ProtoICMP, Dst: t.Src.Addr(), Ether: etherOf(t)}
	if p.Ether == filter.EtherIPv6 {
		p.Proto = filter.ProtoICMPv6
	}
	return p
}

// etherOf is the EtherType of a tuple's packets, 0 if no address is known.
func etherOf(t decode.Tuple) uint16 {
	known := t.Src
	if known == (decode.IP{}) {
		known = t.Dst
	}
	switch {
	case known == (decode.IP{}):
		return 0
	case known.Is4():
		return filter.EtherIPv4
	}
	return filter.EtherIPv6
}
