package correlate

import (
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// path is all that is known of one request, laid out for judging.
type path struct {
	t   *Tracker
	req uint32
	r   *reqRecord
	x   *extra
	now int64 // event time of the judgement

	tuple  decode.Tuple // from the client to what it asked for
	client *leg         // the client's side
	inner  *leg         // after translation, or the proxy's own connection; nil if not in evidence
	inside *leg         // in the container's namespace; nil if not in evidence
	going  []stop       // where the request was seen, in order of first sighting
	coming []stop       // where the reply was seen, likewise

	container  *engine.Container // what the request is meant for; nil unknown
	home       string            // the namespace it lives in, by its owner's name; "" unknown
	binding    *engine.Binding   // its mapping; nil if none is in force
	target     decode.Tuple      // from the client or proxy to the container; zero if not known
	translator *decode.TraceStep // the rule that translated it; nil unless only the trace tells
	lacks      []string          // what rulings would have had to know and is not in evidence
	supposed   bool              // it was not made: the rules were followed before
	exempt     *RuleHit          // what exempts it from connection tracking, of one that was not made
	proven     bool              // the translation is told by conntrack, or there is none
	unread     bool              // nobody reads more of the judgement than its verdict and cause
}

// stop is one point's sighting on a path.
type stop struct {
	*sighting
	leg *leg
	at  *point
}

// path lays out a request. The path is valid until the next is laid out.
func (t *Tracker) path(req uint32, now int64) *path {
	p := t.layOut(req, now)
	if p.adoptEarlier() {
		p = t.layOut(req, now)
	}
	return p
}

func (t *Tracker) layOut(req uint32, now int64) *path {
	r, p := t.requests.at(req), &t.sheet
	*p = path{t: t, req: req, r: r, x: t.extras[req], now: now, client: t.legs.slab.at(r.client), going: p.going[:0], coming: p.coming[:0]}
	if p.x == nil {
		t.none = extra{}
		p.x = &t.none
	}
	p.tuple = p.client.tuple
	if p.x.requested != nil {
		p.tuple = *p.x.requested
	}
	p.collect()
	p.identify()
	return p
}

// tense is a verb in what is said of the request: what was, or what would be of one
// that nobody made.
func (p *path) tense(was, would string) string {
	if p.supposed {
		return would
	}
	return was
}

// collect gathers the legs and where they were seen.
func (p *path) collect() {
	for n := p.r.client + 1; n != 0; {
		g := p.t.legs.slab.at(n - 1)
		n = g.next
		// A request of a container has a leg before translation in its own
		// namespace and one in the host's.
		if g != p.client && g.netns == 0 && p.inner == nil && g.tuple != p.client.tuple {
			p.inner = g
		}
		if g != p.client && g.netns != 0 && !p.t.world.isHost(g.tuple.Dst) {
			p.inside = g
		}
		p.t.legs.each(g, func(s *sighting) {
			st := stop{s, g, &p.t.points[s.point]}
			if s.way == request {
				p.going = append(p.going, st)
			} else {
				p.coming = append(p.coming, st)
			}
		})
	}
	byTime := func(a, b stop) int {
		if a.first != b.first {
			return int(min(max(a.first-b.first, -1), 1))
		}
		return int(a.firstFrame) - int(b.firstFrame)
	}
	slices.SortFunc(p.going, byTime)
	slices.SortFunc(p.coming, byTime)
	if p.inner == nil && p.inside != nil && p.inside.tuple.Dst != p.tuple.Dst {
		p.inner = p.inside
	}
}

// identify finds what the request is meant for.
func (p *path) identify() {
	w := &p.t.world
	e := p.engineThen()
	p.container, p.binding = w.mapping(e, p.tuple)
	switch {
	case p.inner != nil:
		p.target = p.inner.tuple
	case p.x.conntrack != nil && p.x.conntrack.Reply.Reverse() != p.x.conntrack.Orig:
		p.target = p.x.conntrack.Reply.Reverse()
	case p.traced():
	case p.tuple != p.client.tuple: // translated before any point saw it
		p.target = p.client.tuple
	case p.containerAt(p.tuple.Dst) != nil:
		p.target = p.tuple
	case p.container != nil && p.binding != nil:
		p.target = p.mapped()
	}
	if c := p.containerAt(p.target.Dst); c != nil {
		p.container = c
	}
	if p.container != nil {
		p.home = p.container.Name
		p.leaveOutFlooded()
	}
	if c := p.servingContainer(); c != nil {
		p.container = c
	}
	p.proven = w.known() && p.target.Dst == p.tuple.Dst || (p.x.conntrack != nil && !p.x.conntrack.Undated || p.translator != nil) && !p.proxied()
}

// leaveOutFlooded forgets sightings at the veths of other containers: a bridge
// that does not know yet where an address is sends to all its ports.
func (p *path) leaveOutFlooded() {
	_, door := p.t.world.wayTo(p.home, p.target.Dst)
	if door == "" || p.containerAt(p.tuple.Src) != nil {
		return
	}
	p.going = slices.DeleteFunc(p.going, func(s stop) bool {
		return s.at.Role == capture.RoleVeth && s.at.Netns == capture.HostNetns && s.at.Name != door && s.point != p.r.point
	})
}

// traced takes the target from the kernel's trace of the rules, where no point
// saw the request behind them.
func (p *path) traced() bool {
	to, rule := p.tracedTranslation()
	if to == (decode.Tuple{}) {
		return false
	}
	p.target, p.translator = to, rule
	return true
}

// servingContainer is the container whose process listens where the request
// ends. It is another than the owner of the address where containers share a
// namespace, or use the host's.
func (p *path) servingContainer() *engine.Container {
	e := p.engineThen()
	if e == nil {
		return nil
	}
	n, to := p.onHost(), p.tuple
	if p.target != (decode.Tuple{}) && p.container != nil {
		n, to = p.homeNamespace(), p.target
	}
	for _, k := range listeners(n, to.Proto) {
		if k.Container == "" || k.Local.Port() != to.DstPort || !known.Accepts(&k, to.Dst.Addr()) {
			continue
		}
		if i := slices.IndexFunc(e.Containers, func(c engine.Container) bool { return c.ID == k.Container }); i >= 0 {
			return &e.Containers[i]
		}
	}
	return nil
}

// mapped is where the mapping would take the request; zero if the container
// has no address of that family.
func (p *path) mapped() decode.Tuple {
	for _, ep := range p.container.Endpoints {
		ip := ep.IPv4
		if !p.tuple.Dst.Is4() && ep.IPv6.IsValid() {
			ip = ep.IPv6
		}
		if ip.IsValid() {
			to := p.tuple
			to.Dst, to.DstPort = decode.IPFrom(ip), p.binding.Container
			return to
		}
	}
	return decode.Tuple{}
}

// proxy is the docker-proxy that listened where the request went when it came, or
// was found there since; nil for none.
func (p *path) proxy() *host.Proxy {
	if n := p.onHost(); n.InEvidence() && p.containerAt(p.tuple.Dst) == nil {
		if x, ok := p.t.world.proxyAt(n, p.tuple).Get(); ok {
			return &x
		}
	}
	return p.t.world.proxyFor(p.tuple)
}

func (p *path) proxied() bool { return p.r.marks&markProxied != 0 }

// translated is the address behind the translation, or "" if none is in
// evidence. A mapping alone is intent.
func (p *path) translated() string {
	if !p.isTranslated() {
		return ""
	}
	return p.target.DstEnd()
}

func (p *path) isTranslated() bool {
	if p.inner == nil && p.inside == nil && p.translator == nil && p.tuple == p.client.tuple && (p.x.conntrack == nil || p.x.conntrack.Reply.Reverse() == p.x.conntrack.Orig) {
		return false
	}
	return p.target != (decode.Tuple{}) && (p.target.Dst != p.tuple.Dst || p.target.DstPort != p.tuple.DstPort)
}

// via says how the request went in, or was to go in: what is in evidence first,
// then what the mapping in force intends.
func (p *path) via(j *judgement) Via {
	w := &p.t.world
	switch {
	case p.proxied():
		return ViaProxy
	case p.translated() != "":
		return ViaDNAT
	case w.containerAt(p.tuple.Dst) != nil && p.fromItsStart():
		return ViaDirect
	case w.containerAt(p.tuple.Dst) != nil:
		return "" // what was asked for, before any point saw it, is not in evidence
	case j.verdict == Unanswered && j.stage == stage.ReplyRoute: // the host's own servers alone are judged so
		return map[bool]Via{true: ViaProxy, false: ViaHost}[p.proxy() != nil]
	case p.answeredByHost() && p.proxy() != nil && w.elsewhere(p.engineThen(), p.onHost()).Is():
		return ViaProxy // no rule here leads to the engine's containers
	case p.answeredByHost() && (p.binding != nil || w.engine() == nil || w.engine().Partial) && !p.untranslated():
		return "" // a rule may have translated it where no point watched
	case p.answeredByHost() && p.proxy() != nil:
		return ViaProxy
	case p.answeredByHost() || p.container != nil && isHostMode(p.container) && p.binding == nil && j.cause != CauseModeHost:
		return ViaHost
	case j.stage == stage.Raw || j.stage == stage.Ingress || j.stage == stage.Prerouting || j.stage == stage.Host:
		return "" // it ended before anything could send it anywhere
	case j.verdict == Delivered || p.took() && !p.ruledOn():
		return "" // by which way is not in evidence
	case p.binding != nil && p.clientPoint().Role == capture.RoleNIC && p.target != (decode.Tuple{}) && p.target.Dst.Is4() == p.tuple.Dst.Is4():
		return ViaDNAT
	}
	return ""
}

// answeredByHost reports whether the host itself took up the request. Its
// kernel's refusal is not that.
func (p *path) answeredByHost() bool {
	return p.inner == nil && p.inside == nil && p.took() && p.t.world.known() && p.t.world.isHost(p.tuple.Dst)
}

// took reports whether somebody took up the request: a connection was accepted, a
// datagram answered.
func (p *path) took() bool {
	return p.r.synAck != 0 || p.tuple.Proto != decode.TCP && p.r.answered != 0
}

// ruledOn reports whether the recorded rules translate the request.
func (p *path) ruledOn() bool {
	_, _, on := p.ruledTranslation()
	return on
}

func isHostMode(c *engine.Container) bool { return c.Mode == "host" }

// side returns the sighting of one direction at the client's point, or nil.
func (p *path) side(w way) *sighting { return p.t.legs.at(p.client, p.r.point, w) }

// bytes is how much payload one direction carried past the client's point.
func (p *path) bytes(w way) uint32 {
	if s := p.side(w); s != nil {
		return p.client.bytes(s)
	}
	return 0
}

// served is the leg that ends at the server, as far as the path is in
// evidence.
func (p *path) served() *leg {
	switch {
	case p.inner != nil:
		return p.inner
	case p.inside != nil:
		return p.inside
	}
	return p.client
}

// entered reports whether the request was seen in the container's namespace,
// or at the host-side veth that is its door.
func (p *path) entered() bool {
	return slices.ContainsFunc(p.going, func(s stop) bool {
		if s.leg == p.client && s.point == p.r.point && !p.isServersDoor(s.at) {
			return false
		}
		return s.at.Role == capture.RoleContainer || s.at.Role == capture.RoleVeth && p.isServersDoor(s.at)
	})
}

// isServersDoor reports whether a point is the server's, not the client's own
// when that is a container too. Which way the request went there tells, but where a
// bridge floods, it goes into others, too.
func (p *path) isServersDoor(pt *point) bool {
	if p.isOthersDoor(pt) {
		return false
	}
	if in, known := p.wentInAt(pt); known {
		return in
	}
	if p.container != nil {
		if _, veth := p.t.world.wayTo(p.home, p.target.Dst); veth != "" {
			return pt.Name == veth || pt.Netns == p.home
		}
		if owner := p.t.containerOf(pt); owner != "" {
			return owner == p.home
		}
	}
	// A request that starts at a container's door starts at its own.
	return pt.same != p.r.point || pt.Role != capture.RoleVeth && pt.Role != capture.RoleContainer
}

// mayHaveArrived reports whether the one door at which the request was seen may be the
// server's as well as the client's: whose it is is not in evidence, nor which way the
// request went there.
func (p *path) mayHaveArrived(pt *point) bool {
	if _, known := p.wentInAt(pt); known || pt.same != p.r.point || depth(pt) < depthOfDoors || p.t.containerOf(pt) != "" || p.containerAt(p.tuple.Dst) == nil {
		return false
	}
	_, veth := p.t.world.wayTo(p.home, p.target.Dst)
	return veth == ""
}

// isOthersDoor reports whether a point is the door of another container than the one
// that the request is for: it has another owner, or its owner is not known, and the
// server's own interface was watched and saw nothing.
func (p *path) isOthersDoor(pt *point) bool {
	if p.container == nil || depth(pt) < depthOfDoors {
		return false
	}
	if owner := p.t.containerOf(pt); owner != "" || pt.Role != capture.RoleVeth {
		return owner != "" && owner != p.home
	}
	for i := range p.t.points {
		if o := &p.t.points[i]; o.same == o.ID && o.Role == capture.RoleContainer && o.Netns == p.home && p.bears(o) && !p.saw(o, request) {
			return true
		}
	}
	return false
}

// wentInAt reports whether the request entered a container at a point that is one's
// door, by the direction in which it crossed that; known is false if that is not in
// evidence.
func (p *path) wentInAt(pt *point) (in, known bool) {
	if depth(pt) < depthOfDoors {
		return false, false
	}
	for i := range p.going {
		s := &p.going[i]
		if f := s.facing(); s.point == pt.same && f != capture.DirUnknown {
			return (f == capture.DirIn) == (pt.Role == capture.RoleContainer), true
		}
	}
	return false, false
}

// furthest is the last stop of the request on its way in: the client's point if
// only answers were seen, because the rings lost the rest.
func (p *path) furthest() stop {
	if len(p.going) == 0 {
		return stop{&sighting{point: p.r.point, first: p.r.opened, last: p.r.lastNew}, p.client, p.clientPoint()}
	}
	return p.going[len(p.going)-1]
}

// replyFrom is the first place where a reply with a flag was seen: who said
// it. Nil if none was.
func (p *path) replyFrom(flags decode.TCPFlags) *stop {
	for i := range p.coming {
		if s := &p.coming[i]; s.flags&flags == flags {
			return s
		}
	}
	return nil
}

// fromItsStart reports whether the request was seen as its client made it: where it
// came in, or where its client lives. What is seen further in may have been
// translated before.
func (p *path) fromItsStart() bool {
	if e := p.x.conntrack; e != nil {
		return e.Reply.Reverse() == e.Orig
	}
	at := p.clientPoint()
	client := p.containerAt(p.tuple.Src)
	if client == nil && p.t.ours(p.tuple.Src) { // no point sees what OUTPUT translates, and conntrack does
		h := p.sampleThen(capture.HostNetns)
		return p.t.journal.sources[capture.OriginConntrack].State == capture.SourceOK && h != nil && !h.Undated
	}
	switch at.Role {
	case capture.RoleNIC:
		return at.Netns == capture.HostNetns
	case capture.RoleLoopback:
		return true
	case capture.RoleBridge, capture.RoleVeth, capture.RoleContainer, capture.RoleOverlay, capture.RoleOther:
	}
	return client != nil && p.isClientsOwn(at, client)
}

// isClientsOwn reports whether a point is known to be the bridge, or the door, of the
// container that asked.
func (p *path) isClientsOwn(at *point, client *engine.Container) bool {
	if in, known := p.wentInAt(at); known {
		return !in
	}
	bridge, _ := p.t.world.wayTo(client.Name, p.tuple.Src)
	if at.Role == capture.RoleBridge {
		asked := p.side(request)
		return bridge == at.Name || asked != nil && asked.facing() == capture.DirIn
	}
	return p.t.containerOf(at) == client.Name
}

// inContainer reports whether a stop lies beyond the host's own stack, on the
// server's side.
func (p *path) inContainer(s *stop) bool {
	if depth(s.at) >= depthOfDoors {
		if in, known := p.wentInAt(s.at); known && in || s.at.Role == capture.RoleContainer && p.isServersDoor(s.at) {
			return true
		}
	}
	server := p.containerAt(p.client.tuple.Dst)
	return s.leg.tuple != p.client.tuple || s.point != p.r.point && s.at.Role != capture.RoleNIC && server != nil ||
		s.at.Netns == capture.HostNetns && (s.at.Role == capture.RoleBridge || s.at.Role == capture.RoleVeth) && server != nil && p.containerAt(p.tuple.Src) == nil
}
