package render

import (
	"iter"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// columns is the number of terminal columns s takes.
func columns(s string) int { return twwidth.Width(s) }

// wrap breaks s at spaces, and between Chinese characters, into lines of at most width
// columns. A word that is longer stays whole: a cut address or path is worse than a long
// line.
func wrap(s string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, field := range strings.Fields(s) {
		space := used > 0
		for word := range pieces(field) {
			n := columns(word)
			gap := 0
			if space {
				gap = 1
			}
			switch {
			case used == 0:
				line, used = word, n
			case used+gap+n <= width:
				line, used = line+" "[:gap]+word, used+gap+n
			default:
				lines = append(lines, line)
				line, used = word, n
			}
			space = false
		}
	}
	return append(lines, line)
}

// pieces are what a line may break between in a text without spaces: before and behind a
// wide character, but not before a mark that ends something, nor behind one that opens
// it.
func pieces(field string) iter.Seq[string] {
	return func(yield func(string) bool) {
		from, last := 0, rune(0)
		for at, r := range field {
			breaks := at > 0 && (isWide(r) || isWide(last)) && !strings.ContainsRune("，。：；、）》”！？…", r) && !strings.ContainsRune("（《“", last)
			if breaks {
				if !yield(field[from:at]) {
					return
				}
				from = at
			}
			last = r
		}
		yield(field[from:])
	}
}

// isWide reports whether a character takes two columns, as Chinese ones do.
func isWide(r rune) bool { return r >= 0x1100 && twwidth.Width(string(r)) == 2 }

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
