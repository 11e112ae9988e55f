package correlate

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// joinHash is a hash of what NAT leaves alone in the first packet of a
// connection: for TCP the initial sequence number, for the rest the client's
// end, which only source NAT changes.
func joinHash(p *decode.Packet, seed uint64) uint32 {
	if p.Kind == decode.Segment && p.Flags&decode.SYN != 0 || p.Kind == decode.Chunk {
		hi, lo := bits.Mul64(uint64(p.Seq)<<8|uint64(p.Proto), seed|1)
		return uint32((hi ^ lo) >> 7)
	}
	return joinHashEnd(&p.Tuple, seed)
}

func joinHashEnd(t *decode.Tuple, seed uint64) uint32 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(t.Src[8:])^binary.LittleEndian.Uint64(t.Src[:8])^uint64(t.Proto)<<48, seed|1)
	hi, lo = bits.Mul64(hi^lo^uint64(t.SrcPort), 0x9E3779B97F4A7C15)
	return uint32((hi ^ lo) >> 7)
}

// open takes the first packet of a flow: a further leg of a request that is
// under way, a request of its own, or neither.
func (t *Tracker) open(p *decode.Packet, hash uint32, pt *point) {
	tuple := p.Tuple
	middle := !opens(p) || p.Kind == decode.Datagram && t.answers(p)
	backwards := middle && t.backwards(p)
	if backwards {
		tuple = tuple.Reverse()
	}
	n := t.legs.open(hash, tuple, pt.space)
	g := t.legs.slab.at(n)
	g.ipid = p.IPID
	w := request
	if backwards {
		w = reply
	}
	if middle {
		g.flags |= legMiddle
	} else {
		g.isn[request] = p.Seq
		g.flags |= legISN
	}
	if backwards {
		t.orphan(n, p.Time) // what the client says next makes it a request
	} else {
		t.place(n, p, pt, middle)
	}
	t.sight(n, w, p, pt)
}

// place finds the request that a new leg belongs to.
func (t *Tracker) place(n uint32, p *decode.Packet, pt *point, middle bool) {
	g := t.legs.slab.at(n)
	if len(t.translated) > 0 && t.placeByConntrack(n, g) {
		return
	}
	if req, ok := t.continues(n, g, p, middle); ok {
		t.belong(n, req)
		return
	}
	if req, ok := t.proxies(g, p, middle); ok {
		t.requests.at(req).marks |= markProxied
		t.belong(n, req)
		return
	}
	if t.asks(g, p, pt) && t.selected(g.tuple) {
		t.begin(n, p, pt)
		return
	}
	t.orphan(n, p.Time)
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

// continues looks for the request whose next leg this is, by what NAT leaves
// alone. A leg of the same tuple in another namespace is the same request too.
func (t *Tracker) continues(n uint32, g *leg, p *decode.Packet, middle bool) (uint32, bool) {
	if req, ok := t.outside(g, middle); ok {
		return req, true
	}
	hash := joinHash(p, t.legs.seed)
	if middle {
		hash = joinHashEnd(&g.tuple, t.legs.seed)
	}
	best, found := uint32(0), false
	for i := t.joins.first(hash); t.joins.slots[i] != 0; i = (i + 1) & t.joins.mask {
		if e := t.joins.slots[i]; uint32(e>>32) == hash {
			if req := uint32(e) - 1; t.sameRequest(req, g, p, middle) && (!found || t.requests.at(req).number > t.requests.at(best).number) {
				best, found = req, true
			}
		}
	}
	return best, found
}

// outside is the request whose leg in the host's namespace has the tuple of g,
// a leg inside a container: docker-proxy's own connection is joined by nothing
// else.
func (t *Tracker) outside(g *leg, middle bool) (uint32, bool) {
	if g.netns == 0 || middle {
		return 0, false
	}
	n, w, ok := t.legs.lookup(g.tuple, 0)
	if !ok || w != request {
		return 0, false
	}
	c := t.legs.slab.at(n)
	if c.req == 0 || c.isn[request] != g.isn[request] || t.requests.at(c.req-1).marks&markClosed != 0 {
		return 0, false
	}
	return c.req - 1, true
}

// sameRequest reports whether leg g, opened by p, can be a leg of req.
func (t *Tracker) sameRequest(req uint32, g *leg, p *decode.Packet, middle bool) bool {
	r := t.requests.at(req)
	c := t.legs.slab.at(r.client)
	if c.tuple.Proto != g.tuple.Proto || r.marks&markClosed != 0 || (r.marks&markMiddle != 0) != middle {
		return false
	}
	if p.Time-r.lastNew > int64(time.Minute) {
		return false
	}
	sameEnd := c.tuple.Src == g.tuple.Src && c.tuple.SrcPort == g.tuple.SrcPort
	if p.Kind == decode.Segment && !middle {
		// The initial sequence number is one of 2³². With another client end it
		// takes source NAT, which leaves the port alone when it can, or the
		// moment itself to believe it.
		return c.isn[request] == p.Seq && (sameEnd || p.Time-r.lastNew < int64(time.Millisecond))
	}
	if p.Kind == decode.EchoRequest && sameEnd {
		return true
	}
	// Two exchanges from one client end are told apart by their destinations:
	// only an address of the host can have been translated.
	return sameEnd && (c.tuple.Dst == g.tuple.Dst && c.tuple.DstPort == g.tuple.DstPort ||
		!t.world.addressed() || t.world.isHost(c.tuple.Dst) && !t.world.isHost(g.tuple.Dst))
}

// asks reports whether a leg can be a request: to an address of the host or of
// a container. What containers ask of the world is not.
func (t *Tracker) asks(g *leg, p *decode.Packet, pt *point) bool {
	if unicast := t.unicast(g.tuple.Dst); !unicast {
		return false
	}
	if pt.Netns != capture.HostNetns && (pt.Role == capture.RoleLoopback || g.tuple.Dst.Addr().IsLoopback()) {
		return false // a container talking to itself
	}
	if p.Tunneled && t.world.containerAt(g.tuple.Dst) == nil {
		return false // of a network between hosts, whose containers may be elsewhere
	}
	if !t.world.known() {
		// Packets alone: what comes in from outside, or from a container.
		return pt.Role == capture.RoleNIC && inward(p) || pt.Role != capture.RoleNIC
	}
	if t.world.isHost(g.tuple.Dst) || t.world.containerAt(g.tuple.Dst) != nil {
		return !t.mayBeProxys(g)
	}
	if !t.world.addressed() && pt.Role != capture.RoleNIC {
		// To an address of the host, for all that is known of the engine alone.
		_, published := t.world.mapping(t.world.engine(), g.tuple)
		return published != nil || !t.world.isContainerNet(g.tuple.Src)
	}
	// An address that a stale rule or route still leads to.
	return pt.Role == capture.RoleNIC && inward(p) && !t.world.isContainerNet(g.tuple.Src)
}

// mayBeProxys reports whether a connection of the host's own to a container
// cannot be told from docker-proxy's: a proxy serves that container's port, and
// whoever it serves on the loopback is not seen.
func (t *Tracker) mayBeProxys(g *leg) bool {
	h := t.world.host(capture.HostNetns)
	if h == nil || len(h.Proxies) == 0 || !t.world.isHost(g.tuple.Src) {
		return false
	}
	to := netip.AddrPortFrom(g.tuple.Dst.Addr(), g.tuple.DstPort)
	if !slices.ContainsFunc(h.Proxies, func(p host.Proxy) bool { return p.Container == to && p.Proto == g.tuple.Proto.String() }) {
		return false
	}
	return !slices.ContainsFunc(t.points, func(p point) bool { return p.Role == capture.RoleLoopback && p.Netns == capture.HostNetns })
}

func (t *Tracker) unicast(ip decode.IP) bool {
	a := ip.Addr()
	return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !t.world.isBroadcast(a)
}

func (t *Tracker) selected(tuple decode.Tuple) bool {
	if t.config.Selects == nil {
		return true
	}
	return t.config.Selects(tuple.Proto, netip.AddrPortFrom(tuple.Dst.Addr(), tuple.DstPort), t.world.engine())
}

// backwards reports whether a packet from the middle of a flow goes from server
// to client.
func (t *Tracker) backwards(p *decode.Packet) bool {
	if p.Kind == decode.EchoReply || p.Flags&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK {
		return true
	}
	if t.world.known() {
		src, dst := t.world.serves(p.Tuple.Reverse()), t.world.serves(p.Tuple)
		if src != dst {
			return src
		}
	}
	return p.SrcPort < p.DstPort
}

// answers reports whether a datagram of which the question was not seen is an
// answer: it comes from a known server and goes to none.
func (t *Tracker) answers(p *decode.Packet) bool {
	return t.world.known() && !t.world.serves(p.Tuple) && t.world.serves(p.Tuple.Reverse())
}

// proxies looks for the request whose docker-proxy opened leg g. The proxy
// dials as soon as it accepts, in order, so the oldest that waits is the one.
func (t *Tracker) proxies(g *leg, p *decode.Packet, middle bool) (uint32, bool) {
	if middle || len(t.proxied) == 0 || t.world.addressed() && !t.world.isHost(g.tuple.Src) {
		return 0, false
	}
	for i, w := range t.proxied {
		req, r := w.req, t.requests.at(w.req)
		if r.number != w.number || r.marks&markProxied != 0 || t.isTranslated(r) {
			continue
		}
		c := t.legs.slab.at(r.client)
		if c.tuple.Proto != g.tuple.Proto || p.Time < r.opened || p.Time-r.lastSeen > int64(10*time.Second) {
			continue
		}
		if t.world.known() && !t.world.maps(c.tuple, g.tuple) {
			continue
		}
		t.proxied = append(t.proxied[:i], t.proxied[i+1:]...)
		return req, true
	}
	return 0, false
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

func (t *Tracker) waitForProxy(req uint32) {
	const most = 1024
	if len(t.proxied) == most {
		t.proxied = append(t.proxied[:0], t.proxied[1:]...)
	}
	t.proxied = append(t.proxied, deadline{at: t.now, req: req, number: t.requests.at(req).number})
}
