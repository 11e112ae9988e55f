package ruleset

import (
	"errors"
	"strings"
)

// option is one option of a rule as iptables-save prints it, with its values.
type option struct {
	not    bool
	name   string   // with its dashes
	values []string // unquoted
	raw    string   // as it was printed, "! " included
}

// saveToken is a word of a line.
type saveToken struct{ text, raw string }

var errQuote = errors.New("a quoted string does not end")

// saveTokens takes a line apart as a shell would, as far as iptables-save
// quotes: in double quotes, with backslashes.
func saveTokens(l string) ([]saveToken, error) {
	var out []saveToken
	for l = strings.TrimLeft(l, " \t"); l != ""; l = strings.TrimLeft(l, " \t") {
		n := 0
		var text strings.Builder
		quoted := false
		for ; n < len(l) && (quoted || l[n] != ' ' && l[n] != '\t'); n++ {
			switch c := l[n]; {
			case c == '"':
				quoted = !quoted
			case c == '\\' && quoted && n+1 < len(l):
				n++
				text.WriteByte(l[n])
			default:
				text.WriteByte(c)
			}
		}
		if quoted {
			return nil, errQuote
		}
		out = append(out, saveToken{text.String(), l[:n]})
		l = l[n:]
	}
	return out, nil
}

// saveOptions gathers a line's words into options.
func saveOptions(l string) ([]option, error) {
	tokens, err := saveTokens(l)
	if err != nil {
		return nil, err
	}
	var out []option
	not := false
	for _, t := range tokens {
		switch {
		case t.raw == "!":
			not = true
		case strings.HasPrefix(t.raw, "-") && len(t.raw) > 1 && !digit(t.raw[1]):
			o := option{not: not, name: t.text, raw: t.raw}
			if not {
				o.raw = "! " + o.raw
			}
			out, not = append(out, o), false
		case len(out) == 0:
			return nil, errors.New("a value without an option")
		default:
			last := &out[len(out)-1]
			last.values = append(last.values, t.text)
			last.raw += " " + t.raw
		}
	}
	return out, nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// value is the option's only value.
func (o option) value() (string, bool) {
	if len(o.values) != 1 {
		return "", false
	}
	return o.values[0], true
}

// rawText is options as they were printed.
func rawText(options []option) string {
	raw := make([]string, len(options))
	for i, o := range options {
		raw[i] = o.raw
	}
	return strings.Join(raw, " ")
}
