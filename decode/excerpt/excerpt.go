// Package excerpt keeps of a stream what concerns some requests: their packets,
// what connection tracking and the rule trace say of them, and the state of the
// host at the time.
//
// The package does no I/O and builds on any OS. It must not import correlate or
// cmd, nor anything of capture but the types for what origins say.
package excerpt

import (
	"encoding/json"
	"net/netip"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// Extent says how much is kept. The zero value keeps the least.
type Extent uint8

// Extents, each with what those before it keep.
const (
	Concerned  Extent = iota // the packets of the requests, cut behind the headers, and what was said of them; of the state from before to after them, what concerns them
	Requests                 // that state as a whole
	AllChanges               // state wherever it changed, and as it was at the end
	AllRecords               // every record, and whole frames
	AllHosts                 // every packet from or to an address concerned
	Everything               // all that there is
)

// String says it in words.
func (e Extent) String() string {
	switch e {
	case Concerned:
		return "the packets of the requests, what was said of them, and what concerns them of the state from before to after them"
	case Requests:
		return "the packets of the requests, what was said of them, and state from before to after them"
	case AllChanges:
		return "the packets of the requests, what was said of them, and all changes of state"
	case AllRecords:
		return "the packets of the requests and all other records"
	case AllHosts:
		return "all packets of the hosts concerned and all other records"
	}
	return "everything"
}

// headers is how many bytes of a frame are kept: more than link layer, IP and
// TCP headers with all options have, and than an ICMP error that quotes them.
const headers = 192

// Want says which requests are meant.
type Want struct {
	Tuples []decode.Tuple  // as they were seen or asked for, in any direction
	Frames map[uint64]bool // numbers of packets of theirs: decode.Packet.Frame
	Netns  map[string]bool // namespaces whose state concerns them, besides the host's
	Points map[string]bool // names of points they were seen at, or should have been
	First  int64           // Unix ns, of the requests
	Last   int64
}

// Excerpt keeps part of a stream, which it has to see twice: Learn every batch,
// then Keep every batch. It is not safe for concurrent use.
type Excerpt struct {
	want    Want
	extent  Extent
	tuples  map[decode.Tuple]bool // both directions
	hosts   map[decode.IP]bool
	addrs   []netip.Addr        // those of hosts, and of containers that the requests may have been meant for
	meant   []engine.Container  // of all snapshots
	ports   map[uint16]bool     // of both ends, once the learning is over
	points  map[uint16]uint16   // numbers of those kept, by the number in the stream; where some are not
	entries []*decode.Conntrack // translated, not concerned so far
	steps   []step
	traced  map[traceID]bool
	dropped map[decode.Tuple]bool // as they were where they were dropped, not concerned so far
	asked   map[question]bool     // who was asked for, not known to be concerned so far
	asking  map[uint16]bool       // points where somebody concerned was

	learner decoder
	keeper  decoder
	state   map[string]*history
	out     capture.Batch
	packets uint64
	sampled map[string]*host.State // as last kept, by namespace, where not all of it is
}

// traceID names a packet on its way through the rules of a namespace.
type traceID struct {
	netns string
	id    uint32
}

type step struct {
	traceID
	tuple decode.Tuple
}

// question is one after a neighbour's address.
type question struct {
	point uint16
	dst   decode.IP
}

// decoder is a decoder with its batch, once for each pass: it remembers
// fragments.
type decoder struct {
	*decode.Decoder
	batch decode.Batch
}

// New makes an Excerpt.
func New(w Want, extent Extent) *Excerpt {
	e := &Excerpt{
		want: w, extent: extent,
		tuples: map[decode.Tuple]bool{}, hosts: map[decode.IP]bool{}, ports: map[uint16]bool{}, points: map[uint16]uint16{}, traced: map[traceID]bool{}, dropped: map[decode.Tuple]bool{}, asked: map[question]bool{}, asking: map[uint16]bool{},
		learner: decoder{Decoder: decode.NewDecoder()}, keeper: decoder{Decoder: decode.NewDecoder()},
		state: map[string]*history{}, sampled: map[string]*host.State{},
	}
	for _, t := range w.Tuples {
		e.concerns(t)
	}
	return e
}

// concerns adds a tuple to those that are kept.
func (e *Excerpt) concerns(t decode.Tuple) {
	if t == (decode.Tuple{}) {
		return
	}
	e.tuples[t], e.tuples[t.Reverse()] = true, true
	e.hosts[t.Src], e.hosts[t.Dst] = true, true
}

// Packets is the number of packets kept so far.
func (e *Excerpt) Packets() uint64 { return e.packets }

// Learn takes notice of which tuples belong together, and when state changed.
func (e *Excerpt) Learn(b *capture.Batch) {
	for i := range b.Records {
		e.learnRecord(&b.Records[i])
	}
	e.learner.Packets(b, &e.learner.batch)
	for i := range e.learner.batch.Packets {
		p := &e.learner.batch.Packets[i]
		if p.Kind == decode.ARPRequest || p.Kind == decode.Solicit {
			e.asked[question{p.Point, p.Dst}] = true
		}
		if !e.want.Frames[p.Frame] {
			continue
		}
		if p.Kind >= decode.Segment {
			e.concerns(p.Tuple)
		}
		if p.Quote > 0 {
			e.concerns(e.learner.batch.Quotes[p.Quote-1].Tuple)
		}
	}
}

func (e *Excerpt) learnRecord(r *capture.Record) {
	e.remember(r)
	if r.Origin == capture.OriginEngine && r.Kind == capture.KindSnapshot && e.extent == Concerned {
		var s engine.Snapshot
		if json.Unmarshal(r.Data, &s) == nil {
			e.meant = append(e.meant, s.Containers...)
		}
	}
	events, _ := decode.Control(*r)
	for _, ev := range events {
		switch ev := ev.(type) {
		case *decode.Point:
			e.learner.Point(ev.Point)
		case *decode.Conntrack:
			if ev.Reply.Reverse() != ev.Orig {
				e.entries = append(e.entries, ev)
			}
		case *decode.TraceStep:
			if ev.Packet.Kind >= decode.Tail {
				e.steps = append(e.steps, step{traceID{ev.Netns, ev.ID}, ev.Packet.Tuple})
			}
		case *decode.Drop:
			if e.ofClient(ev.Tuple) {
				e.dropped[ev.Tuple] = true
			}
		}
	}
}

// ofClient reports whether one end is that of a request, either way. A packet that
// was translated and then dropped has no other: no connection was made that
// connection tracking could tell of, and nobody saw it as it was then.
func (e *Excerpt) ofClient(t decode.Tuple) bool {
	for _, w := range e.want.Tuples {
		if w.Proto != t.Proto || w.SrcPort == 0 {
			continue
		}
		if w.Src == t.Src && w.SrcPort == t.SrcPort || w.Src == t.Dst && w.SrcPort == t.DstPort {
			return true
		}
	}
	return false
}

// Seal ends the learning: what a translation joins to the requests concerns them
// too, and so on.
func (e *Excerpt) Seal() {
	for t := range e.dropped {
		e.concerns(t)
	}
	for grown := true; grown; {
		grown = false
		for _, c := range e.entries {
			if known, both := e.tuples[c.Orig] || e.tuples[c.Reply], e.tuples[c.Orig] && e.tuples[c.Reply]; known && !both {
				e.concerns(c.Orig)
				e.concerns(c.Reply)
				grown = true
			}
		}
	}
	for _, s := range e.steps {
		if e.tuples[s.tuple] {
			e.traced[s.traceID] = true
		}
	}
	for q := range e.asked {
		if e.hosts[q.dst] {
			e.asking[q.point] = true
		}
	}
	e.entries, e.steps, e.dropped, e.asked = nil, nil, nil, nil
	for t := range e.tuples { // both directions
		e.ports[t.DstPort] = true
	}
	delete(e.ports, 0)
	for h := range e.hosts {
		e.addrs = append(e.addrs, h.Addr())
	}
	for _, c := range e.meant {
		if e.concernsContainer(&c) {
			e.mean(&c)
		}
	}
	e.meant = nil
}

// Keep returns what is kept of a batch, valid until the next call. It does not
// change b.
func (e *Excerpt) Keep(b *capture.Batch) *capture.Batch {
	if e.extent == Everything {
		e.packets += uint64(len(b.Packets))
		return b
	}
	e.out = capture.Batch{Packets: e.out.Packets[:0], Arena: b.Arena, Until: b.Until, Records: e.out.Records[:0]}
	for i := range b.Records {
		e.keepRecord(b.Records[i])
	}
	e.keeper.Packets(b, &e.keeper.batch)
	for i := range b.Packets {
		if p := b.Packets[i]; e.keeps(&e.keeper.batch.Packets[i]) {
			if e.extent <= AllChanges {
				p.Len = min(p.Len, headers)
			}
			if e.extent == Concerned {
				var kept bool
				if p.Point, kept = e.points[p.Point]; !kept {
					continue
				}
			}
			e.out.Packets = append(e.out.Packets, p)
		}
	}
	e.packets += uint64(len(e.out.Packets))
	return &e.out
}

// keeps reports whether a packet concerns the requests.
func (e *Excerpt) keeps(p *decode.Packet) bool {
	switch p.Kind {
	case decode.Other:
		return false
	case decode.ARPRequest, decode.ARPReply, decode.Solicit, decode.Advertise:
		return e.hosts[p.Src] || e.hosts[p.Dst]
	case decode.ICMPError:
		if p.Quote > 0 && e.tuples[e.keeper.batch.Quotes[p.Quote-1].Tuple] {
			return true
		}
		return e.hosts[p.Src] && e.hosts[p.Dst]
	case decode.Tail:
		return e.hosts[p.Src] && e.hosts[p.Dst]
	}
	return e.tuples[p.Tuple] || e.extent >= AllHosts && (e.hosts[p.Src] || e.hosts[p.Dst])
}

// keepRecord adds a record, or what is kept of it.
func (e *Excerpt) keepRecord(r capture.Record) {
	if r.Origin == capture.OriginPackets && r.Kind == capture.KindPoint {
		var p capture.Point
		if json.Unmarshal(r.Data, &p) == nil {
			e.keeper.Point(p)
		}
	}
	if r.Origin == capture.OriginMeta && r.Kind == capture.KindEnd {
		r = e.end(r)
	}
	if e.extent <= AllChanges {
		var ok bool
		if r, ok = e.part(r); !ok {
			return
		}
	}
	if e.extent == Concerned {
		var ok bool
		if r, ok = e.pruned(r); !ok {
			return
		}
	}
	e.out.Records = append(e.out.Records, r)
}

// end counts the packets that are left.
func (e *Excerpt) end(r capture.Record) capture.Record {
	var end capture.End
	if json.Unmarshal(r.Data, &end) == nil {
		end.Packets = e.packets
		r.Data, _ = json.Marshal(end)
	}
	return r
}
