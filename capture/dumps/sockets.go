package dumps

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture/host"
	"dnatrace/capture/services"
)

// notation is how ss writes sockets that are bound to every address. Up to
// iproute2 4.13 a star is every address of IPv4, and ":::80", later "[::]:80",
// one of IPv6 that may serve IPv4, too. Since then 0.0.0.0 and [::] are every
// address of one family, and the star is a socket of both.
type notation uint8

// Notations. The zero value is unknown: the lines have nothing that tells.
const (
	notationUnknown notation = iota
	notationOld
	notationNew
)

// notationOf tells the notation of a dump by its lines.
func notationOf(b []byte) notation {
	var old, since bool
	stars, brackets := map[string]bool{}, map[string]bool{} // protocol and port
	for _, text := range lines(b) {
		line := string(text)
		since = since || socketTitle.MatchString(line) && strings.Contains(line, "Process") // iproute2 5.6
		l, ok := socketFields(line)
		if !ok {
			continue
		}
		local, port := cutPort(l.local)
		peer, _ := cutPort(l.peer)
		switch {
		case local == "0.0.0.0" || peer == "0.0.0.0":
			since = true
		case peer == "*" && isIPv4(local), strings.Contains(local, ":") && !strings.HasPrefix(local, "["):
			old = true
		case local == "*":
			stars[l.proto+port] = true
		case local == "[::]":
			brackets[l.proto+port] = true
		}
	}
	for k := range stars { // no socket of both families leaves room for another one
		old = old || brackets[k]
	}
	switch {
	case old && !since:
		return notationOld
	case since && !old:
		return notationNew
	}
	return notationUnknown
}

func isIPv4(s string) bool {
	s, _, _ = strings.Cut(s, "%")
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// cutPort parts an end at its last colon.
func cutPort(end string) (addr, port string) {
	if i := strings.LastIndexByte(end, ':'); i >= 0 {
		return end[:i], end[i+1:]
	}
	return end, ""
}

// sockets reads what ss prints about listening and unconnected sockets, with
// any columns. Of a protocol of which a line is not understood, sockets that are
// not listed may be there all the same.
func (s *Set) sockets(netns string, b []byte) error {
	p := s.place(netns)
	bad, first := 0, ""
	how := notationOf(b)
	for _, line := range lines(b) {
		if m := socketTitle.FindSubmatch(line); m != nil {
			// Without a column for it, there is one protocol, and rows tell which.
			p.dumped.tcp, p.dumped.udp = p.dumped.tcp || len(m[1]) > 0, p.dumped.udp || len(m[1]) > 0
			continue
		}
		l, ok := socketFields(string(line))
		if !ok {
			continue
		}
		k, ok := l.socket(how)
		if !ok {
			p.dumped.tcp = p.dumped.tcp || l.proto == "tcp"
			p.dumped.udp = p.dumped.udp || l.proto == "udp"
			p.damaged("not all lines are understood", host.Part(l.proto))
			if bad++; bad == 1 {
				first = l.local
			}
			continue
		}
		p.socks = append(p.socks, k)
		p.dumped.tcp = p.dumped.tcp || k.Proto == "tcp"
		p.dumped.udp = p.dumped.udp || k.Proto == "udp"
	}
	if bad > 0 {
		return fmt.Errorf("%d lines are not understood, the first of them about a socket on %q: run it with -n", bad, first)
	}
	return nil
}

// users is the column of processes: users:(("nginx",pid=123,fd=6),…).
var users = regexp.MustCompile(`users:\(\("([^"]*)",pid=(\d+)`)

// namedSocket is a socket whose interface is known by name; "" for all.
type namedSocket struct {
	host.Socket
	dev string
}

// socketText is a line about a socket of TCP or UDP: [Netid] State Recv-Q Send-Q
// Local Peer [Process…]. Of a listener, Recv-Q is how many wait and Send-Q how
// many may (ss(8)).
type socketText struct {
	proto       string // "tcp" or "udp"
	local, peer string
	queue, max  string
	rest        []string
	line        string
}

// socketFields takes a line apart. False if it is about something else.
func socketFields(line string) (l socketText, ok bool) {
	f := strings.Fields(line)
	l.line = line
	if len(f) > 0 && (f[0] == "tcp" || f[0] == "udp") {
		l.proto, f = f[0], f[1:]
	}
	if len(f) < 5 {
		return l, false
	}
	switch {
	case f[0] == "LISTEN" && l.proto != "udp":
		l.proto = "tcp"
	case f[0] == "UNCONN" && l.proto != "tcp":
		l.proto = "udp"
	default:
		return l, false
	}
	l.queue, l.max, l.local, l.peer, l.rest = f[1], f[2], f[3], f[4], f[5:]
	path := strings.HasPrefix(l.local, "/") || strings.HasPrefix(l.local, "@") // of the Unix domain
	return l, !path && strings.Contains(l.local, ":")
}

func (l *socketText) socket(how notation) (namedSocket, bool) {
	var k namedSocket
	k.Proto = l.proto
	queue, err1 := strconv.ParseUint(l.queue, 10, 32)
	backlog, err2 := strconv.ParseUint(l.max, 10, 32)
	if err1 != nil || err2 != nil || !k.bind(l.local, how) {
		return k, false
	}
	k.Queue = uint32(queue)
	if k.Proto == "tcp" {
		k.Backlog = uint32(backlog)
	}
	if m := users.FindStringSubmatch(l.line); m != nil {
		k.Process = m[1]
		k.PID, _ = strconv.Atoi(m[2])
	}
	if k.V6 && slices.Contains(l.rest, "v6only:1") {
		k.V6Only, k.Either = true, false
	}
	if k.V6 && slices.Contains(l.rest, "v6only:0") && k.Local.Addr().IsUnspecified() {
		k.V6Only, k.Either = false, false
	}
	return k, true
}

// bind reads the local end, as its notation has it: "127.0.0.53%lo:53" is bound to
// an interface. A port is a number or the name of a service.
func (k *namedSocket) bind(s string, how notation) bool {
	ip, name := cutPort(s)
	port, ok := services.Port(name, k.Proto)
	if !ok {
		return false
	}
	if at := strings.IndexByte(ip, '%'); at >= 0 {
		ip, k.dev = ip[:at]+strings.Repeat("]", strings.Count(ip[:at], "[")), strings.TrimSuffix(ip[at+1:], "]")
	}
	ip = strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
	if ip == "*" {
		k.star(port, how)
		return true
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	k.V6 = a.Is6()
	k.Local = netip.AddrPortFrom(a, port)
	if k.V6 && a.IsUnspecified() {
		k.V6Only = how == notationNew
		k.Either = how != notationNew
	}
	return true
}

// star binds to every address: of IPv4 surely, whatever the notation.
func (k *namedSocket) star(port uint16, how notation) {
	k.Local = netip.AddrPortFrom(netip.IPv4Unspecified(), port)
	k.Either = how == notationUnknown
	if how == notationNew {
		k.V6 = true
		k.Local = netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	}
}
