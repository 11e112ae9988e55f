package tcpdump

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// message is what a line says of an ICMP message.
type message struct {
	kind, code byte
	id, seq    uint16
	mtu        uint32
	target     netip.Addr // of neighbour discovery
	flags      byte       // of an advertisement
	complains  bool       // it is an error, and quotes a packet
	about      netip.Addr // where that packet went; invalid if the line does not say
	aboutProto byte
}

// errorForm is how tcpdump writes an error: kind and code, the packet's destination as
// the first group, or none.
type errorForm struct {
	re         *regexp.Regexp
	kind, code byte
	proto      byte
}

func form(re string, kind, code, proto byte) errorForm {
	return errorForm{regexp.MustCompile("^" + re), kind, code, proto}
}

var errors4 = []errorForm{
	form(`(\S+) udp port \S+ unreachable`, 3, 3, protoUDP), form(`(\S+) tcp port \S+ unreachable`, 3, 3, protoTCP),
	form(`(\S+) protocol \d+ port \d+ unreachable`, 3, 3, 0), form(`(\S+) protocol \d+ unreachable`, 3, 2, 0),
	form(`(\S+) unreachable - need to frag`, 3, 4, 0), form(`(\S+) unreachable - source route failed`, 3, 5, 0),
	form(`net (\S+) unreachable - unknown`, 3, 6, 0), form(`host (\S+) unreachable - unknown`, 3, 7, 0),
	form(`host (\S+) unreachable - isolated`, 3, 8, 0),
	form(`net (\S+) unreachable - admin prohibited`, 3, 9, 0), form(`host (\S+) unreachable - admin prohibited filter`, 3, 13, 0),
	form(`host (\S+) unreachable - admin prohibited`, 3, 10, 0), form(`net (\S+) unreachable - tos prohibited`, 3, 11, 0),
	form(`host (\S+) unreachable - tos prohibited`, 3, 12, 0), form(`host (\S+) unreachable - host precedence`, 3, 14, 0),
	form(`host (\S+) unreachable - precedence cutoff`, 3, 15, 0),
	form(`net (\S+) unreachable`, 3, 0, 0), form(`host (\S+) unreachable`, 3, 1, 0),
	form(`time exceeded in-transit`, 11, 0, 0), form(`ip reassembly time exceeded`, 11, 1, 0),
	form(`source quench`, 4, 0, 0), form(`parameter problem`, 12, 0, 0),
}

var errors6 = []errorForm{
	form(`destination unreachable, unreachable route (\S+)`, 1, 0, 0), form(`destination unreachable, unreachable prohibited (\S+)`, 1, 1, 0),
	form(`destination unreachable, beyond scope (\S+), source`, 1, 2, 0), form(`destination unreachable, unreachable address (\S+)`, 1, 3, 0),
	form(`destination unreachable, unreachable port, (\S+) udp port`, 1, 4, protoUDP), form(`destination unreachable, unreachable port, (\S+) tcp port`, 1, 4, protoTCP),
	form(`destination unreachable, unreachable port, (\S+) protocol`, 1, 4, 0),
	form(`packet too big`, 2, 0, 0), form(`time exceeded in-transit for (\S+)`, 3, 0, 0), form(`ip reassembly time exceeded for (\S+)`, 3, 1, 0),
	form(`ip reassembly time exceeded`, 3, 1, 0), form(`parameter problem`, 4, 0, 0),
}

var (
	echoForm = regexp.MustCompile(`^echo (request|reply), id (\d+), seq (\d+)`)
	mtuWord  = regexp.MustCompile(`\bmtu (\d+)`)
	solicits = regexp.MustCompile(`^neighbor solicitation,(?: length \d+,)? who has ([0-9a-f:.]+)`)
	adverts  = regexp.MustCompile(`^neighbor advertisement,(?: length \d+,)? tgt is ([0-9a-f:.]+)(?:, Flags \[([^\]]*)\])?`)
)

// control reads an ICMP message.
func (l *line) control(v6 bool, what string) {
	l.proto = protoICMP
	what, forms := strings.TrimPrefix(what, "ICMP "), errors4
	if v6 {
		l.proto = protoICMPv6
		what, forms = strings.TrimPrefix(what, "ICMP6, "), errors6
	}
	l.payload = max(0, count(segLength, what)-8)
	if m := echoForm.FindStringSubmatch(what); m != nil {
		l.echo(v6, m)
		return
	}
	if v6 && l.discovery(what) {
		return
	}
	for _, f := range forms {
		if m := f.re.FindStringSubmatch(what); m != nil {
			l.complaint(f, m, what, v6)
			return
		}
	}
	l.nothing = l.known // of a kind that no request waits for
}

func (l *line) echo(v6 bool, m []string) {
	kinds := map[string]byte{"request": 8, "reply": 0}
	if v6 {
		kinds = map[string]byte{"request": 128, "reply": 129}
	}
	id, err := strconv.ParseUint(m[2], 10, 16)
	seq, err2 := strconv.ParseUint(m[3], 10, 16)
	l.known = l.known && err == nil && err2 == nil
	l.icmp = message{kind: kinds[m[1]], id: uint16(id), seq: uint16(seq)}
}

// discovery reads neighbour discovery. Hardware addresses are in options that only -v
// shows.
func (l *line) discovery(what string) bool {
	m, kind := solicits.FindStringSubmatch(what), byte(135)
	if m == nil {
		m, kind = adverts.FindStringSubmatch(what), 136
	}
	if m == nil {
		return false
	}
	a, err := netip.ParseAddr(m[1])
	l.known = l.known && err == nil
	l.icmp = message{kind: kind, target: a}
	if kind == 136 {
		for i, word := range [...]string{"override", "solicited", "router"} {
			if strings.Contains(m[2], word) {
				l.icmp.flags |= 0x20 << i
			}
		}
	}
	return true
}

func (l *line) complaint(f errorForm, m []string, what string, v6 bool) {
	l.icmp = message{kind: f.kind, code: f.code, complains: true, aboutProto: f.proto, mtu: uint32(count(mtuWord, what))}
	if len(m) > 1 {
		l.icmp.about = l.address(strings.TrimSuffix(m[1], ","), v6)
	}
}
