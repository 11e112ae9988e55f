package correlate

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
)

// Bridges tells of the bridges of a namespace, as ruleset.Packet asks for them;
// nil where its state is not in evidence.
func (s *State) Bridges(netns string, v4 bool) func(link string) (*ruleset.Bridge, bool) {
	return s.t.world.bridges(s.Namespace(netns), v4)
}

// bridges tells of the bridges of a namespace. What is stacked on a bridge, a
// VLAN for one, sends frames by it that are not followed.
func (w *world) bridges(n known.Namespace, v4 bool) func(link string) (*ruleset.Bridge, bool) {
	s := n.State()
	if s == nil {
		return nil
	}
	return func(name string) (*ruleset.Bridge, bool) {
		l := s.LinkNamed(name)
		switch {
		case l == nil:
			return nil, name == "" || name == "lo"
		case !isBridge(l):
			return nil, l.Away || !isBridge(s.Link(l.Peer))
		}
		return &ruleset.Bridge{
			Port:  func(ip netip.Addr) ruleset.Port { return w.portOf(s, l, ip) },
			MAC:   hardware(l.MAC),
			Calls: n.BridgesCallRules(familyOf(v4)).Is(),
		}, true
	}
}

// portOf is the port of a bridge behind which an address is: the veth of the
// namespace that has it. Its zero value where that is none, or more than one.
func (w *world) portOf(s *host.State, bridge *host.Link, ip netip.Addr) ruleset.Port {
	var found ruleset.Port
	for i := range s.Links {
		l := &s.Links[i]
		if l.Master != bridge.Index || l.Peer == 0 || l.PeerNetns == 0 {
			continue
		}
		inside := w.host(w.netnsOf(l.PeerNetns))
		if inside == nil || !hasAddress(&inside.State, l.Peer, ip) {
			continue
		}
		if found.Name != "" {
			return ruleset.Port{}
		}
		found = ruleset.Port{Name: l.Name, Index: uint32(l.Index), Hairpin: l.Hairpin, MAC: macBehind(s, bridge, inside.Link(l.Peer), ip)}
	}
	return found
}

func hasAddress(s *host.State, link int, ip netip.Addr) bool {
	return slices.ContainsFunc(s.Addrs, func(a host.Addr) bool { return a.Link == link && a.Prefix.Addr().Unmap() == ip })
}

// macBehind is the hardware address of whoever has an address behind a bridge: its
// own, unless the bridge's namespace remembers another.
func macBehind(s *host.State, bridge, end *host.Link, ip netip.Addr) ruleset.MAC {
	if end == nil {
		return ruleset.MAC{}
	}
	for _, n := range s.Neighbours {
		if n.Link == bridge.Index && n.IP == ip && n.MAC != "" && n.MAC != end.MAC {
			return ruleset.MAC{}
		}
	}
	return hardware(end.MAC)
}

// hardware reads a hardware address, "02:00:00:00:00:01"; its zero value if it is
// none of Ethernet.
func hardware(text string) ruleset.MAC {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(b) != len(ruleset.MAC{}) {
		return ruleset.MAC{}
	}
	return ruleset.MAC(b)
}
