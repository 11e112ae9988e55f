package changes

import "strings"

// Naming is the first of the names that stands in a text as a whole word, as an
// address does in a rule; "" for none.
func Naming(text string, names []string) string {
	for _, n := range names {
		for from := 0; ; {
			at := strings.Index(text[from:], n)
			if at < 0 {
				break
			}
			end := from + at + len(n)
			if (from+at == 0 || !isWord(text[from+at-1])) && (end == len(text) || !isWord(text[end])) {
				return n
			}
			from = end
		}
	}
	return ""
}

// isWord reports whether c continues a number or an address; a port behind an
// address, or a prefix length, does not.
func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.'
}
