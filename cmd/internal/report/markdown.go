package report

import (
	"fmt"
	"io"
	"strings"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// maxMarkdownRows is how many requests a Markdown report lists: GitHub takes
// 65,536 characters in a comment.
const maxMarkdownRows = 100

// Short names for what is written often.
var (
	text = render.MarkdownText
	code = render.MarkdownCode
)

// Markdown writes the report as GitHub renders it: the path as a flowchart, the
// packets as a table.
func Markdown(w io.Writer, r *Report) error {
	m := &markdown{view: newView(r)}
	m.answer()
	m.path()
	m.packets()
	m.latency()
	m.timeline()
	m.requests()
	m.evidence()
	m.gaps()
	m.concerned()
	m.versions()
	m.steps()
	m.recording()
	if _, err := io.WriteString(w, m.b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type markdown struct {
	*view
	b strings.Builder
}

func (m *markdown) say(format string, args ...any) { fmt.Fprintf(&m.b, format, args...) }
func (m *markdown) head(name string)               { m.say("## %s\n\n", m.Lang.Sentence(name)) }

// table writes rows of cells that are Markdown already.
func (m *markdown) table(heads []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	m.say("| %s |\n|%s\n", strings.Join(m.Lang.Sentences(heads), " | "), strings.Repeat("---|", len(heads)))
	for _, r := range rows {
		m.say("| %s |\n", strings.Join(r, " | "))
	}
	m.say("\n")
}

func (m *markdown) answer() {
	m.say("# %s\n\n", text(m.Answer.Headline))
	if m.Redacted {
		m.say("> %s\n\n", m.Lang.Sentence("Redacted: addresses and names are pseudonyms, and payload is gone. The verdict is that of the original."))
	}
	m.say("**%s** · %s\n\n", strings.ToUpper(m.Answer.Verdict.String()), text(m.Answer.Sentence))
	if len(m.Answer.Fix) > 0 {
		m.say("%s\n\n%s\n", m.Lang.Sentence("What to change:"), render.MarkdownBlock("sh", m.Answer.Fix...))
	}
	var rows [][]string
	for _, f := range m.Answer.Facts {
		rows = append(rows, []string{f.Name, code(f.Value)})
	}
	m.table([]string{"", ""}, rows)
}

func (m *markdown) path() {
	if m.First == nil {
		return
	}
	m.head("The path of the request")
	w := m.Cases[0].Way
	m.b.WriteString(mermaid(w))
	for _, s := range w.Stops {
		if s.Note > 0 {
			m.say("%d\\. %s: %s\n\n", s.Note, code(s.Name), code(s.Text))
		}
	}
	if w.ReplyText != "" {
		m.say("%s\n\n", text(w.ReplyText))
	}
	m.b.WriteString(render.MarkdownHops(m.First, m.Lang))
}

// mermaid draws the path as a flowchart.
func mermaid(w way) string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart LR\n")
	for n, s := range w.Stops {
		open, shut := `["`, `"]`
		if s.Action() {
			open, shut = `{{"`, `"}}`
		}
		lines := []string{label(s.Name), label(s.Sub), label(s.Address)}
		if s.End != "" && !s.Before {
			lines = append(lines, "✗ "+label(strings.ToUpper(s.End)))
		}
		if !s.Reached {
			lines = append(lines, "not reached")
		}
		fmt.Fprintf(&b, "  s%d%s%s%s\n", n, open, joined("<br>", lines...), shut)
		if n > 0 {
			b.WriteString(edge(n, w.Stops[n-1], s))
		}
	}
	if w.ReplyLost > 0 {
		fmt.Fprintf(&b, "  s%d -. \"✗ answer lost\" .-> s%d\n", w.ReplyLost, w.ReplyLost-1)
	}
	b.WriteString("  classDef ended stroke:#b42318,stroke-width:3px\n  classDef missed stroke-dasharray:4 4\n")
	for n, s := range w.Stops {
		switch {
		case s.End != "" && !s.Before:
			fmt.Fprintf(&b, "  class s%d ended\n", n)
		case !s.Reached:
			fmt.Fprintf(&b, "  class s%d missed\n", n)
		}
	}
	b.WriteString("```\n\n")
	return b.String()
}

func edge(n int, from, to stop) string {
	switch {
	case to.End != "" && to.Before:
		return fmt.Sprintf("  s%d -- \"✗ %s\" --x s%d\n", n-1, label(strings.ToUpper(to.End)), n)
	case !to.Reached || from.End != "":
		return fmt.Sprintf("  s%d -.- s%d\n", n-1, n)
	}
	return fmt.Sprintf("  s%d --> s%d\n", n-1, n)
}

// label is s within a quoted label of mermaid, which knows HTML's entities and
// no backslash. What is no letter, digit or plain mark becomes one.
func label(s string) string {
	var b strings.Builder
	for _, r := range render.Clean(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" .:,/-", r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

func (m *markdown) packets() {
	for _, c := range m.Cases[:min(len(m.Cases), 1)] {
		if c.Ladder == nil {
			continue
		}
		m.head("Its packets")
		var rows [][]string
		for _, r := range c.Ladder.Rungs {
			arrow := "→ "
			if r.Reply {
				arrow = "← "
			}
			var seen []string
			for _, s := range r.Rows {
				seen = append(seen, s.Point+" "+s.Time)
			}
			rows = append(rows, []string{fmt.Sprint(r.N), r.Time, arrow + text(r.Label), code(strings.Join(seen, ", "))})
		}
		m.table([]string{"#", "time", "packet", "seen at"}, rows)
		if c.Ladder.Left > 0 {
			m.say("%s\n\n", m.Lang.Say("%d packets between the first and the last ones are left out.", c.Ladder.Left))
		}
	}
}

func (m *markdown) latency() {
	var rows [][]string
	for _, r := range m.Latency.Rows {
		hop := code(r.From) + " → " + code(r.To)
		if r.Inside {
			hop = m.Lang.Say("answered at %s", code(r.From))
		}
		rows = append(rows, []string{hop, r.This, r.Median, r.P95, r.Most, fmt.Sprint(r.N)})
	}
	if len(rows) > 0 {
		m.head("Latency per hop")
		m.table([]string{"hop", "this request", "median", "95 %", "most", "requests"}, rows)
	}
}

func (m *markdown) timeline() {
	m.head("What else happened on the host")
	var rows [][]string
	for _, h := range m.Days {
		rows = append(rows, []string{h.At, h.Lane, code(h.Where), text(h.Text)})
	}
	m.table([]string{"time", "what", "where", "happening"}, rows)
	if m.Omitted > 0 {
		m.say("%s\n\n", m.Lang.Say("%d more are left out.", m.Omitted))
	}
}

func (m *markdown) requests() {
	m.head("All requests")
	m.say("%s.\n\n", text(m.Answer.Counts))
	var rows [][]string
	for _, r := range m.Rows[:min(len(m.Rows), maxMarkdownRows)] {
		rows = append(rows, []string{code(r.ID), r.At, r.Verdict.String(), code(r.Client), code(r.Requested + "/" + r.Protocol), code(r.Server), code(string(r.Cause)), fmt.Sprint(r.Attempts), r.FirstByte})
	}
	m.table([]string{"#", "time", "verdict", "client", "asked for", "server", "cause", "tries", "first byte"}, rows)
	if left := m.Unlisted + len(m.Rows) - len(rows); left > 0 {
		m.say("%s\n\n", m.Lang.Say("%d more are counted, not listed.", left))
	}
	for _, c := range m.Cases[min(1, len(m.Cases)):] {
		m.say("### %s\n\n%s → %s", text(c.Title), code(c.Incident.Client), code(c.Incident.Requested))
		if c.Alike > 1 {
			m.b.WriteString(m.Lang.Say(", %d alike", c.Alike))
		}
		m.say("\n\n%s\n\n%s", text(c.Incident.Why), render.MarkdownHops(&c.Incident, m.Lang))
	}
}

func (m *markdown) evidence() {
	if m.First == nil {
		return
	}
	m.head("Evidence")
	m.say("%s\n\n", m.Lang.Say("Proof: %s", "**"+text(string(m.First.Proof))+"**"))
	var rows [][]string
	for _, e := range m.First.Evidence {
		at := ""
		if !e.Time.IsZero() {
			at = dateText(e.Time)
		}
		rows = append(rows, []string{text(e.Source), at, text(e.Text)})
	}
	m.table([]string{"source", "time", "what it says"}, rows)
	for _, n := range m.First.Notes {
		m.say("- %s\n", text(n))
	}
	if len(m.First.Notes) > 0 {
		m.say("\n")
	}
}

func (m *markdown) gaps() {
	m.head("Not observed, and lost")
	for _, g := range m.Gaps {
		m.say("- %s\n", text(g))
	}
	for _, l := range m.Losses {
		m.say("- %s: %s\n", code(l.Where), text(l.What))
	}
	if m.Perfect {
		m.say("- %s\n", m.Lang.Sentence("No packet was lost at any point watched, and every source that was asked gave its evidence."))
	}
	m.say("\n")
	var rows [][]string
	for _, p := range m.Document.Recording.Points {
		rows = append(rows, []string{code(p.Name), text(p.Role), code(p.Netns), code(p.Container), fmt.Sprint(p.Packets)})
	}
	m.table([]string{"point", "role", "namespace", "container", "packets"}, rows)
}

func (m *markdown) concerned() {
	m.head("Mapping, rules and routes concerned")
	var rows [][]string
	for _, c := range m.Mappings {
		networks := c.Networks
		if len(networks) == 0 {
			networks = []string{c.Mode}
		}
		rows = append(rows, []string{code(c.Container), code(c.Image), text(c.State), code(strings.Join(networks, ", ")), code(strings.Join(c.Published, ", ")), code(strings.Join(c.Exposed, ", "))})
	}
	m.table([]string{"container", "image", "state", "network", "published", "exposed"}, rows)
	rows = nil
	for _, r := range m.Rules {
		rows = append(rows, []string{code(r.Table + " " + r.Chain), code(r.Text), text(string(r.Owner)), text(r.Why)})
	}
	m.table([]string{"where", "rule", "whose", "why it is shown"}, rows)
	rows = nil
	for _, s := range append(append([]State{}, m.Routes...), m.Settings...) {
		rows = append(rows, []string{code(s.Netns), text(s.What), code(s.Text)})
	}
	m.table([]string{"namespace", "what", "entry"}, rows)
}

func (m *markdown) versions() {
	m.head("Versions")
	var rows [][]string
	for _, v := range m.Versions {
		rows = append(rows, []string{text(v.Name), code(v.Value)})
	}
	m.table([]string{"", ""}, rows)
}

func (m *markdown) steps() {
	if m.First == nil {
		return
	}
	m.head("Reproduce it")
	m.list(m.Repeat)
	m.head("Verify the fix")
	m.list(m.Verify)
}

func (m *markdown) list(steps []step) {
	for n, s := range steps {
		m.say("%d. %s\n\n", n+1, text(s.Text))
		for line := range strings.Lines(render.MarkdownBlock("sh", s.Command)) {
			m.say("   %s", line)
		}
		m.say("\n")
	}
}

func (m *markdown) recording() {
	m.head("Recording")
	m.say("%s\n\n", m.Lang.Say("%s, %s long.", m.Started, m.Length))
	var rows [][]string
	for _, f := range m.Inputs {
		rows = append(rows, []string{code(f.Name), f.Size, code(f.SHA256)})
	}
	m.table([]string{"file", "size", "SHA-256"}, rows)
}

// verdictOf is the run's verdict with its cause.
func verdictOf(d *correlate.Document) string {
	return strings.TrimSuffix(d.Verdict.String()+":"+string(d.Cause), ":")
}
