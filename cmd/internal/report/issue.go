package report

import (
	"fmt"
	"io"
	"strings"

	"dnatrace/cmd/internal/lang"
	"dnatrace/cmd/internal/render"
)

// Issue writes what the maintainers of an engine ask for when somebody reports
// that a published port does not work: what happened and what was expected, how
// to reproduce it, versions, and the rules and routes concerned.
func Issue(w io.Writer, r *Report) error {
	m := &markdown{view: newView(r)}
	m.description()
	m.reproduce()
	m.expected()
	m.environment()
	m.details()
	if _, err := io.WriteString(w, m.b.String()); err != nil {
		return fmt.Errorf("write issue: %w", err)
	}
	return nil
}

func (m *markdown) description() {
	m.say("### Description\n\n%s\n\n%s\n\n", text(m.Answer.Headline), text(m.Answer.Sentence))
	if m.Redacted {
		m.say("Addresses and names are pseudonyms.\n\n")
	}
}

func (m *markdown) reproduce() {
	m.say("### Reproduce\n\n")
	if m.First == nil {
		m.say("%s\n\n", text(m.Answer.Sentence))
		return
	}
	m.list(m.Repeat)
}

func (m *markdown) expected() {
	m.say("### Expected behavior\n\n")
	if m.First == nil {
		if m.Document.Target == "" {
			m.say("A request arrives, and is answered.\n\n")
			return
		}
		m.say("A request to %s arrives, and is answered.\n\n", code(m.Document.Target))
		return
	}
	server := m.First.Container
	if server == "" {
		server = m.First.Translated
	}
	m.say("A request to %s is answered", code(m.First.Requested+"/"+m.First.Protocol))
	if server != "" {
		m.say(" by %s", code(server))
	}
	m.say(".\n\n### Actual behavior\n\nVerdict %s. %s.\n\n%s", code(verdictOf(m.Document)), text(m.Answer.Counts), render.MarkdownHops(m.First, lang.English))
}

// environment has the lines that docker version, docker info and uname would
// give, as far as the recording knows.
func (m *markdown) environment() {
	m.say("### docker version and docker info, the essentials\n\n")
	var lines []string
	for _, v := range m.Versions {
		lines = append(lines, fmt.Sprintf("%-28s %s", v.Name+":", v.Value))
	}
	m.say("%s\n", render.MarkdownBlock("text", lines...))
	if len(m.Mappings) == 0 {
		return
	}
	m.say("### Containers concerned\n\n")
	lines = nil
	for _, c := range m.Mappings {
		lines = append(lines, fmt.Sprintf("%s (%s): %s, network mode %s", c.Container, c.Image, c.State, c.Mode))
		lines = append(lines, indented("network ", c.Networks)...)
		lines = append(lines, indented("published ", c.Published)...)
		if len(c.Exposed) > 0 {
			lines = append(lines, "  exposed "+strings.Join(c.Exposed, " "))
		}
		if c.Error != "" {
			lines = append(lines, "  error "+c.Error)
		}
	}
	m.say("%s\n", render.MarkdownBlock("text", lines...))
}

func indented(prefix string, lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, "  "+prefix+l)
	}
	return out
}

func (m *markdown) details() {
	if len(m.Rules) > 0 {
		m.say("### Rules concerned\n\n")
		var lines []string
		for _, r := range m.Rules {
			lines = append(lines, fmt.Sprintf("# %s (%s)", joined(" ", r.Netns+":", r.Table, r.Chain), joined(", ", r.Backend, string(r.Owner), r.Why)), r.Text)
		}
		m.say("%s\n", render.MarkdownBlock("text", lines...))
	}
	if len(m.Routes)+len(m.Settings) > 0 {
		m.say("### Routes and settings concerned\n\n")
		var lines []string
		for _, s := range append(append([]State{}, m.Routes...), m.Settings...) {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", s.Netns, s.What, s.Text))
		}
		m.say("%s\n", render.MarkdownBlock("text", lines...))
	}
	if m.First == nil {
		return
	}
	m.say("### What was seen\n\nProof: %s\n\n", text(string(m.First.Proof)))
	for _, e := range m.First.Evidence {
		m.say("- %s: %s\n", text(e.Source), text(e.Text))
	}
	for _, g := range m.Gaps {
		m.say("- %s\n", text(g))
	}
	for _, l := range m.Losses {
		m.say("- %s: %s\n", code(l.Where), text(l.What))
	}
	m.say("\n")
	for _, f := range m.Inputs {
		m.say("Recording: %s, %s, SHA-256 %s\n", code(f.Name), f.Size, code(f.SHA256))
	}
}
