package correlate

import "dnatrace/decode"

// window is how many packets are read ahead of. What they need is to stay in the
// nearest cache until it is used, and it is enough to have the waits overlap.
const window = 64

// ahead is what is read before it is needed. With many flows nearly all time goes
// into waiting for memory: what some packets need is asked for in short loops of
// loads that do not wait for each other, so that as many are under way as the
// processor can hold.
type ahead struct {
	hashes [window]uint32 // of the packets, as legs are found by
	found  [window]uint32 // of those that have one, in their order
	turns  [window]uint8  // of them: not 0 if they may turn what becomes of a request
	legs   [window]uint32 // of them: numbers of the legs they seem to be of + 1
	reqs   [window]uint32 // numbers of the requests that will be asked for
	ends   [window]uint32 // hashes of the ends of those that open something
	carry  [window]uint32 // and of what these carry
	warm   uint64         // keeps the reads alive
}

// read reads a leg once in each of its cache lines.
func (g *leg) read() uint64 {
	return uint64(g.tuple.Src[0]) + uint64(g.hash) + uint64(g.seen[1].first) + uint64(g.seen[2].last) + uint64(g.seen[3].count)
}

// read reads a request likewise.
func (r *reqRecord) read() uint64 { return uint64(r.number) + uint64(r.clientFIN) }

// touch reads the memory that some packets need.
func (t *Tracker) touch(packets []decode.Packet) {
	n, opening := t.hash(packets)
	t.touchLegs(n)
	t.touchTables(opening)
}

// hash computes the hashes of packets: how many have one, and how many of these
// open something.
func (t *Tracker) hash(packets []decode.Packet) (n, opening int) {
	a := &t.ahead
	for i := range packets {
		p := &packets[i]
		if p.Kind < decode.Segment || int(p.Point) >= len(t.points) {
			continue
		}
		h := hashTuple(&p.Tuple, t.points[p.Point].space, t.legs.seed)
		a.hashes[i], a.found[n] = h, h
		a.turns[n] = uint8(p.Flags & (decode.SYN | decode.FIN | decode.RST))
		n++
		if p.Kind == decode.Segment && opens(p) {
			a.ends[opening], a.carry[opening] = t.endHash(&p.Tuple), t.carriedHash(p)
			opening++
		}
	}
	return n, opening
}

// touchLegs reads the legs of the first n hashes, and the requests of those that
// are not answered yet.
func (t *Tracker) touchLegs(n int) {
	a := &t.ahead
	for i, h := range a.found[:n] {
		a.legs[i] = uint32(t.legs.index.slots[t.legs.index.first(h)])
	}
	warm := uint64(0)
	for _, leg := range a.legs[:n] {
		if leg != 0 {
			g := t.legs.slab.at(leg - 1)
			warm += g.read()
		}
	}
	wanted := 0
	for i, leg := range a.legs[:n] {
		if leg == 0 {
			continue
		}
		g := t.legs.slab.at(leg - 1)
		a.reqs[wanted] = g.req
		if g.req != 0 && (a.turns[i] != 0 || g.flags&legAnswered == 0) {
			wanted++
		}
	}
	for _, req := range a.reqs[:wanted] {
		r := t.requests.at(req - 1)
		warm += r.read()
	}
	a.warm += warm
}

// touchTables reads where n new requests and their legs are looked for, and the
// records they will take.
func (t *Tracker) touchTables(n int) {
	a, warm := &t.ahead, uint64(0)
	for i, h := range a.ends[:n] {
		warm += t.ends.slots[t.ends.first(h)] + t.carried.slots[t.carried.first(a.carry[i])]
	}
	for _, leg := range t.legs.slab.next(n) {
		g := t.legs.slab.at(leg)
		warm += g.read()
	}
	for _, req := range t.requests.next(n) {
		r := t.requests.at(req)
		warm += r.read()
	}
	a.warm += warm
}

// readAhead is how many deadlines are read ahead of. What is needed of a request
// lies in three places that lead to each other, and was not looked at for a
// while: this way the waits for memory overlap.
const readAhead = 16

// usualLegs is how many legs a request has: before the translation, behind it,
// and in the container.
const usualLegs = 3

// touchNext reads what meeting the next deadlines of a queue will need, once
// for all of them. To let a request go takes the indexes it is found by, too.
func (t *Tracker) touchNext(q *queue[deadline], gone bool) {
	if q.head%readAhead != 0 {
		return
	}
	var requests [readAhead]*reqRecord
	warm, n := uint64(0), min(readAhead, q.size)
	for i := range n {
		requests[i] = t.requests.at(q.peek(i).req)
	}
	var next [readAhead]uint32
	for i, r := range requests[:n] {
		if next[i] = 0; r.number != 0 {
			next[i] = r.client + 1
		}
		if gone {
			warm += t.ends.slots[t.ends.first(r.end)] + t.carried.slots[t.carried.first(r.carried)]
		}
	}
	for range usualLegs {
		for i, leg := range next[:n] {
			if leg == 0 {
				continue
			}
			g := t.legs.slab.at(leg - 1)
			if gone {
				warm += t.legs.index.slots[t.legs.index.first(g.hash)]
			} else {
				warm += g.read()
			}
			next[i] = g.next
		}
	}
	t.ahead.warm += warm
}
