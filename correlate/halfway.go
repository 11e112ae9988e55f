package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/decode"
)

// leavesHost reports whether a packet was first seen where the host hands it to a
// container: on its way in, beyond all that the host does with it. What the host
// asks itself begins there. Where a capture does not say which way it went, addresses
// tell.
func (t *Tracker) leavesHost(p *decode.Packet, pt *point) bool {
	inside := pt.Netns != capture.HostNetns
	if !inside && pt.Role != capture.RoleBridge && pt.Role != capture.RoleVeth || t.world.isHost(p.Tuple.Src) {
		return false
	}
	facing := t.facing(p, pt)
	if facing == capture.DirUnknown {
		return !t.world.isContainerNet(p.Tuple.Src)
	}
	return (facing == capture.DirIn) == inside
}

// leavesContainer reports whether the capture says that a packet comes from a container
// where it was seen.
func (t *Tracker) leavesContainer(p *decode.Packet, pt *point) bool {
	inside := pt.Netns != capture.HostNetns
	if !inside && pt.Role != capture.RoleBridge && pt.Role != capture.RoleVeth {
		return false
	}
	facing := t.facing(p, pt)
	return facing != capture.DirUnknown && (facing == capture.DirOut) == inside
}

// halfway reports whether the request was first seen behind the host: then nobody
// watched whether what goes back leaves it.
func (p *path) halfway() bool { return p.r.marks&markHalfway != 0 }

// handedIn reports whether the request is known to have been seen on its way from the
// host into a container. Where the capture does not say which way it went, and what it
// comes from may be a container's address, it may have been a container that asked.
func (p *path) handedIn() bool {
	if !p.halfway() {
		return false
	}
	if asked := p.side(request); asked != nil && asked.facing() != capture.DirUnknown {
		return true
	}
	src := p.tuple.Src
	return !src.Addr().IsPrivate() || p.t.ours(src) || len(p.t.world.subnets) > 0 || p.containerAt(p.tuple.Dst) != nil
}

// absorb takes what was seen behind the host before the client's own packets were,
// as the request of leg n: the capture began in between, or its ring lost the first
// packet. The initial number tells that they are one.
func (t *Tracker) absorb(n uint32) {
	g := t.legs.slab.at(n)
	if !numbered(g.tuple.Proto) || g.flags&legISN == 0 {
		return
	}
	var buffer [mostAlike]uint32
	alike, _ := t.ends.find(buffer[:0], t.endHash(&g.tuple))
	for _, other := range alike {
		o := t.requests.at(other)
		c := t.legs.slab.at(o.client)
		if o.client == n || o.marks&markHalfway == 0 || o.rev != 0 || c.tuple.Src != g.tuple.Src || c.tuple.SrcPort != g.tuple.SrcPort || c.isn[request] != g.isn[request] {
			continue
		}
		t.handOver(other, g.req-1)
		return
	}
}

// absorbInside takes what was seen in a container of datagrams before the leg of their
// request on its bridge was, as that request's: nothing changes in between.
func (t *Tracker) absorbInside(req uint32, g *leg) {
	if numbered(g.tuple.Proto) || g.netns != 0 || len(t.netns) == 1 {
		return
	}
	var buffer [mostAlike]uint32
	alike, _ := t.ends.find(buffer[:0], t.endHash(&g.tuple))
	for _, other := range alike {
		o := t.requests.at(other)
		c := t.legs.slab.at(o.client)
		if other != req && o.marks&markHalfway != 0 && o.rev == 0 && c.netns != 0 && c.tuple == g.tuple {
			t.handOver(other, req)
			return
		}
	}
}

// handOver makes the legs of one request those of another, and lets it go.
func (t *Tracker) handOver(from, to uint32) {
	r := t.requests.at(from)
	for n := r.client + 1; n != 0; {
		next := t.legs.slab.at(n - 1).next
		t.legs.slab.at(n - 1).next = 0
		t.belong(n-1, to)
		n = next
	}
	if x := t.extras[from]; x != nil {
		mine := t.extra(to)
		mine.conntrack = cmp.Or(mine.conntrack, x.conntrack)
		mine.passages = append(mine.passages, x.passages...)
		mine.errors = append(mine.errors, x.errors...)
		delete(t.extras, from)
	}
	t.unidentify(from, r)
	t.requests.put(from)
}

// arrived reports whether an answer is known to have left the host: it was seen at
// a card, or the client has it.
func (p *path) arrived() bool {
	if slices.ContainsFunc(p.coming, func(s stop) bool { return s.at.Role == capture.RoleNIC && s.at.Netns == capture.HostNetns }) {
		return true
	}
	asked := p.side(request)
	return p.tuple.Proto == decode.TCP && p.client.flags&legReplyISN != 0 && asked != nil && int32(asked.acked) > finAndSYN
}

// outOfSight: an answer was seen behind the host, and not whether it left it.
func outOfSight(p *path, j *judgement) bool {
	unshaken := p.tuple.Proto == decode.TCP && p.r.synAck != 0 && p.r.shaken == 0
	if !p.halfway() || p.arrived() || p.r.answered == 0 && !unshaken {
		return false
	}
	j.undetermined(p, fmt.Sprintf("the request was first seen at %s, and whether the answer left the host was not watched", p.clientPoint().Name))
	return true
}

// wentIn reports whether it is known that the request was handed to a container.
func (p *path) wentIn() bool {
	if p.inner != nil || p.inside != nil || p.handedIn() {
		return true
	}
	to := p.target.Dst
	return p.x.conntrack != nil && p.translated() != "" &&
		(p.containerAt(to) != nil || to != p.tuple.Dst && !p.t.ours(to) && !to.Addr().IsLoopback())
}

// goneIn reports whether the request is known to have been handed to a container,
// and nothing was seen of it there.
func (p *path) goneIn() bool {
	return p.wentIn() && p.inner == nil && p.inside == nil && !p.halfway()
}

// atServer is the leg that ends at the server: the one that was seen there, or one
// as connection tracking has it.
func (p *path) atServer() *leg {
	if p.goneIn() {
		return &leg{tuple: p.target}
	}
	return p.served()
}

// bears reports whether a point in the container's namespace is the interface that
// has the address the request goes to, as far as is known: no other has to see it.
func (p *path) bears(pt *point) bool {
	s := p.homeNamespace().State()
	if s == nil || p.target == (decode.Tuple{}) {
		return true
	}
	link := s.LinkWith(p.target.Dst.Addr())
	return link == "" || pt.Name == link || strings.HasSuffix(pt.Name, ":"+link)
}

// otherWaysOut reports whether the answer may have left the container by another
// interface than the request came in by, with nobody watching.
func (p *path) otherWaysOut() bool {
	if p.container == nil {
		return false
	}
	if slices.ContainsFunc(p.t.points, func(pt point) bool { return pt.Role == capture.RoleContainer && pt.Netns == p.home }) {
		return false // all of its interfaces are watched
	}
	return !p.doorsWatched()
}

// doorsWatched reports whether the host's ends of all of the container's links are
// watched.
func (p *path) doorsWatched() bool {
	if p.container == nil {
		return true
	}
	doors := 0
	for i := range p.t.points {
		pt := &p.t.points[i]
		if pt.same == pt.ID && pt.Role == capture.RoleVeth && p.t.containerOf(pt) == p.home {
			doors++
		}
	}
	return max(doors, 1) >= len(p.container.Endpoints)
}

// maybeTaken reports whether a process of the host may have taken the request and
// kept silent, where nothing says that the request was to go on: a socket for
// datagrams, or the engine's own that holds a port for the rules to serve. Of another
// for connections the kernel would have answered.
func (p *path) maybeTaken() bool {
	if p.translated() != "" || p.t.world.addressed() && !p.t.world.isHost(p.tuple.Dst) {
		return false
	}
	if p.gotThrough() {
		return p.x.conntrack != nil // as it came: to the host, if the address is the host's
	}
	if p.mayBeUnableToAnswer() {
		return true
	}
	k := p.hostListener()
	if p.tuple.Proto == decode.UDP {
		return k != nil || !p.onHost().Listeners(p.tuple.Proto.String()).Known() // rules see the first datagram of many alone
	}
	_, _, on := p.ruledTranslation()
	return !on && k != nil && k.Process == "dockerd"
}

// reachedHost reports whether it is known that a datagram got to the host's own
// socket, and that the socket serves by itself: no rule stopped it, and it is not one
// of the engine's.
func (p *path) reachedHost() bool {
	k := p.hostListener()
	if p.latestEngine() == nil || k == nil || k.Process == "dockerd" || k.Process == "docker-proxy" {
		return false
	}
	return p.surelyPassed()
}

// saidBySomeone: it was refused, and by whom was not watched: the host, or the
// container that it may have been handed to.
func (p *path) saidBySomeone(j *judgement) {
	j.stage, j.cause, j.proof, j.fix = "", CauseUnknown, Inferred, nil
	j.why = fmt.Sprintf("The request for %s was refused; nothing behind %s was watched, so the host may have said so, or a container.", p.tuple.DstEnd(), p.clientPoint().Name)
	j.blind = appendNew(j.blind, "nothing behind "+p.clientPoint().Name+" was watched")
}

// takenBySomeone: a connection was accepted, and by whom was not watched.
func (p *path) takenBySomeone(j *judgement) {
	j.stage, j.cause, j.proof = "", CauseUnknown, Inferred
	j.why = fmt.Sprintf("The connection to %s was accepted, and came to nothing; nothing behind %s was watched, so a process of the host may have taken it, or a container.", p.tuple.DstEnd(), p.clientPoint().Name)
	j.fix = nil
	j.blind = appendNew(j.blind, "nothing behind "+p.clientPoint().Name+" was watched")
}
