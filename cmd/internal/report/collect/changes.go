package collect

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// Bounds of comparing: lists longer than this are told by their counts, and
// after so many changes rulesets are no longer taken apart.
const (
	maxLines  = 6
	maxParsed = 64
)

// hostWas compares a sample with the one before it in its namespace.
func (d *diary) hostWas(e *decode.HostSample) {
	if e.Same {
		return
	}
	was := d.hosts[e.Netns]
	d.hosts[e.Netns] = &e.State
	if was == nil {
		return
	}
	now := &e.State
	d.lines(e.Time, report.LaneHost, e.Netns, "interface", linkLines(was), linkLines(now))
	d.lines(e.Time, report.LaneHost, e.Netns, "address", addrLines(was), addrLines(now))
	d.lines(e.Time, report.LaneHost, e.Netns, "route", routeLines(was), routeLines(now))
	d.lines(e.Time, report.LaneHost, e.Netns, "setting", settingLines(was), settingLines(now))
	d.lines(e.Time, report.LaneSockets, e.Netns, "socket", socketLines(was), socketLines(now))
}

// lines tells what is in one list and not in the other.
func (d *diary) lines(t int64, lane, where, what string, was, now []string) {
	gone, news := difference(was, now), difference(now, was)
	d.several(t, lane, where, what+" gone: ", gone)
	d.several(t, lane, where, what+" new: ", news)
}

func (d *diary) several(t int64, lane, where, what string, lines []string) {
	for n, l := range lines {
		if n == maxLines {
			d.say(t, lane, where, fmt.Sprintf("%s%d more", what, len(lines)-n))
			return
		}
		d.say(t, lane, where, what+l)
	}
}

// difference is what a has more of than b, in a's order.
func difference(a, b []string) []string {
	have := map[string]int{}
	for _, s := range b {
		have[s]++
	}
	var out []string
	for _, s := range a {
		if have[s]--; have[s] < 0 {
			out = append(out, s)
		}
	}
	return out
}

func linkLines(s *host.State) []string {
	var out []string
	for _, l := range s.Links {
		state := "down"
		if l.Up {
			state = "up"
		}
		if l.Up && !l.Running {
			state = "up, no carrier"
		}
		line := fmt.Sprintf("%s %s, MTU %d", l.Name, state, l.MTU)
		if l.Master != 0 {
			line += ", port of " + linkName(s, l.Master)
		}
		out = append(out, line)
	}
	return out
}

func linkName(s *host.State, index int) string {
	return cmp.Or(s.LinkName(index), fmt.Sprintf("interface %d", index))
}

func addrLines(s *host.State) []string {
	var out []string
	for _, a := range s.Addrs {
		out = append(out, a.Prefix.String()+" on "+linkName(s, a.Link))
	}
	return out
}

func routeLines(s *host.State) []string {
	var out []string
	for i := range s.Routes {
		if r := &s.Routes[i]; r.Type == "unicast" || r.Type == "blackhole" || r.Type == "unreachable" || r.Type == "prohibit" {
			out = append(out, routeText(s, r))
		}
	}
	return out
}

// routeText writes a route as ip route does.
func routeText(s *host.State, r *host.Route) string {
	var b strings.Builder
	if r.Type != "unicast" {
		b.WriteString(r.Type + " ")
	}
	dst := r.Dst.String()
	switch {
	case r.Dst.IsValid() && r.Dst.Bits() == 0:
		dst = "default"
	case r.Dst.IsSingleIP():
		dst = r.Dst.Addr().String()
	}
	b.WriteString(dst)
	if r.Gateway.IsValid() {
		b.WriteString(" via " + r.Gateway.String())
	}
	if r.Link != 0 {
		b.WriteString(" dev " + linkName(s, r.Link))
	}
	if r.Src.IsValid() {
		b.WriteString(" src " + r.Src.String())
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	if r.Table != 254 && r.Table != 255 {
		fmt.Fprintf(&b, " table %d", r.Table)
	}
	if r.Down {
		b.WriteString(" linkdown")
	}
	return b.String()
}

func settingLines(s *host.State) []string {
	var out []string
	for k, v := range s.Sysctls {
		out = append(out, k+" = "+v)
	}
	slices.Sort(out)
	return out
}

func socketLines(s *host.State) []string {
	var out []string
	for i := range s.Sockets {
		out = append(out, socketText(&s.Sockets[i]))
	}
	return out
}

func socketText(k *host.Socket) string {
	text := k.Proto + " " + k.Local.String()
	switch {
	case k.Process != "":
		text += fmt.Sprintf(" (%s, pid %d)", k.Process, k.PID)
	case k.PID != 0:
		text += fmt.Sprintf(" (pid %d)", k.PID)
	}
	return text
}

// rulesWere compares a back end's rules with those before.
func (d *diary) rulesWere(e *decode.Ruleset) {
	k := ruleKey{e.Netns, e.Backend, e.Table}
	was := d.rules[k]
	if e.Same {
		return
	}
	d.rules[k] = e
	if was == nil || bytes.Equal(was.Data, e.Data) {
		return
	}
	if e.Backend != "nft" && d.rules[ruleKey{e.Netns, "nft", ""}] != nil && len(d.rules[ruleKey{e.Netns, "nft", ""}].Data) > 0 {
		return // the same rules in other words
	}
	if e.Backend == rules.Legacy || e.Backend == rules.Legacy6 {
		return // their counters are read again and again, and the same rules come as text
	}
	if d.parsed++; d.parsed > maxParsed {
		d.say(e.Time, report.LaneRules, e.Netns, "rules changed ("+e.Backend+")")
		return
	}
	sets := d.rules[ruleKey{e.Netns, "ipset", ""}]
	d.lines(e.Time, report.LaneRules, e.Netns, "rule", ruleLines(was, sets), ruleLines(e, sets))
}

// ruleLines is one line for each rule, without its counters.
func ruleLines(e, ipsets *decode.Ruleset) []string {
	var out []string
	switch e.Backend {
	case "nft":
		for _, r := range setOf(e, ipsets).Rules() {
			out = append(out, r.Table+" "+r.Chain+": "+r.Text)
		}
	case "ipset", "ipset-text":
		return nil // the entries of a set are no rules
	default:
		for _, l := range textRules(e.Backend, e.Data) {
			out = append(out, l.Table+": "+l.Text)
		}
	}
	return out
}

// setOf is what a recorded ruleset says; of a damaged one, what could be read. The
// sets of ipset, if there are any, have the names that its rules refer to.
func setOf(e, ipsets *decode.Ruleset) *ruleset.Set {
	dumps := []rules.Ruleset{e.Ruleset}
	if ipsets != nil {
		dumps = append(dumps, ipsets.Ruleset)
	}
	s, _ := ruleset.Parse(dumps)
	return s
}
