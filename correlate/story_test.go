package correlate_test

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// A story is lines of what happened, one trip of a packet a line:
//
//	0ms    eth0 | docker0 veth1 web:eth0   C > H S seq=100
//	0.4ms  web:eth0 veth1 docker0 | eth0   H > C S. seq=500 ack=101
//
// The points see it one after the other, 10 µs apart; behind the bar of a
// request, and in front of the bar of a reply, they see the address that the
// mapping translates to. Ends are names (see ends) or addresses. What follows
// is as tcpdump prints it: S, S., ., P., F., R, R. and seq, ack, len; or udp,
// echo, echo-reply, init, unreachable CODE about SRC > DST …. "in" and "out"
// give the direction at the NIC, which is otherwise told by the addresses.
//
// Other lines:
//
//	1ms docker0 arp who-has 172.17.0.2        1ms docker0 arp is-at 172.17.0.2
//	5ms lost 12 at eth0 until 9ms
//	1ms conntrack new C > H translated W > C  (tuples of request and reply)
//	9s  end                                   (default: 10 s after the last line)
type story struct {
	scene   *scene
	opening []decode.Event
	lines   []happening
	end     int64
}

// happening is a packet or an event in its place in time.
type happening struct {
	at     int64
	packet decode.Packet
	quote  *decode.Quote
	event  decode.Event
}

// tell reads a story. It panics at what it cannot read: stories are part of the
// program.
func tell(s *scene, text string) *story {
	st := &story{scene: s, opening: s.opening()}
	last := epoch
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at := epoch + int64(must(time.ParseDuration(words[0])))
		if words[1] == "end" {
			st.end = at
			continue
		}
		st.line(at, words[1:])
		last = max(last, at)
	}
	st.end = cmp.Or(st.end, last+int64(10*time.Second))
	if s.change != nil {
		s.change()
		st.events(last+int64(15*time.Millisecond), s.state(last+int64(15*time.Millisecond)))
	}
	st.events(st.end, append(s.state(st.end), &decode.End{Time: st.end, End: capture.End{Ended: st.end}}))
	slices.SortStableFunc(st.lines, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
	frame := uint64(0)
	for i := range st.lines {
		if st.lines[i].event == nil {
			frame++
			st.lines[i].packet.Frame = frame
		}
	}
	return st
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (st *story) line(at int64, words []string) {
	switch words[0] {
	case "lost":
		p := st.scene.point(words[3])
		st.event(at, &decode.Loss{Time: at, Loss: capture.Loss{Ring: p.Ring, From: at, To: epoch + int64(must(time.ParseDuration(words[5]))), Lost: must(strconv.ParseUint(words[1], 10, 64))}})
	case "conntrack":
		st.event(at, conntrack(at, words[1:]))
	default:
		st.trip(at, words)
	}
}

func (st *story) event(at int64, e decode.Event) {
	st.lines = append(st.lines, happening{at: at, event: e})
}

func (st *story) events(at int64, events []decode.Event) {
	for _, e := range events {
		st.event(at, e)
	}
}

// trip enters one packet at every point of a line.
func (st *story) trip(at int64, words []string) {
	i := slices.IndexFunc(words, func(w string) bool { return w == "arp" || w == "nd" || w == ">" })
	if words[i] == ">" {
		i--
	}
	points, what := words[:i], words[i:]
	bar := slices.Index(points, "|")
	for n, name := range points {
		if name == "|" {
			continue
		}
		p, q := packet(what)
		pt := st.at(name)
		p.Time, p.Point = at, pt.ID
		if bar >= 0 {
			translate(&p.Tuple, q, n > bar)
		}
		p.Dir = direction(pt, &p, what)
		st.lines = append(st.lines, happening{at: at, packet: p, quote: q})
		at += 10_000
	}
}

// translate makes of a packet what points on the container's side see: behind
// the bar of a request, before the bar of a reply.
func translate(t *decode.Tuple, q *decode.Quote, behind bool) {
	to := func(ip *decode.IP, port *uint16) {
		if w := inner[netip.AddrPortFrom(ip.Addr(), *port).String()]; w != "" {
			*ip, *port = end(w)
		} else if w := inner[ip.Addr().String()]; w != "" && (t.Proto == decode.ICMP) {
			*ip, _ = end(w)
		}
	}
	if behind {
		to(&t.Dst, &t.DstPort)
	} else {
		to(&t.Src, &t.SrcPort)
	}
	if q != nil && !behind { // the packet it quotes went the other way
		to(&q.Dst, &q.DstPort)
	}
}

// at finds a point by name, or by number ("#0") where two files have one.
func (st *story) at(name string) *capture.Point {
	if n, ok := strings.CutPrefix(name, "#"); ok {
		return &st.scene.points[must(strconv.Atoi(n))]
	}
	return st.scene.point(name)
}

func direction(pt *capture.Point, p *decode.Packet, what []string) capture.Direction {
	switch {
	case slices.Contains(what, "in"):
		return capture.DirIn
	case slices.Contains(what, "out"):
		return capture.DirOut
	case pt.Role != capture.RoleNIC:
		return capture.DirUnknown
	case p.Dst == decode.IPFrom(netip.MustParseAddr("198.51.100.1")) || p.Dst == decode.IPFrom(netip.MustParseAddr("2001:db8::1")) || strings.HasPrefix(p.Dst.Addr().String(), "172."):
		return capture.DirIn
	}
	return capture.DirOut
}

// end reads one end of a packet.
func end(s string) (decode.IP, uint16) {
	if e := ends[s]; e != "" {
		s = e
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return decode.IPFrom(a), 0
	}
	ap := must(netip.ParseAddrPort(s))
	return decode.IPFrom(ap.Addr()), ap.Port()
}

// packet reads what one packet says.
func packet(words []string) (decode.Packet, *decode.Quote) {
	if words[0] == "arp" || words[0] == "nd" {
		return neighbour(words), nil
	}
	var p decode.Packet
	p.Tuple = tuple(words[0], words[2])
	rest := words[3:]
	p.Proto, p.Kind = decode.TCP, decode.Segment
	for _, w := range rest {
		switch w {
		case "udp":
			p.Proto, p.Kind = decode.UDP, decode.Datagram
		case "init", "init-ack", "abort":
			p.Proto, p.Kind, p.Type = decode.SCTP, decode.Chunk, map[string]uint8{"init": 1, "init-ack": 2, "abort": 6}[w]
		case "echo", "echo-reply":
			p.Proto, p.Kind = icmpOf(p.Tuple), map[string]decode.Kind{"echo": decode.EchoRequest, "echo-reply": decode.EchoReply}[w]
		case "unreachable", "too-big":
			return complaint(p, rest)
		case "in", "out":
		default:
			field(&p, w)
		}
	}
	return p, nil
}

func icmpOf(t decode.Tuple) decode.Proto {
	if t.Src.Is4() {
		return decode.ICMP
	}
	return decode.ICMPv6
}

func tuple(src, dst string) decode.Tuple {
	var t decode.Tuple
	t.Src, t.SrcPort = end(src)
	t.Dst, t.DstPort = end(dst)
	t.Proto = decode.TCP
	return t
}

// field reads flags or NAME=NUMBER.
func field(p *decode.Packet, w string) {
	name, value, number := strings.Cut(w, "=")
	if !number {
		for _, c := range w {
			p.Flags |= map[rune]decode.TCPFlags{'S': decode.SYN, 'F': decode.FIN, 'R': decode.RST, 'P': decode.PSH, '.': decode.ACK}[c]
		}
		return
	}
	n := uint32(must(strconv.ParseUint(value, 10, 32)))
	switch name {
	case "seq":
		p.Seq = n
	case "ack":
		p.Ack = n
	case "len":
		p.Payload = n
	case "id":
		p.SrcPort, p.DstPort = uint16(n), uint16(n)
	case "ipid":
		p.IPID = uint16(n)
	default:
		panic("no field " + w)
	}
}

// complaint reads "unreachable CODE about SRC > DST PROTO" of ICMP, or
// "too-big MTU about …".
func complaint(p decode.Packet, words []string) (decode.Packet, *decode.Quote) {
	p.Proto, p.Kind, p.Quote = icmpOf(p.Tuple), decode.ICMPError, 1
	p.SrcPort, p.DstPort = 0, 0
	n := must(strconv.Atoi(words[1]))
	q := &decode.Quote{Ports: true}
	q.Tuple = tuple(words[3], words[5])
	if len(words) > 6 {
		q.Proto = decode.ParseProto(words[6])
	}
	v4 := p.Proto == decode.ICMP
	switch {
	case words[0] == "too-big" && v4:
		p.Type, p.Code, q.MTU = 3, 4, uint32(n)
	case words[0] == "too-big":
		p.Type, q.MTU = 2, uint32(n)
	case v4:
		p.Type, p.Code = 3, uint8(n)
	default:
		p.Type, p.Code = 1, uint8(n)
	}
	return p, q
}

// neighbour reads "arp who-has ADDR [tell ADDR]" or "arp is-at ADDR", likewise nd.
func neighbour(words []string) decode.Packet {
	kinds := map[string]decode.Kind{"arp who-has": decode.ARPRequest, "arp is-at": decode.ARPReply, "nd who-has": decode.Solicit, "nd is-at": decode.Advertise}
	p := decode.Packet{Kind: kinds[words[0]+" "+words[1]]}
	ip, _ := end(words[2])
	if words[1] == "is-at" {
		p.Src = ip
		return p
	}
	asker := map[string]string{"arp": "172.17.0.1", "nd": "fd00:17::1"}[words[0]]
	if len(words) > 3 {
		asker = words[4]
	}
	p.Dst = ip
	p.Src, _ = end(asker)
	return p
}

// conntrack reads "CHANGE SRC > DST translated SRC > DST [udp]" with the tuples
// of the request and of its reply.
func conntrack(at int64, words []string) *decode.Conntrack {
	changes := map[string]decode.ConntrackChange{"new": decode.ConntrackNew, "update": decode.ConntrackUpdated, "destroy": decode.ConntrackDestroyed}
	e := &decode.Conntrack{Time: at, Netns: capture.HostNetns, Change: changes[words[0]], Orig: tuple(words[1], words[3])}
	e.Reply = e.Orig.Reverse()
	if i := slices.Index(words, "translated"); i >= 0 {
		e.Reply = tuple(words[i+1], words[i+3])
	}
	if slices.Contains(words, "udp") {
		e.Orig.Proto, e.Reply.Proto = decode.UDP, decode.UDP
	}
	return e
}

// feeding is a way to hand a stream over; the outcome must not depend on it.
type feeding struct {
	batch    int           // packets a batch at most
	lines    []happening   // in another order than that of time; nil: in order
	lateness time.Duration // how far out of order lines are at most
	advance  []int64       // offsets at which time is announced on top
}

// run feeds a story to a tracker.
func (st *story) run(f feeding) *correlate.Document {
	return st.feed(correlate.New(st.scene.config), f)
}

func (st *story) feed(t *correlate.Tracker, f feeding) *correlate.Document {
	o := correlate.NewOrder(t, nil)
	for _, e := range st.opening {
		o.Event(e)
	}
	lines := f.lines
	if lines == nil {
		lines = st.lines
	}
	b := &decode.Batch{}
	flush := func() {
		if len(b.Packets) > 0 {
			o.Packets(b)
			b = &decode.Batch{}
		}
	}
	advance := f.advance
	seen := int64(0)
	for _, l := range lines {
		for len(advance) > 0 && advance[0] <= l.at-int64(f.lateness) {
			flush()
			o.Release(advance[0])
			advance = advance[1:]
		}
		seen = max(seen, l.at)
		if l.event != nil {
			flush()
			o.Event(l.event)
			continue
		}
		b.Packets = append(b.Packets, l.pack(b))
		if len(b.Packets) >= f.batch {
			flush()
			o.Release(seen - int64(f.lateness) - 1)
		}
	}
	flush()
	o.Release(math.MaxInt64)
	return t.Finish()
}

// pack is the packet of a happening as part of a batch.
func (l *happening) pack(b *decode.Batch) decode.Packet {
	p := l.packet
	if l.quote != nil {
		b.Quotes = append(b.Quotes, *l.quote)
		p.Quote = uint16(len(b.Quotes))
	}
	return p
}

// row is one incident, or a few, told and judged.
type row struct {
	name  string
	scene func() *scene // nil: dockerHost
	but   func(*scene)  // what is different
	story string
	want  []string // a sentence for each request judged, as sentence tells it
	blind string   // must be part of what is said to be missing
	note  string   // must be part of a note
	open  int      // requests too young to judge
}

// sentence is a judgement in short.
func sentence(i *correlate.Incident) string {
	var b strings.Builder
	b.WriteString(i.Verdict.String())
	if i.Stage != "" {
		b.WriteString(" at " + i.Stage)
	}
	if len(i.Between) == 2 {
		b.WriteString(" between " + i.Between[0] + " and " + i.Between[1])
	}
	if i.Cause != correlate.CauseNone {
		b.WriteString(": " + string(i.Cause))
	}
	if i.Translated != "" {
		b.WriteString(", via " + i.Via + " to " + i.Translated)
	} else if i.Via == "direct" {
		b.WriteString(", direct")
	}
	if i.Attempts > 1 {
		fmt.Fprintf(&b, ", %d tries", i.Attempts)
	}
	fmt.Fprintf(&b, ", %s", i.Proof)
	if i.Rev > 1 {
		fmt.Fprintf(&b, ", rev %d", i.Rev)
	}
	return b.String()
}

// check runs rows, each in every way of feeding.
func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) { r.check(t) })
	}
}

func (r *row) tell() *story {
	s := dockerHost()
	if r.scene != nil {
		s = r.scene()
	}
	if r.but != nil {
		r.but(s)
	}
	return tell(s, r.story)
}

func (r *row) check(t *testing.T) {
	st := r.tell()
	d := st.run(feeding{batch: 256})
	var got []string
	for i := range d.Requests {
		got = append(got, sentence(&d.Requests[i]))
	}
	if !slices.Equal(got, r.want) {
		t.Errorf("judged\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(r.want, "\n  "))
	}
	if d.Summary.Open != r.open {
		t.Errorf("%d requests are open, want %d", d.Summary.Open, r.open)
	}
	if r.blind != "" && !anyContains(d, r.blind, func(i *correlate.Incident) []string { return i.Blind }) {
		t.Errorf("blind does not say %q: %+v", r.blind, d.Requests)
	}
	if r.note != "" && !anyContains(d, r.note, func(i *correlate.Incident) []string { return i.Notes }) {
		t.Errorf("notes do not say %q: %+v", r.note, d.Requests)
	}
}

func anyContains(d *correlate.Document, text string, of func(*correlate.Incident) []string) bool {
	for i := range d.Requests {
		if slices.ContainsFunc(of(&d.Requests[i]), func(s string) bool { return strings.Contains(s, text) }) {
			return true
		}
	}
	return false
}
