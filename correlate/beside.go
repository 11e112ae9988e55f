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
func (t *Tracker) askedAbout(tuple decode.Tuple, pt *point) bool {
	if t.selected(tuple) {
		return true
	}
	t.unasked(tuple, pt)
	return false
}

func (t *Tracker) unasked(tuple decode.Tuple, pt *point) {
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
