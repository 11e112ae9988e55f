package dumps

import (
	"math/bits"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture/host"
)

// What the old net-tools print, and BusyBox after them: ifconfig, arp, netstat, route.
var (
	ifconfigText  = regexp.MustCompile(`^(\S+?):? +(?:flags=\d+<([A-Z0-9_,]*)> +mtu (\d+)|Link encap:(.*))$`)
	arpBSD        = regexp.MustCompile(`^\S+ \(([0-9.]+)\) at (?:([0-9a-fA-F:]{11,17})(?: \[\w+\])?|<?incomplete>?)(?: (PERM|permanent))?.* on (\S+)`)
	arpTable      = regexp.MustCompile(`^([0-9.]+) +(?:(ether|ieee802|infiniband) +([0-9a-fA-F:]{11,}) +([CMP]+).*|\(incomplete\).*) (\S+)$`)
	arpTitle      = regexp.MustCompile(`^Address +HWtype +HWaddress`)
	netstatTitle  = regexp.MustCompile(`^(Active Internet connections|Proto +Recv-Q +Send-Q +Local Address)`)
	netstatRow    = regexp.MustCompile(`^(tcp|udp)(6?|46|4) +(\d+) +(\d+) +(\S+[:.](?:\d+|\*|[\w-]+)) +(\S+)(?: +([A-Z_0-9]+))?(?: +.*?(\d+)/(\S.*?))?\s*-?$`)
	routeTitle    = regexp.MustCompile(`^(Kernel IP(v6)? routing table|Destination +(Gateway|Next Hop) )`)
	routeTableRow = regexp.MustCompile(`^([0-9.]+|default|\*|link-local|loopback) +([0-9.]+|\*|_gateway|[\w.-]+) +([0-9.]+) +([UGHRDMACB!]+) +`)
)

func isIfconfig(b []byte) bool { return ifconfigText.Match(b) }
func isARP(b []byte) bool      { return arpBSD.Match(b) || arpTable.Match(b) || arpTitle.Match(b) }
func isNetstat(b []byte) bool {
	return netstatTitle.Match(b) || netstatRow.Match(b) && !socketLine.Match(b)
}
func isRouteTable(b []byte) bool { return routeTitle.Match(b) || routeTableRow.Match(b) }

// ifconfigLines reads what ifconfig prints, which tells no numbers of interfaces, and
// without -a only of those that are up.
func (s *Set) ifconfigLines(netns string, b []byte) {
	ls := links{}
	at, down := -1, false
	for _, raw := range lines(b) {
		line := string(raw)
		if m := ifconfigText.FindStringSubmatch(line); m != nil {
			at = ls.alias(m[1])
			l := &ls.links[at]
			l.Loopback = l.Loopback || m[1] == "lo" || strings.Contains(m[4], "Loopback")
			if m[3] != "" {
				flags := strings.Split(m[2], ",")
				l.MTU, _ = strconv.Atoi(m[3])
				l.Up, l.Running = slices.Contains(flags, "UP"), slices.Contains(flags, "RUNNING")
			}
			if mac := after(strings.Fields(m[4]), "HWaddr"); mac != "" {
				l.MAC = lower(mac)
			}
		} else if at >= 0 {
			ls.ifconfigDetail(at, line)
		}
	}
	for _, l := range ls.links {
		down = down || !l.Up
	}
	s.addLinks(netns, ls)
	if !down && len(ls.links) > 0 {
		s.place(netns).damaged("ifconfig without -a lists only those that are up", host.PartLinks)
	}
}

// alias is the link of a name, in front of a colon: "eth0:1" is a further address.
func (ls *links) alias(name string) int {
	name, _, _ = strings.Cut(name, ":")
	if i := slices.IndexFunc(ls.links, func(l host.Link) bool { return l.Name == name }); i >= 0 {
		return i
	}
	ls.links = append(ls.links, host.Link{Name: name})
	return len(ls.links) - 1
}

func (ls *links) ifconfigDetail(n int, line string) {
	l, words := &ls.links[n], strings.Fields(line)
	if len(words) == 0 {
		return
	}
	value := func(key string) string { // "Mask:255.0.0.0" and "netmask 255.0.0.0"
		for _, w := range words {
			if v, ok := strings.CutPrefix(w, key+":"); ok {
				return v
			}
		}
		return after(words, key)
	}
	switch words[0] {
	case "inet":
		mask := value("netmask")
		if mask == "" {
			mask = value("Mask")
		}
		addr := words[1]
		if v, ok := strings.CutPrefix(addr, "addr:"); ok {
			addr = v
		}
		if a, err := netip.ParseAddr(addr); err == nil {
			ls.of = append(ls.of, addrOf{n, netip.PrefixFrom(a, maskBits(mask))})
		}
	case "inet6":
		addr := words[1]
		if addr == "addr:" && len(words) > 2 {
			addr = words[2]
		}
		if length := value("prefixlen"); length != "" {
			addr, _, _ = strings.Cut(addr, "%")
			addr += "/" + length
		}
		ls.address(n, addr)
	case "ether":
		l.MAC = lower(words[1])
	}
	if v := value("MTU"); v != "" { // of the older form: "UP BROADCAST RUNNING  MTU:1500"
		l.MTU, _ = strconv.Atoi(v)
		l.Up, l.Running = slices.Contains(words, "UP"), slices.Contains(words, "RUNNING")
	}
}

// maskBits is the length of a prefix that is written as a mask, in decimals or in
// hexadecimal.
func maskBits(s string) int {
	if n, err := strconv.ParseUint(s, 0, 32); err == nil && strings.HasPrefix(s, "0x") {
		return bits.OnesCount32(uint32(n))
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 32
	}
	n := 0
	for _, b := range a.As4() {
		n += bits.OnesCount8(b)
	}
	return n
}

// arpLines reads the neighbours of IPv4 that arp lists.
func (s *Set) arpLines(netns string, b []byte) {
	p := s.place(netns)
	for _, raw := range lines(b) {
		var n namedNeighbour
		var addr, flags string
		if m := arpBSD.FindSubmatch(raw); m != nil {
			addr, n.MAC, flags, n.dev = string(m[1]), lower(string(m[2])), string(m[3]), string(m[4])
		} else if m := arpTable.FindSubmatch(raw); m != nil {
			addr, n.MAC, flags, n.dev = string(m[1]), lower(string(m[3])), string(m[4]), string(m[5])
		} else {
			continue
		}
		ip, err := netip.ParseAddr(addr)
		if err != nil {
			continue
		}
		n.IP = ip
		switch {
		case n.MAC == "":
			n.State = "incomplete"
		case strings.Contains(flags, "M") || flags == "permanent":
			n.State = "permanent"
		default:
			n.State = "stale" // arp does not tell how old it is
		}
		p.neighbours = append(p.neighbours, n)
	}
	p.damaged("arp lists those of IPv4 alone", host.PartNeighbours)
}

// netstatLines reads the listening sockets that netstat lists. How many may wait in
// front of a listener it does not tell.
func (s *Set) netstatLines(netns string, b []byte) error {
	p, bad := s.place(netns), &misread{}
	servers, listening := false, false
	seen := map[string]bool{}
	for _, raw := range lines(b) {
		line := string(raw)
		if strings.HasPrefix(line, "Active Internet") {
			servers = strings.Contains(line, "servers") && !strings.Contains(line, "w/o")
			continue
		}
		m := netstatRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		proto := m[1]
		seen[proto] = true
		if proto == "tcp" && m[7] != "LISTEN" || proto == "udp" && m[7] == "ESTABLISHED" {
			continue
		}
		listening = listening || proto == "tcp"
		k := namedSocket{}
		k.Proto = proto
		k.Process = baseOf(m[9])
		k.PID, _ = strconv.Atoi(m[8])
		local := m[5]
		if strings.HasPrefix(local, "localhost:") {
			local = "127.0.0.1" + strings.TrimPrefix(local, "localhost")
		}
		if !k.bind(local, notationOld) {
			bad.add(line)
			p.damaged(linesMissed, host.Part(proto))
			continue
		}
		if m[2] == "6" && !k.V6 { // "*:80" of tcp6
			k.V6, k.Either = true, true
			k.Local = netip.AddrPortFrom(netip.IPv6Unspecified(), k.Local.Port())
		}
		if proto == "udp" {
			n, _ := strconv.ParseUint(m[3], 10, 32)
			k.Queue = uint32(n)
		}
		p.socks = append(p.socks, k)
	}
	p.dumped.tcp = p.dumped.tcp || seen["tcp"] && (servers || listening)
	p.dumped.udp = p.dumped.udp || seen["udp"] && (servers || listening)
	return bad.err()
}

// routeTable reads what route -n and netstat -rn print of IPv4: destination, gateway,
// mask, flags, … interface.
func (s *Set) routeTable(netns string, b []byte) error {
	p, bad := s.place(netns), &misread{}
	for _, raw := range lines(b) {
		line := string(raw)
		if routeTitle.MatchString(line) {
			continue
		}
		m := routeTableRow.FindStringSubmatch(line)
		words := strings.Fields(line)
		if m == nil || len(words) < 8 {
			bad.add(line)
			continue
		}
		dst := m[1]
		if dst == "default" || dst == "*" {
			dst = "0.0.0.0"
		}
		a, err := netip.ParseAddr(dst)
		if err != nil {
			bad.add(line)
			continue
		}
		r := namedRoute{dev: words[len(words)-1]}
		r.Type, r.Table, r.Dst = "unicast", tables["main"], netip.PrefixFrom(a, maskBits(m[3]))
		if strings.Contains(m[4], "!") {
			r.Type, r.dev = "unreachable", ""
		}
		if strings.Contains(m[4], "G") {
			if r.Gateway, err = netip.ParseAddr(m[2]); err != nil {
				bad.add(line)
				continue
			}
		}
		r.Metric, _ = strconv.Atoi(words[4])
		p.routes = append(p.routes, r)
	}
	if bad.n > 0 {
		p.damaged(linesMissed, host.PartRoutes.Of(4))
	}
	return bad.err()
}
