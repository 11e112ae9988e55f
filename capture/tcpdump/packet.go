package tcpdump

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"dnatrace/capture/services"
)

// IP protocols (IANA's numbers).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// packet is what a line says of an IP packet or an ARP message. What it does not say
// is zero.
type packet struct {
	arp        *arpMessage
	from, to   netip.Addr
	proto      byte
	ttl        byte
	id         uint16
	dont, more bool   // fragment flags
	offset     uint16 // of a fragment, in bytes
	total      int    // bytes of the packet, by its IP header; 0 not told
	sport      uint16
	dport      uint16
	tcp        segment
	icmp       message
	payload    int // bytes behind the transport header
}

var (
	fieldTTL   = regexp.MustCompile(`(?:ttl|hlim) (\d+)`)
	fieldID    = regexp.MustCompile(`, id (\d+)`)
	fieldAt    = regexp.MustCompile(`, offset (\d+)`)
	fieldFlags = regexp.MustCompile(`, flags \[([^\]]*)\]`)
	fieldProto = regexp.MustCompile(`(?:proto|next-header) [^(]*\((\d+)\)`)
	fieldSize  = regexp.MustCompile(`(?:, length| payload length:) (\d+)`)
	sum        = regexp.MustCompile(`^\[[^\]]*(?:sum|cksum)[^\]]*\] `)
	extension  = regexp.MustCompile(`^(?:HBH|DSTOPT)(?: \([^)]*\))* ?`)
	inBrackets = regexp.MustCompile(`\((\d+)\)$`)
	lengthWord = regexp.MustCompile(`(?:^|[, ])length:? (\d+)`)
)

// network reads an IP packet: with -v its header in brackets, whose packet follows on
// the same or on the next line; then who speaks to whom, and what.
func (l *line) network(v6 bool, s string, rest []string) {
	s, rest = l.header(s, rest)
	m := ends.FindStringSubmatch(s)
	if m == nil {
		return
	}
	what := sum.ReplaceAllString(m[3], "")
	switch {
	case strings.HasPrefix(what, "Flags ["):
		l.transport(m, v6, protoTCP, "tcp")
		l.readSegment(what)
	case l.offset > 0:
		l.piece(m, v6)
	case strings.HasPrefix(what, "ICMP6, "), strings.HasPrefix(what, "ICMP "):
		l.between(m, v6)
		l.control(v6, what)
		if l.known && l.icmp.complains && len(rest) > 0 {
			l.quote(rest)
		}
	case extension.MatchString(what):
		l.nothing = strings.Contains(what, "multicast listener")
	case strings.HasPrefix(what, "igmp "), strings.HasPrefix(what, "PIM"), strings.HasPrefix(what, "VRRP"):
		l.nothing = true
	case l.proto == 0 || l.proto == protoUDP:
		l.datagram(m, v6, what)
	}
}

// header reads what -v shows of the IP header, and returns what follows it.
func (l *line) header(s string, rest []string) (string, []string) {
	if !strings.HasPrefix(s, "(") {
		return s, rest
	}
	inner, behind := inBraces(s)
	l.ttl = byte(count(fieldTTL, inner))
	l.id = uint16(count(fieldID, inner))
	l.offset = uint16(count(fieldAt, inner))
	l.proto = byte(count(fieldProto, inner))
	l.total = count(fieldSize, inner)
	if m := fieldFlags.FindStringSubmatch(inner); m != nil {
		l.dont, l.more = strings.Contains(m[1], "DF"), strings.Contains(m[1], "+")
	}
	if behind == "" && len(rest) > 0 {
		behind, rest = strings.TrimSpace(rest[0]), rest[1:]
	}
	return behind, rest
}

// inBraces parts a text that begins with a bracket behind the one that closes it.
func inBraces(s string) (inner, behind string) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], strings.TrimSpace(s[i+1:])
			}
		}
	}
	return s[1:], ""
}

// count is the number that a pattern finds; 0 if it finds none.
func count(re *regexp.Regexp, s string) int {
	m := re.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// between reads both addresses.
func (l *line) between(m []string, v6 bool) {
	l.from, l.to = l.address(m[1], v6), l.address(m[2], v6)
	l.known = l.from.IsValid() && l.to.IsValid()
}

// transport reads both ends: address, point, port.
func (l *line) transport(m []string, v6 bool, proto byte, name string) {
	l.proto = proto
	from, sport, a := l.end(m[1], v6, name)
	to, dport, b := l.end(m[2], v6, name)
	l.from, l.to, l.sport, l.dport, l.known = from, to, sport, dport, a && b
}

func (l *line) end(s string, v6 bool, proto string) (netip.Addr, uint16, bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return netip.Addr{}, 0, false
	}
	port, ok := services.Port(s[i+1:], proto)
	if !ok {
		return netip.Addr{}, 0, false
	}
	a := l.address(s[:i], v6)
	return a, port, a.IsValid()
}

// datagram reads UDP, of which tcpdump shows what is in it instead of its name. The
// length of the payload stands at the end, in brackets or behind the word.
func (l *line) datagram(m []string, v6 bool, what string) {
	if l.proto == 0 && !isDatagram(m, v6, what) {
		return
	}
	l.transport(m, v6, protoUDP, "udp")
	switch header := 28; {
	case l.more: // the rest of it is in other fragments
		l.payload = l.total - header
	case l.total > 0 && !v6:
		l.payload = l.total - header
	case l.total > 0:
		l.payload = l.total - 8
	case lengthWord.MatchString(what):
		l.payload = count(lengthWord, what)
	default:
		l.payload = count(inBrackets, what)
	}
	l.payload = max(0, l.payload)
}

// isDatagram reports whether ends have ports, and the words are not those of another
// protocol that has them.
func isDatagram(m []string, v6 bool, what string) bool {
	for _, end := range m[1:3] {
		i := strings.LastIndexByte(end, '.')
		if i < 0 || v6 && !strings.Contains(end[:i], ":") {
			return false
		}
		if a, err := netip.ParseAddr(end); err == nil && a.Is4() {
			return false
		}
		if _, ok := services.Port(end[i+1:], "udp"); !ok {
			return false
		}
	}
	for _, other := range [...]string{"tcp ", "sctp", "dccp", "UDPLITE", "[|"} {
		if strings.HasPrefix(what, other) {
			return false
		}
	}
	return true
}

// piece is a fragment other than the first: it has no ports.
func (l *line) piece(m []string, v6 bool) {
	l.between(m, v6)
	l.known = l.known && l.proto != 0 && !v6
	l.payload = max(0, l.total-20)
}

// quote reads the packet that an ICMP error complains about, which -v shows behind it.
func (l *line) quote(rest []string) {
	head := strings.TrimSpace(rest[0])
	v6 := strings.HasPrefix(head, "IP6 ")
	if !v6 && !strings.HasPrefix(head, "IP ") && !strings.HasPrefix(head, "(tos ") { // which -e has instead
		return
	}
	var q line
	head = strings.TrimPrefix(strings.TrimPrefix(head, "IP6 "), "IP ")
	q.network(v6, truncation.ReplaceAllString(head, ""), rest[1:])
	if q.known {
		l.quoted = &q.packet
	}
}
