package correlate_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture"
	"dnatrace/decode"
)

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
	p.Proto, p.Kind, p.Window = decode.TCP, decode.Segment, window
	for _, w := range rest {
		switch w {
		case "udp":
			p.Proto, p.Kind = decode.UDP, decode.Datagram
		case "init", "init-ack", "abort":
			p.Proto, p.Kind, p.Type = decode.SCTP, decode.Chunk, map[string]uint8{"init": 1, "init-ack": 2, "abort": 6}[w]
		case "echo", "echo-reply":
			p.Proto, p.Kind = icmpOf(p.Tuple), map[string]decode.Kind{"echo": decode.EchoRequest, "echo-reply": decode.EchoReply}[w]
		case "unreachable", "too-big", "exceeded", "parameter", "quench":
			return complaint(p, rest)
		case "in", "out":
		case "tunneled":
			p.Tunneled = true
		case "everyone": // as the frame has it
			p.DstMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
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

// window is what segments of stories offer that do not say "win=0".
const window = 512

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
	case "win":
		p.Window = uint16(n)
	case "mac":
		p.SrcMAC[5] = byte(n)
	case "to":
		p.DstMAC[5] = byte(n)
	case "id":
		p.SrcPort, p.DstPort = uint16(n), uint16(n)
	case "ipid":
		p.IPID = uint16(n)
	default:
		panic("no field " + w)
	}
}

// complaint reads "unreachable CODE about SRC > DST PROTO" of ICMP, "too-big MTU
// about …", or the same of time exceeded, parameter problem, source quench. "quotes=" is
// the sequence number of what it is about.
func complaint(p decode.Packet, words []string) (decode.Packet, *decode.Quote) {
	p.Proto, p.Kind, p.Quote = icmpOf(p.Tuple), decode.ICMPError, 1
	p.SrcPort, p.DstPort = 0, 0
	n := must(strconv.Atoi(words[1]))
	q := &decode.Quote{Ports: true}
	q.Tuple = tuple(words[3], words[5])
	if len(words) > 6 {
		q.Proto = decode.ParseProto(words[6])
	}
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "quotes=") }); i >= 0 {
		q.Seq, q.HasSeq = uint32(must(strconv.ParseUint(strings.TrimPrefix(words[i], "quotes="), 10, 32))), true
	}
	v4 := p.Proto == decode.ICMP
	switch {
	case words[0] == "too-big" && v4:
		p.Type, p.Code, q.MTU = 3, 4, uint32(n)
	case words[0] == "too-big":
		p.Type, q.MTU = 2, uint32(n)
	case words[0] != "unreachable":
		types := map[string][2]uint8{"exceeded": {11, 3}, "parameter": {12, 4}, "quench": {4, 4}}[words[0]]
		p.Type, p.Code = types[0], uint8(n)
		if !v4 {
			p.Type = types[1]
		}
	case v4:
		p.Type, p.Code = 3, uint8(n)
	default:
		p.Type, p.Code = 1, uint8(n)
	}
	if slices.Contains(words, "cut") {
		p.Quote, p.Truncated = 0, true
		return p, nil
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
		for _, w := range words[3:] {
			field(&p, w) // mac=
		}
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
