package correlate

import (
	"fmt"
	"slices"

	"dnatrace/capture"
)

// coverage says whether the absence of a packet can be claimed, and if not,
// why. A missing packet proves nothing unless the point was watched all the
// time and its ring lost nothing.
type coverage struct {
	gaps    []string // each one makes the absence unprovable
	caveats []string // each one makes it less than certain
}

// watched checks points over the life of a request.
func (p *path) watched(points ...*point) coverage {
	var c coverage
	from, to := p.r.opened, p.now
	for _, pt := range points {
		if !watchedFrom(pt, from) {
			c.gaps = append(c.gaps, fmt.Sprintf("%s was watched only after the request had begun", pt.Name))
		}
		if !watchedTo(pt, to) {
			c.gaps = append(c.gaps, fmt.Sprintf("%s was no longer watched when the request was made", pt.Name))
		}
		if !pt.Counting {
			c.caveats = appendNew(c.caveats, "the capture does not record losses: taken as complete")
		}
		if lost := p.t.journal.lostBetween(pt.Ring, from, to); lost > 0 {
			c.gaps = appendNew(c.gaps, fmt.Sprintf("%d packets were lost at %s meanwhile", lost, pt.Name))
		}
	}
	return c
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// clientPoint is where the request came in.
func (p *path) clientPoint() *point { return &p.t.points[p.r.point] }

// wayIn are the watched points from the client's side to the server, in the
// order a request meets them; the client's own is left out, and what lies before it
// or beside it where the host is behind the request already.
func (p *path) wayIn() []*point {
	bridge, veth := "", ""
	if p.container != nil {
		bridge, veth = p.t.world.wayTo(p.home, p.target.Dst)
	}
	var found [3][]*point
	for i := range p.t.points {
		pt := &p.t.points[i]
		if pt.same != pt.ID || pt.ID == p.r.point || p.fromHost() && depth(pt) <= depth(p.clientPoint()) {
			continue
		}
		switch {
		case pt.Netns == capture.HostNetns && pt.Role == capture.RoleBridge && (bridge == "" || pt.Name == bridge):
			found[0] = append(found[0], pt)
		case pt.Netns == capture.HostNetns && pt.Role == capture.RoleVeth && (veth == "" || pt.Name == veth) && p.mayBeDoor(pt):
			found[1] = append(found[1], pt)
		case pt.Role == capture.RoleContainer && (p.container == nil || pt.Netns == p.home && p.bears(pt)):
			found[2] = append(found[2], pt)
		}
	}
	return slices.Concat(found[0], found[1], found[2])
}

// mayBeDoor leaves out the veths of other containers where owners are known.
func (p *path) mayBeDoor(pt *point) bool {
	owner := p.t.containerOf(pt)
	return owner == "" || p.container == nil || owner == p.home
}

// next is the first watched point that the request should have reached and did
// not, or nil if none of those is watched. One where it was seen, and told as a
// request of its own, comes before others that it may have been meant for.
func (p *path) next() *point {
	var first *point
	for _, pt := range p.wayIn() {
		if p.saw(pt, request) || p.sawAnother(pt) {
			continue
		}
		if p.toldApart(pt) {
			return pt
		}
		if first == nil {
			first = pt
		}
	}
	return first
}

// nextDoors are the client's point, and those at which the request should have been seen
// next: that which next names, and its like where it is not known which of them is on
// the way.
func (p *path) nextDoors(next *point) []*point {
	out := []*point{p.clientPoint()}
	for _, pt := range p.wayIn() {
		if pt == next || pt.Role == next.Role && !p.saw(pt, request) {
			out = append(out, pt)
		}
	}
	return out
}

// fromHost reports whether the request was seen first where it had left the host: what
// it passed on, or asked itself.
func (p *path) fromHost() bool {
	return p.halfway() || depth(p.clientPoint()) > 0 && p.t.ours(p.tuple.Src)
}

// depthOfDoors is the depth from which on a point is a container's own.
const depthOfDoors = 2

// depth is how far in a point lies: at a bridge, at a container's door, or inside.
func depth(pt *point) int {
	switch pt.Role {
	case capture.RoleBridge:
		return 1
	case capture.RoleVeth:
		return depthOfDoors
	case capture.RoleContainer:
		return 3
	case capture.RoleNIC, capture.RoleLoopback, capture.RoleOverlay, capture.RoleOther:
	}
	return 0
}

// sawAnother reports whether the request got as far in as a point at another one,
// behind the host: then it was not to come by this one.
func (p *path) sawAnother(pt *point) bool {
	return slices.ContainsFunc(p.going, func(s stop) bool {
		return s.point != pt.same && s.at.Role == pt.Role && (s.leg.tuple != p.client.tuple || p.fromHost())
	})
}

// saw reports whether a point saw a direction.
func (p *path) saw(pt *point, w way) bool {
	stops := p.going
	if w == reply {
		stops = p.coming
	}
	return slices.ContainsFunc(stops, func(s stop) bool { return s.point == pt.same })
}
