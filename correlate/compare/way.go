package compare

import (
	"fmt"
	"net/netip"
	"strings"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// way compares what the requests themselves show.
func (r *Result) way(good, bad *Side) {
	g, b := good.Incident, bad.Incident
	way := func(at stage.Stage, what, x, y string) {
		r.add(Difference{Stage: at, What: what, Good: x, Bad: y, Way: true})
	}
	way(client, "client", r.Good.Origin, r.Bad.Origin)
	way(requested, "requested", good.asked(), bad.asked())
	if inSight(g) && inSight(b) {
		way(stage.DNAT, "via", string(g.Via), string(b.Via))
	}
	if bothTranslated(g, b) || g.Via != b.Via && inSight(g) && inSight(b) {
		way(stage.DNAT, "translation", good.translation(), bad.translation())
	}
	way(stage.Container, "container", g.Container, b.Container)
	if at, x, y := parting(good, bad); at != stage.None {
		way(at, "way", x, y)
	}
	ended := b.Stage
	if ended == stage.None || g.Verdict != correlate.Delivered && rank(g.Stage) < rank(ended) {
		ended = g.Stage
	}
	if ended == stage.None {
		ended = bad.behind()
	}
	way(ended, "outcome", outcome(g), outcome(b))
}

// bothTranslated reports whether both were seen translated, or neither.
func bothTranslated(g, b *correlate.Incident) bool {
	return (g.Translated == "") == (b.Translated == "")
}

// inSight reports whether a way in is in evidence, or is known not to be: what
// vanished before it was seen translated may have been translated.
func inSight(i *correlate.Incident) bool {
	return i.Via != "" || i.Verdict == correlate.Refused || i.Verdict == correlate.Delivered
}

// behind is the place that a request should have been seen at next.
func (s *Side) behind() stage.Stage {
	if b := s.Incident.Between; len(b) == 2 && placeOf[s.role(b[1])] != "" {
		return placeOf[s.role(b[1])]
	}
	return answer
}

// origin says where a client is, in words that are the same for all clients
// there.
func (s *Side) origin() string {
	ap, err := netip.ParseAddrPort(s.Incident.Client)
	addr := ap.Addr()
	if err != nil {
		addr, _ = netip.ParseAddr(s.Incident.Client)
	}
	switch {
	case s.Incident.ClientContainer != "" && s.Incident.ClientContainer == s.Incident.Container:
		return "the container itself"
	case s.Incident.ClientContainer != "":
		return "a container, " + s.Incident.ClientContainer
	case addr.IsLoopback():
		return "the host, over loopback"
	case s.World.isHost(addr), s.role(first(s.Incident)) == "loopback":
		return "the host"
	}
	return "outside"
}

// first is the point where a request was seen first.
func first(i *correlate.Incident) string {
	if len(i.Hops) == 0 {
		return ""
	}
	return i.Hops[0].Point
}

func (s *Side) role(point string) string {
	for _, p := range s.Points {
		if p.Name == point {
			return p.Role
		}
	}
	return ""
}

// asked is what a request asked for, in words that do not depend on which host
// it is.
func (s *Side) asked() string {
	i := s.Incident
	ap, err := netip.ParseAddrPort(i.Requested)
	if err != nil {
		return i.Protocol
	}
	where := "an address of the host"
	switch {
	case ap.Addr().IsLoopback():
		where = "a loopback address"
	case i.Via == correlate.ViaDirect:
		where = "the container's own address"
	case !s.World.isHost(ap.Addr()) && s.World.known():
		where = "an address that is not the host's"
	}
	family := "IPv4"
	if ap.Addr().Is6() && !ap.Addr().Is4In6() {
		family = "IPv6"
	}
	return fmt.Sprintf("port %d/%s at %s (%s)", ap.Port(), i.Protocol, where, family)
}

// translation is what a request was translated to, and by what.
func (s *Side) translation() string {
	i := s.Incident
	if i.Translated == "" {
		return ""
	}
	for _, h := range i.Hops {
		if h.Kind == correlate.HopTranslated && h.Direction == "request" {
			return strings.TrimSpace("to " + i.Translated + " " + rule(h.Detail))
		}
	}
	return "to " + i.Translated
}

// rule is the rule in a hop's detail; "" for none.
func rule(detail string) string {
	if i := strings.Index(detail, ": -A "); i >= 0 {
		return "by" + detail[i+1:]
	}
	return ""
}

// outcome is what became of a request.
func outcome(i *correlate.Incident) string {
	if i.Verdict == correlate.Delivered {
		return "delivered"
	}
	s := i.Verdict.String() + ", " + string(i.Cause)
	if i.Rule != nil {
		s += ", by " + i.Rule.Text
	}
	return s
}

// placeOf names a point by its place on the way, so that those of two hosts can
// be compared.
var placeOf = map[string]stage.Stage{"nic": stage.NIC, "loopback": stage.Host, "bridge": stage.Bridge, "veth": stage.Veth, "container": stage.Container, "overlay": stage.NIC, "other": ""}

// places are the points that saw a request, one after the other.
func (s *Side) places(direction string) []stage.Stage {
	var out []stage.Stage
	for _, h := range s.Incident.Hops {
		role := s.role(h.Point)
		if h.Direction != direction || placeOf[role] == "" || h.Frame == 0 {
			continue
		}
		if n := len(out); n == 0 || out[n-1] != placeOf[role] {
			out = append(out, placeOf[role])
		}
	}
	return out
}

// parting finds the first place that only one of the requests, or of their
// answers, was seen at.
func parting(good, bad *Side) (parts stage.Stage, x, y string) {
	for _, direction := range []string{"request", "reply"} {
		g, b := good.places(direction), bad.places(direction)
		for i := range max(len(g), len(b)) {
			var at, other stage.Stage
			if i < len(g) {
				at = g[i]
			}
			if i < len(b) {
				other = b[i]
			}
			if at == other {
				continue
			}
			parts = at
			if parts == "" || other != "" && rank(other) < rank(at) {
				parts = other
			}
			if direction == "reply" {
				parts = answer
			}
			return parts, seen(direction, at), seen(direction, other)
		}
	}
	return "", "", ""
}

func seen(direction string, place stage.Stage) string {
	if place == "" {
		return direction + " not seen any further"
	}
	return direction + " seen at the " + string(place)
}

// why says where they part, and what differs there.
func (r *Result) why() string {
	if r.Same {
		return "The requests took the same way to the same end, through the same state."
	}
	if r.Stage == "" {
		return "The requests took the same way to the same end; state that they met differs."
	}
	var parts string
	for _, d := range r.Differences {
		if d.Way && d.Stage == r.Stage {
			parts = r.parting(d)
			break
		}
	}
	if there := r.there(); there != "" {
		parts += " " + there
	}
	return parts
}

// parting puts one difference of their ways into words.
func (r *Result) parting(d Difference) string {
	switch end := r.end(); {
	case d.What == "client":
		return fmt.Sprintf("They part at the client: good comes from %s, bad from %s; %s.", d.Good, d.Bad, end)
	case d.What == "outcome" && r.Good.Verdict == correlate.Delivered:
		return fmt.Sprintf("They part at %s: good gets through, bad is %s.", stageName(r.Stage), d.Bad)
	case d.What == "outcome":
		return fmt.Sprintf("They part at %s: good is %s, bad is %s.", stageName(r.Stage), d.Good, d.Bad)
	default:
		return fmt.Sprintf("They part at %s: %s is %s for good, %s for bad; %s.", stageName(r.Stage), d.What, orNone(d.Good), orNone(d.Bad), end)
	}
}

// there says what of the state differs at the stage where they part.
func (r *Result) there() string {
	var all []string
	for _, d := range r.Differences {
		if d.Way || d.Stage != r.Stage {
			continue
		}
		switch name := strings.TrimSpace(d.What + " " + d.Name); {
		case d.Good == "":
			all = append(all, name+": only bad has "+d.Bad)
		case d.Bad == "":
			all = append(all, name+": only good has "+d.Good)
		default:
			all = append(all, fmt.Sprintf("%s: %s for good, %s for bad", name, d.Good, d.Bad))
		}
	}
	if len(all) == 0 {
		return ""
	}
	more := ""
	if n := len(all) - 2; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
		all = all[:2]
	}
	return "What differs there: " + strings.Join(all, "; ") + more + "."
}

// end says how the bad one ended, if the good one did not end so.
func (r *Result) end() string {
	g, b := r.Good, r.Bad
	if g.Verdict == b.Verdict && g.Cause == b.Cause {
		return fmt.Sprintf("both are %s", b.Verdict)
	}
	s := fmt.Sprintf("bad is %s", b.Verdict)
	if b.Stage != "" {
		s += " at " + stageName(b.Stage)
	}
	return s + fmt.Sprintf(" (%s), good is %s", b.Cause, g.Verdict)
}

func stageName(s stage.Stage) string {
	switch s {
	case client, stage.Container, stage.Host, stage.Proxy, stage.Bridge, stage.Veth, stage.NIC, answer:
		return "the " + string(s)
	case requested:
		return "what was asked for"
	default:
		return string(s)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
