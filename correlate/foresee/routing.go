package foresee

import (
	"fmt"
	"net/netip"

	"dnatrace/correlate"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
)

// routed is the routing decision about what the rules made of the request. False
// if it ends there.
func (w *walk) routed(out ruleset.Outcome) (correlate.Finding, bool) {
	dst, src := out.Tuple.Dst.Addr(), w.r.Tuple.Src.Addr()
	if w.bridged() {
		return correlate.Finding{}, true
	}
	own := w.s.Own(dst)
	local := out.Local || own.Is()
	if !local {
		w.hole(own.Why())
	}
	if w.r.Link != "" {
		if f, ok := w.accepted(src, dst, local); !ok {
			return f, false
		}
	} else if f, ok := w.loopbackLeaves(src, dst, local); !ok {
		return f, false
	}
	if local {
		w.pass(stage.Route, nil, "%s is an address of the host", dst)
		return correlate.Finding{}, true
	}
	q := w.s.Lookup(w.here, src, dst, w.r.Link)
	if w.ruled {
		q.Mark, q.AnyMark = out.Mark, false
	}
	route := w.here.Route(q)
	if !route.Known() {
		w.hole(route.Why())
		return correlate.Finding{}, true
	}
	r, ok := route.Get()
	if !ok {
		return correlate.Finding{Verdict: correlate.Refused, Stage: stage.Route, Cause: correlate.CauseNoRoute,
			Why: fmt.Sprintf("The host has no route to %s.", dst), Fix: []string{fmt.Sprintf("ip route get %s", dst)}}, false
	}
	w.pass(stage.Route, nil, "%s leads to %s", r.Dst, w.host.LinkName(r.Link))
	return correlate.Finding{}, true
}

// accepted looks at what routing asks of a packet that comes in: that it may
// come by this link, and may be forwarded.
func (w *walk) accepted(src, dst netip.Addr, local bool) (correlate.Finding, bool) {
	if f, ok := w.reversePath(src); !ok {
		return f, false
	}
	if dst.IsLoopback() && !w.routesLoopback(w.r.Link) {
		return w.notRouted(w.r.Link, dst), false
	}
	if local {
		return correlate.Finding{}, true
	}
	f, off := w.s.NotForwarded(w.r.Tuple, w.r.Link)
	w.hole(off.Why())
	return f, !off.Is()
}

// routesLoopback reports whether a link is not known to keep loopback addresses
// back (net.ipv4.conf.*.route_localnet).
func (w *walk) routesLoopback(link string) bool {
	all, own := w.here.Setting("net.ipv4.conf.all.route_localnet"), w.here.Setting("net.ipv4.conf."+link+".route_localnet")
	for _, s := range []known.Answer[string]{all, own} {
		if v, _ := s.Get(); v == "1" {
			return true
		}
	}
	w.hole(all.Why())
	w.hole(own.Why())
	return !all.Known() || !own.Known()
}

// reversePath is the kernel's check that answers would leave by the link that a
// packet came by (fib_validate_source, net.ipv4.conf.*.rp_filter).
func (w *walk) reversePath(src netip.Addr) (correlate.Finding, bool) {
	check := w.here.ReversePath(w.r.Link, src, w.r.Tuple.Dst.Addr())
	w.hole(check.Why())
	how, stops := check.Get()
	return w.s.ReversePath(src, w.r.Link, how), !stops
}

// loopbackLeaves: what the host sends from a loopback address may leave by a
// link only if that link routes such addresses.
func (w *walk) loopbackLeaves(src, dst netip.Addr, local bool) (correlate.Finding, bool) {
	if !src.IsLoopback() || local || !src.Is4() {
		return correlate.Finding{}, true
	}
	if oif, known := w.leaves(src, dst, ""); known && !w.routesLoopback(oif) {
		return w.notRouted(oif, src), false
	}
	return correlate.Finding{}, true
}

func (w *walk) notRouted(link string, a netip.Addr) correlate.Finding {
	key := "net.ipv4.conf." + link + ".route_localnet"
	return correlate.Finding{Verdict: correlate.Dropped, Stage: stage.Route, Cause: correlate.CauseLoopbackNotRouted,
		Why: fmt.Sprintf("%s is a loopback address, which %s does not route: %s is 0.", a, link, key),
		Fix: []string{"sysctl -w " + key + "=1", "or ask for an address of the host that is not loopback"}}
}
