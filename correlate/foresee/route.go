package foresee

import (
	"net/netip"

	"dnatrace/correlate/known"
)

// sourceFor is the address that the host uses towards another. Invalid where that
// is not known.
func sourceFor(n known.Namespace, dst netip.Addr) netip.Addr {
	src, _ := n.Source(dst).Get()
	return src
}

// leaves is the interface by which the host sends on what goes from src to dst and
// came in by a link. What is not known of that is noted as missing.
func (w *walk) leaves(src, dst netip.Addr, in string) (link string, known bool) {
	a := w.here.Leaves(w.s.Lookup(w.here, src, dst, in))
	w.hole(a.Why())
	link, _ = a.Get()
	return link, a.Known()
}
