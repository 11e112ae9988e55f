package render

import "strings"

// glyphs are the characters of the layout itself, as the reader's locale can
// show them.
type glyphs struct {
	good, bad, unsure string // one column each
	to, from          string
	none              string // stands for a time that is not known
	times, dot        string
}

var (
	utf8Glyphs  = glyphs{good: "✓", bad: "✗", unsure: "?", to: "→", from: "←", none: "–", times: "×", dot: "·"}
	asciiGlyphs = glyphs{good: "+", bad: "X", unsure: "?", to: "->", from: "<-", none: "-", times: "x", dot: "-"}
)

var toASCII = strings.NewReplacer("→", "->", "←", "<-", "↔", "<->", "×", "x", "–", "-", "—", "-", "…", "...",
	"·", "-", "✗", "X", "✓", "+", "≥", ">=", "≤", "<=", "’", "'", "‘", "'", "“", `"`, "”", `"`)

// cleanASCII is Clean for a reader whose locale is not UTF-8: arrows and dashes
// become their usual spelling, everything else an escape.
func cleanASCII(s string) string {
	var b strings.Builder
	for _, r := range toASCII.Replace(Clean(s)) {
		if r > '~' {
			b.WriteString(escape(r))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
