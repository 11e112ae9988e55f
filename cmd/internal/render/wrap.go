package render

import (
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// columns is the number of terminal columns s takes.
func columns(s string) int { return twwidth.Width(s) }

// wrap breaks s at spaces into lines of at most width columns. A word that is
// longer stays whole: a cut address or path is worse than a long line.
func wrap(s string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		n := columns(word)
		switch {
		case used == 0:
			line, used = word, n
		case used+1+n <= width:
			line, used = line+" "+word, used+1+n
		default:
			lines = append(lines, line)
			line, used = word, n
		}
	}
	return append(lines, line)
}

// flow joins parts by three spaces, on as many lines as width asks for; lines
// after the first start with indent.
func flow(parts []string, width int, indent string) string {
	var b strings.Builder
	used := 0
	for _, p := range parts {
		n := columns(p)
		switch {
		case p == "":
			continue
		case used == 0:
		case width > 0 && used+3+n > width:
			b.WriteString("\n" + indent)
			used = columns(indent)
		default:
			b.WriteString("   ")
			used += 3
		}
		b.WriteString(p)
		used += n
	}
	return b.String()
}

// Fit cuts s off where a line of so many columns ends.
func Fit(s string, width int) string {
	if columns(s) <= width {
		return s
	}
	used := 0
	for n, r := range s {
		if used += columns(string(r)); used > width {
			return s[:n]
		}
	}
	return s
}

// pad fills s with spaces up to width columns.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}
