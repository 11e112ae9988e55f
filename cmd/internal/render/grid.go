package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// markdown is the format of tables to be pasted into an issue.
const markdown = Format("markdown")

// grid is a table with a head. Its last column takes the width that is left.
type grid struct {
	head []string
	rows [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// lines lays the grid out for people, in lines of at most width columns where
// that is possible; 0 is unbounded.
func (g *grid) lines(width int) ([]string, error) {
	if width > 0 {
		g.wrapLast(width)
	}
	left := tw.CellAlignment{Global: tw.AlignLeft, PerColumn: slices.Repeat([]tw.Align{tw.AlignLeft}, len(g.head))}
	options := append(borderless(), tablewriter.WithRowAlignmentConfig(left))
	text, err := g.draw(options)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for n := range lines {
		lines[n] = strings.TrimRight(lines[n], " ")
	}
	return lines, nil
}

// markdown writes the grid as a table of GitHub's Markdown.
func (g *grid) markdown() (string, error) {
	safe := strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'")
	for _, r := range append([][]string{g.head}, g.rows...) {
		for i := range r {
			r[i] = safe.Replace(r[i])
		}
	}
	return g.draw([]tablewriter.Option{
		tablewriter.WithRenderer(renderer.NewMarkdown()), tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft), tablewriter.WithRowAlignment(tw.AlignLeft), tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithHeaderAutoWrap(tw.WrapNone),
	})
}

func (g *grid) draw(options []tablewriter.Option) (string, error) {
	var b bytes.Buffer
	t := tablewriter.NewTable(&b, options...)
	t.Header(g.head)
	for _, r := range g.rows {
		if err := t.Append(r); err != nil {
			return "", fmt.Errorf("lay out table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return "", fmt.Errorf("lay out table: %w", err)
	}
	return b.String(), nil
}

// leastLast is how wide the last column is at least.
const leastLast = 24

// fits reports whether the columns but the last leave room for that.
func (g *grid) fits(width int) bool { return g.used()+leastLast <= width }

// used is the width of all columns but the last.
func (g *grid) used() int {
	used, last := 0, len(g.head)-1
	for c := range last {
		w := 0
		for _, r := range append([][]string{g.head}, g.rows...) {
			w = max(w, columns(r[c]))
		}
		used += w + gap
	}
	return used
}

// wrapLast wraps the last column into what the others leave.
func (g *grid) wrapLast(width int) {
	last := len(g.head) - 1
	room := max(leastLast, width-g.used())
	for _, r := range g.rows {
		r[last] = strings.Join(wrap(r[last], room), "\n")
	}
}
