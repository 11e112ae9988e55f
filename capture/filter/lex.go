package filter

import (
	"fmt"
	"strings"
)

// Error says which word of an expression was not understood.
type Error struct {
	Word string // "" at the end of the expression
	Why  string // what was expected or is wrong; "" if there is no more to say
}

func (e *Error) Error() string {
	what := fmt.Sprintf("%q is not understood", e.Word)
	if e.Word == "" {
		what = "it ends too early"
	}
	if e.Why != "" {
		what += ": " + e.Why
	}
	return "read filter expression: " + what
}

const (
	maxText  = 16 << 10 // bytes of an expression
	maxDepth = 100      // parentheses and nots within each other
)

// words cuts an expression: operators stand alone, "&&", "||" and "!" are
// spelled out.
func words(text string) []string {
	var out []string
	for text = strings.TrimLeft(text, blanks); text != ""; text = strings.TrimLeft(text, blanks) {
		n, word := cut(text)
		out = append(out, word)
		text = text[n:]
	}
	return out
}

const blanks = " \t\r\n"

var operators = []struct{ sign, word string }{
	{"&&", "and"}, {"||", "or"}, {"!=", "!="}, {"!", "not"}, {"(", "("}, {")", ")"}, {"/", "/"},
}

func cut(text string) (n int, word string) {
	for _, o := range operators {
		if strings.HasPrefix(text, o.sign) {
			return len(o.sign), o.word
		}
	}
	n = strings.IndexAny(text, blanks+"()!/&|")
	switch {
	case n < 0:
		n = len(text)
	case n == 0: // a lone & or |
		n = 1
	}
	return n, text[:n]
}
