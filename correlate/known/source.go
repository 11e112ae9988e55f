package known

import "net/netip"

// Source is the address that the namespace's own packets to dst bear: that of the
// route, else the first of the link that is of the same family and not link-local
// (inet_select_addr in net/ipv4/devinet.c). None if no route leads there, or the
// link has no such address.
func (n Namespace) Source(dst netip.Addr) Answer[netip.Addr] {
	a := n.Route(Lookup{Dst: dst})
	r, ok := a.Get()
	switch {
	case a.None():
		return None[netip.Addr]()
	case !ok:
		return Unknown[netip.Addr](a.Why())
	case r.Src.IsValid():
		return Is(r.Src)
	}
	for _, a := range n.State().Addrs {
		if ip := a.Prefix.Addr().Unmap(); a.Link == r.Link && ip.Is4() == dst.Is4() && !ip.IsLinkLocalUnicast() {
			return Is(ip)
		}
	}
	return None[netip.Addr]()
}
