package correlate

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"

	"dnatrace/capture"
	"dnatrace/decode"
)

// A leg is one un-oriented 5-tuple in one namespace: bridge and veth share it,
// and a request that is translated has one before and one after. All that is
// done for every packet is done to its leg.
//
//	client ──eth0── leg 1: client → host:8080
//	                  │ DNAT
//	         docker0 ─┴ leg 2: client → container:80   (host)
//	         veth
//	         web:eth0 ─ leg 3: client → container:80   (web)
//
// What finding it takes comes first, within one cache line's length.
type leg struct {
	tuple decode.Tuple // of the request direction
	flags legFlags
	n     uint8 // sightings in use
	netns uint16
	ipid  uint16    // IPv4 identification of the first packet. UDP, ICMP echo: of the latest
	req   uint32    // request number + 1; 0 if it belongs to none
	hash  uint32    // under which the index holds it
	next  uint32    // next leg of the request, number + 1
	more  uint32    // further sightings, number + 1
	isn   [2]uint32 // initial sequence numbers by way; valid as flags say. UDP, ICMP echo: what the latest packet carries, of the request direction
	stamp uint32    // what its first packet carries beside: TCP, the time stamp of the SYN; UDP, ICMP echo, SCTP, as isn. 0 unknown
	seen  [4]sighting
}

type legFlags uint8

const (
	legISN      legFlags = 1 << iota // isn[request] is known: the SYN was seen
	legReplyISN                      // isn[reply] is known
	legMiddle                        // first seen in the middle of a connection
	legAnswered                      // answer bytes were seen at the client's point: nothing but the close matters
	legDetached                      // no longer in the index: the tuple has been used again
	legUnplaced                      // it could be of several requests, and belongs to none of them yet
	legEnding                        // one side has ended the connection, or reset it
	legResent                        // since it was last looked at, its answer was sent again, or its client's window was closed
)

// way is a direction of a leg.
type way uint8

const (
	request way = 0
	reply   way = 1
)

func (w way) String() string {
	if w == reply {
		return "reply"
	}
	return "request"
}

// sighting is what one point saw of one direction of a leg.
type sighting struct {
	first, last           int64 // Unix ns
	firstFrame, lastFrame uint32
	end                   uint32 // highest byte sent, from the leg's isn; valid iff TCP and that isn is known
	acked                 uint32 // highest byte acknowledged of the other direction, likewise
	count                 uint16 // packets; stays at its maximum
	point                 uint16
	way                   way
	flags                 decode.TCPFlags // of all packets together
	opening               decode.TCPFlags // of the first packet
	state                 sightingState
}

// sightingState are the lesser facts of a sighting, in the byte that is left.
type sightingState uint8

const (
	sightingShut sightingState = 1 << iota // the latest segment offered no window (RFC 9293 §3.8.6.1)
	sightingIn                             // the first packet came in at the point
	sightingOut                            // it went out there
)

// facing is the direction in which the first packet crossed the point.
func (s *sighting) facing() capture.Direction {
	switch s.state & (sightingIn | sightingOut) {
	case sightingIn:
		return capture.DirIn
	case sightingOut:
		return capture.DirOut
	}
	return capture.DirUnknown
}

func (s *sighting) face(d capture.Direction) {
	switch d {
	case capture.DirIn:
		s.state |= sightingIn
	case capture.DirOut:
		s.state |= sightingOut
	}
}

// shut reports whether the latest segment offered no window.
func (s *sighting) shut() bool { return s.state&sightingShut != 0 }

// extraSightings hold what more than two points in one namespace saw.
type extraSightings struct {
	seen [4]sighting
	more uint32
	n    uint8
}

// hashEnd mixes one end of a flow. The seed differs from run to run, so that
// nobody can aim at one slot; nothing depends on the order of slots.
func hashEnd(ip *decode.IP, port uint16, seed uint64) uint64 {
	high, low := binary.LittleEndian.Uint64(ip[:8]), binary.LittleEndian.Uint64(ip[8:])
	hi, lo := bits.Mul64(low^seed, 0x9E3779B97F4A7C15)
	hi, lo = bits.Mul64(hi^lo^high, uint64(port)<<1^0xD6E8FEB86659FD93)
	return hi ^ lo
}

// hashTuple gives both directions of a flow the same value.
func hashTuple(t *decode.Tuple, netns uint16, seed uint64) uint32 {
	h := hashEnd(&t.Src, t.SrcPort, seed) + hashEnd(&t.Dst, t.DstPort, seed)
	h ^= uint64(t.Proto)<<56 | uint64(netns)<<40
	h *= 0x9E3779B97F4A7C15
	return uint32(h >> 32)
}

// legs is the table of all legs.
type legs struct {
	slab  slab[leg]
	extra slab[extraSightings]
	index index
	seed  uint64
}

func newLegs(advise func([]byte)) legs {
	return legs{slab: slab[leg]{advise: advise}, extra: slab[extraSightings]{advise: advise}, index: newIndex(advise), seed: rand.Uint64()}
}

// find returns the number of the leg that holds t, and the direction of t in
// it.
func (l *legs) find(hash uint32, t *decode.Tuple, netns uint16) (uint32, way, bool) {
	for i := l.index.first(hash); ; i = (i + 1) & l.index.mask {
		e := l.index.slots[i]
		if e == 0 {
			return 0, 0, false
		}
		if uint32(e>>32) != hash {
			continue
		}
		n := uint32(e) - 1
		g := l.slab.at(n)
		// Field by field: as a whole, tuples are compared by a call.
		switch o := &g.tuple; {
		case g.netns != netns || o.Proto != t.Proto:
		case o.SrcPort == t.SrcPort && o.DstPort == t.DstPort && o.Src == t.Src && o.Dst == t.Dst:
			return n, request, true
		case o.SrcPort == t.DstPort && o.DstPort == t.SrcPort && o.Src == t.Dst && o.Dst == t.Src:
			return n, reply, true
		}
	}
}

// lookup is find for those who have no hash at hand.
func (l *legs) lookup(t decode.Tuple, netns uint16) (uint32, way, bool) {
	return l.find(hashTuple(&t, netns, l.seed), &t, netns)
}

// open makes a leg whose request direction is t.
func (l *legs) open(hash uint32, t decode.Tuple, netns uint16) uint32 {
	n := l.slab.get()
	g := l.slab.at(n)
	g.tuple, g.netns, g.hash = t, netns, hash
	l.index.add(hash, n)
	return n
}

// detach takes a leg out of the index; its record stays.
func (l *legs) detach(n uint32) {
	g := l.slab.at(n)
	if g.flags&legDetached == 0 {
		g.flags |= legDetached
		l.index.remove(g.hash, n)
	}
}

// release forgets a leg.
func (l *legs) release(n uint32) {
	l.detach(n)
	for more := l.slab.at(n).more; more != 0; {
		next := l.extra.at(more - 1).more
		l.extra.put(more - 1)
		more = next
	}
	l.slab.put(n)
}

// sighting returns the record of point and way, made new if need be.
func (l *legs) sighting(g *leg, point uint16, w way) (s *sighting, isNew bool) {
	for i := range g.seen[:g.n] {
		if s := &g.seen[i]; s.point == point && s.way == w {
			return s, false
		}
	}
	if int(g.n) < len(g.seen) {
		g.n++
		s := &g.seen[g.n-1]
		s.point, s.way = point, w
		return s, true
	}
	return l.extraSighting(g, point, w)
}

func (l *legs) extraSighting(g *leg, point uint16, w way) (*sighting, bool) {
	link := &g.more
	for *link != 0 {
		x := l.extra.at(*link - 1)
		for i := range x.seen[:x.n] {
			if s := &x.seen[i]; s.point == point && s.way == w {
				return s, false
			}
		}
		if int(x.n) < len(x.seen) {
			break
		}
		link = &x.more
	}
	if *link == 0 {
		*link = l.extra.get() + 1
	}
	x := l.extra.at(*link - 1)
	x.n++
	s := &x.seen[x.n-1]
	s.point, s.way = point, w
	return s, true
}

// each calls f with every sighting of a leg, in no order.
func (l *legs) each(g *leg, f func(*sighting)) {
	for i := range g.seen[:g.n] {
		f(&g.seen[i])
	}
	for more := g.more; more != 0; {
		x := l.extra.at(more - 1)
		for i := range x.seen[:x.n] {
			f(&x.seen[i])
		}
		more = x.more
	}
}

// at returns what one point saw of one direction, or nil.
func (l *legs) at(g *leg, point uint16, w way) *sighting {
	var found *sighting
	l.each(g, func(s *sighting) {
		if s.point == point && s.way == w {
			found = s
		}
	})
	return found
}

// update enters packet p into s. Byte positions are relative to the initial
// sequence numbers and compared modulo 2³², so that super-packets of GRO and
// TSO and the segments they were cut into agree.
func (g *leg) update(s *sighting, p *decode.Packet, isNew bool) {
	if isNew {
		s.first, s.firstFrame, s.opening = p.Time, uint32(p.Frame), p.Flags
	}
	s.last, s.lastFrame = p.Time, uint32(p.Frame)
	if s.count < math.MaxUint16 {
		s.count++
	}
	first := isNew || p.Flags&^s.flags&decode.SYN != 0 // what came before a SYN was of another connection
	s.flags |= p.Flags
	if p.Kind != decode.Segment {
		if p.Kind == decode.Chunk && p.Type == chunkAbort {
			s.flags |= decode.RST // its way to say the same
		}
		return
	}
	s.state &^= sightingShut
	if p.Window == 0 && p.Flags&(decode.SYN|decode.RST) == 0 {
		s.state |= sightingShut
	}
	end := p.Seq + p.Payload - g.isn[s.way]
	if p.Flags&(decode.SYN|decode.FIN) != 0 {
		end++ // each takes a place in sequence space (RFC 9293 §3.4)
	}
	if first || int32(end-s.end) > 0 && (p.Flags&decode.RST == 0 || s.way == reply) { // a client may reset what was before its SYN
		s.end = end
	}
	if p.Flags&decode.ACK != 0 {
		if acked := p.Ack - g.isn[1-s.way]; first || int32(acked-s.acked) > 0 {
			s.acked = acked
		}
	}
}

// bytes is how much payload the point saw go by, if the start was seen.
func (g *leg) bytes(s *sighting) uint32 {
	known := legISN
	if s.way == reply {
		known = legReplyISN
	}
	n := s.end - 1
	if s.flags&decode.FIN != 0 {
		n--
	}
	if g.flags&known == 0 || int32(n) <= 0 {
		return 0
	}
	return n
}

// opens reports whether a packet begins something that can be a request.
func opens(p *decode.Packet) bool {
	switch p.Kind {
	case decode.Segment:
		return p.Flags&(decode.SYN|decode.ACK|decode.RST) == decode.SYN
	case decode.Chunk:
		return p.Type == 1 // INIT, RFC 9260 §3.3.2
	case decode.Datagram, decode.EchoRequest:
		return true
	}
	return false
}
