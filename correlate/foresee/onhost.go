package foresee

import (
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// local is for a process of the host: docker-proxy, or a listener of its own.
func (w *walk) local() {
	t := w.r.Tuple
	if w.h.Target != (decode.Tuple{}) { // redirected
		t = w.h.Target
	}
	proxy := w.s.Proxy(t)
	if p, ok := proxy.Get(); ok {
		w.proxied(&p)
		return
	}
	socket := w.s.Listener(capture.HostNetns, t)
	w.hole(socket.Why())
	w.hole(proxy.Why())
	k, taken := socket.Get()
	if taken {
		w.hole(known.MayNotAccept(&k, t.Dst.Addr()))
	}
	if f, ok := w.s.Redirected(w.h); ok && !taken {
		if f.Rule = w.by; w.by != nil {
			f.Why, f.Fix = strings.TrimSuffix(f.Why, ".")+": "+w.by.Text+".", correlate.Removal(w.by)
		}
		w.finish(f, Refuse)
		return
	}
	if !taken {
		w.refused()
		return
	}
	if f, ok := w.s.Taken(w.h); ok {
		w.finish(f, Refuse)
		return
	}
	w.onHost(&k, t)
}

// refused: nothing on the host takes it.
func (w *walk) refused() {
	if elsewhere, ok := w.s.EngineElsewhere().Get(); ok {
		w.hole(elsewhere)
	}
	f := w.heard(w.s.Refused(w.h), ruleset.Outcome{Tuple: w.r.Tuple})
	if f.Verdict == correlate.Refused {
		w.finish(f, Refuse)
		return
	}
	w.finish(f, told)
}

// onHost: a process of the host takes it, be it a host-mode container's.
func (w *walk) onHost(k *host.Socket, t decode.Tuple) {
	if f, ok := w.s.Held(w.h); ok {
		w.finish(f, Drop)
		return
	}
	if lack := w.s.MappingsLack(); lack != "" && w.s.EnginesOwn(k) {
		w.hole(lack + ", and " + k.Process + " serves what it does")
	}
	if k.Process == "dockerd" {
		w.hole("dockerd holds the port, and what it does with a connection is not in evidence")
	}
	h := correlate.Hypothesis{Tuple: t, Target: t, Home: capture.HostNetns, Container: w.h.Container}
	if f, ok := w.s.Silent(h); ok && f.Cause != correlate.CauseReplyNoRoute {
		f.Stage = stage.Host
		w.finish(f, Drop)
		return
	}
	w.pass(stage.Host, nil, "%s listens on %s", holder(k), k.Local)
	w.fromHost()
}

// proxied goes on with the connection that docker-proxy makes.
func (w *walk) proxied(proxy *host.Proxy) {
	w.via = correlate.ViaProxy
	t := w.r.Tuple
	t.Dst, t.DstPort = decode.IPFrom(proxy.Container.Addr()), proxy.Container.Port()
	if elsewhere, ok := w.s.EngineElsewhere().Get(); ok {
		w.pass(stage.Proxy, nil, "the engine's port driver (pid %d) takes it and hands it on to %s in the engine's own namespace", proxy.PID, proxy.Container)
		w.h.Target = t
		if c := w.s.ContainerAt(t.Dst.Addr()); c != nil {
			w.h.Container = c
		}
		w.hole(elsewhere)
		w.deliver()
		return
	}
	w.pass(stage.Proxy, nil, "docker-proxy (pid %d) takes it and asks %s itself", proxy.PID, proxy.Container)
	t.Src = decode.IPFrom(sourceFor(w.here, proxy.Container.Addr()))
	w.h.Target = t
	p := w.packet()
	p.Sent, p.IIF, p.IIFIndex, p.Tuple = true, "", 0, t
	out, ok := w.rules(capture.HostNetns, p)
	if ok {
		w.tell(out.Steps)
		if stopped(out) {
			w.finish(w.s.ProxyCutOff(w.h, out), told)
			return
		}
	}
	w.enter(t)
}
