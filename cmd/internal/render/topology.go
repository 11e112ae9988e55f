package render

import (
	"fmt"
	"io"
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
	t := tree{text: o.text(), g: o.glyphs()}
	root := t.root(m)
	var b strings.Builder
	if f == markdown {
		b.WriteString("```text\n")
	}
	b.WriteString(root.text + "\n")
	root.write(&b, "", branches(o.UTF8))
	b.WriteString(missingText(m.Missing))
	if f == markdown {
		b.WriteString("```\n")
	}
	out.write([]byte(b.String()))
	return out.result()
}

// node is a line of a tree and what hangs on it.
type node struct {
	text string
	kids []*node
}

func (n *node) add(text string) *node {
	k := &node{text: text}
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

func (n *node) write(b *strings.Builder, indent string, l lines) {
	for i, k := range n.kids {
		to, past := l.branch, l.past
		if i == len(n.kids)-1 {
			to, past = l.last, l.below
		}
		b.WriteString(indent + to + k.text + "\n")
		k.write(b, indent+past, l)
	}
}

// tree words a topology.
type tree struct {
	text func(string) string
	g    glyphs
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
	k := n.add(t.text(flow(parts, 0, "")))
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
	k := n.add(t.text(flow([]string{name, kind, strings.Join(w.Addresses, ", "), state}, 0, "")))
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
	parts = append(parts, strings.Join(p.Container.Published, ", "))
	k := n.add(t.text(flow(parts, 0, "")))
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
		k.add(t.text(flow(parts, 0, "")))
	}
}

func containerState(c *topology.Container) string {
	if c.Service == "" {
		return c.State
	}
	return fmt.Sprintf("%s (%s/%s)", c.State, c.Project, c.Service)
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
