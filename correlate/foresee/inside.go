package foresee

import (
	"fmt"

	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// enter takes the request over the bridge into the container's namespace.
func (w *walk) enter(t decode.Tuple) {
	if elsewhere, ok := w.s.EngineElsewhere().Get(); ok {
		w.hole(elsewhere)
		w.h.Target = t
		w.deliver()
		return
	}
	owner := w.s.ContainerAt(t.Dst.Addr())
	if owner == nil {
		w.nobody(t)
		return
	}
	if f, ok := w.astray(owner); ok {
		f.Container, w.stray = owner, &f
	}
	w.h.Container, w.h.Target, w.h.Home = owner, t, w.s.Home(owner)
	if owner.Partial {
		w.hole("the state of " + owner.Name + " is not in evidence: only its network tells of it")
	}
	if f, ok := w.door(t); !ok {
		w.finish(f, Refuse)
		return
	}
	w.inside()
}

// nobody: no running container has the address that the request goes to.
func (w *walk) nobody(t decode.Tuple) {
	ip := t.Dst.Addr()
	w.h.Target = t
	owner := w.s.Owner(ip)
	switch {
	case w.s.Network(ip) != "" && owner.None():
		w.finish(w.s.Stale(w.h, w.by), Refuse)
		return
	case !owner.Known():
		w.hole(owner.Why())
	case w.h.Binding != nil:
		w.finish(w.otherTranslation(), Refuse)
		return
	default:
		w.hole("the request leaves this host for " + t.DstEnd() + ", and what becomes of it there is not in evidence")
	}
	w.deliver()
}

// astray: a translation leads to another container than the mapping intends, or
// a rule of the engine's to one that no mapping leads to. Somebody's own rule for
// a port that nobody publishes is his own mapping.
func (w *walk) astray(owner *engine.Container) (correlate.Finding, bool) {
	leftover := w.by != nil && w.by.Owner == programs.Docker && w.s.MappingsLack() == ""
	meant := w.h.Container
	if w.via != correlate.ViaDNAT || meant == nil && !leftover || meant != nil && meant.ID == owner.ID {
		return correlate.Finding{}, false
	}
	if meant == nil {
		w.h.Container = owner
	}
	f := w.otherTranslation()
	if leftover {
		f.Cause = correlate.CauseStaleTranslation
		f.Why = fmt.Sprintf("The request is translated to %s, which is %s's address now: a rule of the engine's is a leftover: %s.", w.h.Target.DstEnd(), owner.Name, w.by.Text)
	}
	return f, true
}

func (w *walk) otherTranslation() correlate.Finding {
	f := correlate.Finding{Verdict: correlate.Misdelivered, Stage: stage.DNAT, Cause: correlate.CauseOtherTranslation, Rule: w.by,
		Why: fmt.Sprintf("A translation sends the request to %s, which is not %s, the container that publishes the port.", w.h.Target.DstEnd(), w.h.Container.Name)}
	if w.by != nil {
		f.Why = fmt.Sprintf("%s The rule: %s.", f.Why, w.by.Text)
		f.Fix = correlate.Removal(w.by)
	}
	return f
}

// door passes the neighbour, the bridge and the veth. False if nobody would
// answer ARP or ND behind it.
func (w *walk) door(t decode.Tuple) (correlate.Finding, bool) {
	if w.host == nil || w.h.Home == "" {
		return correlate.Finding{}, true
	}
	bridge, veth := w.s.Door(w.h.Home, t.Dst.Addr())
	in := w.s.Host(w.h.Home)
	switch port := w.loose(in); {
	case bridge == "" || veth == "" && port == nil: // no bridge network, or the link is not known
		return correlate.Finding{}, true
	case veth == "" || w.host.LinkNamed(veth).Master == 0:
		if port == nil {
			port = w.host.LinkNamed(veth)
		}
		return w.unresolved(bridge, fmt.Sprintf("%s, the veth of %s, is no port of %s", port.Name, w.h.Container.Name, bridge), fmt.Sprintf("ip link set %s master %s", port.Name, bridge)), false
	case veth != "" && !w.host.LinkNamed(veth).Up:
		return w.unresolved(bridge, fmt.Sprintf("%s, the veth of %s, is down", veth, w.h.Container.Name), fmt.Sprintf("ip link set %s up", veth)), false
	}
	if l := in.LinkNamed(in.LinkWith(t.Dst.Addr())); l != nil && !l.Up {
		return w.unresolved(bridge, fmt.Sprintf("%s in %s is down", l.Name, w.h.Container.Name), fmt.Sprintf("docker restart %s", correlate.Shell(w.h.Container.Name))), false
	}
	if port := w.host.LinkNamed(veth); port != nil && port.Blocked() {
		return w.s.PortBlocked(w.h, bridge, *port), false
	}
	w.pass(stage.Neighbour, nil, "%s is on %s", t.Dst.Addr(), bridge)
	w.pass(stage.Veth, nil, "%s leads into %s", veth, w.h.Container.Name)
	return correlate.Finding{}, true
}

// loose is a host's end of a namespace's veth that is no port of any bridge, or
// nil.
func (w *walk) loose(in *host.Sample) *host.Link {
	for i := range w.host.Links {
		if l := &w.host.Links[i]; l.PeerNetns != 0 && l.PeerNetns == in.Inode && l.Master == 0 {
			return l
		}
	}
	return nil
}

func (w *walk) unresolved(bridge, what, fix string) correlate.Finding {
	return correlate.Finding{Verdict: correlate.Refused, Stage: stage.Neighbour, Cause: correlate.CauseNeighbourUnresolved,
		Why: fmt.Sprintf("Nobody on %s answers for %s: %s.", bridge, w.h.Target.Dst.Addr(), what), Fix: []string{fix}}
}

// inside is what the container's own namespace does with the request.
func (w *walk) inside() {
	silent, isSilent := w.s.Silent(w.h)
	if w.h.Home == "" {
		if isSilent {
			w.finish(silent, Drop)
			return
		}
		w.hole("the namespace of " + w.h.Container.Name + " is not in evidence")
		w.deliver()
		return
	}
	if f, ok := w.firewallInside(); !ok {
		if isSilent && silent.Cause == correlate.CauseContainerPaused {
			f = silent
		}
		w.finish(f, outcomeOf(f))
		return
	}
	listener := w.s.Listener(w.h.Home, w.h.Target)
	taken, listens := listener.Get()
	if listens {
		w.hole(known.MayNotAccept(&taken, w.h.Target.Dst.Addr()))
	}
	if f, ok := w.misled(); ok {
		w.finish(f, Drop)
		return
	}
	switch {
	case isSilent && (listens || silent.Cause == correlate.CauseReplyNoRoute || silent.Cause == correlate.CauseContainerAddress):
		w.finish(silent, Drop)
	case !listener.Known():
		w.hole("whether anything in " + w.h.Container.Name + " listens is not in evidence: " + listener.Why())
		w.deliver()
	case !listens:
		w.finish(w.s.NotTaken(w.h), Refuse)
	default:
		if c := w.s.Serving(w.h); c != nil {
			w.h.Container = c
		}
		w.pass(stage.Container, nil, "%s listens on %s", holder(&taken), taken.Local)
		w.back()
	}
}

// misled: the container would answer, but not to whoever asks.
func (w *walk) misled() (correlate.Finding, bool) {
	in, src := w.s.Host(w.h.Home), w.h.Target.Src.Addr()
	if f, ok := w.s.Unhidden(w.h, w.unhiddenOnBridge()); ok {
		return f, true
	}
	if f, ok := w.s.Misremembered(w.h); ok {
		return f, true
	}
	n := w.s.Namespace(w.h.Home)
	route := n.Route(w.s.Lookup(n, w.h.Target.Dst.Addr(), src, ""))
	w.hole(route.Why())
	r, _ := route.Get()
	if l := in.Link(r.Link); l != nil && l.Index < 0 {
		w.hole(n.Lacks(host.PartLinks, 0)) // only the route tells of it
		return correlate.Finding{}, false
	}
	if in, out := in.LinkWith(w.h.Target.Dst.Addr()), w.tunnel(in, &r); out != "" && out != in {
		return w.s.LeavesElsewhere(w.h, in, out), true
	}
	onLink := r.Type == "unicast" && !r.Gateway.IsValid() && r.Dst.Bits() > 0
	if w.r.From == Outside && w.via != correlate.ViaProxy && onLink && w.s.Network(src) != "" && w.s.ContainerAt(src) == nil && !w.s.IsHost(src) {
		return w.s.LookedFor(w.h), true
	}
	return correlate.Finding{}, false
}

// tunnel names the interface that a route of a container leads to, if its other
// end is not the host's; "" otherwise.
func (w *walk) tunnel(in *host.Sample, r *host.Route) string {
	if r.Type != "unicast" {
		return ""
	}
	l := in.Link(r.Link)
	if l == nil || l.Loopback || l.Away || l.Kind == "veth" && !endsHere(in, l) {
		return ""
	}
	return l.Name
}

// endsHere reports whether both ends of a veth pair are in one namespace.
func endsHere(in *host.Sample, l *host.Link) bool {
	other := in.Link(l.Peer)
	return other != nil && other.Peer == l.Index
}

// unhiddenOnBridge: client and server are on one bridge, the request was
// translated there and back is not.
func (w *walk) unhiddenOnBridge() bool {
	bridge, _ := w.s.Door(w.h.Home, w.h.Target.Dst.Addr())
	return w.via == correlate.ViaDNAT && w.host != nil && w.r.Link != "" && w.r.Link == bridge && w.h.Target.Src == w.r.Tuple.Src && !w.bridgeCallsRules()
}

func holder(k *host.Socket) string {
	if k.Process == "" {
		return "a process"
	}
	return fmt.Sprintf("%s (pid %d)", k.Process, k.PID)
}

// firewallInside follows request and answer through the container's own rules.
func (w *walk) firewallInside() (correlate.Finding, bool) {
	in := w.s.Host(w.h.Home)
	p := ruleset.Packet{Tuple: w.h.Target, IIF: in.LinkWith(w.h.Target.Dst.Addr())}
	w.s.Terrain(w.s.Namespace(w.h.Home), &p)
	if p.Tuple.Proto == decode.TCP {
		p.TCPFlags = byte(decode.SYN)
	}
	out, ok := w.rules(w.h.Home, p)
	if !ok || !stopped(out) {
		back := answer(p)
		if out, ok = w.rules(w.h.Home, back); !ok || !stopped(out) {
			return correlate.Finding{}, true
		}
	}
	return w.s.FilteredInside(w.h, out), false
}

// answer is what answers a packet from where that went.
func answer(p ruleset.Packet) ruleset.Packet {
	orig := p.Tuple
	p.Tuple, p.Sent, p.IIF, p.State = orig.Reverse(), true, "", decode.CtEstablished
	if p.TCPFlags != 0 {
		p.TCPFlags |= byte(decode.ACK)
	}
	p.Flow = &ruleset.Flow{Orig: orig, Reply: orig.Reverse(), Status: decode.StatusSeenReply | decode.StatusConfirmed}
	return p
}
