package correlate_test

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dnatrace/capture"
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
// echo, echo-reply, init, unreachable CODE about SRC > DST … (exceeded, quench, parameter
// likewise). "in" and "out" give the direction, which is otherwise told by the
// addresses at the NIC, and by nothing elsewhere. "tunneled" is of what came in a
// tunnel, "everyone" of a frame to all, "cut" of an error that the capture cut short.
//
// Other lines:
//
//	1ms docker0 arp who-has 172.17.0.2        1ms docker0 arp is-at 172.17.0.2
//	5ms lost 12 at eth0 until 9ms
//	1ms conntrack new C > H translated W > C  (tuples of request and reply)
//	1ms dropped C > W IP_RPFILTER             (the kernel's drop reasons)
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
	case "dropped":
		st.event(at, dropped(at, words[1:]))
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
