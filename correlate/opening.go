package correlate

import (
	"time"

	"dnatrace/decode"
)

// Opening is what a leg began with, as far as routers leave it alone: by it, other
// hosts that see the same request know it for the same.
type Opening struct {
	Known    bool // its first packet was seen, and opens something
	Protocol decode.Proto
	Client   decode.IP // the client's end on this leg
	Port     uint16    // likewise; of ICMP the identifier
	Number   uint32    // TCP: initial sequence number. UDP: digest of the first bytes, 0 for none. ICMP echo: sequence number. SCTP: initiate tag
	Stamp    uint32    // TCP: time stamp of the first SYN (RFC 7323, TSval); 0 without one
	At       time.Time // when it was seen first
}

// stampOf is what a leg keeps of its first packet for its opening.
func stampOf(p *decode.Packet) uint32 {
	if p.Kind == decode.Segment {
		return p.TSVal
	}
	return p.Seq
}

// openingOf is that of a leg that was seen first at a time.
func openingOf(g *leg, at int64) Opening {
	o := Opening{Known: g.flags&legISN != 0, Protocol: g.tuple.Proto, Client: g.tuple.Src, Port: g.tuple.SrcPort, At: unix(at)}
	if o.Protocol == decode.TCP {
		o.Number, o.Stamp = g.isn[request], g.stamp
	} else {
		o.Number = g.stamp
	}
	return o
}

// openings are those of a request: its own, and those of legs that are not the same
// connection, or, of datagrams, have another client end.
func (p *path) openings() []Opening {
	out := []Opening{openingOf(p.client, p.r.opened)}
	for n := p.client.next; n != 0 && len(out) < mostOpenings; {
		g := p.t.legs.slab.at(n - 1)
		n = g.next
		if o := openingOf(g, p.t.firstSeen(g)); o.Known && !o.among(out) {
			out = append(out, o)
		}
	}
	return out
}

// mostOpenings bounds what is told of one request.
const mostOpenings = 4

// among reports whether an opening is of the connection that another one is of, or of
// the same client end's datagrams.
func (o *Opening) among(all []Opening) bool {
	for k := range all {
		a := &all[k]
		if a.Protocol == o.Protocol && a.Number == o.Number && (o.Protocol == decode.TCP && a.Stamp == o.Stamp || o.Protocol != decode.TCP && a.Client == o.Client && a.Port == o.Port) {
			return true
		}
	}
	return false
}

// firstSeen is when the request direction of a leg was seen first, Unix ns.
func (t *Tracker) firstSeen(g *leg) (first int64) {
	t.legs.each(g, func(s *sighting) {
		if s.way == request && (first == 0 || s.first < first) {
			first = s.first
		}
	})
	return first
}
