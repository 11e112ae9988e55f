package correlate

import (
	"cmp"
	"net/netip"
	"slices"

	"dnatrace/capture"
	"dnatrace/decode"
)

// beside is what was seen beside the requests that were asked about: it tells who
// saw none of them where to look next.
type beside struct {
	servers map[opening]*Beside
	sought  map[decode.IP]*Sought
}

type opening struct {
	proto decode.Proto
	dst   netip.AddrPort
}

// Beside is new connections, datagrams and the like to one server that nobody
// asked about, as they were first seen.
type Beside struct {
	Proto decode.Proto
	To    netip.AddrPort
	Point string
	Card  bool // the point is a network card of the host
	Count int
	last  int64 // Unix ns
}

// Sought is an address that somebody asked for (ARP, ND) at a network card of the
// host, and that nobody was seen to answer for.
type Sought struct {
	Addr  netip.Addr
	Point string
	Ours  bool // it is the host's, given or learned
	Count int
	// Container is the name of the running one whose address it is; "" for none.
	Container string
}

// besideKept bounds the servers, and the addresses, that are remembered.
const besideKept = 1024

// askedAbout reports whether a request that begins is one that was asked about, and
// notes the others.
func (t *Tracker) askedAbout(g *leg, p *decode.Packet, pt *point) bool {
	if t.selected(g.tuple) {
		return !t.ofUnasked(g, p)
	}
	t.unasked(g.tuple, pt, p.Time)
	t.goesUnasked(p)
	return false
}

// goesUnasked remembers a request that nobody asked about by what translation leaves
// alone, for a moment: behind it, the same request may bear a port that was asked about.
func (t *Tracker) goesUnasked(p *decode.Packet) {
	carried, ofEnd := t.unaskedHashes(p)
	t.learned.unasked.add(carried, p.Time)
	t.learned.unasked.add(ofEnd, p.Time)
}

// unaskedHashes are those of what a packet carries, and, for one that carries nothing
// telling, of its initial number and the client's end, which only masquerading changes;
// 0 for none.
func (t *Tracker) unaskedHashes(p *decode.Packet) (carried, ofEnd uint32) {
	carried = t.carriedHash(p)
	if carried == 0 && p.Kind == decode.Segment {
		ofEnd = max(mix(t.legs.seed, uint64(p.Seq))^uint32(hashEnd(&p.Src, p.SrcPort, t.legs.seed)>>32), 1)
	}
	return carried, ofEnd
}

// ofUnasked reports whether a leg is a request behind its translation, or what a
// docker-proxy asks for it, and the request itself is one that nobody asked about.
func (t *Tracker) ofUnasked(g *leg, p *decode.Packet) bool {
	if t.config.Selects == nil {
		return false
	}
	carried, ofEnd := t.unaskedHashes(p)
	return t.learned.unasked.has(carried, p.Time) || t.learned.unasked.has(ofEnd, p.Time) || t.dialledForUnasked(g, p.Time)
}

// dialledForUnasked reports whether the host asks a container for what a mapping leads
// to, just after somebody asked for that: it is the proxy's own connection.
func (t *Tracker) dialledForUnasked(g *leg, now int64) bool {
	if !t.ours(g.tuple.Src) || t.world.containerAt(g.tuple.Dst) == nil {
		return false
	}
	for k, b := range t.beside.servers {
		to := decode.Tuple{Proto: k.proto, Src: g.tuple.Src, Dst: decode.IPFrom(k.dst.Addr()), DstPort: k.dst.Port()}
		if k.proto == g.tuple.Proto && now-b.last <= int64(linger) && t.world.maps(to, g.tuple) {
			return true
		}
	}
	return false
}

func (t *Tracker) unasked(tuple decode.Tuple, pt *point, at int64) {
	k := opening{tuple.Proto, netip.AddrPortFrom(tuple.Dst.Addr(), tuple.DstPort)}
	b := t.beside.servers[k]
	if b == nil {
		if len(t.beside.servers) >= besideKept {
			return
		}
		if t.beside.servers == nil {
			t.beside.servers = map[opening]*Beside{}
		}
		b = &Beside{Proto: k.proto, To: k.dst, Point: pt.Name, Card: pt.Role == capture.RoleNIC && pt.Netns == capture.HostNetns}
		t.beside.servers[k] = b
	}
	b.Count++
	b.last = at
}

// Beside are the servers that were asked for and not asked about, those first that
// were asked most. Where some were seen at a network card, they are those alone:
// behind it, the same requests bear other addresses.
func (t *Tracker) Beside() (all []Beside) {
	cards := false
	for _, b := range t.beside.servers {
		cards = cards || b.Card
		all = append(all, *b)
	}
	if cards {
		all = slices.DeleteFunc(all, func(b Beside) bool { return !b.Card })
	}
	slices.SortFunc(all, func(a, b Beside) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.To.Compare(b.To), cmp.Compare(a.Proto, b.Proto))
	})
	return all
}

// seek notes that a card saw somebody ask for an address.
func (t *Tracker) seek(p *decode.Packet, pt *point) {
	if pt.Role != capture.RoleNIC || pt.Netns != capture.HostNetns {
		return
	}
	s := t.beside.sought[p.Dst]
	if s == nil {
		if len(t.beside.sought) >= besideKept {
			return
		}
		if t.beside.sought == nil {
			t.beside.sought = map[decode.IP]*Sought{}
		}
		s = &Sought{Addr: p.Dst.Addr(), Point: pt.Name}
		t.beside.sought[p.Dst] = s
	}
	s.Count++
}

// found notes that somebody said at a card that he has an address. Who says so
// behind it, as an engine does of each container that starts, answers nobody there.
func (t *Tracker) found(ip decode.IP, pt *point) {
	if pt.Role == capture.RoleNIC && pt.Netns == capture.HostNetns {
		delete(t.beside.sought, ip)
	}
}

// Sought are the addresses that were asked for and not answered for, the host's
// own first.
func (t *Tracker) Sought() (all []Sought) {
	for ip, s := range t.beside.sought {
		s.Ours = t.ours(ip)
		if c := t.world.containerAt(ip); c != nil {
			s.Container = c.Name
		}
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Sought) int {
		if a.Ours != b.Ours {
			return cmp.Compare(ordinal(b.Ours), ordinal(a.Ours))
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Addr.Compare(b.Addr))
	})
	return all
}

func ordinal(b bool) int {
	if b {
		return 1
	}
	return 0
}
