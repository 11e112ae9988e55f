package kernel

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
)

// families in the order in which they are asked.
var families = []int{unix.AF_INET, unix.AF_INET6}

func (t *taking) readAddrs() error {
	addrs, err := steady(func() ([]netlink.Addr, error) { return t.route.AddrList(nil, unix.AF_UNSPEC) })
	for _, a := range addrs {
		if p := prefixOf(a.IPNet); p.IsValid() {
			t.sample.Addrs = append(t.sample.Addrs, host.Addr{Link: a.LinkIndex, Prefix: p})
		}
	}
	return err
}

func (t *taking) readRoutes() error {
	for _, family := range families {
		routes, err := steady(func() ([]netlink.Route, error) {
			all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
			return t.route.RouteListFiltered(family, all, netlink.RT_FILTER_TABLE)
		})
		for _, r := range routes {
			t.sample.Routes = append(t.sample.Routes, routesOf(r)...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// routesOf makes one Route of each next hop.
func routesOf(r netlink.Route) []host.Route {
	route := host.Route{
		Table:   r.Table,
		Type:    routeType(r.Type),
		Dst:     prefixOf(r.Dst),
		Gateway: gatewayOf(r.Gw, r.Via),
		Src:     addrOf(r.Src),
		Link:    r.LinkIndex,
		Metric:  r.Priority,
		Down:    isDown(r.Flags),
	}
	if !route.Dst.IsValid() {
		route.Dst = anywhere(r.Family)
	}
	if len(r.MultiPath) == 0 {
		return []host.Route{route}
	}
	var routes []host.Route
	for _, hop := range r.MultiPath {
		route.Gateway, route.Link = gatewayOf(hop.Gw, hop.Via), hop.LinkIndex
		route.Down = isDown(hop.Flags)
		routes = append(routes, route)
	}
	return routes
}

func isDown(flags int) bool { return flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0 }

var routeTypes = map[int]string{
	unix.RTN_UNICAST:     "unicast",
	unix.RTN_LOCAL:       "local",
	unix.RTN_BROADCAST:   "broadcast",
	unix.RTN_ANYCAST:     "anycast",
	unix.RTN_MULTICAST:   "multicast",
	unix.RTN_BLACKHOLE:   "blackhole",
	unix.RTN_UNREACHABLE: "unreachable",
	unix.RTN_PROHIBIT:    "prohibit",
	unix.RTN_THROW:       "throw",
}

func routeType(n int) string {
	if s, ok := routeTypes[n]; ok {
		return s
	}
	return fmt.Sprint(n)
}

// gatewayOf returns the next hop, which for IPv4 routes may be an IPv6 address.
func gatewayOf(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil && len(gw) == 0 {
		return addrOf(v.Addr)
	}
	return addrOf(gw)
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	a := addrOf(n.IP)
	if !a.IsValid() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, bits)
}

func anywhere(family int) netip.Prefix {
	if family == unix.AF_INET6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

func (t *taking) readNeighbours() error {
	for _, family := range families {
		neighs, err := steady(func() ([]netlink.Neigh, error) { return t.route.NeighList(0, family) })
		for _, n := range neighs {
			// Entries that need no resolving (multicast, loopback) say nothing.
			if ip := addrOf(n.IP); ip.IsValid() && n.State != unix.NUD_NOARP {
				t.sample.Neighbours = append(t.sample.Neighbours, host.Neighbour{
					Link: n.LinkIndex, IP: ip, MAC: n.HardwareAddr.String(), State: neighbourState(n.State),
				})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func neighbourState(n int) string {
	switch n {
	case unix.NUD_INCOMPLETE:
		return "incomplete"
	case unix.NUD_REACHABLE:
		return "reachable"
	case unix.NUD_STALE:
		return "stale"
	case unix.NUD_DELAY:
		return "delay"
	case unix.NUD_PROBE:
		return "probe"
	case unix.NUD_FAILED:
		return "failed"
	case unix.NUD_NOARP:
		return "noarp"
	case unix.NUD_PERMANENT:
		return "permanent"
	}
	return "none"
}
