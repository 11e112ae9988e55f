package dumps

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture/host"
)

// What ip prints without -j (iproute2, ip/ipaddress.c, iproute.c, ipneigh.c, iprule.c),
// with -br, -o, -d, -s or without.
var (
	linkText  = regexp.MustCompile(`^(\d+): ([^\s:@]+)(?:@([^\s:]+))?: <([A-Z0-9_,-]*)>(.*)$`)
	onelineIP = regexp.MustCompile(`^(\d+): (\S+)\s+inet6? `)
	briefText = regexp.MustCompile(`^(\S+?)(?:@(\S+))?\s+(UNKNOWN|UP|DOWN|LOWERLAYERDOWN|DORMANT|NOTPRESENT|TESTING)(?:\s+((?:(?:[0-9a-f]{2}:){5}[0-9a-f]{2} <|[0-9a-f.:]+/\d+|[0-9a-f.:]+ peer |<).*))?$`)
	neighText = regexp.MustCompile(`^([0-9a-fA-F.:]+) (?:dev (\S+) )?.*?\b(INCOMPLETE|REACHABLE|STALE|DELAY|PROBE|FAILED|NOARP|PERMANENT|NONE)$`)
	ruleText  = regexp.MustCompile(`^(\d+):\s+(not )?from (all|[0-9a-fA-F.:]+(?:/\d+)?)\b`)
	routeText = regexp.MustCompile(`^(?:(unicast|local|broadcast|multicast|anycast|throw|unreachable|prohibit|blackhole) )?(default|[0-9]+(?:\.[0-9]+)*(?:/\d+)?|[0-9a-fA-F:]*:[0-9a-fA-F.:]*(?:/\d+)?)(?: +(?:via|dev|proto|scope|src|metric|table|nhid|from|tos|nexthop|encap)\b.*)?$`)
)

func isLinkText(b []byte) bool {
	return linkText.Match(b) || onelineIP.Match(b) || briefText.Match(b)
}
func isNeighText(b []byte) bool { return neighText.Match(b) }
func isRuleText(b []byte) bool  { return ruleText.Match(b) }

// isRouteText wants more than an address, which may be anything.
func isRouteText(b []byte) bool {
	m := routeText.FindSubmatch(b)
	if m == nil {
		return false
	}
	s := string(b)
	return len(m[1]) > 0 || strings.Contains(s, " dev ") || strings.Contains(s, " via ") || strings.HasPrefix(s, "default ")
}

// linkLines reads what ip addr, ip link and their short forms print.
func (s *Set) linkLines(netns, command string, b []byte) {
	ls := links{}
	at := -1 // the link that indented lines are about
	hardware := false
	for _, raw := range lines(b) {
		for i, line := range strings.Split(string(raw), `\`) { // -o prints a link on one line
			switch {
			case i == 0 && linkText.MatchString(line):
				at = ls.header(line)
			case i == 0 && onelineIP.MatchString(line):
				at = ls.oneline(line)
			case i == 0 && briefText.MatchString(line):
				at = ls.brief(line)
				hardware = true // it is not told, for none
			case at >= 0:
				hardware = strings.Contains(line, "link/") || hardware
				ls.detail(at, strings.Fields(line))
			}
		}
	}
	s.addLinks(netns, ls)
	words := strings.Fields(command)
	one := slices.Contains(words, "-4") || slices.Contains(words, "-6") || !hardware // -4 and -6 tell of no hardware, nor does -o of addresses
	if p := s.place(netns); one && len(ls.links) > 0 {
		p.damaged("only those with addresses of one family were printed", host.PartLinks)
	}
}

// header begins a link: "2: eth0@if7: <BROADCAST,UP> mtu 1500 … master br0 …".
func (ls *links) header(line string) int {
	m := linkText.FindStringSubmatch(line)
	l := host.Link{Name: m[2]}
	l.Index, _ = strconv.Atoi(m[1])
	flagged(&l, strings.Split(m[4], ","))
	n := len(ls.links)
	ls.links = append(ls.links, l)
	ls.otherEnd(n, m[3])
	words := strings.Fields(m[5])
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "mtu":
			ls.links[n].MTU, _ = strconv.Atoi(words[i+1])
		case "master":
			ls.masters = add(ls.masters, words[i+1], n)
		}
	}
	return n
}

// otherEnd reads what is behind the @ of a name: "if7" in another namespace, or the
// name of one in this.
func (ls *links) otherEnd(n int, s string) {
	if s == "" || s == "NONE" {
		return
	}
	if index, ok := strings.CutPrefix(s, "if"); ok {
		if peer, err := strconv.Atoi(index); err == nil {
			ls.links[n].Peer, ls.links[n].Away = peer, true
			return
		}
	}
	ls.peers = add(ls.peers, s, n)
}

func (ls *links) oneline(line string) int {
	m := onelineIP.FindStringSubmatch(line)
	index, _ := strconv.Atoi(m[1])
	n := slices.IndexFunc(ls.links, func(l host.Link) bool { return l.Index == index })
	if n < 0 {
		n = len(ls.links)
		ls.links = append(ls.links, host.Link{Index: index, Name: m[2], Up: true, Running: true, Loopback: m[2] == "lo"})
	}
	ls.detail(n, strings.Fields(line)[2:])
	return n
}

// brief reads a line of -br, which does not tell the number of an interface.
func (ls *links) brief(line string) int {
	m := briefText.FindStringSubmatch(line)
	n := len(ls.links)
	l := host.Link{Name: m[1], Up: m[3] != "DOWN", Running: m[3] == "UP" || m[3] == "UNKNOWN", Loopback: m[1] == "lo"}
	words := strings.Fields(m[4])
	for _, w := range words {
		if flags, ok := strings.CutPrefix(w, "<"); ok {
			flagged(&l, strings.Split(strings.TrimSuffix(flags, ">"), ","))
		} else if strings.Count(w, ":") == 5 && len(w) == 17 && !l.Loopback {
			l.MAC = w
		}
	}
	ls.links = append(ls.links, l)
	ls.otherEnd(n, m[2])
	for _, w := range words {
		ls.address(n, w)
	}
	return n
}

// flagged sets what the flags of an interface say.
func flagged(l *host.Link, flags []string) {
	l.Up, l.Running = slices.Contains(flags, "UP"), slices.Contains(flags, "LOWER_UP")
	l.Loopback = l.Loopback || slices.Contains(flags, "LOOPBACK")
}

// detail reads an indented line about a link.
func (ls *links) detail(n int, words []string) {
	if len(words) == 0 {
		return
	}
	l := &ls.links[n]
	switch first := words[0]; {
	case first == "link/loopback":
		l.Loopback = true
	case strings.HasPrefix(first, "link/") && len(words) > 1:
		if strings.Count(words[1], ":") == 5 {
			l.MAC = words[1]
		}
		l.Away = l.Away || slices.Contains(words, "link-netnsid") || slices.Contains(words, "link-netns")
	case (first == "inet" || first == "inet6") && len(words) > 1:
		ls.address(n, words[1])
	case linkKinds[first]:
		l.Kind, ls.details = first, true
	case strings.HasSuffix(first, "_slave"):
		ls.port(l, words)
	}
}

// linkKinds are those that -d names on a line of their own.
var linkKinds = map[string]bool{
	"bridge": true, "veth": true, "vxlan": true, "bond": true, "team": true, "vlan": true, "macvlan": true, "ipvlan": true, "macvtap": true,
	"geneve": true, "gre": true, "gretap": true, "ipip": true, "sit": true, "tun": true, "dummy": true, "wireguard": true, "vrf": true, "ifb": true,
}

// port reads what -d tells of a port of a bridge: "bridge_slave state forwarding …
// hairpin off … isolated off".
func (ls *links) port(l *host.Link, words []string) {
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "state":
			if slices.Contains(host.PortStates, words[i+1]) {
				l.PortState = words[i+1]
			}
		case "hairpin":
			l.Hairpin = words[i+1] == "on"
		case "isolated":
			l.Isolated = words[i+1] == "on"
		}
	}
}

// address reads one with its prefix length; of one without, as of a point to point
// link, it is the whole.
func (ls *links) address(n int, s string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || strings.Count(s, ":") == 5 && len(s) == 17 {
			return
		}
		p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
	}
	ls.of = append(ls.of, addrOf{n, p})
}

// routeLines reads what ip route prints. A next hop of several is on an indented line.
func (s *Set) routeLines(netns, command string, b []byte) error {
	p := s.place(netns)
	had, bad := len(p.routes), &misread{}
	words := strings.Fields(command)
	in := tables["main"]
	if name := after(words, "table"); name != "" && name != "all" {
		in = tableOf(name)
	}
	v6 := slices.Contains(words, "-6")
	var group namedRoute
	for _, raw := range lines(b) {
		line := string(raw)
		words := strings.Fields(line)
		if line[0] == ' ' || line[0] == '\t' {
			if words[0] == "nexthop" {
				hop := group
				hop.attributes(words[1:])
				hop.guess = false
				p.routes = append(p.routes, hop)
			}
			continue
		}
		r, ok := routeLine(words, in)
		if !ok {
			bad.add(line)
			continue
		}
		r.guess = r.guess && !v6
		if v6 && r.Dst.Bits() == 0 {
			r.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if group = r; r.dev != "" || r.Type != "unicast" || r.Gateway.IsValid() {
			p.routes = append(p.routes, r)
		}
	}
	settleFamilies(p.routes[had:])
	if bad.n > 0 {
		for _, part := range []host.Part{host.PartRoutes, host.PartLocal} {
			p.damaged(linesMissed, part.Of(4), part.Of(6))
		}
	}
	return bad.err()
}

func routeLine(words []string, in int) (r namedRoute, ok bool) {
	r.Type, r.Table = "unicast", in
	if len(words) > 1 && routeTypes[words[0]] {
		r.Type, words = words[0], words[1:]
	}
	if r.Type == "local" || r.Type == "broadcast" || r.Type == "anycast" {
		r.Table = tables["local"]
	}
	dst := words[0]
	if strings.Count(dst, ".") < 3 && !strings.Contains(dst, ":") && dst != "default" { // "10/8"
		addr, bits, _ := strings.Cut(dst, "/")
		dst = addr + strings.Repeat(".0", 3-strings.Count(addr, ".")) + "/" + bits
	}
	r.attributes(words[1:])
	r.Dst, ok = destination(dst, r.Gateway, r.Src)
	r.guess = dst == "default" && !r.Gateway.IsValid() && !r.Src.IsValid()
	return r, ok
}

var routeTypes = map[string]bool{
	"unicast": true, "local": true, "broadcast": true, "multicast": true, "anycast": true, "throw": true, "unreachable": true, "prohibit": true, "blackhole": true,
}

// attributes reads the pairs of words behind a destination.
func (r *namedRoute) attributes(words []string) {
	for i, w := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch w {
		case "via":
			if next == "inet6" || next == "inet" {
				next = ""
				if i+2 < len(words) {
					next = words[i+2]
				}
			}
			r.Gateway, _ = netip.ParseAddr(next)
		case "dev":
			r.dev = next
		case "src":
			r.Src, _ = netip.ParseAddr(next)
		case "metric":
			r.Metric, _ = strconv.Atoi(next)
		case "table":
			r.Table = tableOf(next)
		case "linkdown", "dead":
			r.Down = true
		}
	}
}

func tableOf(name string) int {
	if n, ok := tables[name]; ok {
		return n
	}
	if n, err := strconv.Atoi(name); err == nil {
		return n
	}
	return tables["main"]
}

// after is the word behind another; "" if there is none.
func after(words []string, word string) string {
	if i := slices.Index(words, word); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

func (s *Set) neighLines(netns, command string, b []byte) error {
	p, bad := s.place(netns), &misread{}
	for _, raw := range lines(b) {
		m := neighText.FindStringSubmatch(string(raw))
		if m == nil {
			bad.add(string(raw))
			continue
		}
		ip, err := netip.ParseAddr(m[1])
		if err != nil {
			bad.add(string(raw))
			continue
		}
		words := strings.Fields(string(raw))
		dev := m[2]
		if dev == "" {
			dev = after(strings.Fields(command), "dev") // it is not printed then
		}
		p.neighbours = append(p.neighbours, namedNeighbour{host.Neighbour{IP: ip.WithZone(""), MAC: after(words, "lladdr"), State: lower(m[3])}, dev})
	}
	if bad.n > 0 {
		p.damaged(linesMissed, host.PartNeighbours)
	}
	return bad.err()
}

// policyLines reads what ip rule prints: "100: from all fwmark 0x1/0xff lookup 100".
func (s *Set) policyLines(netns, command string, b []byte) error {
	p, bad := s.place(netns), &misread{}
	had := len(p.policies)
	for _, raw := range lines(b) {
		m := ruleText.FindStringSubmatch(string(raw))
		if m == nil {
			bad.add(string(raw))
			continue
		}
		r := host.Rule{Family: 4, Not: m[2] != ""}
		r.Priority, _ = strconv.Atoi(m[1])
		r.From = addressOrPrefix(m[3])
		_, rest, _ := strings.Cut(string(raw), "from "+m[3])
		policyWords(&r, strings.Fields(rest))
		if r.From.Addr().Is6() || r.To.Addr().Is6() {
			r.Family = 6
		}
		p.policies = append(p.policies, r)
	}
	settlePolicies(p.policies[had:])
	if slices.Contains(strings.Fields(command), "-6") {
		for i := range p.policies[had:] {
			p.policies[had+i].Family = 6
		}
	}
	if bad.n > 0 {
		p.damaged(linesMissed, host.PartRules.Of(4), host.PartRules.Of(6))
	}
	return bad.err()
}

// policyWords reads what is behind the source of a rule of routing.
func policyWords(r *host.Rule, words []string) {
	for i := 0; i < len(words); i++ {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch w := words[i]; w {
		case "to":
			r.To = addressOrPrefix(next)
		case "iif":
			r.IIF = next
		case "oif":
			r.OIF = next
		case "fwmark":
			mark, mask, masked := strings.Cut(next, "/")
			if n, err := strconv.ParseUint(mark, 0, 32); err == nil {
				r.Mark, r.Mask = uint32(n), 0xffffffff
			}
			if n, err := strconv.ParseUint(mask, 0, 32); err == nil && masked {
				r.Mask = uint32(n)
			}
		case "lookup", "table":
			r.Table = tableOf(next)
		case "blackhole", "unreachable", "prohibit", "nop":
			r.Action = w
			continue
		case "goto":
			r.Action = w
		case "proto", "realms":
		case "[detached]":
			continue
		default: // ports, users, protocols, tunnels, suppressed prefixes, …
			r.Other = true
			continue
		}
		i++
	}
}

func addressOrPrefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	return prefix(s, nil)
}

// misread counts the lines of a dump that are not understood.
type misread struct {
	n     int
	first string
}

const linesMissed = "not all lines are understood"

// err says how many there are; nil for none.
func (m *misread) err() error {
	if m.n == 0 {
		return nil
	}
	return fmt.Errorf("%d lines are not understood, the first of them %q", m.n, clipped(strings.TrimSpace(m.first)))
}

func (m *misread) add(line string) {
	if m.n++; m.n == 1 {
		m.first = line
	}
}
