package dumps

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"dnatrace/capture/host"
)

// ipLink is an object of ip -j link and ip -j addr, with or without -d
// (iproute2, ip/ipaddress.c).
type ipLink struct {
	Index    int      `json:"ifindex"`
	Name     string   `json:"ifname"`
	Flags    []string `json:"flags"`
	MTU      int      `json:"mtu"`
	Master   string   `json:"master"`
	Type     string   `json:"link_type"` // ether, loopback
	MAC      string   `json:"address"`
	PeerName string   `json:"link"`       // the other end, in this namespace
	Peer     int      `json:"link_index"` // the other end, in another one
	PeerNS   *int     `json:"link_netnsid"`
	Info     struct {
		Kind  string `json:"info_kind"`
		Slave struct {
			State    string `json:"state"`
			Hairpin  bool   `json:"hairpin"`
			Isolated bool   `json:"isolated"`
		} `json:"info_slave_data"`
	} `json:"linkinfo"`
	Addrs []struct {
		Local  string `json:"local"`
		Prefix int    `json:"prefixlen"`
	} `json:"addr_info"`
}

// links are the links and addresses that one document told of, which are all of
// one namespace.
type links struct {
	links   []host.Link
	addrs   []host.Addr
	of      []addrOf         // addresses by the place of their link here
	masters map[string][]int // by the master's name, the links to give its number
	peers   map[string][]int
	details bool // kinds are told: -d was given
}

// addrOf is an address of the n-th link.
type addrOf struct {
	n      int
	prefix netip.Prefix
}

func (ls *links) read(raw json.RawMessage) error {
	var in ipLink
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if in.Index <= 0 || in.Name == "" {
		return nil // an address that was filtered away leaves an empty object
	}
	has := func(flag string) bool { return slices.Contains(in.Flags, flag) }
	l := host.Link{
		Index: in.Index, Name: in.Name, Kind: in.Info.Kind, MAC: in.MAC, MTU: in.MTU, Peer: in.Peer,
		Up: has("UP"), Running: has("LOWER_UP"), Loopback: in.Type == "loopback" || has("LOOPBACK"), Away: in.PeerNS != nil,
		Hairpin: in.Info.Slave.Hairpin, Isolated: in.Info.Slave.Isolated,
	}
	if slices.Contains(host.PortStates, in.Info.Slave.State) {
		l.PortState = in.Info.Slave.State
	}
	if l.Loopback {
		l.MAC = ""
	}
	ls.details = ls.details || l.Kind != ""
	if in.Master != "" {
		ls.masters = add(ls.masters, in.Master, len(ls.links))
	}
	if in.PeerName != "" {
		ls.peers = add(ls.peers, in.PeerName, len(ls.links))
	}
	ls.links = append(ls.links, l)
	for _, a := range in.Addrs {
		if ip, err := netip.ParseAddr(a.Local); err == nil {
			if p := netip.PrefixFrom(ip.WithZone(""), a.Prefix); p.IsValid() {
				ls.addrs = append(ls.addrs, host.Addr{Link: in.Index, Prefix: p})
			}
		}
	}
	return nil
}

func add(m map[string][]int, key string, n int) map[string][]int {
	if m == nil {
		m = map[string][]int{}
	}
	m[key] = append(m[key], n)
	return m
}

// resolve gives masters and peers that were told by name their numbers.
func (ls *links) resolve() {
	for _, l := range ls.links {
		for _, i := range ls.masters[l.Name] {
			ls.links[i].Master = l.Index
		}
		for _, i := range ls.peers[l.Name] {
			ls.links[i].Peer = l.Index
		}
	}
}

// ipRoute is an object of ip -j route (iproute2, ip/iproute.c).
type ipRoute struct {
	Type    string `json:"type"`
	Dst     string `json:"dst"`
	Gateway string `json:"gateway"`
	Via     struct{ Host string }
	Dev     string          `json:"dev"`
	Table   json.RawMessage `json:"table"` // a name or a number
	PrefSrc string          `json:"prefsrc"`
	Metric  int             `json:"metric"`
	Flags   []string        `json:"flags"`
	Hops    []struct {
		Gateway string   `json:"gateway"`
		Dev     string   `json:"dev"`
		Flags   []string `json:"flags"`
	} `json:"nexthops"`
}

// namedRoute is a route whose interface is known by name.
type namedRoute struct {
	host.Route
	dev   string
	guess bool // of the family: a default route that does not tell it
}

// settleFamilies gives default routes that do not tell their family that of the
// other routes of the same document.
func settleFamilies(routes []namedRoute) {
	is6 := func(r namedRoute) bool { return !r.guess && r.Dst.Addr().Is6() }
	is4 := func(r namedRoute) bool { return !r.guess && r.Dst.Addr().Is4() }
	if !slices.ContainsFunc(routes, is6) || slices.ContainsFunc(routes, is4) {
		return
	}
	for i := range routes {
		if routes[i].guess {
			routes[i].Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
}

// tables are the names of routing tables (rt_tables).
var tables = map[string]int{"default": 253, "main": 254, "local": 255}

func table(raw json.RawMessage) int {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		name = string(raw)
	}
	if n, ok := tables[name]; ok {
		return n
	}
	if n, err := strconv.Atoi(name); err == nil {
		return n
	}
	return tables["main"]
}

func (p *place) route(raw json.RawMessage) error {
	var in ipRoute
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("route: %w", err)
	}
	if in.Type == "" {
		in.Type = "unicast"
	}
	r := host.Route{Table: table(in.Table), Type: in.Type, Metric: in.Metric, Down: down(in.Flags)}
	r.Gateway, _ = netip.ParseAddr(in.Gateway)
	if !r.Gateway.IsValid() {
		r.Gateway, _ = netip.ParseAddr(in.Via.Host)
	}
	r.Src, _ = netip.ParseAddr(in.PrefSrc)
	dst, ok := destination(in.Dst, r.Gateway, r.Src)
	if !ok {
		return fmt.Errorf("route: destination %.60q is none", in.Dst)
	}
	r.Dst = dst
	if len(in.Hops) == 0 {
		p.routes = append(p.routes, namedRoute{r, in.Dev, in.Dst == "default" && !r.Gateway.IsValid() && !r.Src.IsValid()})
	}
	for _, h := range in.Hops {
		r.Down = down(h.Flags)
		r.Gateway, _ = netip.ParseAddr(h.Gateway)
		if in.Dst == "default" && r.Gateway.Is6() {
			r.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		p.routes = append(p.routes, namedRoute{r, h.Dev, false})
	}
	return nil
}

func down(flags []string) bool {
	return slices.Contains(flags, "dead") || slices.Contains(flags, "linkdown")
}

// destination reads "default", an address or a prefix. The family of a default
// route is that of its gateway or source; a default route without either is
// taken for IPv4, which prints such.
func destination(s string, hints ...netip.Addr) (netip.Prefix, bool) {
	if s == "default" {
		for _, h := range hints {
			if h.Is6() && !h.Is4In6() {
				return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
			}
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a.WithZone(""), a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// ipNeighbour is an object of ip -j neigh (iproute2, ip/ipneigh.c).
type ipNeighbour struct {
	Dst   string   `json:"dst"`
	Dev   string   `json:"dev"`
	MAC   string   `json:"lladdr"`
	State []string `json:"state"`
}

// namedNeighbour is an entry whose interface is known by name.
type namedNeighbour struct {
	host.Neighbour
	dev string
}

func (p *place) neighbour(raw json.RawMessage) error {
	var in ipNeighbour
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("neighbour: %w", err)
	}
	ip, err := netip.ParseAddr(in.Dst)
	if err != nil {
		return fmt.Errorf("neighbour: %w", err)
	}
	n := host.Neighbour{IP: ip.WithZone(""), MAC: in.MAC}
	if len(in.State) > 0 {
		n.State = lower(in.State[0])
	}
	p.neighbours = append(p.neighbours, namedNeighbour{n, in.Dev})
	return nil
}

// ipPolicy is an object of ip -j rule (iproute2, ip/iprule.c).
type ipPolicy struct {
	Priority int             `json:"priority"`
	Not      any             `json:"not"`
	Src      string          `json:"src"`
	SrcLen   *int            `json:"srclen"`
	Dst      string          `json:"dst"`
	DstLen   *int            `json:"dstlen"`
	IIF      string          `json:"iif"`
	OIF      string          `json:"oif"`
	Mark     string          `json:"fwmark"`
	Mask     string          `json:"fwmask"`
	Table    json.RawMessage `json:"table"`
	Action   string          `json:"action"`
	Proto    any             `json:"ipproto"`
	SPort    any             `json:"sport"`
	DPort    any             `json:"dport"`
	TOS      any             `json:"tos"`
	UID      any             `json:"uid_start"`
	Suppress any             `json:"suppress_prefixlen"`
}

func (p *place) policy(raw json.RawMessage) error {
	var in ipPolicy
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("rule: %w", err)
	}
	r := host.Rule{Priority: in.Priority, Family: 4, IIF: in.IIF, OIF: in.OIF, Table: table(in.Table), Action: in.Action, Not: in.Not != nil}
	for _, v := range []any{in.Proto, in.SPort, in.DPort, in.TOS, in.UID, in.Suppress} {
		r.Other = r.Other || v != nil
	}
	r.From, r.To = prefix(in.Src, in.SrcLen), prefix(in.Dst, in.DstLen)
	if r.From.Addr().Is6() || r.To.Addr().Is6() {
		r.Family = 6
	}
	if n, err := strconv.ParseUint(in.Mark, 0, 32); err == nil {
		r.Mark, r.Mask = uint32(n), 0xffffffff
		if m, err := strconv.ParseUint(in.Mask, 0, 32); err == nil {
			r.Mask = uint32(m)
		}
	}
	p.policies = append(p.policies, r)
	return nil
}

// settlePolicies tells the family of the rules of one document where none of them
// shows it: IPv6 has no rule for the table "default" of its own accord, IPv4 does
// (fib6_rules_net_init, fib_default_rules_init).
func settlePolicies(rules []host.Rule) {
	has := func(table int) bool {
		return slices.ContainsFunc(rules, func(r host.Rule) bool { return r.Table == table && r.Action == "" })
	}
	six := slices.ContainsFunc(rules, func(r host.Rule) bool { return r.Family == 6 })
	four := slices.ContainsFunc(rules, func(r host.Rule) bool { return r.From.Addr().Is4() || r.To.Addr().Is4() })
	if four || !six && (!has(tables["local"]) || has(tables["default"])) {
		return
	}
	for i := range rules {
		rules[i].Family = 6
	}
}

// prefix reads an address with its prefix length beside it; "all" is no prefix.
func prefix(s string, bits *int) netip.Prefix {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}
	}
	if bits == nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.PrefixFrom(a, *bits)
}
