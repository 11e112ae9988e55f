package correlate

import (
	"cmp"

	"dnatrace/decode"
)

// conntrack takes an entry of the host's connection tracking: the exact tuples
// before and after translation, told by the one who translates.
func (t *Tracker) conntrack(e *decode.Conntrack) {
	if t.netns[e.Netns] != 0 || e.Change == decode.ConntrackDestroyed {
		return
	}
	t.learnFromConntrack(e)
	after := e.Reply.Reverse()
	if after == e.Orig {
		t.untranslated(e)
		return
	}
	before, _, hasBefore := t.legs.lookup(e.Orig, 0)
	behind, _, hasBehind := t.legs.lookup(after, 0)
	switch {
	case hasBefore && t.legs.slab.at(before).req != 0:
		req := t.legs.slab.at(before).req - 1
		t.extra(req).conntrack = e
		if hasBehind {
			t.adopt(req, behind)
		} else {
			t.remember(e, after)
		}
	case hasBehind && !hasBefore:
		t.translatedBeforeSeen(e, behind)
	case hasBehind && !t.selected(e.Orig):
		t.disownBehind(e, behind)
	default:
		t.remember(e, after)
	}
}

// untranslated keeps an entry that says a request was not translated.
func (t *Tracker) untranslated(e *decode.Conntrack) {
	if n, _, ok := t.legs.lookup(e.Orig, 0); ok {
		if req := t.legs.slab.at(n).req; req != 0 && t.requests.at(req-1).client == n {
			t.extra(req - 1).conntrack = e
		}
		return
	}
	if e.Orig.Proto == decode.UDP && len(t.pinned) < mostPinned {
		t.pinned[e.Orig] = e
	}
}

// mostPinned bounds the flows that are remembered from before the capture.
const mostPinned = 1 << 13

// adopt makes a leg part of a request, whatever it was taken for before.
func (t *Tracker) adopt(req, n uint32) {
	g := t.legs.slab.at(n)
	if g.req == req+1 {
		return
	}
	if g.req == 0 {
		t.belong(n, req)
		return
	}
	other := t.requests.at(g.req - 1)
	if other.phase == judged || other.client != n || other.last != n {
		return // it has a story of its own
	}
	// It was taken for a request because nothing NAT leaves alone told
	// otherwise: the entry does.
	gone := g.req - 1
	t.unidentify(gone, other)
	delete(t.extras, gone)
	t.requests.put(gone)
	t.belong(n, req)
}

// translatedBeforeSeen takes an entry whose request no point saw before it was
// translated: the host's own, translated in OUTPUT.
func (t *Tracker) translatedBeforeSeen(e *decode.Conntrack, n uint32) {
	g := t.legs.slab.at(n)
	if g.req == 0 && !t.selected(e.Orig) || g.n == 0 {
		return
	}
	if g.req == 0 {
		s := g.seen[0]
		p := decode.Packet{Time: s.first, Frame: uint64(s.firstFrame), Tuple: g.tuple, Seq: g.isn[request], Flags: decode.SYN, Kind: decode.Segment}
		if s.way == request {
			p.Dir = s.facing()
		}
		if g.tuple.Proto != decode.TCP {
			p.Kind, p.Flags = decode.Datagram, 0
		}
		t.begin(n, &p, &t.points[s.point])
		t.unbare(t.requests.at(g.req - 1)) // what its leg has seen is told only now
		t.adoptInside(g.req-1, g)
		t.catchUp(g.req-1, g)
	}
	req := g.req - 1
	t.extra(req).conntrack = e
	orig := e.Orig
	t.extra(req).requested = &orig
}

// disownBehind notes that a leg, which was taken for a request to a container's own
// address, is one that was translated, and that nobody asked about.
func (t *Tracker) disownBehind(e *decode.Conntrack, n uint32) {
	if g := t.legs.slab.at(n); g.req != 0 && t.requests.at(g.req-1).client == n {
		orig := e.Orig
		t.extra(g.req - 1).requested = &orig
	}
}

// adoptInside makes the legs of the same tuple in other namespaces part of a
// request that is only now known to be one.
func (t *Tracker) adoptInside(req uint32, g *leg) {
	for space := 1; space < len(t.netns); space++ {
		if n, _, ok := t.legs.lookup(g.tuple, uint16(space)); ok && t.legs.slab.at(n).req == 0 {
			t.belong(n, req)
		}
	}
}

// adoptEarlier makes the leg behind the translation part of a request although it
// was seen before the client's own: the ring lost the client's first packet, or the
// capture began in between. It reports whether there was one.
func (p *path) adoptEarlier() bool {
	if p.target == (decode.Tuple{}) || p.inner != nil && (p.inside != nil || p.inner.netns != 0 || p.proxied()) {
		return false
	}
	var spaces []uint16
	if p.inner == nil {
		spaces = append(spaces, 0)
	}
	if inside, ok := p.t.netns[p.home]; ok && inside != 0 {
		spaces = append(spaces, inside)
	} else if p.home == "" { // an address is in one container alone
		for space := 1; space < len(p.t.netns); space++ {
			spaces = append(spaces, uint16(space))
		}
	}
	found := false
	for _, space := range spaces {
		n, _, ok := p.t.legs.lookup(p.target, space)
		if !ok {
			continue
		}
		g := p.t.legs.slab.at(n)
		if both := g.flags & p.client.flags & legISN; g.req != 0 || g.flags&legUnplaced != 0 || numbered(g.tuple.Proto) && both != 0 && g.isn[request] != p.client.isn[request] {
			continue // it has a story of its own
		}
		p.t.numberAs(g, p.client)
		p.t.belong(n, p.req)
		found = true
	}
	return found
}

// numberAs gives a leg the initial numbers of another of the same connection, where it
// lacks its own: translation leaves them alone.
func (t *Tracker) numberAs(g, other *leg) {
	for w, flag := range [2]legFlags{legISN, legReplyISN} {
		if g.tuple.Proto != decode.TCP || g.flags&flag != 0 || other.flags&flag == 0 {
			continue
		}
		isn := other.isn[w]
		g.isn[w] = isn
		g.flags |= flag
		t.legs.each(g, func(s *sighting) {
			switch {
			case s.way == way(w):
				s.end -= isn
			case s.flags&decode.ACK != 0:
				s.acked -= isn
			}
		})
	}
}

// catchUp tells a request what its leg saw before it was known to be one.
func (t *Tracker) catchUp(req uint32, g *leg) {
	r := t.requests.at(req)
	r.attempts = 1
	if s := t.legs.at(g, r.point, reply); s != nil {
		if s.flags&decode.SYN != 0 {
			r.synAck = s.first
		}
		if s.flags&decode.RST != 0 {
			r.marks |= markServerRST
			t.close(req, r, s.last)
		}
		if s.flags&decode.FIN != 0 {
			r.marks |= markServerFIN
			r.serverFIN = s.last
		}
		if g.tuple.Proto != decode.TCP || g.bytes(s) > 0 {
			t.answer(req, r, r.client, s.last)
		}
	}
	s := t.legs.at(g, r.point, request)
	if s == nil {
		return
	}
	if g.flags&legReplyISN != 0 && s.flags&decode.ACK != 0 && s.acked > 0 {
		// What the client acknowledges has come to it, whatever it looked like
		// there: bridges may hand over answers that are translated back in part.
		r.synAck = cmp.Or(r.synAck, s.first)
		if int32(s.acked) > finAndSYN {
			t.answer(req, r, r.client, s.last)
		}
	}
	if s.flags&decode.FIN != 0 && r.marks&markServerFIN != 0 {
		r.marks |= markMiddle // which side closed first is not known any more
	}
	if r.synAck != 0 && s.flags&decode.ACK != 0 {
		r.shaken = s.last
		if g.bytes(s) > 0 {
			r.asked = s.last
		}
	}
}

// remember keeps an entry for the legs that are still to come.
func (t *Tracker) remember(e *decode.Conntrack, after decode.Tuple) {
	if over(e) {
		return
	}
	t.translated.Put(e.Orig, e)
	t.translated.Put(after, e)
}

// translatedKept bounds the entries that are remembered, two keys each. It is a
// bound, not a policy: joins by what NAT leaves alone remain.
const translatedKept = 1 << 16

// over reports whether an entry is of a connection that was closed when it was
// listed, of which a busy host has tens of thousands. No more legs of it come: a
// new connection between the same ends gets an entry of its own.
func over(e *decode.Conntrack) bool {
	return e.Change == decode.ConntrackListed && !e.Undated && e.Orig.Proto == decode.TCP &&
		(e.State == decode.StateTimeWait || e.State == decode.StateClose)
}

// foretold is the entry that came before a request and names its tuple. One of a
// translated connection counts if it was printed at a time that nobody noted:
// live, the entry of a new connection is told when it is made.
func (t *Tracker) foretold(g *leg) *decode.Conntrack {
	if g.netns != 0 {
		return nil
	}
	if e := t.pinned[g.tuple]; e != nil {
		return e
	}
	if e := t.translated.Get(g.tuple); e != nil && e.Undated && e.Orig == g.tuple {
		return e
	}
	return nil
}

// placeByConntrack joins a new leg by an entry that came before it.
func (t *Tracker) placeByConntrack(n uint32, g *leg) bool {
	if g.netns != 0 {
		return false
	}
	e := t.translated.Get(g.tuple)
	if e == nil || g.tuple == e.Orig {
		return false
	}
	t.translated.Remove(g.tuple)
	t.translated.Remove(e.Orig)
	before, _, ok := t.legs.lookup(e.Orig, 0)
	if !ok || t.legs.slab.at(before).req == 0 {
		if ok && e.Reply.Dst != e.Orig.Src || !t.selected(e.Orig) {
			t.orphan(n, t.now) // what it translates is no request either, or one that nobody asked about
			return true
		}
		return false
	}
	req := t.legs.slab.at(before).req - 1
	t.extra(req).conntrack = e
	t.belong(n, req)
	return true
}
