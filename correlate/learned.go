package correlate

import (
	"encoding/binary"

	"dnatrace/capture"
	"dnatrace/decode"
)

// learned is what the traffic shows of who is who. It is evidence like any
// other, weaker than what the host tells of itself: it is asked where that is
// not given.
type learned struct {
	addrs   map[decode.IP]bool // addresses of the host
	servers serverEnds
	asking  map[broadcastKey]int64 // questions to everyone, Unix ns of the last
	leaving leaving
	unasked leaving // requests that nobody asked about, likewise
	said    saidBytes
	asker   askers
}

// mostLearned bounds each kind of what is learned: a sender of made-up
// addresses must not fill the memory.
const mostLearned = 1 << 10

func newLearned() learned {
	return learned{addrs: map[decode.IP]bool{}, asking: map[broadcastKey]int64{}}
}

// address enters an address of the host.
func (l *learned) address(ip decode.IP) {
	if len(l.addrs) < mostLearned {
		l.addrs[ip] = true
	}
}

// ours reports whether ip is known to be an address of the host: it is given, or
// learned.
func (t *Tracker) ours(ip decode.IP) bool {
	return t.world.isHost(ip) || t.learned.addrs[ip]
}

// learnFromJoin takes from two legs of one request which addresses are the
// host's: what is translated was sent to it, and what it puts in place of a
// source is its own.
func (t *Tracker) learnFromJoin(req uint32, g *leg, p *decode.Packet, pt *point) {
	r := t.requests.at(req)
	c := t.legs.slab.at(r.client)
	at := &t.points[r.point]
	if pt.Netns != capture.HostNetns || at.Netns != capture.HostNetns {
		return
	}
	if at.Role == capture.RoleNIC && c.tuple.Dst != g.tuple.Dst && c.tuple.Src == g.tuple.Src {
		t.learned.address(c.tuple.Dst)
		if pt.Role == capture.RoleBridge && p.SrcMAC != p.DstMAC {
			pt.macs.learned(p.SrcMAC, p.DstMAC, p.SrcMAC)
		}
	}
	if c.tuple.Src != g.tuple.Src && pt.Role == capture.RoleNIC {
		t.learned.address(g.tuple.Src)
	}
}

// learnFromAnswer takes the link-layer address of the interface where a request
// came in that is known to have been sent to the host.
func (t *Tracker) learnFromAnswer(n uint32, s *sighting, p *decode.Packet, pt *point) {
	g := t.legs.slab.at(n)
	r := t.requests.at(g.req - 1)
	if n == r.client && s.point == r.point && pt.Role == capture.RoleNIC && t.ours(g.tuple.Dst) {
		pt.macs.learned(r.to, r.from, p.SrcMAC)
	}
}

// learnFromARP takes an address of the host from its own questions: bridges ask
// for nobody but the host, and frames that the interface sends bear its address.
func (t *Tracker) learnFromARP(p *decode.Packet, pt *point) {
	if pt.Role != capture.RoleBridge || pt.Netns != capture.HostNetns || p.Kind != decode.ARPRequest {
		return
	}
	if p.Dir == capture.DirOut || pt.macs.usable() && p.SrcMAC == pt.macs.own {
		t.learned.address(p.Src)
	}
}

// learnFromState takes addresses of the host from what names them beside a list of
// its addresses: local routes, and the source that a route prefers.
func (t *Tracker) learnFromState(e *decode.HostSample) {
	if e.Netns != capture.HostNetns {
		return
	}
	for i := range e.Routes {
		r := &e.Routes[i]
		if r.Src.IsValid() {
			t.learned.address(decode.IPFrom(r.Src))
		}
		if r.Type == "local" && r.Dst.IsSingleIP() {
			t.learned.address(decode.IPFrom(r.Dst.Addr()))
		}
	}
}

// learnFromConntrack takes addresses of the host from an entry: the one that stands
// in for a source is its own.
func (t *Tracker) learnFromConntrack(e *decode.Conntrack) {
	if e.Reply.Dst != e.Orig.Src {
		t.learned.address(e.Reply.Dst)
	}
}

// leaving is what containers were just seen asking of the world, by what their
// packets carry and where they go, which masquerading leaves alone.
type leaving [1 << 10]struct {
	hash uint32
	at   int64 // Unix ns
}

// leavingHash is the hash of what masquerading leaves alone; 0 if it tells nothing. With
// where it goes, the initial number of a connection tells enough.
func (t *Tracker) leavingHash(p *decode.Packet) uint32 {
	h := t.carriedHash(p)
	if h == 0 && p.Kind == decode.Segment {
		h = mix(t.legs.seed, uint64(p.Seq))
	}
	if h == 0 {
		return 0
	}
	return max(h^uint32(hashEnd(&p.Dst, p.DstPort, t.legs.seed)>>32), 1)
}

func (l *leaving) add(hash uint32, at int64) {
	if hash != 0 {
		e := &l[hash%uint32(len(l))]
		e.hash, e.at = hash, at
	}
}

// has reports whether a packet that carries this was seen a moment ago.
func (l *leaving) has(hash uint32, now int64) bool {
	e := &l[hash%uint32(len(l))]
	return hash != 0 && e.hash == hash && now-e.at <= int64(nearby)
}

// askers are the last questions of client sockets, by their ends.
type askers [1 << 8]question

// question is one of them.
type question struct {
	end, of uint32 // hashes of the end and of the leg
	leg     uint32
	point   uint16
	at      int64 // Unix ns
}

// swap enters a question and returns what stood in its place of the same end.
func (a *askers) swap(end, leg, of uint32, point uint16, at int64) (before question) {
	e := &a[end%uint32(len(a))]
	if e.end == end {
		before = *e
	} else {
		before.leg = leg
	}
	e.end, e.of, e.leg, e.point, e.at = end, of, leg, point, at
	return before
}

// saidBytes are the last datagrams of requests that nothing is known to have
// translated, by their bytes: what docker-proxy sends on carries the same.
type saidBytes [1 << 10]struct {
	at          int64 // Unix ns
	hash        uint32
	req, number uint32
	crowd       bool // another request said the same a moment before
}

// bytesHash is the hash of what a datagram carries, whoever sends it; 0 for what
// is too little to tell.
func (t *Tracker) bytesHash(p *decode.Packet) uint32 {
	if p.Kind != decode.Datagram || p.Seq == 0 {
		return 0
	}
	return max(mix(t.legs.seed, uint64(p.Seq)<<32|uint64(p.Payload)), 1)
}

func (s *saidBytes) add(hash, req, number uint32, at int64) {
	e := &s[hash%uint32(len(s))]
	e.crowd = e.hash == hash && e.number != number && at-e.at <= int64(nearby)
	e.hash, e.req, e.number, e.at = hash, req, number, at
}

// serverEnds remember the ends that have answered, a few thousand of the latest.
type serverEnds [1 << 12]uint64

func endKey(ip *decode.IP, port uint16, proto decode.Proto) uint64 {
	high, low := binary.LittleEndian.Uint64(ip[:8]), binary.LittleEndian.Uint64(ip[8:])
	return (high^low*0x9E3779B97F4A7C15^uint64(port)<<8^uint64(proto))*0xD6E8FEB86659FD93 | 1
}

func (s *serverEnds) add(ip *decode.IP, port uint16, proto decode.Proto) {
	k := endKey(ip, port, proto)
	s[k>>52] = k
}

func (s *serverEnds) has(ip *decode.IP, port uint16, proto decode.Proto) bool {
	k := endKey(ip, port, proto)
	return s[k>>52] == k
}

// broadcastKey is a question to everyone: who answers it is asked back from the
// port that was asked.
type broadcastKey struct {
	asked, asker uint16
	proto        decode.Proto
}

// answersBroadcast reports whether p answers a question that went to everyone
// within the last minute.
func (t *Tracker) answersBroadcast(p *decode.Packet) bool {
	at, ok := t.learned.asking[broadcastKey{p.SrcPort, p.DstPort, p.Proto}]
	return ok && p.Time-at < 60e9
}

// askedEveryone notes a question to everyone.
func (t *Tracker) askedEveryone(p *decode.Packet) {
	k := broadcastKey{p.DstPort, p.SrcPort, p.Proto}
	if _, ok := t.learned.asking[k]; !ok && len(t.learned.asking) >= mostLearned {
		return
	}
	t.learned.asking[k] = p.Time
}
