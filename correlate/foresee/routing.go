package foresee

import (
	"fmt"
	"net/netip"

	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/ruleset"
)

// routed is the routing decision about what the rules made of the request. False
// if it ends there.
func (w *walk) routed(out ruleset.Outcome) (correlate.Finding, bool) {
	dst, src := out.Tuple.Dst.Addr(), w.r.Tuple.Src.Addr()
	if w.bridged() {
		return correlate.Finding{}, true
	}
	if w.r.Link != "" {
		if f, ok := w.accepted(src, dst, out.Local); !ok {
			return f, false
		}
	} else if f, ok := w.loopbackLeaves(src, dst, out); !ok {
		return f, false
	}
	if out.Local {
		w.pass("route", nil, "%s is an address of the host", dst)
		return correlate.Finding{}, true
	}
	r := w.host.RouteFor(host.Lookup{Src: src, Dst: dst, IIF: w.r.Link})
	if r == nil {
		return correlate.Finding{Verdict: correlate.Refused, Stage: "route", Cause: correlate.CauseNoRoute,
			Why: fmt.Sprintf("The host has no route to %s.", dst), Fix: []string{fmt.Sprintf("ip route get %s", dst)}}, false
	}
	w.pass("route", nil, "%s leads to %s", r.Dst, w.host.LinkName(r.Link))
	return correlate.Finding{}, true
}

// accepted looks at what routing asks of a packet that comes in: that it may
// come by this link, and may be forwarded.
func (w *walk) accepted(src, dst netip.Addr, local bool) (correlate.Finding, bool) {
	if f, ok := w.reversePath(src); !ok {
		return f, false
	}
	if dst.IsLoopback() && w.host.Sysctls["net.ipv4.conf."+w.r.Link+".route_localnet"] != "1" {
		return w.notRouted(w.r.Link, dst), false
	}
	if local {
		return correlate.Finding{}, true
	}
	h := w.h
	h.Tuple.Dst = w.r.Tuple.Dst
	f, off := w.s.NotForwarded(h, w.r.Link)
	return f, !off
}

// reversePath is the kernel's check that answers would leave by the link that a
// packet came by (fib_validate_source, net.ipv4.conf.*.rp_filter).
func (w *walk) reversePath(src netip.Addr) (correlate.Finding, bool) {
	mode := max(w.host.Sysctls["net.ipv4.conf.all.rp_filter"], w.host.Sysctls["net.ipv4.conf."+w.r.Link+".rp_filter"])
	if !src.Is4() || mode != "1" && mode != "2" {
		return correlate.Finding{}, true
	}
	back := w.host.RouteFor(host.Lookup{Src: w.r.Tuple.Dst.Addr(), Dst: src, IIF: w.r.Link})
	if back != nil && back.Type == "unicast" && (mode == "2" || w.host.LinkName(back.Link) == w.r.Link) {
		return correlate.Finding{}, true
	}
	return w.s.ReversePath(src, w.r.Link), false
}

// loopbackLeaves: what the host sends from a loopback address may leave by a
// link only if that link routes such addresses.
func (w *walk) loopbackLeaves(src, dst netip.Addr, out ruleset.Outcome) (correlate.Finding, bool) {
	if !src.IsLoopback() || out.Local || !src.Is4() {
		return correlate.Finding{}, true
	}
	if oif := leaves(w.host)(dst); w.host.Sysctls["net.ipv4.conf."+oif+".route_localnet"] != "1" && w.host.Sysctls["net.ipv4.conf.all.route_localnet"] != "1" {
		return w.notRouted(oif, src), false
	}
	return correlate.Finding{}, true
}

// strict reports whether a link checks the reverse path of IPv4 strictly.
func (w *walk) strict(link string) bool {
	return w.h.Target.Dst.Is4() && max(w.host.Sysctls["net.ipv4.conf.all.rp_filter"], w.host.Sysctls["net.ipv4.conf."+link+".rp_filter"]) == "1"
}

func (w *walk) notRouted(link string, a netip.Addr) correlate.Finding {
	key := "net.ipv4.conf." + link + ".route_localnet"
	return correlate.Finding{Verdict: correlate.Dropped, Stage: "route", Cause: correlate.CauseLoopbackNotRouted,
		Why: fmt.Sprintf("%s is a loopback address, which %s does not route: %s is 0.", a, link, key),
		Fix: []string{"sysctl -w " + key + "=1", "or ask for an address of the host that is not loopback"}}
}
