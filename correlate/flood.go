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
// for what becomes of them. They are told as one flood, and no longer held.

const (
	floodLeast   = 1000 // SYNs that nobody has followed up, waiting at once
	floodsKept   = 4096 // servers whose SYNs are counted
	floodsTold   = 64   // floods told one by one; the others are told together
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
	waiting int        // of those held
	bare    queue[age] // they, in order of age, and others that were once
	flood   *flood     // while there is one; nil otherwise
}

// flood is what is told of SYNs that nobody followed up.
type flood struct {
	to          netip.AddrPort
	first, last int64 // Unix ns, as kept
	requests    int
	answered    int // SYN-ACKs left
	sources     sketch
}

// swept lets a request go if it is one of a flood.
func (t *Tracker) swept(req uint32, r *reqRecord) bool {
	if !t.floods(r) {
		return false
	}
	r.phase = judged
	t.forget(req)
	return true
}

// bare notes a request that has just been begun by a SYN.
func (t *Tracker) bare(req uint32, r *reqRecord, g *leg) {
	if g.tuple.Proto != decode.TCP || r.marks&markMiddle != 0 {
		return
	}
	c := t.crowdAt(g, true)
	r.marks |= markBare
	c.waiting++
	c.bare.push(age{req, r.number})
	if c.flood == nil && c.waiting >= floodLeast {
		c.flood = t.journal.flood(netip.AddrPortFrom(g.tuple.Dst.Addr(), g.tuple.DstPort))
		t.flooding = append(t.flooding, c)
	}
	if c.bare.size > 2*c.waiting+queueChunk {
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

// followed notes that something came of a request beyond its SYN and the answer
// to that.
func (t *Tracker) followed(r *reqRecord) {
	if r.marks&markBare == 0 {
		return
	}
	r.marks &^= markBare
	c := t.crowdAt(t.legs.slab.at(r.client), false)
	if c == nil {
		return // it was let go of meanwhile
	}
	if c.waiting--; c.waiting <= 0 {
		t.flooding = slices.DeleteFunc(t.flooding, func(o *crowd) bool { return o == c })
		*c = crowd{server: c.server} // what is left of a flood is not judged as anything else
	}
}

// floods reports whether a request is one of a flood, and takes it into the count
// of that.
func (t *Tracker) floods(r *reqRecord) bool {
	if r.marks&markBare == 0 {
		return false
	}
	g := t.legs.slab.at(r.client)
	c := t.crowdAt(g, false)
	if c == nil || c.flood == nil {
		return false
	}
	f := c.flood
	f.requests++
	f.first, f.last = min(f.first, r.opened), max(f.last, r.opened)
	if r.synAck != 0 {
		f.answered++
	}
	f.sources.add(g.tuple.Src)
	t.journal.summary.Flooded++
	t.followed(r)
	return true
}

// thin makes room by one request of a flood: the oldest, as nobody waits for it.
func (t *Tracker) thin() bool {
	var largest *crowd
	for _, c := range t.flooding {
		if largest == nil || c.waiting > largest.waiting {
			largest = c
		}
	}
	for largest != nil && !largest.bare.empty() {
		if a := largest.bare.pop(); t.isBare(a) {
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
	Answered  int       `json:"answered"`  // of them by a SYN-ACK
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
		r := FloodReport{Protocol: "tcp", Requests: f.requests, Answered: f.answered, Addresses: min(f.sources.count(), f.requests), First: unix(f.first), Last: unix(f.last)}
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
