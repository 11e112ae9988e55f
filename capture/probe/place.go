package probe

import (
	"net/netip"
	"slices"

	"dnatrace/capture/host"
)

// madeUp is the MAC address of frames whose sender is not known: a locally
// administered one.
const madeUp = "02:00:5e:00:53:fe"

// Sender is the MAC address that frames of a client have at an interface: that of
// the gateway they come through, as far as it is known, so that no bridge learns
// another.
func Sender(s *host.State, link string, client netip.Addr) string {
	l := s.LinkNamed(link)
	if l == nil {
		return madeUp
	}
	hop := client
	if !onLink(s, l.Index, client) {
		for _, r := range s.Routes {
			if r.Link == l.Index && r.Gateway.IsValid() && r.Dst.Bits() == 0 && r.Gateway.Is4() == client.Is4() {
				hop = r.Gateway
			}
		}
	}
	for _, n := range s.Neighbours {
		if n.Link == l.Index && n.IP == hop && len(n.MAC) == len(madeUp) && n.MAC != "00:00:00:00:00:00" {
			return n.MAC
		}
	}
	return madeUp
}

// Known are those of the clients that are neighbours of the host's.
func Known(s *host.State, clients []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(clients), func(ip netip.Addr) bool {
		return !slices.ContainsFunc(s.Neighbours, func(n host.Neighbour) bool { return n.IP == ip && n.MAC != "" })
	})
}

func onLink(s *host.State, link int, ip netip.Addr) bool {
	return slices.ContainsFunc(s.Addrs, func(a host.Addr) bool { return a.Link == link && a.Prefix.Masked().Contains(ip) })
}

// Outside are the interfaces that lead away from the host: hardware and tunnels,
// whatever has a way to a gateway, and the one that the probe comes in by. Bridges
// and veth pairs lead to containers otherwise. What a bridge or a bond sends is
// stopped at the hardware below it.
func Outside(s *host.State, link string) (names []string) {
	gateways := map[int]bool{}
	for _, r := range s.Routes {
		if r.Gateway.IsValid() {
			gateways[r.Link] = true
		}
	}
	for _, l := range s.Links {
		if l.Loopback {
			continue
		}
		if leadsAway(s, &l) || gateways[l.Index] && l.Kind != "bridge" || l.Name == link {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return names
}

// inner are the kinds of interfaces that lead to containers and to processes of
// this host.
var inner = []string{"bridge", "veth", "dummy", "ifb", "nlmon", "vcan"}

// leadsAway: anything but what is inner, and a bridge that hardware is a port of.
func leadsAway(s *host.State, l *host.Link) bool {
	if l.Kind == "bridge" {
		return slices.ContainsFunc(s.Links, func(p host.Link) bool { return p.Master == l.Index && p.Kind == "" && !p.Loopback })
	}
	return !slices.Contains(inner, l.Kind)
}
