package correlate

import (
	"fmt"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// silentServer: the request's bytes were acknowledged, and no answer came.
func silentServer(p *path, j *judgement) bool {
	if !p.established() || p.r.asked == 0 || !p.acknowledged(p.client, p.r.point) || p.proxied() {
		return false
	}
	switch {
	case p.paused() || p.wentIn() && !p.goneIn() || p.isDirect():
		p.silentIn(j)
	case p.untranslated():
		return silentHost(p, j)
	default:
		return silentSomeone(p, j)
	}
	return true
}

// silentSomeone: somebody took the request and does not answer; whose process that
// is was not watched.
func silentSomeone(p *path, j *judgement) bool {
	j.verdict, j.cause, j.proof = Unanswered, CauseServerSilent, Inferred
	j.why = fmt.Sprintf("The server on port %d accepted the connection, acknowledged the request and sent no answer.", p.tuple.DstPort)
	j.fix = []string{"see what the server is waiting for: its log, its own connections"}
	j.blind = appendNew(j.blind, "nothing behind "+p.clientPoint().Name+" was watched: whether the host or a container serves the port is not in evidence")
	p.claim(j, p.clientPoint())
	return true
}

// silentHost: a process of the host took the request and does not answer.
func silentHost(p *path, j *judgement) bool {
	j.verdict, j.stage, j.cause, j.proof = Unanswered, stage.Host, CauseServerSilent, Inferred
	j.why = fmt.Sprintf("A process of the host accepted the connection on port %d, took the request and sent no answer.", p.tuple.DstPort)
	j.fix = []string{fmt.Sprintf("see which: ss -lntp 'sport = :%d'", p.tuple.DstPort)}
	if p.heldByEngine(j) {
		p.claim(j, p.clientPoint())
		return true
	}
	proxy := p.proxy()
	switch k := p.hostListener(); {
	case proxy != nil && p.neverDialled(proxy):
		j.exhausted(proxy, "took the request", ", or it hangs")
	case proxy != nil:
		j.stage, j.cause = stage.Proxy, CauseProxyBackendFailed
		j.why = "docker-proxy accepted the connection and got no answer from the container."
	case k == nil || k.Process == "" || p.enginesOwn(k):
		j.cause = CauseUnknown // the engine's own serve nothing themselves
	}
	p.claim(j, p.clientPoint())
	return true
}

func (p *path) isDirect() bool { return p.containerAt(p.tuple.Dst) != nil }

// acknowledged reports whether a point saw all request bytes acknowledged.
func (p *path) acknowledged(g *leg, point uint16) bool {
	asked, back := p.t.legs.at(g, point, request), p.t.legs.at(g, point, reply)
	return asked != nil && back != nil && g.bytes(asked) > 0 && int32(back.acked-1-g.bytes(asked)) >= 0
}

// heard reports whether the server's end acknowledged all request bytes.
func (p *path) heard() bool {
	last := p.furthest()
	return p.acknowledged(last.leg, last.point)
}

// silentContainer: the request entered the container's namespace and nothing
// came out.
func silentContainer(p *path, j *judgement) bool {
	if !p.entered() || len(p.replies()) > 0 {
		return false
	}
	if p.tuple.Proto == decode.UDP && p.t.talkers.Get(talker(p.served().tuple)) == 0 && !listener(p.homeNamespace(), p.served().tuple).Known() && !p.paused() {
		j.undetermined(p, "whether the protocol answers at all is not in evidence, nor the sockets of "+p.name())
		return true
	}
	p.silentIn(j)
	return true
}

// replies are the sightings of a reply beyond the client's own point.
func (p *path) replies() []stop {
	return slices.DeleteFunc(slices.Clone(p.coming), func(s stop) bool { return s.leg == p.client && s.point == p.r.point })
}

// silentIn says why a container does not answer: the first that holds.
func (p *path) silentIn(j *judgement) {
	j.verdict, j.stage, j.proof = Unanswered, stage.Container, Inferred
	j.fact("packets", p.furthest().first, "seen going in at %s; no answer came out", p.furthest().at.Name)
	inner := p.atServer()
	for _, look := range []func(*path, *judgement, *leg) bool{
		pausedContainer, containerFirewall, filteredInside, addressGone, gatewaySilent, ownSource, noRouteBack, lookedFor, backlogFull, serverSilent, sharedAddress, misremembered,
	} {
		if look(p, j, inner) {
			p.claim(j, p.doors()...)
			return
		}
	}
	if p.otherWaysOut() {
		j.undetermined(p, fmt.Sprintf("%s is on several networks, and whether the answer left by another of them was not watched", p.name()))
		return
	}
	j.cause = CauseUnknown
	if !j.unread {
		j.why = fmt.Sprintf("The request reached %s and nothing came back; why is not in evidence.", p.name())
		j.fix = []string{fmt.Sprintf("see whether the server in %s hangs, and whether a firewall runs inside it", p.name())}
	}
	p.claim(j, p.doors()...)
}

// doors are the points at which an answer would have been seen first.
func (p *path) doors() []*point {
	var out []*point
	veth := slices.ContainsFunc(p.going, func(s stop) bool { return s.at.Role == capture.RoleVeth && p.isServersDoor(s.at) })
	for _, s := range p.going {
		if s.leg == p.client && s.point == p.r.point || veth && s.at.Role == capture.RoleContainer {
			continue // the host-side veth stands for the container's own interface
		}
		out = append(out, s.at)
	}
	return append(out, p.clientPoint())
}

func (p *path) paused() bool {
	return p.container != nil && p.stateOf(p.container.ID) == "paused"
}

func (p *path) stateOf(id string) string {
	if e := p.engineThen(); e != nil {
		for i := range e.Containers {
			if e.Containers[i].ID == id {
				return e.Containers[i].State
			}
		}
	}
	return ""
}

func pausedContainer(p *path, j *judgement, _ *leg) bool {
	if !p.paused() {
		return false
	}
	j.cause = CauseContainerPaused
	j.why = fmt.Sprintf("%s is paused: its kernel accepts, its processes do not run.", p.name())
	j.fix = []string{"docker unpause " + shell(p.name())}
	j.fact("engine", p.now, "%s is paused", p.name())
	if e := p.earlierEngine(); e != nil && slices.ContainsFunc(e.Containers, sameState(p.container.ID, "paused")) && slices.ContainsFunc(p.latestEngine().Containers, sameState(p.container.ID, "paused")) {
		j.proof = proofOf(p.proven)
	}
	return true
}

// containerFirewall: a packet filter inside the container's own namespace drops
// what comes in.
func containerFirewall(p *path, j *judgement, inner *leg) bool {
	if p.container == nil || p.heard() {
		return false
	}
	f, ok := p.filtered(request, true)
	if !ok {
		return false
	}
	p.blame(j, f, request)
	j.stage, j.cause = stage.Container, CauseContainerFirewall
	j.why = fmt.Sprintf("A firewall inside %s drops %s: %s.", p.name(), askedFor(inner.tuple), f.hit.Text)
	j.fix = p.insideFix(f.passing(inner.tuple))
	return true
}

// insideFix runs commands in the container's namespace, where its rules are.
func (p *path) insideFix(commands []string) []string {
	var out []string
	for _, c := range commands {
		out = append(out, fmt.Sprintf("nsenter -t $(docker inspect -f '{{.State.Pid}}' %s) -n %s", shell(p.name()), c))
	}
	return out
}

func noRouteBack(p *path, j *judgement, inner *leg) bool {
	back := inner.tuple.Src.Addr()
	if route := p.wayBack(p.homeNamespace(), inner.tuple); !route.None() {
		p.lack(route.Why())
		return false
	}
	j.cause = CauseReplyNoRoute
	j.why = fmt.Sprintf("%s has no route back to %s, so its answers go nowhere.", p.name(), back)
	j.fix = p.defaultRouteFix()
	j.fact("host", p.now, "no route in %s leads to %s", p.name(), back)
	if was := p.t.world.inState(p.home, p.earlierInside()); p.wayBack(was, inner.tuple).None() && p.wayBack(p.t.world.namespace(p.home), inner.tuple).None() {
		j.proof = proofOf(p.proven)
	}
	return true
}

// wayBack is the route by which a namespace answers what came in by a tuple.
func (p *path) wayBack(n known.Namespace, t decode.Tuple) known.Answer[host.Route] {
	return n.Route(p.t.world.lookup(n, t.Dst.Addr(), t.Src.Addr(), ""))
}

func backlogFull(p *path, j *judgement, inner *leg) bool {
	s, old := p.t.world.host(p.home), p.earlierInside()
	if s == nil || p.tuple.Proto != decode.TCP {
		return false
	}
	overflows := int64(0)
	if old != nil {
		overflows = int64(s.Counters["TcpExt.ListenOverflows"]) - int64(old.Counters["TcpExt.ListenOverflows"])
	}
	for _, k := range listeners(p.homeNamespace(), decode.TCP) {
		if k.Local.Port() == inner.tuple.DstPort && known.Accepts(&k, inner.tuple.Dst.Addr()) && k.Queue > k.Backlog && (overflows > 0 || k.Queue > 0) {
			j.cause = CauseBacklogFull
			j.why = fmt.Sprintf("The accept queue of %s in %s is full: waiting %d, allowed %d.", processName(&k), p.name(), k.Queue, k.Backlog)
			j.fix = []string{"make the server accept faster, or raise its backlog and --sysctl net.core.somaxconn"}
			j.fact("host", p.now, "%s: %d waiting, %d allowed; ListenOverflows +%d", k.Local, k.Queue, k.Backlog, max(0, overflows))
			return true
		}
	}
	return false
}

func serverSilent(p *path, j *judgement, inner *leg) bool {
	heard := p.heard()
	spoke := p.t.talkers.Get(talker(inner.tuple)) != 0
	if !heard && !spoke {
		return false
	}
	j.cause, j.proof = CauseServerSilent, Inferred
	if j.unread {
		return true
	}
	j.why = fmt.Sprintf("The server in %s took the request and sent no answer.", p.name())
	if spoke {
		j.why = fmt.Sprintf("The server in %s has answered others, and not this request.", p.name())
	}
	j.fix = []string{fmt.Sprintf("see what the server in %s is waiting for: docker logs %s", p.name(), shell(p.name()))}
	return true
}

// boundSocket is the UDP socket that takes what is sent to server, and whether
// its queue grew while the request waited.
func (p *path) boundSocket(server decode.Tuple) (*host.Socket, bool) {
	netns, old := p.home, p.earlierInside()
	if !p.entered() {
		netns, old = capture.HostNetns, p.earlierHost()
	}
	now, ok := listener(p.t.world.namespace(netns), server).Get() // what it did to the queue shows later
	if !ok {
		return nil, false
	}
	was, ok := listener(p.t.world.inState(netns, old), server).Get()
	return &now, now.Queue > 0 && (!ok || now.Queue > was.Queue)
}

func (p *path) boundOnHost() bool {
	return p.inner == nil && p.t.world.known() && p.t.world.isHost(p.tuple.Dst) && p.binding == nil && listener(p.onHost(), p.tuple).Is() && p.reachedHost()
}
