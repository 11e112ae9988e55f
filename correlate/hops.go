package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// hops tells the way of a request and of its answer.
func (p *path) hops(j *judgement) []Hop {
	const most = 64
	var out []Hop
	base := p.tuple
	for i, s := range p.going {
		if s.leg != p.client && (s.leg.tuple.Dst != base.Dst || s.leg.tuple.DstPort != base.DstPort) {
			out = append(out, p.translation(base, s))
			base = s.leg.tuple
		}
		kind := HopSeen
		if i == len(p.going)-1 && (j.verdict == Delivered || j.verdict == Misdelivered) {
			kind = HopDelivered
		}
		out = append(out, hop(s, kind, s.leg.tuple.DstEnd()))
	}
	for _, s := range p.coming {
		kind := HopSeen
		if s.leg == p.client && s.point == p.r.point {
			kind = HopAnswered
			if j.verdict == Refused {
				kind = HopRefused
			}
		}
		out = append(out, hop(s, kind, s.leg.tuple.DstEnd()))
	}
	for i := range p.x.errors {
		if e := &p.x.errors[i]; e.way == request {
			out = append(out, p.errorHop(e, j))
		}
	}
	out = p.lastPacket(p.asked(out))
	out = append(out, p.filterHops(j)...)
	slices.SortStableFunc(out, func(a, b Hop) int { return a.Time.Compare(b.Time) })
	if len(out) > most {
		out = append(out[:most-1], out[len(out)-1])
	}
	return out
}

// filterHops tell what no point saw: a translation that only the trace shows,
// and the place where the request ended.
func (p *path) filterHops(j *judgement) []Hop {
	var out []Hop
	last := p.furthest()
	before := last.leg.tuple.DstEnd()
	if p.translator != nil {
		out = append(out, Hop{Time: unix(p.translator.Time), Point: p.natHook(), Direction: "request", Kind: HopTranslated, Before: before, After: p.target.DstEnd(), Detail: p.ruleWords(p.translator)})
		before = p.target.DstEnd()
	}
	if behind := j.stage == stage.Forward || j.stage == stage.Postrouting; behind && p.translator == nil && p.target != (decode.Tuple{}) {
		before = p.target.DstEnd() // by the mapping: rules here meet it translated
	}
	switch {
	case j.verdict == Dropped && j.rule != nil:
		out = append(out, Hop{Time: unix(j.ruledAt), Point: placeOf(j.rule), Direction: "request", Kind: HopDropped, Before: before, Detail: string(j.rule.Owner) + ": " + j.rule.Text})
	case j.verdict == Dropped && j.between[0] != "":
		out = append(out, Hop{Time: unix(last.last), Point: j.between[0] + " → " + j.between[1], Direction: "request", Kind: HopDropped, Before: before, Detail: "not seen at " + j.between[1]})
	}
	return out
}

// translation is the hop between the leg before and the leg behind.
func (p *path) translation(base decode.Tuple, s stop) Hop {
	h := Hop{Time: unix(s.first), Point: p.natHook(), Direction: "request", Kind: HopTranslated, Before: base.DstEnd(), After: s.leg.tuple.DstEnd(), Detail: "DNAT"}
	switch {
	case p.proxied():
		h.Point, h.Detail = "docker-proxy", "a connection of its own, from "+s.leg.tuple.SrcEnd()
	case p.x.conntrack != nil:
		h.Detail = "DNAT, told by conntrack"
	}
	if _, rule := p.tracedTranslation(); rule != nil && !p.proxied() {
		if words := p.ruleWords(rule); words != "" {
			h.Detail = words
		}
	}
	return h
}

// natHook is where the request was translated: on its way in, or on its way out
// of the host that made it.
func (p *path) natHook() string {
	if p.t.world.isHost(p.tuple.Src) {
		return "nat OUTPUT"
	}
	return "nat PREROUTING"
}

func (p *path) errorHop(e *icmpError, j *judgement) Hop {
	h := Hop{Time: unix(e.time), Point: p.t.pointName(e.point), Direction: "reply", Kind: HopSeen, Before: e.from.Addr().String(), Frame: e.frame, Detail: "ICMP " + icmpName(e)}
	if j.verdict == Refused && e.leg == p.r.client && e.point == p.r.point {
		h.Kind = HopRefused
	}
	return h
}

// hop tells one sighting.
func hop(s stop, kind HopKind, end string) Hop {
	detail := flagsText(s)
	if s.count > 1 && s.last-s.first >= int64(100*time.Millisecond) && (s.flags == s.opening || s.leg.tuple.Proto != decode.TCP) {
		detail = strings.TrimSpace(fmt.Sprintf("%s ×%d, last after %.1f s", detail, s.count, float64(s.last-s.first)/1e9))
	}
	return Hop{Time: unix(s.first), Point: s.at.Name, Direction: s.way.String(), Kind: kind, Before: end, Frame: uint64(s.firstFrame), Detail: detail}
}

// asked adds the client's first bytes where they got no answer.
func (p *path) asked(out []Hop) []Hop {
	if p.r.asked == 0 || p.r.answered != 0 {
		return out
	}
	return append(out, Hop{Time: unix(p.r.asked), Point: p.clientPoint().Name, Direction: request.String(), Kind: HopSeen, Before: p.tuple.DstEnd(), Detail: fmt.Sprintf("%d bytes of request", p.bytes(request))})
}

// lastPacket adds the last packet of all, if it is not the first of its point
// and direction.
func (p *path) lastPacket(out []Hop) []Hop {
	var last *stop
	for _, list := range [][]stop{p.going, p.coming} {
		for i := range list {
			if last == nil || list[i].last > last.last {
				last = &list[i]
			}
		}
	}
	if last == nil || last.lastFrame == last.firstFrame {
		return out
	}
	return append(out, Hop{Time: unix(last.last), Point: last.at.Name, Direction: last.way.String(), Kind: HopSeen, Before: last.leg.tuple.DstEnd(), Frame: uint64(last.lastFrame), Detail: "last packet"})
}

// flagsText names the flags of the first packet.
func flagsText(s stop) string {
	if s.leg.tuple.Proto != decode.TCP {
		return ""
	}
	names := []struct {
		flag decode.TCPFlags
		name string
	}{{decode.SYN, "SYN"}, {decode.FIN, "FIN"}, {decode.RST, "RST"}}
	var out []string
	for _, n := range names {
		if s.opening&n.flag != 0 {
			out = append(out, n.name)
		}
	}
	if s.opening&decode.ACK != 0 {
		out = append(out, "ACK")
	}
	return strings.Join(out, "-")
}
