package annotate

import (
	"net/netip"
	"slices"
	"time"

	"dnatrace/correlate"
	"dnatrace/decode"
)

// numbers gives one packet the same number at every point that saw it. What
// address translation leaves alone tells packets of a request apart; which
// request a packet belongs to is what correlate found, by its ends before and
// behind the translation.
type numbers struct {
	last    uint64
	flows   map[decode.Tuple][]flow // by either direction; earliest first
	recent  map[identity][]*numbered
	older   map[identity][]*numbered
	rotated int64 // Unix ns, event time
}

// flow is one request that used a tuple.
type flow struct {
	from    int64 // Unix ns
	request int   // index in the document + 1
	back    bool  // the tuple is that of the answer
}

// identity is what a packet has in common at all points.
type identity struct {
	request  int  // 0: it belongs to none, and tuple tells
	back     bool // of the answer
	tuple    decode.Tuple
	kind     decode.Kind
	seq, ack uint32
	payload  uint32
	tsval    uint32
	window   uint16
	ipid     uint16
	flags    decode.TCPFlags
	typ      uint8
	code     uint8
	fragment decode.FragmentState
}

// numbered is a packet under way, and where it was seen.
type numbered struct {
	number uint64
	seen   []sighting
}

type sighting struct {
	point uint16
	dir   uint8
}

// onTheWay is how long a packet may take from its first point to its last.
const onTheWay = int64(2 * time.Second)

func newNumbers(d *correlate.Document) *numbers {
	n := &numbers{flows: map[decode.Tuple][]flow{}, recent: map[identity][]*numbered{}}
	for i := range d.Requests {
		n.request(i+1, &d.Requests[i])
	}
	for t := range n.flows {
		slices.SortStableFunc(n.flows[t], func(a, b flow) int { return int(min(max(a.from-b.from, -1), 1)) })
	}
	return n
}

// request enters the ends of a request before and behind its translation.
func (n *numbers) request(number int, i *correlate.Incident) {
	client := i.Client
	n.leg(number, i, client, i.Requested)
	if i.Translated == "" {
		return
	}
	n.leg(number, i, client, i.Translated)
	if i.ClientSeen != "" && i.Via != correlate.ViaProxy { // the proxy's own connection has other packets
		n.leg(number, i, i.ClientSeen, i.Translated)
	}
}

func (n *numbers) leg(number int, i *correlate.Incident, src, dst string) {
	t, ok := tupleOf(i.Protocol, src, dst)
	if !ok {
		return
	}
	from := i.First.UnixNano()
	n.flows[t] = append(n.flows[t], flow{from, number, false})
	n.flows[t.Reverse()] = append(n.flows[t.Reverse()], flow{from, number, true})
}

var protocols = map[string]decode.Proto{"tcp": decode.TCP, "udp": decode.UDP, "icmp": decode.ICMP, "icmp6": decode.ICMPv6, "sctp": decode.SCTP}

// tupleOf reads the ends of an incident; those of ICMP have no ports.
func tupleOf(protocol, src, dst string) (t decode.Tuple, ok bool) {
	t.Proto = protocols[protocol]
	var err error
	if t.Src, t.SrcPort, err = endOf(src); err != nil {
		return t, false
	}
	t.Dst, t.DstPort, err = endOf(dst)
	return t, err == nil
}

func endOf(s string) (decode.IP, uint16, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return decode.IPFrom(a), 0, nil
	}
	ap, err := netip.ParseAddrPort(s)
	return decode.IPFrom(ap.Addr()), ap.Port(), err
}

// of is the number of a packet; 0 for what is not told apart.
func (n *numbers) of(p *decode.Packet) uint64 {
	if p.Kind == decode.Other {
		return 0
	}
	n.rotate(p.Time)
	id, at := n.identify(p), sighting{p.Point, uint8(p.Dir)}
	for _, known := range [][]*numbered{n.older[id], n.recent[id]} {
		for _, k := range known {
			if !slices.Contains(k.seen, at) {
				k.seen = append(k.seen, at)
				return k.number
			}
		}
	}
	n.last++
	n.recent[id] = append(n.recent[id], &numbered{n.last, []sighting{at}})
	return n.last
}

// rotate forgets packets that have arrived long since.
func (n *numbers) rotate(now int64) {
	if now-n.rotated < onTheWay && now >= n.rotated {
		return
	}
	n.rotated = now
	n.older, n.recent = n.recent, map[identity][]*numbered{}
}

func (n *numbers) identify(p *decode.Packet) identity {
	id := identity{kind: p.Kind, tuple: p.Tuple, seq: p.Seq, ack: p.Ack, payload: p.Payload, tsval: p.TSVal,
		window: p.Window, ipid: p.IPID, flags: p.Flags, typ: p.Type, code: p.Code, fragment: p.Fragment}
	key := p.Tuple
	if p.Proto == decode.ICMP || p.Proto == decode.ICMPv6 {
		key.SrcPort, key.DstPort = 0, 0
	}
	if f, ok := n.flow(key, p.Time); ok && p.Kind >= decode.Segment {
		id.request, id.back, id.tuple = f.request, f.back, decode.Tuple{}
	}
	return id
}

// flow is the request that uses a tuple at a time.
func (n *numbers) flow(t decode.Tuple, at int64) (flow, bool) {
	list := n.flows[t]
	for _, f := range slices.Backward(list) {
		if f.from <= at {
			return f, true
		}
	}
	if len(list) > 0 {
		return list[0], true
	}
	return flow{}, false
}
