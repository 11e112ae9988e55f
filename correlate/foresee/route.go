package foresee

import (
	"net/netip"

	"dnatrace/capture/host"
)

// leaves names the interface that packets to an address leave by, "" for none.
func leaves(s *host.Sample) func(netip.Addr) string {
	return func(dst netip.Addr) string {
		if r := s.RouteFor(host.Lookup{Dst: dst.Unmap()}); r != nil {
			return s.LinkName(r.Link)
		}
		return ""
	}
}

// sourceFor is the address that the host uses towards another: that of the
// route, else the first of the link that is of the same family.
func sourceFor(s *host.Sample, dst netip.Addr) netip.Addr {
	r := s.RouteFor(host.Lookup{Dst: dst})
	if r == nil {
		return netip.Addr{}
	}
	if r.Src.IsValid() {
		return r.Src
	}
	return addrOn(s, r.Link, dst.Is4())
}

// addrOn is the first address of a link and family that is not link-local.
func addrOn(s *host.Sample, link int, v4 bool) netip.Addr {
	for _, a := range s.Addrs {
		if ip := a.Prefix.Addr().Unmap(); a.Link == link && ip.Is4() == v4 && !ip.IsLinkLocalUnicast() {
			return ip
		}
	}
	return netip.Addr{}
}
