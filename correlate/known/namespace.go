package known

import (
	"fmt"
	"net/netip"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// Namespace is the state of one network namespace. The zero value is one of which
// nothing is in evidence.
type Namespace struct {
	name  string
	state *host.State // nil: not in evidence
	why   string      // why it is not, where that was told
}

// Of is a namespace, "host" or its owner's name, in a state; nil is one that is
// not in evidence.
func Of(name string, s *host.State) Namespace { return Namespace{name: name, state: s} }

// Lost is a namespace whose state is not in evidence, for a reason.
func Lost(name, why string) Namespace { return Namespace{name: name, why: why} }

// Name is the namespace's name, "host" or its owner's.
func (n Namespace) Name() string { return n.name }

// InEvidence reports whether anything of the namespace is.
func (n Namespace) InEvidence() bool { return n.state != nil }

// State is what was told of it, for what it has; nil if nothing was. That it has
// none of a thing is for the other methods to say.
func (n Namespace) State() *host.State { return n.state }

// words is what the namespace is called in a sentence.
func (n Namespace) words() string {
	if n.name == capture.HostNetns || n.name == "" {
		return theHost
	}
	return n.name
}

const theHost = "the host"

// Family is 4 or 6: that of an address.
func Family(ip netip.Addr) int {
	if ip.Unmap().Is4() {
		return 4
	}
	return 6
}

func familyWords(family int) string {
	switch family {
	case 4:
		return " (IPv4)"
	case 6:
		return " (IPv6)"
	}
	return ""
}

// what a part is called in a sentence.
var partWords = map[host.Part]string{
	host.PartLinks: "the interfaces", host.PartAddrs: "the addresses", host.PartRoutes: "the routes", host.PartLocal: "the local routing table",
	host.PartRules: "the routing rules", host.PartNeighbours: "the neighbours", host.PartSettings: "the settings", host.PartTCP: "the TCP sockets", host.PartUDP: "the UDP sockets", host.PartProxies: "docker-proxy's processes",
}

// notGiven is what Lacks says of the host where nothing of its state is given: of
// captures alone it is asked for each request.
var notGiven = func() map[partOf]string {
	said := map[partOf]string{}
	for part, words := range partWords {
		for _, family := range []int{0, 4, 6} {
			said[partOf{part, family}] = words + " of " + theHost + familyWords(family) + " are not in evidence"
		}
	}
	return said
}()

// partOf is a part of a state of one address family.
type partOf struct {
	part   host.Part
	family int
}

// Lacks says why a part of the state cannot tell that something is not there: it
// was not given, or not all of it was. "" if it can. Family is 4, 6, or 0 for
// parts that have none.
func (n Namespace) Lacks(part host.Part, family int) string {
	var given bool
	var why string
	if n.state != nil {
		if given, why = n.state.Gives(part, family); given && why == "" {
			return ""
		}
	} else if s, ok := notGiven[partOf{part, family}]; ok && n.why == "" && n.words() == theHost {
		return s
	}
	what := fmt.Sprintf("%s of %s%s", partWords[part], n.words(), familyWords(family))
	if n.state == nil {
		if n.why != "" {
			return what + " are not in evidence: " + n.why
		}
		return what + " are not in evidence"
	}
	verb := " are"
	if part == host.PartLocal {
		verb = " is"
	}
	switch {
	case given:
		return "not all of " + what + verb + " in evidence: " + why
	case why != "":
		return what + verb + " not in evidence: " + why
	}
	return what + verb + " not in evidence"
}

// Link is the interface of a name.
func (n Namespace) Link(name string) Answer[host.Link] {
	if n.state != nil {
		if l := n.state.LinkNamed(name); l != nil {
			return Is(*l)
		}
	}
	if why := n.Lacks(host.PartLinks, 0); why != "" {
		return Unknown[host.Link](why)
	}
	return None[host.Link]()
}

// Local is whether an address is one of the namespace's own: the interface that
// has it, "" if that is not known. The local routing table tells where addresses
// were not given.
func (n Namespace) Local(ip netip.Addr) Answer[string] {
	ip = ip.Unmap()
	if n.state != nil {
		for _, a := range n.state.Addrs {
			if a.Prefix.Addr().Unmap() == ip {
				return Is(n.state.LinkName(a.Link))
			}
		}
	}
	if ip.IsLoopback() {
		return Is("lo")
	}
	if n.state != nil {
		for i := range n.state.Routes { // what it prefers as a source is its own
			if r := &n.state.Routes[i]; r.Src.Unmap() == ip {
				return Is(n.state.LinkName(r.Link))
			}
		}
	}
	family := Family(ip)
	why := n.Lacks(host.PartAddrs, family)
	if why == "" {
		return None[string]()
	}
	if n.Lacks(host.PartLocal, family) != "" {
		return Unknown[string](why)
	}
	for i := range n.state.Routes {
		if r := &n.state.Routes[i]; r.Type == "local" && r.Dst.IsValid() && r.Dst.Contains(ip) {
			return Is(n.state.LinkName(r.Link))
		}
	}
	return None[string]()
}

// Setting is what a setting says, "net.ipv4.ip_forward".
func (n Namespace) Setting(key string) Answer[string] {
	if n.state != nil {
		if v, ok := n.state.Sysctls[key]; ok {
			return Is(v)
		}
	}
	if why := n.Lacks(host.PartSettings, 0); why != "" {
		return Unknown[string](key + " of " + n.words() + " is not in evidence")
	}
	return None[string]()
}

// NotForwarding is the setting that keeps what comes in at a link from being
// forwarded; none if nothing does.
func (n Namespace) NotForwarding(in string, family int) Answer[string] {
	keys := []string{"net.ipv4.ip_forward", "net.ipv4.conf." + in + ".forwarding"}
	if family == 6 {
		keys = []string{"net.ipv6.conf." + in + ".forwarding", "net.ipv6.conf.all.forwarding"}
	}
	for _, key := range keys {
		if v, _ := n.Setting(key).Get(); v == "0" {
			return Is(key)
		}
	}
	// The one of the link follows that of all, unless it was set by itself.
	if all := n.Setting(map[int]string{4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}[family]); !all.Known() {
		return Unknown[string](all.Why())
	}
	return None[string]()
}

// BridgesCallRules is the setting by which what crosses a bridge meets the rules of
// IP of a family (br_netfilter); none if it does not.
func (n Namespace) BridgesCallRules(family int) Answer[string] {
	key := "net.bridge.bridge-nf-call-" + map[int]string{4: "iptables", 6: "ip6tables"}[family]
	a := n.Setting(key)
	switch v, ok := a.Get(); {
	case ok && v == "1":
		return Is(key)
	case !a.Known():
		return a
	}
	return None[string]()
}

// Neighbour is the entry for an address, that of one link if a link is named.
func (n Namespace) Neighbour(ip netip.Addr, link string) Answer[host.Neighbour] {
	if n.state != nil {
		for _, e := range n.state.Neighbours {
			if e.IP == ip && (link == "" || n.state.LinkName(e.Link) == link) {
				return Is(e)
			}
		}
	}
	if why := n.Lacks(host.PartNeighbours, 0); why != "" {
		return Unknown[host.Neighbour](why)
	}
	return None[host.Neighbour]()
}

// Listeners are the sockets of a protocol, "tcp" or "udp". Those of others are
// never looked at.
func (n Namespace) Listeners(proto string) Answer[[]host.Socket] {
	part, ok := map[string]host.Part{"tcp": host.PartTCP, "udp": host.PartUDP}[proto]
	if !ok {
		return Unknown[[]host.Socket](fmt.Sprintf("sockets of %s are not sampled", strings.ToUpper(proto)))
	}
	if n.state == nil {
		return Unknown[[]host.Socket](n.Lacks(part, 0))
	}
	var out []host.Socket
	for _, k := range n.state.Sockets {
		if strings.TrimSuffix(k.Proto, "6") == proto {
			out = append(out, k)
		}
	}
	if why := n.Lacks(part, 0); why != "" {
		return Partly(out, why)
	}
	return Is(out)
}

// Listener is the socket that takes what is sent to an address and port.
func (n Namespace) Listener(proto string, dst netip.AddrPort) Answer[host.Socket] {
	all := n.Listeners(proto)
	socks, _ := all.Get()
	if k := takerOf(socks, dst.Port(), dst.Addr()); k != nil {
		return Is(*k)
	}
	if !all.Known() {
		return Unknown[host.Socket](all.Why())
	}
	return None[host.Socket]()
}
