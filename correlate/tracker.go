package correlate

import (
	"math"
	"net/netip"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/correlate/recent"
	"dnatrace/decode"
)

// Config says what to look for and what to keep.
type Config struct {
	// Window is how long a request may stay without an answer after its last
	// new attempt. Zero is DefaultWindow.
	Window time.Duration
	// Selects tells whether a request to dst is asked about. Nil selects
	// every request. The snapshot is the latest, or nil.
	Selects func(proto decode.Proto, dst netip.AddrPort, s *engine.Snapshot) bool
	// Keep is how many incidents the document lists: the worst ones. Negative
	// keeps all.
	Keep int
	// OnIncident is called for every judgement as soon as it stands, and again
	// with a higher Rev if it changes. It may be nil. The incident is the
	// callee's.
	OnIncident func(*Incident)
	// OnPlain, where it is not nil, is told in few words of a request that was
	// translated and plainly delivered, and has not been told of before. If it
	// answers true that is all that will be said of it, unless it is judged anew:
	// OnIncident is told then, with a Rev of 2. It costs a small part of that.
	OnPlain func(Plain) bool
	// OnFlood is called when a flood is first known to be one. It may be nil.
	OnFlood func(*FloodReport)
	// Updates has OnIncident called, with the same Rev, also where nothing
	// but what an incident counts has changed: who keeps the last of each has
	// what the document would list.
	Updates bool
	// Advise is told of memory that will be read at random, before it is
	// touched, so that the system may be asked for large pages. It may be nil.
	Advise func(memory []byte)
	// Capacity bounds the requests held at once; the oldest are let go and
	// counted. Zero is DefaultCapacity.
	Capacity int
	// Memory is about how many bytes the requests that are held may take, however
	// many legs and sightings each of them has. Zero is DefaultMemory.
	Memory int
}

// Defaults of Config, and the other times of a request's life.
const (
	DefaultWindow   = 3 * time.Second
	DefaultCapacity = 1 << 18
	DefaultMemory   = 160 << 20

	// neighbourWindow replaces a shorter window while ARP or ND is
	// outstanding: the kernel gives up after 3 s.
	neighbourWindow = 4 * time.Second
	// settle is how long after the deciding packet the judgement is made. What
	// conntrack, the rule trace and the engine tell bears the time of its receipt:
	// up to a capture.Pulse after the packet, and as much again is left for a busy
	// machine.
	settle = 40 * time.Millisecond
	// linger is how long a closed connection is remembered, so that late
	// segments are not taken for something new.
	linger = time.Second
	// idle is how long exchanges without a close are remembered.
	idle = 30 * time.Second
)

// Tracker turns events into incidents. Feed it in time order; the same events
// give the same incidents. It is not safe for concurrent use.
type Tracker struct {
	config Config
	clock  clock // how the times of the stream are kept
	now    int64 // latest event time, Unix ns
	heard  int64 // likewise, of what was told; promises of sources go beyond it
	began  int64 // earliest event time

	points   []point
	netns    map[string]uint16
	legs     legs
	requests slab[reqRecord]
	ends     identities // requests by their client's end
	carried  identities // those without a leg behind a translation, by what their last packet carries
	learned  learned
	extras   map[uint32]*extra
	orphans  queue[orphan] // legs without a request

	due       int64 // earliest deadline
	settling  queue[deadline]
	windows   queue[deadline]
	lingering queue[deadline]
	idling    queue[deadline]
	rearmed   deadlineHeap
	hurried   deadlineHeap // what the kernel told of a drop
	aging     queue[age]   // every request, in order of age

	numbers uint32
	opened  [2]int64   // when the last two requests were, Unix ns
	proxied []deadline // requests a docker-proxy may be serving, oldest first; at is when they were noted
	// undecidedDial is when a docker-proxy last dialled for one of several requests.
	undecidedDial int64
	world         world
	neighbours    recent.Map[decode.IP, *neighbourWatch]
	translated    recent.Map[decode.Tuple, *decode.Conntrack] // entries whose legs were not seen yet
	pinned        map[decode.Tuple]*decode.Conntrack          // untranslated UDP flows that are older than what was captured of them
	passages      recent.Map[passageKey, *passage]
	drops         recent.Map[dropEnd, *decode.Drop]
	cutErrors     recent.Map[decode.IP, int64]    // ICMP errors to an address whose quote the capture cut, Unix ns of the last
	talkers       recent.Map[decode.Tuple, int64] // servers that answered someone; Src unset
	lastTalker    decode.Tuple                    // of them the last
	ending        bool                            // the input is over, and a request is judged that waited for more

	crowds    recent.Map[server, *crowd] // requests to each server that may be a flood
	lastCrowd *crowd                     // of them the last
	flooding  []*crowd                   // of them those that are one
	held      int                        // requests in crowds
	tried     tried

	sheet   path      // of the request that is being judged
	none    extra     // likewise, where it has none
	finding judgement // about it
	journal journal
	beside  beside
	ahead   ahead
}

// New makes a Tracker.
func New(c Config) *Tracker {
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	if c.Capacity <= 0 {
		c.Capacity = DefaultCapacity
	}
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	t := &Tracker{
		config:     c,
		netns:      map[string]uint16{capture.HostNetns: 0},
		legs:       newLegs(c.Advise),
		requests:   slab[reqRecord]{advise: c.Advise},
		ends:       identities{newIndex(c.Advise)},
		carried:    identities{newIndex(c.Advise)},
		learned:    newLearned(),
		extras:     map[uint32]*extra{},
		due:        math.MaxInt64,
		neighbours: recent.Map[decode.IP, *neighbourWatch]{Most: neighboursKept},
		translated: recent.Map[decode.Tuple, *decode.Conntrack]{Most: translatedKept},
		pinned:     map[decode.Tuple]*decode.Conntrack{},
		passages:   recent.Map[passageKey, *passage]{Most: passagesKept},
		drops:      recent.Map[dropEnd, *decode.Drop]{Most: dropsKept},
		cutErrors:  recent.Map[decode.IP, int64]{Most: neighboursKept},
		talkers:    recent.Map[decode.Tuple, int64]{Most: talkersKept},
		crowds:     recent.Map[server, *crowd]{Most: floodsKept},
	}
	t.world.init()
	t.journal.init(c)
	return t
}

// Packets takes a batch of packets.
func (t *Tracker) Packets(b *decode.Batch) {
	for packets := b.Packets; len(packets) > 0; {
		n := min(len(packets), len(t.ahead.hashes))
		t.touch(packets[:n])
		for i := range packets[:n] {
			t.packet(&packets[i], t.ahead.hashes[i], b.Quotes)
		}
		packets = packets[n:]
	}
}

// packet takes one packet. Everything done for each packet is in here; what
// only matters at turning points is behind turn.
func (t *Tracker) packet(p *decode.Packet, hash uint32, quotes []decode.Quote) {
	if t.clock != clockAsIs {
		p = t.movedPacket(p)
	}
	if p.Time > t.heard {
		t.advance(p.Time)
	}
	if int(p.Point) >= len(t.points) {
		return // a stream that does not announce its points says nothing
	}
	pt := &t.points[p.Point]
	pt.packets++
	if pt.Role == capture.RoleLoopback && p.Dir == capture.DirOut {
		return // the loopback shows everything twice: sent, and received
	}
	if p.Kind < decode.Segment {
		t.aside(p, pt, quotes)
		return
	}
	n, w, found := t.legs.find(hash, &p.Tuple, pt.space)
	if !found || t.reused(n, w, p) {
		t.open(p, hash, pt)
		return
	}
	t.sight(n, w, p, pt)
}

// sight enters a packet into a leg that is known.
func (t *Tracker) sight(n uint32, w way, p *decode.Packet, pt *point) {
	g := t.legs.slab.at(n)
	if w == reply && g.flags&legReplyISN == 0 && p.Kind == decode.Segment && p.Flags&decode.SYN != 0 {
		g.isn[reply] = p.Seq
		g.flags |= legReplyISN
		t.learned.servers.add(&g.tuple.Dst, g.tuple.DstPort, g.tuple.Proto)
	}
	s, isNew := t.legs.sighting(g, pt.same, w)
	if pt.doubled && t.points[pt.same].repeats(p, pt.ID) {
		return // the same packet in two files of one point
	}
	before, acked := s.end, s.acked
	g.update(s, p, isNew)
	if isNew {
		if pt.Role == capture.RoleNIC || pt.Role == capture.RoleBridge {
			pt.macs.sent(p)
		}
		s.face(t.facing(p, pt))
	}
	if w == request && p.Kind != decode.Segment && g.flags&legISN != 0 {
		g.isn[request], g.ipid = p.Seq, p.IPID
	}
	if g.req == 0 && g.flags&legUnplaced != 0 && w == request && s.count <= mostRetries {
		t.retry(n, g, p, pt)
	}
	if g.req == 0 {
		if w == request && t.config.Selects != nil && p.Kind == decode.Segment && opens(p) {
			t.goesUnasked(p) // a further attempt may be the first that gets through
		}
		if !isNew || w != request || g.flags&legMiddle == 0 {
			return
		}
		// Until now only its server was heard, which makes no request.
		t.place(n, p, pt, true)
		if g.req == 0 {
			return
		}
	}
	if isNew && w == reply {
		t.learnFromAnswer(n, s, p, pt)
	}
	if isNew || p.Flags&(decode.SYN|decode.FIN|decode.RST) != 0 || g.flags&legAnswered == 0 && (p.Payload > 0 || s.acked != acked) {
		t.turn(g.req-1, n, w, s, p, isNew || s.end != before)
	}
	if g.flags&legAnswered != 0 && (w == reply && !isNew && s.end == before && p.Payload > 0 && p.Kind == decode.Segment || w == request && s.shut()) {
		t.resent(g.req-1, n, s, p.Time)
	}
}

// mostRetries is for how many packets a leg that could be of several requests is
// looked at again.
const mostRetries = 16

// Event takes a control event. What describes the stream itself takes effect at
// once, whatever its time.
func (t *Tracker) Event(e decode.Event) {
	if t.clock != clockAsIs {
		e = t.movedEvent(e)
	}
	switch e := e.(type) {
	case *decode.Start:
		t.journal.start(e)
	case *decode.Source:
		t.journal.source(e)
		t.world.sourceSaid(e)
	case *decode.Point:
		t.addPoint(e)
	case *decode.Loss:
		t.journal.lost(e)
	case *decode.Damage:
		t.journal.damaged(e.Why)
	case *decode.End:
		t.advance(e.Time)
		t.journal.end(e)
	case *decode.Conntrack:
		t.learn(e.Time, e.Undated)
		t.conntrack(e)
	case *decode.TraceStep:
		t.advance(e.Time)
		t.traced(e)
	case *decode.Drop:
		t.advance(e.Time)
		t.dropped(e)
	case *decode.EngineSnapshot:
		t.learn(e.Time, e.Undated)
		if t.hasRoom(e.Size) {
			t.world.engineSaid(e)
		}
	case *decode.EngineEvent:
		t.advance(e.Time)
		t.world.engineDid(e)
	case *decode.HostSample:
		t.learn(e.Time, e.Undated)
		if t.hasRoom(e.Size) {
			t.world.hostWas(e)
			t.learnFromState(e)
			t.giveMACs()
		}
	case *decode.Ruleset:
		t.learn(e.Time, e.Undated)
		if t.hasRoom(e.Size) {
			t.world.rulesWere(e)
		}
	}
}

// hasRoom reports whether a state can be kept, and says so if it cannot.
func (t *Tracker) hasRoom(size int) bool {
	ok := t.world.room(size)
	if !ok {
		t.journal.damaged("states of the host, the engine or its rules are too large to be kept: some are not")
	}
	return ok
}

// Advance says that nothing earlier than until will come any more, and judges
// what is due before it.
func (t *Tracker) Advance(until int64) { t.pass(t.kept(until)) }

// advance is about something that was seen, which the stream began with at the
// latest.
func (t *Tracker) advance(now int64) {
	if t.began == 0 {
		t.began = now
	}
	t.heard = max(t.heard, now)
	t.pass(now)
}

// learn is advance for a state; an undated one has a time only to come first.
func (t *Tracker) learn(now int64, undated bool) {
	if undated {
		t.pass(now)
		return
	}
	t.advance(now)
}

func (t *Tracker) pass(now int64) {
	if now > t.due {
		t.fire(now)
	}
	t.now = max(t.now, now)
}

// Skip counts a record that could not be decoded.
func (t *Tracker) Skip(origin string, err error) { t.journal.skipped(origin, err) }

// Unread counts packets that were not decoded.
func (t *Tracker) Unread(list []decode.Unread) {
	for _, u := range list {
		t.journal.unread[decode.Unread{Point: u.Point, What: u.What}] += u.Packets
	}
}

// Pending is the number of requests that wait for a judgement.
func (t *Tracker) Pending() int {
	n := 0
	for i := range t.requests.used {
		if r := t.requests.at(i); r.number != 0 && (r.phase == waiting || r.phase == settlingDown) && !t.dormant(r) {
			n++
		}
	}
	return n
}

// dormant reports whether a connection stands and nobody has said anything on
// it for a window: nothing is due on it.
func (t *Tracker) dormant(r *reqRecord) bool {
	return r.shaken != 0 && r.asked == 0 && r.phase == waiting && t.now-r.lastNew > int64(t.config.Window)
}

// Document is the result so far; Finish gives the whole one.
func (t *Tracker) Document() *Document { return t.journal.document(t) }

// Finish judges what can be judged and returns the document. The Tracker is
// spent.
func (t *Tracker) Finish() *Document {
	t.fire(t.now + 1)
	// Sources promised that nothing came until later than the last they told. A
	// recording holds no promises, and is to be judged alike.
	t.now = t.heard
	t.settleAll()
	return t.journal.document(t)
}
