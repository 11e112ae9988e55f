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
// where there is no room.

const (
	floodLeast   = 1000        // SYNs that nobody followed up, of one moment
	floodTry     = time.Second // when a client tries again
	floodsKept   = 4096        // servers whose SYNs are counted
	floodsTold   = 64          // floods told one by one; the others are told together
	sketchedBits = 1 << 18
)

// server is where a SYN goes to.
type server struct {
	ip   decode.IP
	port uint16
}

// crowd counts the requests to one server that consist of one SYN so far.
type crowd struct {
	server  server
	held    int        // of them
	waiting int        // that are not counted in a flood yet
	bare    queue[age] // they, in order of age, and others that were once
	flood   *flood     // while there is one; nil otherwise
}

// flood is what is told of SYNs that nobody followed up.
type flood struct {
	to          netip.AddrPort
	first, last int64 // Unix ns, as kept
	requests    int
	sources     sketch
}

// bare notes a request that has just been begun by a SYN.
func (t *Tracker) bare(req uint32, r *reqRecord, g *leg) {
	if g.tuple.Proto != decode.TCP || r.marks&markMiddle != 0 {
		return
	}
	c := t.crowdAt(g, true)
	r.marks |= markBare
	c.held++
	c.waiting++
	c.bare.push(age{req, r.number})
	if c.bare.size > 2*c.held+queueChunk {
		c.bare.keep(func(a *age) bool { return t.isBare(*a) })
	}
}

func (t *Tracker) isBare(a age) bool {
	r := t.requests.at(a.req)
	return r.number == a.number && r.marks&markBare != 0
}

// crowdAt is the crowd at the server that leg g goes to; nil if there is none and
// none is to be made. Nearly all that follow each other go to the same.
func (t *Tracker) crowdAt(g *leg, made bool) *crowd {
	s := server{g.tuple.Dst, g.tuple.DstPort}
	if t.lastCrowd != nil && t.lastCrowd.server == s {
		return t.lastCrowd
	}
	c := t.crowds.use(s)
	if c == nil && made {
		c = &crowd{server: s}
		t.crowds.put(s, c)
	}
	if c != nil {
		t.lastCrowd = c
	}
	return c
}

// inFlood reports whether a request was counted in a flood.
func inFlood(r *reqRecord) bool { return r.marks&markBare != 0 && r.phase == judged && r.rev == 0 }

// followed notes that something came of a request beyond its SYN and the answer
// to that. If it was counted in a flood, it is not of that, and waits as others do.
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
	t.journal.flood(addrPort(t.legs.slab.at(r.client).tuple)).requests--
	if r.phase = waiting; r.marks&markWindow == 0 {
		r.marks |= markWindow
		t.rearm(t.now+int64(t.config.Window), req)
	}
}

func addrPort(t decode.Tuple) netip.AddrPort { return netip.AddrPortFrom(t.Dst.Addr(), t.DstPort) }

// unbare takes a request out of its crowd.
func (t *Tracker) unbare(r *reqRecord) {
	if r.marks&markBare == 0 {
		return
	}
	counted := inFlood(r)
	r.marks &^= markBare
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
	if c.waiting--; c.waiting <= 0 && c.flood != nil {
		c.flood = nil // what was left of it has been counted, too
		t.flooding = slices.DeleteFunc(t.flooding, func(o *crowd) bool { return o == c })
	}
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
	f.requests++
	f.first, f.last = min(f.first, r.opened), max(f.last, r.opened)
	f.sources.add(g.tuple.Src)
	t.journal.summary.Flooded++
	r.phase = judged
	t.armIdle(req, r)
	t.waitsNoMore(c)
	return true
}

// overdue reports whether so many of a crowd should have tried again, or gone on,
// that they are a flood.
func (t *Tracker) overdue(c *crowd) bool {
	n := 0
	for i := 0; i < c.bare.size && c.waiting >= floodLeast; i++ {
		a := *c.bare.peek(i)
		if !t.isBare(a) {
			continue
		}
		if t.requests.at(a.req).opened > t.now-int64(floodTry) {
			break
		}
		if n++; n == floodLeast {
			return true
		}
	}
	return false
}

// flooded makes a crowd a flood, if it is none yet.
func (t *Tracker) flooded(c *crowd) *flood {
	if c.flood == nil {
		c.flood = t.journal.flood(netip.AddrPortFrom(c.server.ip.Addr(), c.server.port))
		t.flooding = append(t.flooding, c)
	}
	return c.flood
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
	for !large.bare.empty() {
		if a := large.bare.pop(); t.isBare(a) {
			t.flooded(large)
			t.floods(a.req, t.requests.at(a.req))
			t.forget(a.req)
			return true
		}
	}
	return false
}

// flood begins one, or goes on with that to the same server.
func (g *journal) flood(to netip.AddrPort) *flood {
	if i := slices.IndexFunc(g.flooded, func(f *flood) bool { return f.to == to }); i >= 0 {
		return g.flooded[i]
	}
	if len(g.flooded) == floodsTold {
		to = netip.AddrPort{}
		if last := g.flooded[floodsTold-1]; last.to == to {
			return last
		}
		g.flooded[floodsTold-1].to = to
		return g.flooded[floodsTold-1]
	}
	f := &flood{to: to, first: math.MaxInt64}
	g.flooded = append(g.flooded, f)
	return f
}

// FloodReport is a flood of SYNs that nobody followed up, told as one.
type FloodReport struct {
	To        string    `json:"to"` // the server that they asked for; "" several
	Protocol  string    `json:"protocol"`
	Requests  int       `json:"requests"`
	Addresses int       `json:"addresses"` // that they came from, about
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
		r := FloodReport{Protocol: "tcp", Requests: f.requests, Addresses: min(f.sources.count(), f.requests), First: unix(f.first), Last: unix(f.last)}
		if f.to.IsValid() {
			r.To = f.to.String()
		}
		out = append(out, r)
	}
	return out
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
