package lang

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// source is the catalogue: a line of English, and below it, behind a tab, the same in
// Chinese; = is what is the same in both, such as a command. # begins a comment, which
// says where what follows is from.
//
//go:embed zh.txt
var source string

// catalogue is read when it is first asked for: most runs are in English.
var catalogue = sync.OnceValue(func() *forms {
	c, err := read(source)
	if err != nil {
		panic("read the catalogue of sentences: " + err.Error()) // a test reads it
	}
	return c
})

// forms are all forms, found by their English.
type forms struct {
	by    map[string]*form
	order []*form // with arguments; those with the most text first
	plain int     // of them so many have enough text to be known by

	lock  sync.Mutex
	told  map[string]telling // what was told before; bounded by mostTold
	steps int                // taken for the sentence that is being told
}

// A telling is a sentence in Chinese, and whether all of it is known.
type telling struct {
	text  string
	known bool
}

const mostTold = 4096

// read reads a catalogue.
func read(text string) (*forms, error) {
	c := &forms{by: map[string]*form{}, told: map[string]telling{}}
	var wrong []error
	english := ""
	for n, line := range strings.Split(text, "\n") {
		switch chinese, ok := strings.CutPrefix(line, "\t"); {
		case line == "", strings.HasPrefix(line, "# "):
		case !ok:
			if english != "" {
				wrong = append(wrong, fmt.Errorf("line %d: %q has no translation", n, english))
			}
			english = line
		default:
			f, err := newForm(english, chinese)
			key := keyOf(english)
			switch {
			case err != nil:
				wrong = append(wrong, fmt.Errorf("line %d: %w", n+1, err))
				english = ""
				continue
			case c.by[key] != nil:
				wrong = append(wrong, fmt.Errorf("line %d: %q is there twice", n+1, english))
			}
			c.by[key] = f
			if slices.ContainsFunc(f.parts, func(p part) bool { return p.verb != 0 }) {
				c.order = append(c.order, f)
			}
			english = ""
		}
	}
	slices.SortStableFunc(c.order, func(a, b *form) int { return b.letters - a.letters })
	for c.plain < len(c.order) && c.order[c.plain].letters >= little {
		c.plain++
	}
	return c, errors.Join(wrong...)
}

// The marks that end a sentence, or stand before what is added to one.
const marks = ".:;,"

var chineseMarks = map[byte]string{'.': "。", ':': "：", ';': "；", ',': "，"}

// trimmed is a sentence without the marks around it.
func trimmed(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && strings.IndexByte(marks, s[0]) >= 0 && s[1] == ' ' {
		s = strings.TrimSpace(s[1:])
	}
	if n := len(s) - 1; n > 0 && (s[n] == '.' || s[n] == ':') {
		s = s[:n]
	}
	return s
}

// keyOf is by what a form is found: its English, whatever the case of its first letter.
func keyOf(s string) string {
	s = trimmed(s)
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] >= 'a' && s[1] <= 'z' || s[1] == ' ') {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// sentence tells a sentence in Chinese.
func (c *forms) sentence(s string) string {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.steps = 0
	told, _ := c.tell(s, 0)
	return told
}

// mostSteps bounds what is tried for a sentence: names and rules in it are a stranger's.
const mostSteps = 20_000

func (c *forms) spent() bool { return c.steps > mostSteps }

// tell tells a sentence, or several, and reports whether all of it is known.
func (c *forms) tell(s string, depth int) (string, bool) {
	if t, ok := c.told[s]; ok {
		return t.text, t.known
	}
	told, known := c.find(s, depth)
	if len(c.told) >= mostTold {
		clear(c.told)
	}
	if !c.spent() {
		c.told[s] = telling{told, known}
	}
	return told, known
}

func (c *forms) find(s string, depth int) (string, bool) {
	bare := trimmed(s)
	if c.steps += 1 + len(s)/16; bare == "" || c.spent() {
		return s, bare == ""
	}
	from := strings.Index(s, bare)
	before, after := marked(s[:from]), marked(s[from+len(bare):])
	if c.word(bare) {
		return before + c.by[keyOf(bare)].write(nil, nil) + after, true
	}
	if told, ok := c.several(bare, ". ", depth); ok {
		return before + told + after, true
	}
	if told, ok := c.filled(bare, depth, c.order[:c.plain]); ok {
		return before + told + after, true
	}
	for _, sep := range []string{"; ", ": ", ", "} {
		if told, ok := c.several(bare, sep, depth); ok {
			return before + told + after, true
		}
	}
	if told, ok := c.filled(bare, depth, c.order[c.plain:]); ok {
		return before + told + after, true
	}
	if depth == 0 {
		if told, ok := c.filled(bare, depth, nil); ok {
			return before + told + after, false
		}
	}
	if told, ok := c.partly(bare, depth); ok {
		return before + told + after, false
	}
	return s, false
}

// marked are the marks before or behind a sentence, in Chinese, which sets no space.
func marked(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(chineseMarks[s[i]])
	}
	return b.String()
}

// several tells what is made of sentences, if all of them are known.
func (c *forms) several(s, sep string, depth int) (string, bool) {
	for at := len(s); ; {
		if at = strings.LastIndex(s[:at], sep); at <= 0 || c.spent() {
			return "", false
		}
		right, ok := c.tell(s[at+len(sep):], depth+1)
		if !ok {
			continue
		}
		if left, ok := c.tell(s[:at], depth+1); ok {
			return left + chineseMarks[sep[0]] + right, true
		}
	}
}

// partly tells of two sentences the one that is known.
func (c *forms) partly(s string, depth int) (string, bool) {
	for at := len(s); ; {
		if at = strings.LastIndex(s[:at], ". "); at <= 0 || c.spent() {
			return "", false
		}
		left, known := c.tell(s[:at], depth+1)
		right, ok := c.tell(s[at+2:], depth+1)
		switch {
		case known:
			return left + "。" + right, true
		case ok:
			return left + ". " + right, true
		}
	}
}

// filled tells a sentence by the first of some forms that it is made by, and of which all
// that is to be told is known; without forms, by any, as far as it is known.
func (c *forms) filled(s string, depth int, by []*form) (string, bool) {
	known := func(within string) bool {
		if len(within) >= len(s) {
			return false // it is being told
		}
		_, ok := c.tell(within, depth+1)
		return ok
	}
	r := reading{steps: &c.steps, word: c.word, known: known}
	if by == nil {
		by, r.known = c.order, nil
	}
	tell := func(s string) string { told, _ := c.tell(s, depth+1); return told }
	for _, f := range by {
		if c.spent() {
			break
		}
		if args, ok := r.of(f, s); ok {
			return f.write(args, tell), true
		}
	}
	return "", false
}

// word reports whether a text is a form in which nothing is filled in.
func (c *forms) word(s string) bool {
	f := c.by[keyOf(s)]
	return f != nil && len(f.parts) == 1 && f.parts[0].verb == 0
}

// say formats by the form of a format.
func (c *forms) say(format string, args []any) string {
	f := c.by[keyOf(format)]
	if f == nil {
		return fmt.Sprintf(format, args...)
	}
	var filled []string
	for _, p := range f.parts {
		if p.verb != 0 && len(filled) < len(args) {
			filled = append(filled, fmt.Sprintf(p.spec, args[len(filled)]))
		}
	}
	if len(filled) != len(args) {
		return fmt.Sprintf(format, args...)
	}
	return f.write(filled, c.sentence)
}
