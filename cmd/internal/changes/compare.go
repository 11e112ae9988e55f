package changes

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// maxLines bounds comparing: lists longer than this are told by their counts.
const maxLines = 6

// hostWas compares a sample with the one before it in its namespace.
func (l *Log) hostWas(e *decode.HostSample) {
	if e.Same {
		return
	}
	was := l.hosts[e.Netns]
	l.hosts[e.Netns] = &e.State
	if was == nil {
		return
	}
	now := &e.State
	passing := veths(was, now)
	about := func(lane string) Change { return Change{Time: e.Time, Lane: lane, Where: e.Netns} }
	l.lines(about(LaneHost), "interface", linkLines(was), linkLines(now), passing)
	l.lines(about(LaneHost), "address", addrLines(was), addrLines(now), passing)
	l.lines(about(LaneHost), "route", routeLines(was), routeLines(now), passing)
	l.lines(about(LaneHost), "setting", SettingLines(was), SettingLines(now), passing)
	l.lines(about(LaneSockets), "socket", socketLines(was), socketLines(now), nil)
}

// veths are the names of interfaces that come and go with containers.
func veths(states ...*host.State) map[string]bool {
	out := map[string]bool{}
	for _, s := range states {
		for i := range s.Links {
			if s.Links[i].Kind == "veth" {
				out[s.Links[i].Name] = true
			}
		}
	}
	return out
}

// mentions reports whether one of the names is a word of a line.
func mentions(line string, names map[string]bool) bool {
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ' ' || r == ',' || r == '.' || r == '/' }) {
		if names[word] {
			return true
		}
	}
	return false
}

// lines tells what is in one list and not in the other. What mentions one of the
// names is transient, and told after the rest.
func (l *Log) lines(about Change, what string, was, now []string, transient map[string]bool) {
	l.several(about, what+" gone: ", difference(was, now), transient)
	l.several(about, what+" new: ", difference(now, was), transient)
}

func (l *Log) several(about Change, what string, lines []string, transient map[string]bool) {
	lasting := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return mentions(line, transient) })
	l.each(about, what, lasting)
	about.Transient = true
	l.each(about, what, difference(lines, lasting))
}

func (l *Log) each(about Change, what string, lines []string) {
	for n, line := range lines {
		if n == maxLines {
			about.Text = fmt.Sprintf("%s%d more", what, len(lines)-n)
			l.change(about)
			return
		}
		about.Text = what + line
		l.change(about)
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
			line += ", port of " + LinkName(s, l.Master)
		}
		out = append(out, line)
	}
	return out
}

// LinkName is the name of an interface, or its number.
func LinkName(s *host.State, index int) string {
	return cmp.Or(s.LinkName(index), fmt.Sprintf("interface %d", index))
}

func addrLines(s *host.State) []string {
	var out []string
	for _, a := range s.Addrs {
		out = append(out, a.Prefix.String()+" on "+LinkName(s, a.Link))
	}
	return out
}

func routeLines(s *host.State) []string {
	var out []string
	for i := range s.Routes {
		if r := &s.Routes[i]; r.Type == "unicast" || r.Type == "blackhole" || r.Type == "unreachable" || r.Type == "prohibit" {
			out = append(out, RouteText(s, r))
		}
	}
	return out
}

// RouteText writes a route as ip route does.
func RouteText(s *host.State, r *host.Route) string {
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
		b.WriteString(" dev " + LinkName(s, r.Link))
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

// SettingLines are the settings of a namespace as sysctl prints them.
func SettingLines(s *host.State) []string {
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
		out = append(out, SocketText(&s.Sockets[i]))
	}
	return out
}

// SocketText writes a listener and the process that has it.
func SocketText(k *host.Socket) string {
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
func (l *Log) rulesWere(e *decode.Ruleset) {
	k := RuleKey{e.Netns, e.Backend, e.Table}
	was := l.rules[k]
	if e.Same {
		return
	}
	l.rules[k] = e
	if was == nil || bytes.Equal(was.Data, e.Data) {
		return
	}
	if e.Backend != "nft" && l.rules[RuleKey{e.Netns, "nft", ""}] != nil && len(l.rules[RuleKey{e.Netns, "nft", ""}].Data) > 0 {
		return // the same rules in other words
	}
	if e.Backend == rules.Legacy || e.Backend == rules.Legacy6 {
		return // their counters are read again and again, and the same rules come as text
	}
	if l.parsed++; l.most > 0 && l.parsed > l.most {
		l.say(e.Time, LaneRules, e.Netns, "rules changed ("+e.Backend+")")
		return
	}
	sets := l.rules[RuleKey{e.Netns, "ipset", ""}]
	before, engines := ruleLines(was, sets)
	now, theirs := ruleLines(e, sets)
	about := Change{Time: e.Time, Lane: LaneRules, Where: e.Netns}
	l.lines(about, "rule", before, now, nil)
	about.Transient = true
	l.lines(about, "rule", engines, theirs, nil)
}

// ruleLines is one line for each rule, without its counters; the engine's own,
// which come and go with containers, apart.
func ruleLines(e, ipsets *decode.Ruleset) (others, engines []string) {
	var all []ruleset.Rule
	switch e.Backend {
	case "nft":
		all = SetOf(e, ipsets).Rules()
	case "ipset", "ipset-text":
		return nil, nil // the entries of a set are no rules
	default:
		all = TextRules(e.Backend, e.Data)
	}
	for i := range all {
		r := &all[i]
		line := r.Table + ": " + r.Text
		if e.Backend == "nft" {
			line = r.Table + " " + r.Chain + ": " + r.Text
		}
		if r.Owner == programs.Docker || strings.HasPrefix(r.Chain, "DOCKER") && r.Chain != "DOCKER-USER" {
			engines = append(engines, line)
		} else {
			others = append(others, line)
		}
	}
	return others, engines
}

// SetOf is what a recorded ruleset says; of a damaged one, what could be read. The
// sets of ipset, if there are any, have the names that its rules refer to.
func SetOf(e, ipsets *decode.Ruleset) *ruleset.Set {
	dumps := []rules.Ruleset{e.Ruleset}
	if ipsets != nil {
		dumps = append(dumps, ipsets.Ruleset)
	}
	s, _ := ruleset.Parse(dumps)
	return s
}
