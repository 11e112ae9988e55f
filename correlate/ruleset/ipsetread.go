package ruleset

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// parseIPSets reads what ipset save and ipset list print. A set of which a line
// is not understood has no entries that are known.
func parseIPSets(data []byte) ([]decode.IPSet, error) {
	p := ipsetText{at: map[string]int{}, current: -1, unlisted: map[int]bool{}, twice: map[string]bool{}}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if err := p.line(line); err != nil {
			p.doubt(line)
			p.fail(fmt.Errorf("parse ipset: %q: %w", line, err))
		}
	}
	p.finish()
	return p.sets, p.bad
}

// finish doubts sets whose entries were not printed, as by ipset list -terse, or
// not all, and those of which two dumps say different things.
func (p *ipsetText) finish() {
	for i := range p.sets {
		s := &p.sets[i]
		s.Absent = s.Absent || p.unlisted[i] || s.Short()
		last := &p.sets[p.at[s.Name]]
		if last != s && !slices.Equal(elements(s), elements(last)) {
			p.twice[s.Name] = true
		}
	}
	for i := range p.sets {
		p.sets[i].Absent = p.sets[i].Absent || p.twice[p.sets[i].Name]
	}
}

// elements are the entries of a set in order, without what passes.
func elements(s *decode.IPSet) (out []string) {
	n := newIPSets([]decode.IPSet{*s}).byName[s.Name]
	out = append(out, fmt.Sprint(s.Type, s.Family, s.Netmask, s.Bitmask, s.MarkMask))
	for i := range n.Entries {
		x := &n.Entries[i]
		out = append(out, fmt.Sprint(n.entryText(x), " ", x.NoMatch, x.Wildcard))
	}
	slices.Sort(out[1:])
	return out
}

type ipsetText struct {
	sets    []decode.IPSet
	at      map[string]int // by name
	current int            // of ipset list: the set that lines are about; -1 for none
	members bool           // of ipset list: its entries follow
	bad     error

	unlisted map[int]bool    // of ipset list: sets whose entries did not follow yet
	twice    map[string]bool // names of sets that are told of in two ways
}

func (p *ipsetText) fail(err error) {
	if p.bad == nil {
		p.bad = err
	}
}

// doubt is about a line that was not understood: it tells of the set that it names
// or, if it is damaged, of the one before.
func (p *ipsetText) doubt(l string) {
	if len(p.sets) > 0 {
		p.sets[len(p.sets)-1].Absent = true
	}
	if words := strings.Fields(l); len(words) > 1 {
		if i, ok := p.at[words[1]]; ok {
			p.sets[i].Absent = true
		}
	}
}

// ipsetTokens are the words of a line. Comments stand between quotes, and have
// none: ipset allows none in them, and prints all else as it is.
func ipsetTokens(l string) (out []saveToken, err error) {
	for l = strings.TrimLeft(l, " \t"); l != ""; l = strings.TrimLeft(l, " \t") {
		end := strings.IndexAny(l, " \t")
		if l[0] == '"' {
			end = 1 + strings.IndexByte(l[1:], '"') + 1
			if end == 1 {
				return nil, errQuote
			}
		}
		if end < 0 {
			end = len(l)
		}
		out = append(out, saveToken{strings.Trim(l[:end], `"`), l[:end]})
		l = l[end:]
	}
	return out, nil
}

func (p *ipsetText) line(l string) error {
	if l == "" || l[0] == '#' {
		return nil
	}
	if rest, ok := strings.CutPrefix(l, "Name: "); ok {
		p.begin(rest)
		p.unlisted[p.current] = true
		return nil
	}
	if p.current >= 0 {
		return p.listed(&p.sets[p.current], l)
	}
	words, err := ipsetTokens(l)
	if err != nil {
		return err
	}
	switch {
	case len(words) >= 3 && words[0].text == "create":
		s := p.begin(words[1].text)
		p.current = -1
		s.Type = words[2].text
		return header(s, words[3:])
	case len(words) >= 3 && words[0].text == "add":
		i, ok := p.at[words[1].text]
		if !ok {
			return errors.New("no such set was created")
		}
		return addEntry(&p.sets[i], words[2:])
	}
	return errors.New("neither create nor add")
}

func (p *ipsetText) begin(name string) *decode.IPSet {
	p.current, p.members = len(p.sets), false
	p.at[name] = p.current
	p.sets = append(p.sets, decode.IPSet{Name: name})
	return &p.sets[p.current]
}

// listed reads a line of ipset list.
func (p *ipsetText) listed(s *decode.IPSet, l string) error {
	words, err := ipsetTokens(l)
	switch name, value, _ := strings.Cut(l, ": "); {
	case err != nil:
		s.Absent = true
		return err
	case p.members:
		return addEntry(s, words)
	case l == "Members:":
		p.members = true
		delete(p.unlisted, p.current)
	case name == "Type":
		s.Type = value
	case name == "Revision":
		n, _ := strconv.ParseUint(value, 10, 8)
		s.Revision = uint8(n)
	case name == "Header":
		return header(s, words[1:])
	case name == "Number of entries":
		n, _ := strconv.ParseUint(value, 10, 32)
		s.Count = uint32(n)
	}
	return nil
}

// ipsetFlags are options of sets and entries that have no value.
var ipsetFlags = []string{"counters", "comment", "skbinfo", "forceadd", "nomatch", "wildcard"}

// header reads the options that a set was made with.
func header(s *decode.IPSet, words []saveToken) (err error) {
	if s.Type != "list:set" && s.Type != "bitmap:port" && s.Type != "hash:mac" {
		s.Family = decode.FamilyIPv4 // bitmaps do not say it
	}
	for i := 0; i < len(words); i++ {
		name := words[i].text
		if slices.Contains(ipsetFlags, name) {
			continue
		}
		i++
		if i == len(words) {
			return fmt.Errorf("%s has no value", name)
		}
		if err = headerOption(s, name, words[i].text); err != nil {
			s.Absent = true
			return err
		}
	}
	return nil
}

func headerOption(s *decode.IPSet, name, v string) (err error) {
	var n uint64
	switch name {
	case "family":
		s.Family = map[string]decode.Family{"inet": decode.FamilyIPv4, "inet6": decode.FamilyIPv6}[v]
		if s.Family == 0 {
			err = fmt.Errorf("family %q", v)
		}
	case "netmask":
		n, err = strconv.ParseUint(v, 10, 8)
		s.Netmask = uint8(n)
	case "bitmask":
		s.Bitmask, err = netip.ParseAddr(v)
	case "markmask":
		n, err = strconv.ParseUint(v, 0, 32)
		s.MarkMask = uint32(n)
	case "timeout":
		s.Timeouts = true
	case "range":
		err = rangeOf(s, v)
	}
	return err
}

// rangeOf reads what a bitmap can hold.
func rangeOf(s *decode.IPSet, v string) (err error) {
	from, to, _ := strings.Cut(v, "-")
	if s.Type == "bitmap:port" {
		var a, b uint64
		a, err = strconv.ParseUint(from, 10, 16)
		if err == nil {
			b, err = strconv.ParseUint(to, 10, 16)
		}
		s.FirstPort, s.LastPort = uint16(a), uint16(b)
		return err
	}
	if s.First, err = netip.ParseAddr(from); err == nil {
		s.Last, err = netip.ParseAddr(to)
	}
	return err
}

// addEntry reads an entry and what is beside it.
func addEntry(s *decode.IPSet, words []saveToken) error {
	x, err := entryOf(s, words[0].text)
	for i := 1; i < len(words) && err == nil; i++ {
		switch name := words[i].text; {
		case name == "nomatch":
			x.NoMatch = true
		case name == "wildcard":
			x.Wildcard = true
		case i+1 == len(words):
			err = fmt.Errorf("%s has no value", name)
		default:
			i++
			err = entryOption(x, name, words[i].text)
		}
	}
	if err != nil {
		s.Absent = true
		return err
	}
	s.Entries = append(s.Entries, *x)
	return nil
}

func entryOption(x *decode.IPSetEntry, name, v string) (err error) {
	switch name {
	case "timeout":
		var n uint64
		n, err = strconv.ParseUint(v, 10, 32)
		x.Timeout = uint32(n)
	case "comment":
		x.Comment = v
	case "packets", "bytes", "skbmark", "skbprio", "skbqueue":
	default:
		err = fmt.Errorf("%s is not known", name)
	}
	return err
}

// entryOf reads an entry by the type of its set.
func entryOf(s *decode.IPSet, t string) (*decode.IPSetEntry, error) {
	x := &decode.IPSetEntry{}
	if s.Type == "list:set" {
		x.Set = t
		return x, nil
	}
	_, parts, _ := strings.Cut(s.Type, ":")
	words := strings.Split(t, ",")
	kinds := strings.Split(parts, ",")
	if len(words) != len(kinds) && !(s.Type == "bitmap:ip,mac" && len(words) == 1) {
		return nil, fmt.Errorf("%d parts instead of %d", len(words), len(kinds))
	}
	addrs := []*netip.Prefix{&x.Addr, &x.Addr2}
	for i, w := range words {
		var err error
		switch kinds[i] {
		case "ip", "net":
			if len(addrs) == 0 {
				return nil, errors.New("three addresses")
			}
			*addrs[0], err = prefixOf(w)
			addrs = addrs[1:]
		default:
			err = partOf(x, s.Type, kinds[i], w)
		}
		if err != nil {
			return nil, err
		}
	}
	return x, nil
}

func prefixOf(w string) (netip.Prefix, error) {
	if strings.Contains(w, "/") {
		p, err := netip.ParsePrefix(w)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(w)
	return netip.PrefixFrom(a, a.BitLen()), err
}

func partOf(x *decode.IPSetEntry, of, kind, w string) error {
	switch kind {
	case "port":
		return portOf(x, of, w)
	case "mark":
		n, err := strconv.ParseUint(w, 0, 32)
		x.Mark = uint32(n)
		return err
	case "mac":
		b, err := hex.DecodeString(strings.ReplaceAll(w, ":", ""))
		if err != nil || len(b) != 6 {
			return errors.New("not a MAC address")
		}
		x.MAC, x.HasMAC = [6]byte(b), true
	case "iface":
		x.Iface, x.Physdev = strings.TrimPrefix(w, "physdev:"), strings.HasPrefix(w, "physdev:")
	default:
		return fmt.Errorf("entries with %q are not known", kind)
	}
	return nil
}

// portOf reads a port, PROTOCOL:PORT, or icmp:TYPE/CODE; of the names that ipset
// has for the latter, those of echo.
func portOf(x *decode.IPSetEntry, of, w string) error {
	name, port, named := strings.Cut(w, ":")
	if !named && of == "bitmap:port" {
		port = name
	} else {
		n, ok := number(ipsetProtocols, name)
		if !ok {
			n, ok = number(moreProtocols, name)
		}
		if !ok || n > 255 {
			return fmt.Errorf("protocol %q", name)
		}
		x.Proto = decode.Proto(n)
	}
	if x.Proto != decode.ICMP && x.Proto != decode.ICMPv6 {
		n, err := strconv.ParseUint(port, 10, 16)
		x.Port = uint16(n)
		return err
	}
	kind, code, _ := strings.Cut(port, "/")
	t, ok := number(echoTypes[x.Proto], kind)
	c, err := strconv.ParseUint("0"+code, 10, 8)
	if !ok || t > 255 || err != nil {
		return fmt.Errorf("kind of message %q", port)
	}
	x.Port = uint16(t)<<8 | uint16(c)
	return nil
}

// moreProtocols are those that ipset prints by the names of /etc/protocols.
var moreProtocols = []word{{2, "igmp"}, {4, "ipencap"}, {41, "ipv6"}, {47, "gre"}, {50, "esp"}, {51, "ah"}, {58, "ipv6-icmp"}, {94, "ipip"}, {112, "vrrp"}}

var echoTypes = map[decode.Proto][]word{
	decode.ICMP:   {{0, "echo-reply"}, {0, "pong"}, {8, "echo-request"}, {8, "ping"}},
	decode.ICMPv6: {{128, "echo-request"}, {128, "ping"}, {129, "echo-reply"}, {129, "pong"}},
}
