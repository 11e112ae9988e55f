package ruleset

import "strings"

// listToken is a word of what nft lists.
type listToken struct {
	text       string
	kind       listKind
	start, end int // bytes in the text
}

type listKind uint8

const (
	listWord    listKind = iota
	listString           // was quoted
	listMark             // { } or ; or a comma between elements
	listLine             // the end of a line
	listComment          // from # to the end of the line
)

// listTokens takes what nft lists apart. A comma that is followed by no space
// is part of its word: "established,related".
func listTokens(text string) []listToken {
	var out []listToken
	for i := 0; i < len(text); {
		t := nextToken(text, i)
		if t.end <= i {
			return out
		}
		i = t.end
		if t.kind != listWord || t.text != "" {
			out = append(out, t)
		}
	}
	return out
}

func nextToken(text string, i int) listToken {
	t := listToken{start: i, end: i + 1}
	switch c := text[i]; {
	case c == '\n':
		t.kind = listLine
	case c == ' ' || c == '\t' || c == '\r':
	case c == '{' || c == '}' || c == ';' || c == ',':
		t.kind, t.text = listMark, string(c)
	case c == '#':
		t.kind, t.end = listComment, lineEnd(text, i)
		t.text = strings.TrimSpace(text[i+1 : t.end])
	case c == '"':
		t.kind = listString
		n := strings.IndexAny(text[i+1:], "\"\n")
		if n < 0 {
			n = len(text) - i - 1
		}
		t.text, t.end = text[i+1:i+1+n], min(i+n+2, len(text))
	default:
		t.end = wordEnd(text, i)
		t.text = text[i:t.end]
	}
	return t
}

func lineEnd(text string, i int) int {
	if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(text)
}

func wordEnd(text string, i int) int {
	for j := i; j < len(text); j++ {
		switch text[j] {
		case ' ', '\t', '\r', '\n', '{', '}', ';', '"':
			return j
		case ',':
			if j+1 == len(text) || strings.IndexByte(" \t\r\n", text[j+1]) >= 0 {
				return j
			}
		}
	}
	return len(text)
}

// listCursor walks over tokens.
type listCursor struct {
	tokens []listToken
	at     int
}

func (c *listCursor) done() bool { return c.at >= len(c.tokens) }

// peek is the token n behind the next one; an empty mark behind the end.
func (c *listCursor) peek(n int) listToken {
	if c.at+n < len(c.tokens) {
		return c.tokens[c.at+n]
	}
	return listToken{kind: listMark}
}

func (c *listCursor) next() listToken {
	t := c.peek(0)
	c.at++
	return t
}

// word reports whether the next token is that word or mark, and passes it.
func (c *listCursor) word(s string) bool {
	if t := c.peek(0); t.text == s && (t.kind == listWord || t.kind == listMark) && s != "" {
		c.at++
		return true
	}
	return false
}

// words is word for several in a row, all or none.
func (c *listCursor) words(s ...string) bool {
	at := c.at
	for _, w := range s {
		if !c.word(w) {
			c.at = at
			return false
		}
	}
	return true
}

// block takes the tokens up to the brace that closes the one just passed.
func (c *listCursor) block() *listCursor {
	from, depth := c.at, 1
	for ; c.at < len(c.tokens); c.at++ {
		if t := c.tokens[c.at]; t.kind == listMark {
			switch t.text {
			case "{":
				depth++
			case "}":
				depth--
			}
		}
		if depth == 0 {
			break
		}
	}
	inside := &listCursor{tokens: c.tokens[min(from, len(c.tokens)):min(c.at, len(c.tokens))]}
	c.at++
	return inside
}

// statement takes the tokens up to the end of the line or a semicolon, but for
// those within braces.
func (c *listCursor) statement() *listCursor {
	var out []listToken
	depth := 0
	for ; c.at < len(c.tokens); c.at++ {
		t := c.tokens[c.at]
		switch {
		case t.kind == listMark && t.text == "{":
			depth++
		case t.kind == listMark && t.text == "}":
			depth--
		case depth > 0 && t.kind == listLine:
			continue
		case depth <= 0 && (t.kind == listLine || t.kind == listMark && t.text == ";"):
			c.at++
			return &listCursor{tokens: out}
		}
		out = append(out, t)
	}
	return &listCursor{tokens: out}
}
