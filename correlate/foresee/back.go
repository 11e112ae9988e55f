package foresee

import (
	"fmt"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// back takes the answer from the container to whoever asked.
func (w *walk) back() {
	w.pass(stage.ReplyContainer, nil, "the answer leaves %s", w.h.Container.Name)
	if w.host == nil {
		w.deliver()
		return
	}
	bridge := w.bridgeBack()
	bridged := w.bridged()
	if bridged && !w.bridgeCallsRules() {
		w.crossBack(bridge)
		return
	}
	out, ok := w.rules(capture.HostNetns, w.reply(bridge))
	before, after := w.split(out)
	w.tellBack(before)
	if stopped(out) && len(after) == 0 {
		w.finish(w.s.Replied(w.h, out), told)
		return
	}
	if f, lost := w.lostAtRoute(bridge, bridged); lost {
		w.finish(f, Drop)
		return
	}
	w.tellBack(after)
	if ok && stopped(out) {
		w.finish(w.s.Replied(w.h, out), told)
		return
	}
	if ok && w.via == correlate.ViaDNAT && out.Tuple.Src != w.r.Tuple.Dst && w.r.Link != "" {
		w.finish(w.s.NotTranslatedBack(w.h, out), Drop)
		return
	}
	if w.via == correlate.ViaProxy {
		w.fromHost()
		return
	}
	w.deliver()
}

// crossBack takes the answer over the bridge that the request crossed.
func (w *walk) crossBack(bridge string) {
	out, _ := w.rules(capture.HostNetns, w.reply(bridge))
	w.tellBack(out.Steps)
	if stopped(out) {
		w.finish(w.s.Replied(w.h, out), told)
		return
	}
	w.deliver()
}

// bridgeBack is the bridge that the answer comes in by: that of the interface by
// which the container's routes lead to whoever asks.
func (w *walk) bridgeBack() string {
	in := w.s.Namespace(w.h.Home)
	if r, ok := in.Route(w.s.Lookup(in, w.h.Target.Dst.Addr(), w.h.Target.Src.Addr(), "")).Get(); ok {
		if l := in.State().Link(r.Link); l != nil && l.Away {
			if veth := w.host.Link(l.Peer); veth != nil && veth.Master != 0 {
				return w.host.LinkName(veth.Master)
			}
		}
	}
	if bridge, _ := w.s.Door(w.h.Home, w.h.Target.Dst.Addr()); bridge != "" {
		return bridge
	}
	link, _ := w.leaves(w.h.Target.Src.Addr(), w.h.Target.Dst.Addr(), "")
	return link
}

// lostAtRoute: the host cannot send the answer on.
func (w *walk) lostAtRoute(bridge string, bridged bool) (correlate.Finding, bool) {
	if bridged || w.r.Link == "" || w.via == correlate.ViaProxy {
		return correlate.Finding{}, false
	}
	if f, lost := w.s.NotReturned(w.h, bridge); lost {
		return f, true
	}
	check := w.here.ReversePath(bridge, w.h.Target.Dst.Addr(), w.r.Tuple.Src.Addr())
	if w.hole(check.Why()); check.Is() {
		return w.s.ReplyReversePath(w.h, bridge), true
	}
	route := w.here.Route(w.s.Lookup(w.here, w.h.Target.Dst.Addr(), w.r.Tuple.Src.Addr(), bridge))
	w.hole(route.Why())
	if r, ok := route.Get(); ok {
		if link := w.host.LinkName(r.Link); w.r.From == Outside && link != "" && link != w.r.Link {
			return w.s.Misrouted(w.h, link), true
		}
		w.pass(stage.ReplyRoute, nil, "%s leads to %s", r.Dst, w.host.LinkName(r.Link))
	}
	return correlate.Finding{}, false
}

// reply is the answer of the container, as the host's rules meet it.
func (w *walk) reply(bridge string) ruleset.Packet {
	orig := w.r.Tuple
	if w.via == correlate.ViaProxy {
		orig = w.h.Target
	}
	p := w.packet()
	p.Tuple, p.Sent, p.IIF, p.IIFIndex, p.State = w.h.Target.Reverse(), false, bridge, 0, decode.CtEstablished
	if l := w.host.LinkNamed(bridge); l != nil {
		p.IIFIndex = uint32(l.Index)
	}
	if p.TCPFlags != 0 {
		p.TCPFlags |= byte(decode.ACK)
	}
	p.Flow = &ruleset.Flow{Orig: orig, Reply: w.h.Target.Reverse(), Status: decode.StatusSeenReply | decode.StatusConfirmed}
	if orig.Dst != w.h.Target.Dst || orig.DstPort != w.h.Target.DstPort {
		p.Flow.Status |= decode.StatusDstNAT
	}
	return p
}

// fromHost takes the answer of a process of the host to whoever asked.
func (w *walk) fromHost() {
	p := answer(w.packet())
	route := w.here.Route(w.s.Lookup(w.here, w.r.Tuple.Dst.Addr(), w.r.Tuple.Src.Addr(), ""))
	if w.r.Link != "" {
		w.hole(route.Why())
	}
	if w.r.Link != "" && route.None() {
		w.finish(w.s.HostCannotAnswer(w.h), Drop)
		return
	}
	out, ok := w.rules(capture.HostNetns, p)
	if ok {
		w.tellBack(out.Steps)
	}
	if ok && stopped(out) {
		f := w.s.Replied(w.h, out)
		f.Verdict = correlate.Unanswered // nobody sees it leave
		w.finish(f, told)
		return
	}
	w.deliver()
}

// deliver ends the walk well.
func (w *walk) deliver() {
	w.end = correlate.Finding{Verdict: correlate.Delivered, Cause: correlate.CauseNone, Container: w.h.Container, Why: w.deliveredWhy()}
}

func (w *walk) deliveredWhy() string {
	name := "a process of the host"
	if w.h.Container != nil {
		name = w.h.Container.Name
	}
	switch w.via {
	case correlate.ViaDNAT:
		return fmt.Sprintf("Translated to %s, and %s takes it.", w.h.Target.DstEnd(), name)
	case correlate.ViaProxy:
		return fmt.Sprintf("docker-proxy takes it and hands it on to %s at %s.", name, w.h.Target.DstEnd())
	case correlate.ViaDirect:
		return fmt.Sprintf("%s takes it at its own address.", name)
	case correlate.ViaIPVS, correlate.ViaHost:
	}
	return fmt.Sprintf("It stays on the host: %s takes it.", name)
}
