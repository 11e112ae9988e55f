package render

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dnatrace/correlate/topology"
)

// WriteTopology writes how a host is wired, as a tree for people.
func WriteTopology(w io.Writer, m *topology.Map, f Format, o Options) error {
	out := &output{w: w}
	if f == FormatJSON || f == FormatJSONL {
		encode(out, cleaned(*m, Clean), indentOf(f))
		return out.result()
	}
	t := tree{text: o.text(), g: o.glyphs(), width: o.Width}
	if f == markdown {
		t.width = 0
	}
	root := t.root(m)
	var b strings.Builder
	if f == markdown {
		b.WriteString("```text\n")
	}
	b.WriteString(root.text + "\n")
	root.write(&b, "", branches(o.UTF8), t.width)
	b.WriteString(missingText(m.Missing, o.Lang))
	if f == markdown {
		b.WriteString("```\n")
	}
	out.write([]byte(b.String()))
	return out.result()
}

// node is a line of a tree and what hangs on it. Its parts take as many lines as they
// need.
type node struct {
	text  string
	parts []string
	kids  []*node
}

func (n *node) add(parts ...string) *node {
	k := &node{parts: parts}
	n.kids = append(n.kids, k)
	return k
}

// lines of a tree: to a branch, to the last one, and past either.
type lines struct{ branch, last, past, below string }

func branches(utf8 bool) lines {
	if utf8 {
		return lines{"├─ ", "└─ ", "│  ", "   "}
	}
	return lines{"+- ", "`- ", "|  ", "   "}
}

func (n *node) write(b *strings.Builder, indent string, l lines, width int) {
	for i, k := range n.kids {
		to, past := l.branch, l.past
		if i == len(n.kids)-1 {
			to, past = l.last, l.below
		}
		further := l.below // under a line, a branch leads on to what hangs on it
		if len(k.kids) > 0 {
			further = l.past
		}
		room := 0
		if width > 0 {
			room = max(leastLast, width-columns(indent+to+further))
		}
		text := strings.ReplaceAll(flow(k.parts, room, ""), "\n", "\n"+indent+past+further)
		b.WriteString(indent + to + text + "\n")
		k.write(b, indent+past, l, width)
	}
}

// tree words a topology.
type tree struct {
	text  func(string) string
	g     glyphs
	width int // 0 is unbounded
}

// clean makes parts that may be shown.
func (t *tree) clean(parts []string) []string {
	for i := range parts {
		parts[i] = t.text(parts[i])
	}
	return parts
}

func (t *tree) root(m *topology.Map) *node {
	root := &node{text: "host"}
	for i := range m.Links {
		t.link(root, &m.Links[i])
	}
	for i := range m.Networks {
		t.network(root, &m.Networks[i])
	}
	t.group(root, "the host's own network (--network host)", m.HostMode)
	t.group(root, "on no network", m.Detached)
	return root
}

func (t *tree) link(n *node, l *topology.Link) {
	parts := []string{l.Name, strings.Join(l.Addresses, ", "), upWord(l.Up, l.Carrier), l.Kind}
	if l.Default {
		parts = append(parts, "default route")
	}
	k := n.add(t.clean(parts)...)
	for _, p := range l.Ports {
		k.add(t.text(p))
	}
}

func (t *tree) network(n *node, w *topology.Network) {
	name := w.Bridge
	if name == "" {
		name = w.Driver
	}
	kind := "network " + w.Name
	if w.Internal {
		kind += ", internal"
	}
	if !w.ICC {
		kind += ", containers kept apart"
	}
	state := ""
	if w.MTU != 0 {
		state = upWord(w.Up, w.Carrier || len(w.Ports) == 0)
	}
	k := n.add(t.clean([]string{name, kind, strings.Join(w.Addresses, ", "), state})...)
	for i := range w.Ports {
		t.port(k, &w.Ports[i])
	}
}

func (t *tree) port(n *node, p *topology.Port) {
	inside := strings.TrimSpace(p.Container.Name + " " + p.Interface)
	head := inside
	if p.Veth != "" {
		head = p.Veth + " " + t.g.to + " " + inside
	}
	parts := []string{head, strings.Join(p.Addresses, ", "), containerState(&p.Container)}
	if p.Veth != "" && !p.Up {
		parts = append(parts, "veth down")
	}
	parts = append(parts, withCommas(folded(p.Container.Published))...)
	k := n.add(t.clean(parts)...)
	for _, s := range p.Container.Shares {
		k.add(t.text("shared with " + s))
	}
}

func (t *tree) group(n *node, title string, list []topology.Container) {
	if len(list) == 0 {
		return
	}
	k := n.add(title)
	for i := range list {
		c := &list[i]
		parts := []string{c.Name, containerState(c)}
		if c.Mode == "none" {
			parts = append(parts, "--network none")
		}
		k.add(t.clean(parts)...)
	}
}

func containerState(c *topology.Container) string {
	if c.Service == "" {
		return c.State
	}
	return fmt.Sprintf("%s (%s/%s)", c.State, c.Project, c.Service)
}

// mapping is one that a container publishes, as the topology words it.
type mapping struct {
	addr         string // "" for every address of both families
	port, inside int
	last         int // of a run of ports that lead to as many; port for one alone
	proto        string
}

func (m *mapping) String() string {
	span := func(first int) string {
		if m.last == m.port {
			return strconv.Itoa(first)
		}
		return fmt.Sprintf("%d-%d", first, first+m.last-m.port)
	}
	at := span(m.port)
	if m.addr != "" {
		at = m.addr + ":" + at
	}
	return at + " → " + span(m.inside) + "/" + m.proto
}

// folded puts together what is published on every address of both families, and runs
// of ports, as docker ps does. What is worded otherwise stays as it is.
func folded(published []string) (out []string) {
	var all []mapping
	for _, s := range published {
		m := publishedForm.FindStringSubmatch(s)
		if m == nil {
			return published
		}
		port, _ := strconv.Atoi(m[2])
		inside, _ := strconv.Atoi(m[3])
		all = append(all, mapping{m[1], port, inside, port, m[4]})
	}
	has := func(m mapping, addr string) bool { m.addr = addr; return slices.Contains(all, m) }
	var kept []mapping
	for _, m := range all {
		switch {
		case m.addr == "[::]" && has(m, "0.0.0.0"):
			continue
		case m.addr == "0.0.0.0" && has(m, "[::]"):
			m.addr = ""
		}
		kept = append(kept, m)
	}
	slices.SortStableFunc(kept, func(a, b mapping) int {
		return cmp.Or(strings.Compare(a.addr, b.addr), strings.Compare(a.proto, b.proto), a.port-b.port)
	})
	for i := 0; i < len(kept); i++ {
		m := kept[i]
		for i+1 < len(kept) && kept[i+1].addr == m.addr && kept[i+1].proto == m.proto && kept[i+1].port == m.last+1 && kept[i+1].inside-m.inside == kept[i+1].port-m.port {
			i++
			m.last++
		}
		out = append(out, m.String())
	}
	return out
}

var publishedForm = regexp.MustCompile(`^(.+):(\d+) → (\d+)/(\w+)$`)

// withCommas puts commas behind all but the last.
func withCommas(all []string) (out []string) {
	for i, s := range all {
		if i < len(all)-1 {
			s += ","
		}
		out = append(out, s)
	}
	return out
}

func upWord(up, carrier bool) string {
	switch {
	case !up:
		return "DOWN"
	case !carrier:
		return "no carrier"
	}
	return "up"
}
