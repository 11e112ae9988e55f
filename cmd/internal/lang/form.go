package lang

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A form is a sentence before anything is filled in, in both languages.
type form struct {
	english string // as in the catalogue
	parts   []part // of the English
	longest string // of its text
	letters int    // of the English that are not filled in: of two forms, the one with more is meant
	chinese []piece
}

// A part is a piece of an English form: text, or what is filled in.
type part struct {
	text string
	verb byte // 0: text
	spec string
	kind byte // how the Chinese form takes it: see verbs
}

// A piece of a Chinese form: text, or the number of what is filled in.
type piece struct {
	text string
	arg  int // from 1; 0: text
	told bool
}

// verbs are those of both languages; in front of one may stand which of the arguments is
// meant. In Chinese there are, beside that of the English form, which leaves what is
// filled in as it is:
//
//	t  a sentence of ours, or several, told in Chinese too
//	m  the same where it is one; otherwise as it is
//	w  a word of ours, told in Chinese
//	n  a name, as it is: there is no space in it
var verbs = regexp.MustCompile(`%(?:\[(\d+)\])?([0-9.+]*)([a-z])`)

// newForm reads the two halves of an entry.
func newForm(english, chinese string) (*form, error) {
	f := &form{english: english}
	args := f.read(trimmed(english))
	if chinese == "=" {
		chinese = ""
		for n, p := range f.parts {
			if p.verb != 0 {
				chinese += "%" + string(p.verb)
				continue
			}
			chinese += f.parts[n].text
		}
	}
	if err := f.fill(chinese, args); err != nil {
		return nil, err
	}
	return f, nil
}

// read takes an English form apart, and returns where its arguments are.
func (f *form) read(s string) []int {
	var args []int
	text := func(s string) {
		if s != "" {
			s = strings.ReplaceAll(s, "%%", "%")
			if len(s) > len(f.longest) && len(f.parts) > 0 {
				f.longest = s
			}
			f.parts = append(f.parts, part{text: s})
			f.letters += len(s)
		}
	}
	at := 0
	for _, m := range verbs.FindAllStringSubmatchIndex(s, -1) {
		text(s[at:m[0]])
		at = m[1]
		args = append(args, len(f.parts))
		f.parts = append(f.parts, part{verb: s[m[6]], spec: s[m[0]:m[1]]})
	}
	text(s[at:])
	return args
}

// fill reads the Chinese form. Every argument of the English one has its place there, of
// the same kind, or is told in Chinese.
func (f *form) fill(s string, args []int) error {
	at, next, used := 0, 1, map[int]bool{}
	for _, m := range verbs.FindAllStringSubmatchIndex(s, -1) {
		if at < m[0] {
			f.chinese = append(f.chinese, piece{text: strings.ReplaceAll(s[at:m[0]], "%%", "%")})
		}
		at = m[1]
		n := next
		if m[2] >= 0 {
			n, _ = strconv.Atoi(s[m[2]:m[3]])
		} else {
			next++
		}
		if n < 1 || n > len(args) {
			return fmt.Errorf("%q fills in argument %d of %d", s, n, len(args))
		}
		p, verb := &f.parts[args[n-1]], s[m[6]]
		if !strings.ContainsRune("tmwn", rune(verb)) && verb != p.verb {
			return fmt.Errorf("%q fills in argument %d, which is %s, as %%%c", s, n, p.spec, verb)
		}
		p.kind, used[n] = verb, true
		f.chinese = append(f.chinese, piece{arg: n, told: verb != p.verb && verb != 'n'})
	}
	if at < len(s) {
		f.chinese = append(f.chinese, piece{text: strings.ReplaceAll(s[at:], "%%", "%")})
	}
	if len(used) != len(args) {
		return fmt.Errorf("%q fills in %d of %d arguments", s, len(used), len(args))
	}
	return nil
}

// write puts what was filled in into the Chinese form.
func (f *form) write(args []string, tell func(string) string) string {
	var b strings.Builder
	for _, p := range f.chinese {
		switch {
		case p.arg == 0:
			b.WriteString(p.text)
		case p.told:
			b.WriteString(tell(args[p.arg-1]))
		default:
			b.WriteString(args[p.arg-1])
		}
	}
	return b.String()
}

// A reading is how a sentence is made by a form.
type reading struct {
	known  func(string) bool // of sentences; nil: anything may be one
	word   func(string) bool
	narrow bool // the form has little text: what is filled in is one word, or known
	steps  *int // taken so far
}

// little is how much text a form has at least that says by itself what it is.
const little = 10

// of reads a sentence by a form.
func (r *reading) of(f *form, s string) ([]string, bool) {
	r.narrow = f.letters < little
	if first := &f.parts[0]; first.verb == 0 && !sameButFirst(s, first.text) || !strings.Contains(s, f.longest) {
		return nil, false
	}
	return r.match(f.parts, s, true)
}

// match takes out of a sentence what was filled into the parts.
func (r *reading) match(parts []part, s string, first bool) ([]string, bool) {
	if *r.steps++; *r.steps > mostSteps {
		return nil, false
	}
	if len(parts) == 0 {
		return nil, s == ""
	}
	p := &parts[0]
	if p.verb == 0 {
		if len(s) < len(p.text) || s[:len(p.text)] != p.text && !(first && sameButFirst(s, p.text)) {
			return nil, false
		}
		return r.match(parts[1:], s[len(p.text):], false)
	}
	if len(parts) == 1 {
		if !r.fits(p, s, first) {
			return nil, false
		}
		return []string{s}, true
	}
	for end := 0; end <= len(s); end++ {
		if next := &parts[1]; next.verb == 0 {
			n := strings.Index(s[end:], next.text)
			if n < 0 {
				return nil, false
			}
			end += n
		}
		if *r.steps++; *r.steps > mostSteps {
			return nil, false
		}
		if !r.fits(p, s[:end], first) {
			continue
		}
		if rest, ok := r.match(parts[1:], s[end:], false); ok {
			return append([]string{s[:end]}, rest...), true
		}
	}
	return nil, false
}

// fits reports whether a text may be what was filled in. What a sentence begins with is
// no sentence, unless it is told.
func (r *reading) fits(p *part, s string, first bool) bool {
	switch p.verb {
	case 'd':
		return s != "" && strings.Trim(s, "-0123456789") == ""
	case 'f':
		return s != "" && strings.Trim(s, "-0123456789.") == ""
	case 'q':
		return len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"'
	}
	switch p.kind {
	case 't':
		return s == "" || r.known == nil || r.known(s)
	case 'w':
		return s == "" || r.word(s)
	case 'n':
		return s != "" && !strings.Contains(s, " ")
	case 'm':
		return true
	}
	if first && (strings.Contains(s, ": ") || strings.Contains(s, ". ") || strings.Contains(s, "; ")) {
		return false
	}
	return !r.narrow || !strings.Contains(s, " ")
}

// sameButFirst reports whether s begins as text does, but for the case of its first
// letter: a sentence may stand within another.
func sameButFirst(s, text string) bool {
	return s != "" && len(s) >= len(text) && strings.EqualFold(s[:1], text[:1]) && s[1:len(text)] == text[1:]
}
