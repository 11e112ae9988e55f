package render

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// WritePorts writes who publishes what, and who can reach it.
func WritePorts(w io.Writer, p *foresee.Ports, f Format, o Options) error {
	out := &output{w: w}
	if f == FormatJSON || f == FormatJSONL {
		encode(out, cleaned(*p, Clean), indentOf(f))
		return out.result()
	}
	list := cleaned(*p, o.text())
	g := portGrid(&list, o, false)
	if o.Width > 0 && !g.fits(o.Width) {
		g = portGrid(&list, o, true)
	}
	if f == markdown {
		text, err := g.markdown()
		if err != nil {
			return err
		}
		out.write([]byte(text))
		return out.result()
	}
	if len(list.Ports) > 0 && o.Width > 0 && !g.fits(o.Width) {
		out.write([]byte(stacked(g, o.Width, o.Lang) + missingText(list.Missing, o.Lang)))
		return out.result()
	}
	lines, err := g.lines(o.Width)
	if err != nil {
		return err
	}
	text := strings.Join(lines, "\n") + "\n"
	if len(list.Ports) == 0 {
		text = o.Lang.Sentence("no container declares or publishes a port") + "\n"
	}
	out.write([]byte(text + missingText(list.Missing, o.Lang)))
	return out.result()
}

// stacked lays out ports where the table has no room: of each what it is, from where it
// is reached, and why, on lines of their own.
func stacked(g *grid, width int, l lang.Language) string {
	const indent = "  "
	var b strings.Builder
	for _, r := range g.rows {
		b.WriteString(flow(r[:4], width, indent) + "\n")
		reach := []string{l.Say("outside %s", r[4]), l.Say("host %s", r[5]), l.Say("containers %s", r[6])}
		b.WriteString(indent + flow(reach, width-len(indent), indent) + "\n")
		for _, line := range wrap(r[7], width-len(indent)) {
			if line != "" {
				b.WriteString(indent + line + "\n")
			}
		}
	}
	return b.String()
}

func indentOf(f Format) string {
	if f == FormatJSONL {
		return ""
	}
	return "  "
}

func missingText(missing []string, l lang.Language) string {
	var b strings.Builder
	for _, m := range missing {
		b.WriteString(l.Say("not in evidence: %s", m) + "\n")
	}
	return b.String()
}

// portGrid lays out ports, one line for the addresses that a port is published
// on alike. Short, every address of both families is a star.
func portGrid(p *foresee.Ports, o Options, short bool) *grid {
	l, glyphs := o.Lang, o.glyphs()
	g := &grid{head: l.Sentences([]string{"container", "mode", "port", "published as", "outside", "host", "containers", "why"})}
	for i := 0; i < len(p.Ports); {
		n := i + 1
		for n < len(p.Ports) && alike(&p.Ports[i], &p.Ports[n]) {
			n++
		}
		q := &p.Ports[i]
		g.add(containerCell(q), q.Mode, fmt.Sprintf("%d/%s", q.ContainerPort, q.Protocol), l.Sentence(publishedCell(p.Ports[i:n], glyphs, short)),
			l.Sentence(reachWord(q.Reachable.Outside)), l.Sentence(reachWord(q.Reachable.Host)), l.Sentence(reachWord(q.Reachable.Container)), l.Sentence(whyCell(q)))
		i = n
	}
	return g
}

// alike reports whether two rows differ in nothing but the host's address.
func alike(a, b *foresee.Port) bool {
	return a.Container == b.Container && a.Protocol == b.Protocol && a.ContainerPort == b.ContainerPort &&
		a.Published == b.Published && a.Asked == b.Asked && a.Reachable == b.Reachable && a.Cause == b.Cause
}

func containerCell(p *foresee.Port) string {
	s := p.Container
	if p.Service != "" {
		s += " (" + p.Project + "/" + p.Service + ")"
	}
	if p.State != "running" {
		s += ", " + p.State
	}
	return s
}

func publishedCell(ports []foresee.Port, g glyphs, short bool) string {
	p := &ports[0]
	switch {
	case p.Mode == "host" && p.HostPort != 0 && !p.Published && !p.Asked:
		return "the host's own " + strconv.Itoa(int(p.HostPort))
	case p.HostPort == 0 && p.Asked:
		return "any port of the host"
	case p.HostPort == 0:
		return g.none
	}
	var at []string
	on := func(ip string) bool {
		return slices.ContainsFunc(ports, func(q foresee.Port) bool { return q.HostIP == ip && q.HostPort == p.HostPort })
	}
	for _, q := range ports {
		ip := q.HostIP
		if ip == "" || short && (ip == "0.0.0.0" || ip == "::") && on("0.0.0.0") && on("::") {
			ip = "*"
		}
		at = append(at, hostPort(ip, q.HostPort))
	}
	s := strings.Join(slices.Compact(at), ", ")
	if !p.Published {
		s = "asked: " + s
	}
	return s
}

func reachWord(s string) string {
	if s == "unknown" {
		return "?"
	}
	return s
}

func whyCell(p *foresee.Port) string {
	if p.Cause == correlate.CauseNone && p.Served != "" {
		return "served by " + p.Served
	}
	return p.Why
}

// hostPort joins an address and a port as RFC 3986 §3.2.2 has it.
func hostPort(ip string, port uint16) string {
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return ip + ":" + strconv.Itoa(int(port))
}
