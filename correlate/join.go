package correlate

import (
	"net/netip"
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// Joining decides which legs are one request. What may be one is in admits, what
// makes it one in identifies; of two that could be it, neither is taken:
//
//	from → to                     may change             partner is sought by
//	NIC → bridge, veth (DNAT)     destination            client's end and sequence number or bytes
//	the same with SNAT            both ends              sequence number or bytes, and time stamp or
//	                                                     IP identification
//	bridge → veth → container     nothing                tuple, in the next namespace
//	docker-proxy                  a connection anew      an address of the host opened it, to the
//	                                                     mapped end, after the request was accepted
//	any of them                   as the kernel says     conntrack's two tuples
//	any of them                   as the engine meant    the mapping
//
// The cost of each search is bounded whatever a sender chooses: see identities.

// nearby is how long after a packet its next sighting may come, where a moment is
// all that tells them apart: the kernel passes packets on in microseconds, and
// queues of busy machines in milliseconds.
const nearby = 50 * time.Millisecond

// dials is how long after a connection was accepted docker-proxy may take to
// make its own. It does so as soon as it is woken.
const dials = 100 * time.Millisecond

// open takes the first packet of a flow: a further leg of a request that is
// under way, a request of its own, or neither.
func (t *Tracker) open(p *decode.Packet, hash uint32, pt *point) {
	tuple, w := p.Tuple, request
	server := sideDestination
	if !opens(p) || p.Kind == decode.Datagram {
		server = t.serverSide(p)
	}
	if p.Kind == decode.Datagram && (t.answersBroadcast(p) || server == sideUnknown && t.answersUnseen(p, pt)) {
		server = sideSource
	}
	question := opens(p) && server != sideSource
	if server == sideSource {
		tuple, w = tuple.Reverse(), reply
	}
	n := t.legs.open(hash, tuple, pt.space)
	g := t.legs.slab.at(n)
	g.ipid = p.IPID
	switch {
	case question:
		g.isn[request], g.stamp = p.Seq, stampOf(p)
		g.flags |= legISN
		t.place(n, p, pt, false)
	case w == reply: // what the client says next may make it a request
		g.flags |= legMiddle
		t.orphan(n, p.Time)
	case server == sideUnknown: // no more is known of it than that it is there
		t.orphan(n, p.Time)
	default:
		g.flags |= legMiddle
		t.place(n, p, pt, true)
	}
	t.sight(n, w, p, pt)
}

// place finds the request that a new leg belongs to.
func (t *Tracker) place(n uint32, p *decode.Packet, pt *point, middle bool) {
	pt.macs.bears(p)
	g := t.legs.slab.at(n)
	g.flags &^= legUnplaced
	if t.translated.Len() > 0 && t.placeByConntrack(n, g) {
		return
	}
	if req, ok := t.outside(g); ok {
		t.belong(n, req)
		return
	}
	req, found := t.partner(g, p, pt, middle)
	switch {
	case found == one:
		t.belong(n, req)
		t.absorbInside(req, g)
		t.learnFromJoin(req, g, p, pt)
	case found == several:
		g.flags |= legUnplaced
		t.orphan(n, p.Time)
	case t.proxies(n, g, p, pt, middle):
	case !middle && pt.Role == capture.RoleNIC && t.learned.leaving.has(t.leavingHash(p), p.Time):
		t.learned.address(g.tuple.Src)
		t.orphan(n, p.Time)
	case t.asks(g, p, pt) && t.askedAbout(g, p, pt):
		t.begin(n, p, pt)
		if pt.Role == capture.RoleNIC || t.leavesContainer(p, pt) {
			t.absorb(n)
		}
	default:
		if !middle && pt.Role != capture.RoleNIC {
			t.learned.leaving.add(t.leavingHash(p), p.Time)
			if t.asksSeveral(n, g, p, pt) {
				return
			}
		}
		t.orphan(n, p.Time)
	}
}

// asksSeveral makes requests of what one client socket asks of several servers at
// once, as resolvers do, where nothing tells that it is a container's and the servers
// are strangers, nor the capture which way the packet went: which of them is silent is
// worth telling, whosever they are.
func (t *Tracker) asksSeveral(n uint32, g *leg, p *decode.Packet, pt *point) bool {
	if t.world.known() || t.facing(p, pt) != capture.DirUnknown || p.Kind != decode.Datagram || !t.unicast(g.tuple.Dst) || !t.selected(g.tuple) {
		return false
	}
	before := t.learned.asker.swap(t.endHash(&g.tuple), n, g.hash, pt.same, p.Time)
	if before.leg == n || before.point != pt.same || p.Time-before.at > int64(nearby) {
		return false
	}
	first := t.legs.slab.at(before.leg)
	if first.hash != before.of || first.n == 0 || first.tuple.Src != g.tuple.Src || first.tuple.SrcPort != g.tuple.SrcPort || first.tuple.Proto != g.tuple.Proto || t.directed(first) {
		return false
	}
	if first.req == 0 {
		s := first.seen[0]
		t.begin(before.leg, &decode.Packet{Time: s.first, Frame: uint64(s.firstFrame), Tuple: first.tuple, Seq: first.isn[request], IPID: first.ipid, Kind: decode.Datagram}, pt)
		t.leavesTheHost(first.req - 1)
		t.catchUp(first.req-1, first)
	}
	t.begin(n, p, pt)
	t.leavesTheHost(g.req - 1)
	return true
}

// directed reports whether the capture says, in the host's namespace, which way packets
// of a leg went behind it.
func (t *Tracker) directed(g *leg) bool {
	if g.netns != 0 {
		n, _, ok := t.legs.lookup(g.tuple, 0)
		if !ok {
			return false
		}
		g = t.legs.slab.at(n)
	}
	found := false
	t.legs.each(g, func(s *sighting) {
		found = found || t.points[s.point].Role != capture.RoleNIC && s.facing() != capture.DirUnknown
	})
	return found
}

// leavesTheHost notes that a request goes out: no point of the host is behind the
// one where it was seen first.
func (t *Tracker) leavesTheHost(req uint32) {
	t.extra(req).leaves = true
	t.requests.at(req).marks &^= markHalfway
}

// retry looks again for the request of a leg that could have been several's.
func (t *Tracker) retry(n uint32, g *leg, p *decode.Packet, pt *point) {
	g.isn[request], g.ipid = p.Seq, p.IPID
	if req, found := t.partner(g, p, pt, false); found == one {
		g.flags &^= legUnplaced
		t.belong(n, req)
		t.learnFromJoin(req, g, p, pt)
	}
}

// outside is the request whose leg in the host's namespace has the tuple of g,
// a leg inside a container.
func (t *Tracker) outside(g *leg) (uint32, bool) {
	if g.netns == 0 {
		return 0, false
	}
	n, w, ok := t.legs.lookup(g.tuple, 0)
	if !ok || w != request {
		return 0, false
	}
	c := t.legs.slab.at(n)
	if c.req == 0 || t.requests.at(c.req-1).marks&markClosed != 0 {
		return 0, false
	}
	if numbered(g.tuple.Proto) && c.flags&g.flags&legISN != 0 && c.isn[request] != g.isn[request] {
		return 0, false
	}
	return c.req - 1, true
}

// numbered reports whether connections of a protocol have an initial number of
// their own.
func numbered(proto decode.Proto) bool { return proto == decode.TCP || proto == decode.SCTP }

// partners says how many requests a leg could belong to.
type partners uint8

const (
	none partners = iota
	one
	several // or one that cannot be told for sure
)

// partner looks for the request whose next leg g is, opened by p at pt. Requests
// that could be it, but for another, are told of their rival.
func (t *Tracker) partner(g *leg, p *decode.Packet, pt *point, middle bool) (uint32, partners) {
	var buffer, fitting [mostAlike]uint32
	ofEnd, crowd := t.ends.find(buffer[:0], t.endHash(&g.tuple))
	fits, unsure := fitting[:0], fitting[:0:0]
	for _, req := range ofEnd {
		if !t.admits(req, g, p, pt) {
			continue
		}
		switch t.identifies(req, g, p, middle) {
		case one:
			fits = append(fits, req)
		case several:
			unsure = append(unsure, req)
		}
	}
	if len(fits) == 0 && !middle {
		if h := t.carriedHash(p); h != 0 {
			var more bool
			var alike []uint32
			alike, more = t.carried.find(nil, h)
			crowd = crowd && len(unsure) > 0 || more
			fits = t.translatedSource(fits, alike, g, p, pt)
		}
	}
	if len(fits) == 0 {
		if req, ok := t.mappedFrom(g, p, pt); ok {
			return req, one
		}
	}
	return t.elect(fits, unsure, crowd, g, p, pt)
}

// elect takes the one request of those that fit, or none.
func (t *Tracker) elect(fits, unsure []uint32, crowd bool, g *leg, p *decode.Packet, pt *point) (uint32, partners) {
	only := func(holds func(req uint32) bool) {
		if some := slices.DeleteFunc(slices.Clone(fits), func(req uint32) bool { return !holds(req) }); len(some) == 1 {
			fits, crowd = some, false
		}
	}
	if len(fits) > 1 || crowd && len(fits) == 1 {
		only(func(req uint32) bool { return p.IPID != 0 && t.clientLeg(req).ipid == p.IPID })
	}
	if len(fits) > 1 || crowd && len(fits) == 1 {
		only(func(req uint32) bool { return t.world.maps(t.clientLeg(req).tuple, g.tuple) })
	}
	switch {
	case len(fits) == 1 && !crowd:
		return fits[0], one
	case len(fits)+len(unsure) == 0:
		return 0, none
	}
	for _, list := range [][]uint32{fits, unsure} {
		for _, req := range list {
			t.rivals(req, pt)
		}
	}
	return 0, several
}

func (t *Tracker) clientLeg(req uint32) *leg { return t.legs.slab.at(t.requests.at(req).client) }

// rivals notes that what was seen at pt could be the request's, or another's.
func (t *Tracker) rivals(req uint32, pt *point) { t.extra(req).rival = pt.same + 1 }

// admits reports whether g, opened by p at pt, can be a leg of req at all.
func (t *Tracker) admits(req uint32, g *leg, p *decode.Packet, pt *point) bool {
	r := t.requests.at(req)
	c := t.legs.slab.at(r.client)
	if c.tuple.Proto != g.tuple.Proto || r.marks&markClosed != 0 || p.Time-t.lastTry(r) > int64(neighbourWindow) && r.marks&markMiddle == 0 {
		return false
	}
	if r.marks&markHalfway != 0 && c.tuple != g.tuple && t.leavesContainer(p, pt) {
		return false // what the host has handed to a container does not come from one
	}
	facing := t.facing(p, pt)
	if depth(&t.points[r.point]) > 0 && c.tuple != g.tuple && !t.world.addressed() && t.asksTheWorld(g, facing, pt) {
		return false // nor is it translated to somewhere outside
	}
	if pt.Role == capture.RoleNIC && pt.Netns == capture.HostNetns && (facing == capture.DirIn || !t.unicast(g.tuple.Dst)) {
		return false // what comes in has not been translated here yet
	}
	for n := r.client + 1; n != 0; {
		l := t.legs.slab.at(n - 1)
		n = l.next
		if l.netns == g.netns && l.tuple != c.tuple && l.tuple != g.tuple {
			return false // it is translated once
		}
		crossed := false
		t.legs.each(l, func(s *sighting) {
			crossed = crossed || s.point == pt.same && s.way == request && !opposite(s.facing(), facing)
		})
		if crossed {
			return false // one point, one direction: not before and after
		}
	}
	return true
}

// lastTry is when the client was last seen trying.
func (t *Tracker) lastTry(r *reqRecord) int64 {
	if s := t.legs.at(t.legs.slab.at(r.client), r.point, request); s != nil && !numbered(t.legs.slab.at(r.client).tuple.Proto) {
		return s.last
	}
	return r.lastNew
}

func opposite(a, b capture.Direction) bool {
	return a != b && a != capture.DirUnknown && b != capture.DirUnknown
}

// identifies reports whether what translation leaves alone makes g, whose client
// end is the request's, a leg of it: surely, perhaps (several), or not.
func (t *Tracker) identifies(req uint32, g *leg, p *decode.Packet, middle bool) partners {
	r := t.requests.at(req)
	c := t.legs.slab.at(r.client)
	switch {
	case c.tuple.Src != g.tuple.Src || c.tuple.SrcPort != g.tuple.SrcPort:
		return none
	case middle && numbered(g.tuple.Proto):
		return t.continuesIn(r, c, p)
	case numbered(g.tuple.Proto):
		if c.flags&legISN != 0 && c.isn[request] == p.Seq {
			return one
		}
		return none
	case c.tuple == g.tuple:
		return one
	case t.world.addressed() && (!t.world.isHost(c.tuple.Dst) || t.world.isHost(g.tuple.Dst) && !t.world.maps(c.tuple, g.tuple)):
		return none // only what is sent to the host is translated
	case p.Seq != 0 && c.isn[request] == p.Seq && (p.IPID == 0 || c.ipid == 0 || p.IPID == c.ipid):
		return one
	case t.points[r.point].Role == capture.RoleNIC && c.next == 0:
		return several // its client's end alone tells nothing, and hides something
	}
	return none
}

// continuesIn reports whether p, of a connection whose opening was not seen, says
// what the client was just seen saying.
func (t *Tracker) continuesIn(r *reqRecord, c *leg, p *decode.Packet) partners {
	s := t.legs.at(c, r.point, request)
	if s == nil || p.Time-s.last > int64(nearby) {
		return several
	}
	end := p.Seq + p.Payload - c.isn[request]
	if p.Flags&(decode.SYN|decode.FIN) != 0 {
		end++
	}
	if end == s.end && (p.Flags&decode.ACK == 0 || p.Ack-c.isn[reply] == s.acked) {
		return one
	}
	return several
}

// translatedSource adds those of alike, requests whose last packet carried what p
// carries, that g can be a leg of with another source. A source that is replaced
// alone keeps its destination: that is the likelier.
func (t *Tracker) translatedSource(fits, alike []uint32, g *leg, p *decode.Packet, pt *point) []uint32 {
	kept := false
	for _, req := range alike {
		r := t.requests.at(req)
		c := t.legs.slab.at(r.client)
		if c.tuple.Src == g.tuple.Src && c.tuple.SrcPort == g.tuple.SrcPort || c.isn[request] != p.Seq || p.Time-t.lastTry(r) > int64(nearby) {
			continue
		}
		if t.world.addressed() && !t.world.isHost(g.tuple.Src) || !t.admits(req, g, p, pt) {
			continue
		}
		same := c.tuple.Dst == g.tuple.Dst && c.tuple.DstPort == g.tuple.DstPort
		if !same && p.Kind == decode.Datagram && p.IPID == 0 {
			continue // docker-proxy sends on the same bytes
		}
		switch {
		case same && !kept:
			fits, kept = append(fits[:0], req), true
		case same == kept:
			fits = append(fits, req)
		}
	}
	return fits
}

// mappedFrom is the request that the engine's mapping, as it is in force, takes
// to where g goes. On a host of very many addresses that is not looked for, and of
// two none is taken.
func (t *Tracker) mappedFrom(g *leg, p *decode.Packet, at *point) (uint32, bool) {
	const most = 64
	if numbered(g.tuple.Proto) && g.flags&legMiddle == 0 || len(t.world.local) > most {
		return 0, false // its number would have told
	}
	c := t.world.containerAt(g.tuple.Dst)
	if c == nil {
		return 0, false
	}
	found, count := uint32(0), 0
	for i := range c.Mappings {
		b := &c.Mappings[i]
		if b.Container != g.tuple.DstPort || b.Proto != g.tuple.Proto.String() {
			continue
		}
		for local := range t.world.local {
			if req, ok := t.askedAt(g, local, b); ok && t.admits(req, g, p, at) && (count == 0 || req != found) {
				found = req
				count++
			}
		}
	}
	return found, count == 1
}

// askedAt is the request of g's client to a mapping on an address of the host.
func (t *Tracker) askedAt(g *leg, local netip.Addr, b *engine.Binding) (uint32, bool) {
	if !bindsTo(b.HostIP, local) {
		return 0, false
	}
	outer := g.tuple
	outer.Dst, outer.DstPort = decode.IPFrom(local), b.HostPort
	n, w, ok := t.legs.lookup(outer, 0)
	if !ok || w != request {
		return 0, false
	}
	req := t.legs.slab.at(n).req
	return req - 1, req != 0 && t.requests.at(req-1).client == n
}

// proxies joins leg g to the request whose docker-proxy opened it: an address of
// the host did, to where the mapping leads, just after the request had been
// accepted. Of several that were accepted at once, the one it serves is not told
// apart; and where nobody knows whose the address is, nor is a proxy from a
// client: then the leg is no request either.
func (t *Tracker) proxies(n uint32, g *leg, p *decode.Packet, pt *point, middle bool) bool {
	if middle || pt.Role == capture.RoleNIC || pt.Role == capture.RoleLoopback {
		return false
	}
	if ours := t.ours(g.tuple.Src); !ours && (t.world.addressed() || t.world.containerAt(g.tuple.Src) != nil) {
		return false
	}
	if t.bytesHash(p) != 0 {
		return t.sentOn(n, g, p, pt)
	}
	var found *deadline
	waiting := 0
	for i := range t.proxied {
		w := &t.proxied[i]
		if r := t.requests.at(w.req); r.number == w.number && t.mayHaveDialled(r, w.at, g, p) && !t.proxyOf(r).None() {
			found = w
			waiting++
		}
	}
	switch {
	case waiting == 0:
		return false
	case waiting == 1 && t.ours(g.tuple.Src) && t.world.known() && t.surelyDialled(found, p, pt): // the mapping agrees
		t.requests.at(found.req).marks |= markProxied
		t.belong(n, found.req)
	default:
		if waiting == 1 && t.ours(g.tuple.Src) {
			t.rivals(found.req, pt)
		}
		if !t.ours(g.tuple.Src) {
			g.flags |= legUnplaced // a request may turn up whose next leg it is
		}
		t.undecidedDial = p.Time
		t.learned.leaving.add(t.leavingHash(p), p.Time)
		t.orphan(n, p.Time)
	}
	return true
}

// surelyDialled reports whether nobody else than a request that was accepted can be whom
// docker-proxy made the connection for that p opens: the host was asked, and the
// capture has lost neither another's acceptance nor another connection since.
func (t *Tracker) surelyDialled(w *deadline, p *decode.Packet, pt *point) bool {
	r := t.requests.at(w.req)
	from := p.Time - int64(dials)
	return t.ours(t.legs.slab.at(r.client).tuple.Dst) &&
		t.journal.lostBetween(pt.Ring, from, p.Time) == 0 && t.journal.lostBetween(t.points[r.point].Ring, from, p.Time) == 0
}

// proxyOf is the docker-proxy that is known to take what a request asks for.
func (t *Tracker) proxyOf(r *reqRecord) known.Answer[host.Proxy] {
	if !t.world.known() {
		return known.Unknown[host.Proxy]("")
	}
	return t.world.proxyAt(t.world.namespace(capture.HostNetns), t.legs.slab.at(r.client).tuple)
}

// sentOn joins leg g to the request whose datagram docker-proxy sent on in it: it
// carries the same bytes. So does what a rule translates and masquerades; where
// there is no proxy it is that, and where neither is known and the client is one
// that is masqueraded, it is told of neither.
func (t *Tracker) sentOn(n uint32, g *leg, p *decode.Packet, pt *point) bool {
	h := t.bytesHash(p)
	e := &t.learned.said[h%uint32(len(t.learned.said))]
	if h == 0 || e.hash != h || p.Time-e.at > int64(nearby) {
		return false
	}
	r := t.requests.at(e.req)
	if r.number != e.number || !t.mayHaveDialled(r, e.at, g, p) || r.point == pt.same {
		return false
	}
	proxy := t.proxyOf(r)
	masked := p.IPID == 0 && depth(&t.points[r.point]) > 0
	if e.crowd || !t.ours(g.tuple.Src) || masked && !proxy.Known() {
		t.rivals(e.req, pt)
		t.orphan(n, p.Time)
		return true
	}
	if !proxy.None() {
		r.marks |= markProxied
	}
	t.belong(n, e.req)
	return true
}

// mayHaveDialled reports whether g can be the connection that docker-proxy made
// for a request, accepted at a time.
func (t *Tracker) mayHaveDialled(r *reqRecord, at int64, g *leg, p *decode.Packet) bool {
	c := t.legs.slab.at(r.client)
	switch {
	case r.marks&(markProxied|markClosed) != 0 || t.isTranslated(r):
		return false
	case c.tuple.Proto != g.tuple.Proto || c.tuple.Src == g.tuple.Src:
		return false // a client does not dial for itself
	case p.Time < at || p.Time-at > int64(dials):
		return false
	case c.tuple.Proto == decode.TCP && r.shaken == 0:
		return false // nobody has accepted it yet
	case !t.ours(c.tuple.Dst) && t.world.namespace(capture.HostNetns).Local(c.tuple.Dst.Addr()).Known():
		return false // it asks somebody else
	case !t.ours(g.tuple.Src) && t.points[r.point].Role != capture.RoleNIC && t.points[r.point].Role != capture.RoleLoopback:
		return false
	}
	return !t.world.known() || t.world.maps(c.tuple, g.tuple)
}

// mayBeProxied notes a request that was accepted although nothing translated
// it.
func (t *Tracker) mayBeProxied(req uint32, r *reqRecord) {
	if !t.isTranslated(r) && t.legs.slab.at(r.client).tuple.Proto == decode.TCP {
		t.waitForProxy(req)
	}
}

// isTranslated reports whether a leg behind a translation is known.
func (t *Tracker) isTranslated(r *reqRecord) bool {
	c := t.legs.slab.at(r.client)
	for n := c.next; n != 0; {
		g := t.legs.slab.at(n - 1)
		if g.tuple != c.tuple {
			return true
		}
		n = g.next
	}
	return false
}

// expectProxy notes a UDP exchange that a docker-proxy may take: there is no
// handshake to tell.
func (t *Tracker) expectProxy(req uint32, r *reqRecord, g *leg) {
	if g.tuple.Proto == decode.UDP && t.world.proxyFor(g.tuple) != nil {
		t.waitForProxy(req)
	}
}

// waitForProxy keeps the requests that docker-proxy may be dialling for, those
// of the last moments.
func (t *Tracker) waitForProxy(req uint32) {
	const most = 256
	old := 0
	for old < len(t.proxied) && (t.now-t.proxied[old].at > int64(dials) || len(t.proxied)-old >= most) {
		old++
	}
	t.proxied = append(slices.Delete(t.proxied, 0, old), deadline{at: t.now, req: req, number: t.requests.at(req).number})
}

// orphan is a leg that belongs to no request, and when to forget it.
type orphan struct {
	at   int64
	leg  uint32
	hash uint32
}

// orphan keeps a leg without a request for a while, unless there are too many:
// then the oldest goes.
func (t *Tracker) orphan(n uint32, now int64) {
	if t.orphans.size >= t.config.Capacity {
		t.dropOrphan(t.orphans.pop())
	}
	o := orphan{at: now + int64(neighbourWindow), leg: n, hash: t.legs.slab.at(n).hash}
	t.orphans.push(o)
	t.due = min(t.due, o.at)
}

func (t *Tracker) forgetOrphan(o orphan) {
	g := t.legs.slab.at(o.leg)
	if g.hash != o.hash || g.req != 0 || g.n == 0 {
		return // it found its request, or is gone
	}
	last := int64(0)
	t.legs.each(g, func(s *sighting) { last = max(last, s.last) })
	if next := last + int64(neighbourWindow); next > o.at && t.orphans.size < t.config.Capacity {
		o.at = t.now + int64(neighbourWindow)
		t.orphans.push(o)
		return
	}
	t.legs.release(o.leg)
}

// dropOrphan forgets a leg at once, if it still belongs to no request.
func (t *Tracker) dropOrphan(o orphan) {
	if g := t.legs.slab.at(o.leg); g.hash == o.hash && g.req == 0 && g.n > 0 {
		t.legs.release(o.leg)
	}
}

func (t *Tracker) selected(tuple decode.Tuple) bool {
	if t.config.Selects == nil {
		return true
	}
	return t.config.Selects(tuple.Proto, netip.AddrPortFrom(tuple.Dst.Addr(), tuple.DstPort), t.world.engine())
}
