package correlate

import (
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"dnatrace/decode"
)

// A client whose SYN is not answered sends it again after a second (RFC 6298
// §5.7), and one that is answered goes on at once. Requests that consist of one
// SYN, in great numbers and to one port of one server, are made up: nobody waits
// for what becomes of them. They are told as one flood, and are the first to go
// where there is no room. So are those whose SYN is sent again sooner than any
// client does, or has the sequence number of many others.
//
// Datagrams are made up where many strangers send one each, or a few at once, and
// nobody answers. Of those that an ICMP error answers, the first are told one by
// one: clients of a server that is gone look the same.

const (
	floodLeast   = 1000                   // SYNs that nobody followed up, of one moment
	floodTry     = time.Second            // when a client tries again
	floodRetry   = 900 * time.Millisecond // the soonest that a client does
	floodsKept   = 4096                   // servers whose requests are counted
	strangers    = 64                     // places of 256 that the addresses of a flood of datagrams fall into, at least
	floodsTold   = 64                     // floods told one by one; the others are told together
	floodHeld    = 1 << 16                // requests of floods that are held; of those before, little more than a hash is
	sketchedBits = 1 << 18
)

// server is where requests go to.
type server struct {
	ip    decode.IP
	port  uint16
	proto decode.Proto
}

func serverOf(t *decode.Tuple) server { return server{t.Dst, t.DstPort, t.Proto} }

// crowd counts the requests to one server that consist of one packet so far.
type crowd struct {
	server  server
	held    int        // of them
	waiting int        // that are not counted in a flood yet
	bare    queue[age] // they, in order of age, and others that were once
	flood   *flood     // while there is one; nil otherwise
	usual   [8]isnCount
	hurries bool  // packets of it came sooner again than any client sends them
	known   int64 // when those who send datagrams were last found to be few, Unix ns
	refused refusals
	counted int64 // when one was last counted in the flood, Unix ns
}

// refusals are requests of one datagram that an error answered, in a moment.
type refusals struct {
	since int64 // Unix ns
	n     int
	from  [256]bool
}

// floodRest is for how long a flood of datagrams may pause: errors answer each of
// them at once, and leave none that waits.
const floodRest = 3 * time.Second

// lone takes a request of one datagram that was told as refused. Where there are
// too many of them, those that come are a flood.
func (t *Tracker) lone(r *reqRecord) {
	g := t.legs.slab.at(r.client)
	c := t.crowdAt(g, false)
	if c == nil || g.tuple.Proto != decode.UDP {
		return
	}
	f := &c.refused
	if t.now-f.since > int64(floodRest) {
		*f = refusals{since: t.now}
	}
	f.n++
	f.from[t.place256(&g.tuple.Src)] = true
	if c.flood == nil && f.n >= floodLeast && count(f.from[:]) >= strangers {
		t.flooded(c)
		c.counted = t.now
	}
}

// place256 is one of 256 places that an address falls into.
func (t *Tracker) place256(ip *decode.IP) uint64 { return hashEnd(ip, 0, t.legs.seed) >> 56 }

// isnCount counts one of the sequence numbers that fall into its place: one that
// is a ninth of all gets ahead of the others there.
type isnCount struct {
	isn uint32
	n   int32
}

// isnLeast is how many requests at least share a sequence number that none of
// their clients has chosen.
const isnLeast = 100

func (c *crowd) counts(isn uint32) {
	switch u := &c.usual[isn*0x9E3779B1>>29]; {
	case u.isn == isn:
		u.n = min(u.n+1, 1<<16)
	case u.n > 0:
		u.n--
	default:
		*u = isnCount{isn, 1}
	}
}

// isUsual reports whether many SYNs of a crowd have a sequence number.
func (c *crowd) isUsual(isn uint32) bool {
	u := &c.usual[isn*0x9E3779B1>>29]
	return u.isn == isn && u.n >= isnLeast
}

// flood is what is told of packets that nobody followed up.
type flood struct {
	to          netip.AddrPort
	proto       decode.Proto // 0 several
	first, last int64        // Unix ns, as kept
	requests    int
	again       int // further packets of theirs
	refused     int // by ICMP errors
	sources     sketch
	told        bool // that it has begun
}

// bare notes a request that has just been begun by a SYN or a datagram.
func (t *Tracker) bare(req uint32, r *reqRecord, g *leg) {
	if g.tuple.Proto != decode.TCP && g.tuple.Proto != decode.UDP || r.marks&markMiddle != 0 {
		return
	}
	c := t.crowdAt(g, true)
	if t.tried.places != nil && t.cameBack(g, r.opened) {
		return
	}
	if c.flood != nil && c.waiting <= 0 && t.now-c.counted > int64(floodRest) {
		t.subsides(c)
	}
	r.marks |= markBare
	if g.tuple.Proto == decode.TCP {
		c.counts(g.isn[request])
	}
	c.held++
	c.waiting++
	t.held++
	c.bare.push(age{req, r.number})
	if c.bare.size > 2*c.held+queueChunk {
		c.bare.keep(func(a *age) bool { return t.isBare(*a) })
	}
	if t.held > floodHeld && (c.flood != nil || c.held%floodLeast == 0 && t.overdue(c)) {
		t.thinOut(c)
	}
}

func (t *Tracker) isBare(a age) bool {
	r := t.requests.at(a.req)
	return r.number == a.number && r.marks&markBare != 0
}

// crowdAt is the crowd at the server that leg g goes to; nil if there is none and
// none is to be made. Nearly all that follow each other go to the same.
func (t *Tracker) crowdAt(g *leg, made bool) *crowd {
	s := serverOf(&g.tuple)
	if t.lastCrowd != nil && t.lastCrowd.server == s {
		return t.lastCrowd
	}
	c := t.crowds.Use(s)
	if c == nil && made {
		c = &crowd{server: s}
		t.crowds.Put(s, c)
	}
	if c != nil {
		t.lastCrowd = c
	}
	return c
}

// inFlood reports whether a request was counted in a flood.
func inFlood(r *reqRecord) bool { return r.marks&markBare != 0 && r.phase == judged && r.rev == 0 }

// followed notes that something came of a request beyond its SYN and the answer
// to that, or beyond its datagram and an error. If it was counted in a flood, it is not of that, and waits as others do.
func (t *Tracker) followed(req uint32, r *reqRecord) {
	if r.marks&markBare == 0 {
		return
	}
	late := inFlood(r)
	t.unbare(r)
	if !late {
		return
	}
	t.journal.summary.Flooded--
	f := t.journal.flood(serverOf(&t.legs.slab.at(r.client).tuple))
	f.requests--
	f.again -= r.packets() - 1
	if r.marks&markError != 0 {
		f.refused--
	}
	if r.phase = waiting; r.marks&markWindow == 0 {
		r.marks |= markWindow
		t.rearm(t.now+int64(t.config.Window), req)
	}
}

// refuses takes an ICMP error about a request. It reports whether it was counted in
// a flood.
func (t *Tracker) refuses(req uint32, r *reqRecord) bool {
	g := t.legs.slab.at(r.client)
	if g.tuple.Proto != decode.UDP {
		t.followed(req, r)
		return false
	}
	first := r.marks&markError == 0
	r.marks |= markError
	if first && inFlood(r) {
		t.journal.flood(serverOf(&g.tuple)).refused++
	}
	return inFlood(r)
}

// packets is how many a request of a crowd consists of. Its first is an attempt only
// once its sighting was entered.
func (r *reqRecord) packets() int { return max(1, int(r.attempts)) }

// again takes a further packet of a request. It reports whether a client may have
// sent it. A stream of datagrams needs no pauses.
func (t *Tracker) again(req uint32, r *reqRecord, now int64) bool {
	if r.marks&markBare == 0 || r.attempts == 0 {
		return true
	}
	g := t.legs.slab.at(r.client)
	c, since := t.crowdAt(g, false), r.lastNew
	if g.tuple.Proto == decode.UDP {
		since = r.opened
	}
	if now-since >= int64(floodRetry) && (c == nil || !c.isUsual(g.isn[request])) {
		t.followed(req, r)
		return true
	}
	if !inFlood(r) {
		if c != nil {
			c.hurries = true
		}
		return true // it will be seen when it is due
	}
	r.attempts++
	r.lastNew = now
	t.journal.flood(serverOf(&g.tuple)).again++
	return false
}

// unbare takes a request out of its crowd.
func (t *Tracker) unbare(r *reqRecord) {
	if r.marks&markBare == 0 {
		return
	}
	counted := inFlood(r)
	r.marks &^= markBare
	t.held--
	c := t.crowdAt(t.legs.slab.at(r.client), false)
	if c == nil {
		return // it was let go of meanwhile
	}
	c.held--
	if !counted {
		t.waitsNoMore(c)
	}
}

func (t *Tracker) waitsNoMore(c *crowd) {
	if c.waiting--; c.waiting <= 0 && c.flood != nil && (c.server.proto == decode.TCP || t.now-c.counted > int64(floodRest)) {
		t.subsides(c) // what was left of it has been counted, too
	}
}

func (t *Tracker) subsides(c *crowd) {
	c.flood = nil
	t.flooding = slices.DeleteFunc(t.flooding, func(o *crowd) bool { return o == c })
}

// floods reports whether a request that is due is one of a flood, and counts it
// there. Should anything come of it, it is taken out again.
func (t *Tracker) floods(req uint32, r *reqRecord) bool {
	if r.marks&markBare == 0 || r.rev > 0 || r.phase == judged {
		return false
	}
	g := t.legs.slab.at(r.client)
	c := t.crowdAt(g, false)
	if c == nil || c.flood == nil && !t.overdue(c) {
		return false
	}
	f := t.flooded(c)
	c.counted = t.now
	f.requests++
	f.again += r.packets() - 1
	f.first, f.last = min(f.first, r.opened), max(f.last, r.opened)
	f.sources.add(g.tuple.Src)
	if r.marks&markError != 0 {
		f.refused++
	}
	t.journal.summary.Flooded++
	r.phase = judged
	t.armIdle(req, r)
	t.waitsNoMore(c)
	return true
}

// overdue reports whether so many of a crowd should have tried again, or gone on,
// that they are a flood.
func (t *Tracker) overdue(c *crowd) bool {
	if c.waiting < floodLeast && !c.hurries || t.now-c.known < int64(floodTry) {
		return false
	}
	var from [256]bool
	n := 0
	for i := 0; i < c.bare.size; i++ {
		a := *c.bare.peek(i)
		if !t.isBare(a) {
			continue
		}
		r := t.requests.at(a.req)
		if r.opened > t.now-int64(floodTry) {
			break
		}
		from[t.place256(&t.legs.slab.at(r.client).tuple.Src)] = true
		if n += r.packets(); n >= floodLeast {
			break
		}
	}
	if n < floodLeast {
		return false
	}
	if c.server.proto == decode.UDP && count(from[:]) < strangers {
		c.known = t.now
		return false
	}
	return true
}

func count(set []bool) (n int) {
	for _, is := range set {
		if is {
			n++
		}
	}
	return n
}

// flooded makes a crowd a flood, if it is none yet.
func (t *Tracker) flooded(c *crowd) *flood {
	if c.flood == nil {
		c.flood = t.journal.flood(c.server)
		t.tellFlood(c)
		t.flooding = append(t.flooding, c)
	}
	return c.flood
}

// tellFlood tells of a flood that has just begun, once.
func (t *Tracker) tellFlood(c *crowd) {
	f := c.flood
	if t.journal.onFlood == nil || f.told {
		return
	}
	f.told = true
	from := t.now
	for i := 0; i < c.bare.size; i++ {
		if a := *c.bare.peek(i); t.isBare(a) {
			from = t.requests.at(a.req).opened
			break
		}
	}
	r := f.report()
	r.First, r.Last = unix(from), unix(t.now)
	t.journal.onFlood(&r)
}

// thin makes room by the oldest request of a crowd that takes half of all room:
// nobody waits for it.
func (t *Tracker) thin() bool {
	half := max(floodLeast, t.requests.live()/2)
	large := t.lastCrowd
	if large == nil || large.held <= half {
		i := slices.IndexFunc(t.flooding, func(c *crowd) bool { return c.held > half })
		if i < 0 {
			return false
		}
		large = t.flooding[i]
	}
	return t.thinOut(large)
}

// thinOut lets the oldest request of a crowd go that is a flood.
func (t *Tracker) thinOut(c *crowd) bool {
	for !c.bare.empty() {
		if a := c.bare.pop(); t.isBare(a) {
			r := t.requests.at(a.req)
			t.flooded(c)
			t.floods(a.req, r)
			t.tried.put(t.triedHash(t.legs.slab.at(r.client)), t.millis(r.lastNew))
			t.forget(a.req)
			return true
		}
	}
	return false
}

// tried remembers packets whose requests had to go, some half a million: the last
// eight in each place, a cache line.
type tried struct{ places [][8]triedEntry }

type triedEntry struct{ hash, at uint32 } // at: ms since the beginning

const triedPlaces = 1 << 16

func (t *Tracker) millis(at int64) uint32 { return uint32((at - t.began) / 1e6) }

func (t *Tracker) triedHash(g *leg) uint64 {
	isn := uint64(g.tuple.Proto) << 32
	if g.tuple.Proto == decode.TCP {
		isn += uint64(g.isn[request])
	}
	return (hashEnd(&g.tuple.Src, g.tuple.SrcPort, t.legs.seed) ^ hashEnd(&g.tuple.Dst, g.tuple.DstPort, t.legs.seed) + isn) * 0x9E3779B97F4A7C15
}

func (d *tried) put(hash uint64, at uint32) {
	if d.places == nil {
		d.places = make([][8]triedEntry, triedPlaces)
	}
	place := &d.places[hash>>48]
	oldest := 0
	for i, e := range place {
		if e.at < place[oldest].at {
			oldest = i
		}
	}
	place[oldest] = triedEntry{uint32(hash), at}
}

// find is the entry under a hash; nil if there is none.
func (d *tried) find(hash uint64) *triedEntry {
	place := &d.places[hash>>48]
	for i := range place {
		if place[i].hash == uint32(hash) && place[i].at > 0 {
			return &place[i]
		}
	}
	return nil
}

// cameBack reports whether a client tries again whose request had to go, and takes
// that out of its flood.
func (t *Tracker) cameBack(g *leg, now int64) bool {
	e := t.tried.find(t.triedHash(g))
	if e == nil || now-t.began < int64(e.at)*1e6+int64(floodRetry) || g.tuple.Proto == decode.TCP && t.crowdAt(g, true).isUsual(g.isn[request]) {
		return false
	}
	*e = triedEntry{}
	t.journal.summary.Flooded--
	t.journal.flood(serverOf(&g.tuple)).requests--
	return true
}

// flood begins one, or goes on with that to the same server.
func (g *journal) flood(s server) *flood {
	to := netip.AddrPortFrom(s.ip.Addr(), s.port)
	if i := slices.IndexFunc(g.flooded, func(f *flood) bool { return f.to == to && f.proto == s.proto }); i >= 0 {
		return g.flooded[i]
	}
	if len(g.flooded) == floodsTold {
		last := g.flooded[floodsTold-1]
		last.to = netip.AddrPort{}
		if last.proto != s.proto {
			last.proto = 0
		}
		return last
	}
	f := &flood{to: to, proto: s.proto, first: math.MaxInt64}
	g.flooded = append(g.flooded, f)
	return f
}

// FloodReport is a flood of SYNs that nobody followed up, or of datagrams that
// nobody answered, told as one.
type FloodReport struct {
	To        string    `json:"to"`       // the server that they asked for; "" several
	Protocol  string    `json:"protocol"` // "" several
	Requests  int       `json:"requests"`
	Packets   int       `json:"packets"`           // of them, where some came several times
	Addresses int       `json:"addresses"`         // that they came from, about
	Refused   int       `json:"refused,omitempty"` // requests that an ICMP error answered
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
}

// floodReports tell the floods there were, in order of their beginning.
func (g *journal) floodReports() []FloodReport {
	var out []FloodReport
	for _, f := range g.flooded {
		if f.requests == 0 {
			continue
		}
		out = append(out, f.report())
	}
	return out
}

func (f *flood) report() FloodReport {
	r := FloodReport{Requests: f.requests, Refused: f.refused, Packets: f.requests + f.again, Addresses: min(f.sources.count(), f.requests), First: unix(f.first), Last: unix(f.last)}
	if f.to.IsValid() {
		r.To = f.to.String()
	}
	if f.proto != 0 {
		r.Protocol = f.proto.String()
	}
	return r
}

// sketch counts different addresses in bounded memory: linear counting (Whang and
// others, 1990), within one in a hundred up to a million.
type sketch struct{ words []uint64 }

func (s *sketch) add(ip decode.IP) {
	if s.words == nil {
		s.words = make([]uint64, sketchedBits/64)
	}
	h := hashEnd(&ip, 0, 0x5bd1e995) % sketchedBits
	s.words[h/64] |= 1 << (h % 64)
}

func (s *sketch) count() int {
	zero := sketchedBits
	for _, w := range s.words {
		zero -= bits.OnesCount64(w)
	}
	return int(math.Round(-sketchedBits * math.Log(float64(max(zero, 1))/sketchedBits)))
}
