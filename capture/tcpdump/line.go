package tcpdump

import (
	"net/netip"
	"regexp"
	"strings"
)

// Directions of a frame, as pcapng's flags have them.
const (
	dirIn  = 1
	dirOut = 2
)

// line is what the lines of one packet say.
type line struct {
	packet
	iface    string // "" not told
	dir      byte   // 0 not told
	everyone bool   // it was sent to more than one
	src, dst mac
	nothing  bool   // it is nothing that requests are made of, or that bears on them
	known    bool   // a packet can be made of it
	name     string // a host's, where an address is wanted
	raw      []byte // the packet as -x prints it, from the header of IP or ARP on; nil without
	quoted   *packet
}

type mac [6]byte

var (
	ifaceWord  = regexp.MustCompile(`^(?:(\S{1,15})\s+)?(In|Out|B|M|P)\s+(?:ifindex \d+ )?`)
	macs       = regexp.MustCompile(`^([0-9a-f:]{17})(?: \(oui [^)]*\))? > ([0-9a-f:]{17}|Broadcast)(?: \(oui [^)]*\))?, `)
	cookedMAC  = regexp.MustCompile(`^([0-9a-f:]{17}) (?:\(oui [^)]*\) )?`)
	etherWord  = regexp.MustCompile(`^ethertype [^(,]*(?:\(0x([0-9a-f]{4})\))?, (?:length \d+: )?`)
	vlanWord   = regexp.MustCompile(`^vlan \d+, p \d+,(?: DEI,)? `)
	truncation = regexp.MustCompile(`^truncated-ip6? - \d+ bytes missing! ?`)
	ends       = regexp.MustCompile(`^(\S+) > (\S+): ?(.*)$`)
)

// read takes a packet's lines apart: where it was seen, then what it is.
func (l *line) read(head string, rest []string) {
	if m := ifaceWord.FindStringSubmatch(head); m != nil {
		if m[1] != "" {
			l.iface = m[1]
		}
		l.dir = dirIn
		switch m[2] {
		case "Out":
			l.dir = dirOut
		case "B", "M":
			l.everyone = true
		}
		head = head[len(m[0]):]
	}
	protocol, head := l.link(head)
	l.raw = hexDump(rest)
	switch protocol {
	case "IP", "IP6":
		l.network(protocol == "IP6", truncation.ReplaceAllString(head, ""), rest)
	case "ARP":
		l.arp(head)
	default:
		l.nothing = protocol != "?"
	}
	if l.whole() {
		l.known, l.nothing, l.name = true, false, ""
	} else {
		l.raw = nil
	}
}

// link reads the header of the link layer, where -e shows it, and says what follows:
// "IP", "IP6", "ARP", "?" for what may carry IP, "" for other things.
func (l *line) link(s string) (protocol, rest string) {
	shown := false
	if m := macs.FindStringSubmatch(s); m != nil {
		l.src, l.dst, shown = macOf(m[1]), macOf(m[2]), true
		s = s[len(m[0]):]
	} else if m := cookedMAC.FindStringSubmatch(s); m != nil {
		l.src, shown = macOf(m[1]), true
		s = s[len(m[0]):]
	}
	if !shown {
		for _, p := range [...]string{"IP6 ", "IP ", "ARP, "} {
			if strings.HasPrefix(s, p) {
				return strings.Trim(p, " ,"), s[len(p):]
			}
		}
		return "", s
	}
	ether := ""
	for {
		m := etherWord.FindStringSubmatch(s)
		if m == nil {
			break
		}
		ether = m[1]
		if ether == "" { // behind a tag, the number is left out
			ether = etherNames[strings.Fields(s)[1]]
		}
		s = s[len(m[0]):]
		s = s[len(vlanWord.FindString(s)):]
	}
	switch ether {
	case "0800":
		return "IP", s
	case "86dd":
		return "IP6", s
	case "0806":
		return "ARP", s
	case "8847", "8848", "8864", "88e5", "8100", "88a8":
		return "?", s
	}
	return "", s
}

var etherNames = map[string]string{"IPv4,": "0800", "IPv6,": "86dd", "ARP,": "0806", "IPv4": "0800", "IPv6": "86dd", "ARP": "0806"}

func macOf(s string) mac {
	var m mac
	if s == "Broadcast" {
		return mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	for i := range m {
		m[i] = hexByte(s[i*3:])
	}
	return m
}

// address is an address, or the one that each host has by this name.
func (l *line) address(s string, v6 bool) netip.Addr {
	s, _, _ = strings.Cut(s, "%")
	a, err := netip.ParseAddr(s)
	switch {
	case err == nil && a.Is6() == v6:
		return a
	case err == nil:
		return netip.Addr{}
	case v6 && (s == "localhost" || s == "ip6-localhost"):
		return netip.IPv6Loopback()
	case !v6 && s == "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if l.name == "" {
		l.name = s
	}
	return netip.Addr{}
}
