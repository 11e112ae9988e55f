package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// next says, of a run that saw no request, what it saw instead and where to look.
func (j *Judge) next(d *correlate.Document) []string {
	if d.Verdict != correlate.Absent {
		return nil
	}
	said := append(j.arrived(d), j.elsewhere()...)
	said = append(said, j.sought()...)
	said = append(said, j.instead(d)...)
	return append(said, j.wouldBe()...)
}

// arrived says whether something could have come and not been seen.
func (j *Judge) arrived(d *correlate.Document) []string {
	var cards []string
	for _, p := range d.Recording.Points {
		if p.Role == capture.RoleNIC.String() && p.Netns == capture.HostNetns {
			cards = append(cards, p.Name)
		}
	}
	lost := uint64(0)
	for _, r := range d.Recording.Rings {
		lost += r.Lost
	}
	what := "nothing"
	if d.Target != "" {
		what += " for " + d.Target
	}
	watched := d.Recording.Ended.Sub(d.Recording.Started)
	switch {
	case len(d.Recording.Points) == 0 || watched < 0: // cut before it says so
		return nil
	case len(cards) == 0:
		return []string{"no network card of the host was watched: a request from outside would not have been seen; watch all interfaces, without -i"}
	case lost > 0:
		return []string{fmt.Sprintf("%d packets were lost, and a request may have been among them: try again with less traffic (-i, --filter)", lost)}
	}
	said := fmt.Sprintf("%s arrived at %s in %.1f s: ", what, strings.Join(cards, ", "), watched.Seconds())
	if watched < correlate.DefaultWindow {
		return []string{said + "that is short: watch while the client asks"}
	}
	return []string{said + "look before this host, at the address and port that the client asks for, its DNS, routes, and firewalls on the way"}
}

// elsewhere says which targets' URLs name another host than this one.
func (j *Judge) elsewhere() (said []string) {
	h := j.tracker.State().Host(capture.HostNetns)
	if h == nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range h.Addrs {
		own = append(own, a.Prefix.Addr())
	}
	for _, t := range j.wanted.targets {
		if t.Elsewhere(own) && len(said) < mostNamed {
			said = append(said, fmt.Sprintf("%s, which %s names, is none of this host's addresses", t.URLHost, t.Text))
		}
	}
	return said
}

// mostNamed is how many of a sort are named one by one.
const mostNamed = 5

// sought names the addresses that nobody answered for: of the host's, or what a
// target names.
func (j *Judge) sought() (said []string) {
	for _, s := range j.tracker.Sought() {
		if !j.means(&s) || len(said) == mostNamed {
			continue
		}
		whose := "it is this host's, so look at arp_ignore, and at who else filters on " + s.Point
		switch {
		case s.Ours:
		case s.Container != "" && s.Addr.Is4():
			whose = fmt.Sprintf("it is %s's, for which the host does not answer there: ask for a published port of the host", s.Container)
		case s.Container != "":
			whose = fmt.Sprintf("it is %s's, for which the host does not answer there: sysctl -w net.ipv6.conf.%s.proxy_ndp=1; ip -6 neigh add proxy %s dev %s; or give its network a prefix that is routed to the host",
				s.Container, s.Point, s.Addr, correlate.Shell(s.Point))
		default:
			whose = "nobody on that network has it, or answers for it"
		}
		said = append(said, fmt.Sprintf("%s was asked for (ARP or ND) %s at %s and not answered: %s", s.Addr, times(s.Count), s.Point, whose))
	}
	return said
}

// means reports whether an address that was asked for is one that requests for the
// targets go to: the host's own, one that a target names, or a container's.
func (j *Judge) means(s *correlate.Sought) bool {
	any := len(j.wanted.targets) == 0 || slices.ContainsFunc(j.wanted.targets, func(t target.Target) bool { return !t.Addr.IsValid() && t.URLHost == "" })
	return s.Ours && any || slices.ContainsFunc(j.wanted.targets, func(t target.Target) bool {
		a, err := netip.ParseAddr(t.URLHost)
		return t.Addr == s.Addr || err == nil && a == s.Addr || t.Named() && s.Container != "" && (t.Name == s.Container || t.Name == "")
	})
}

// addressUnanswered reports whether a run that saw no request shows why: an address
// that requests go to was asked for more than once at a card, and nobody answered.
func (j *Judge) addressUnanswered(d *correlate.Document) bool {
	lost := slices.ContainsFunc(d.Recording.Rings, func(g correlate.RingReport) bool { return g.Lost > 0 })
	return d.Verdict == correlate.Absent && d.Summary.Open == 0 && !lost && slices.ContainsFunc(j.tracker.Sought(), func(s correlate.Sought) bool {
		return s.Count > 1 && j.means(&s)
	})
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// instead names what else was asked for meanwhile. A recording of dnatrace's own
// holds what it was made for, so that its silence about others says nothing.
func (j *Judge) instead(d *correlate.Document) []string {
	all := j.tracker.Beside()
	if len(all) == 0 {
		if j.own && len(j.wanted.targets) > 0 && len(d.Recording.Filter) == 0 {
			return []string{"what came for other ports was not captured; to see it: dnatrace diagnose 1-65535"}
		}
		return nil
	}
	var named []string
	for _, b := range all[:min(len(all), mostNamed)] {
		to := b.To.String()
		if b.To.Port() == 0 {
			to = b.To.Addr().String()
		}
		named = append(named, fmt.Sprintf("%d to %s/%s at %s", b.Count, to, b.Proto, b.Point))
	}
	more := ""
	if n := len(all) - len(named); n > 0 {
		more = fmt.Sprintf(", and to %d others", n)
	}
	return []string{"other requests were seen meanwhile: " + strings.Join(named, ", ") + more + "; is one of them meant?"}
}

// wouldBe says what the state of the host would have made of a request from
// outside, where that is no delivery.
func (j *Judge) wouldBe() (said []string) {
	state := j.tracker.State()
	for i := range j.wanted.targets {
		e, err := foresee.Explain(state, j.wanted.targets[i:i+1], foresee.Options{From: []string{foresee.Outside}})
		if err != nil || len(e.Missing) > 0 {
			continue
		}
		for _, p := range e.Paths {
			if p.Verdict == correlate.Delivered || p.Verdict == correlate.Undetermined || len(said) == mostNamed {
				continue
			}
			said = append(said, fmt.Sprintf("had one come for %s/%s, it would have been %s (%s): %s", p.Requested, p.Protocol, p.Verdict, p.Cause, p.Why))
		}
	}
	return said
}
