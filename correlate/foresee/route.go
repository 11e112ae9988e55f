package foresee

import (
	"net/netip"

	"dnatrace/correlate/known"
)

// sourceFor is the address that the host uses towards another: that of the
// route, else the first of the link that is of the same family. Invalid where that
// is not known.
func sourceFor(n known.Namespace, dst netip.Addr) netip.Addr {
	r, ok := n.Route(known.Lookup{Dst: dst}).Get()
	switch {
	case !ok:
		return netip.Addr{}
	case r.Src.IsValid():
		return r.Src
	}
	return addrOn(n, r.Link, dst.Is4())
}

// addrOn is the first address of a link and family that is not link-local.
func addrOn(n known.Namespace, link int, v4 bool) netip.Addr {
	for _, a := range n.State().Addrs {
		if ip := a.Prefix.Addr().Unmap(); a.Link == link && ip.Is4() == v4 && !ip.IsLinkLocalUnicast() {
			return ip
		}
	}
	return netip.Addr{}
}

// leaves is the interface by which the host sends on what goes from src to dst and
// came in by a link. What is not known of that is noted as missing.
func (w *walk) leaves(src, dst netip.Addr, in string) (link string, known bool) {
	a := w.here.Leaves(w.s.Lookup(w.here, src, dst, in))
	w.hole(a.Why())
	link, _ = a.Get()
	return link, a.Known()
}
