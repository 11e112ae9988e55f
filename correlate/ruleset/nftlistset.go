package ruleset

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/decode"
)

// part is one part of a set's key, or of a map's value.
type part struct {
	kind kind
	len  int
}

// keyBytes is how long parts are in registers, one behind the other.
func keyBytes(parts []part) int {
	if len(parts) == 1 {
		return parts[0].len
	}
	n := 0
	for _, p := range parts {
		n += words(p.len) * 4
	}
	return n
}

// set reads a named set or map behind its first word.
func (p *listParser) set(word string, c *listCursor) {
	s := decode.NamedSet{Family: p.family, Table: p.name, Name: c.next().text}
	c.at++ // the brace
	s.Handle = c.handle()
	if word == "map" {
		s.Flags |= decode.SetMap
	}
	var key, data []part
	known := true
	for body := c.block(); !body.done(); {
		line := body.statement()
		switch line.next().text {
		case "type":
			key, data, known = typedParts(line, &s)
		case "typeof":
			key, data, known = p.typeofParts(line, &s)
		case "flags":
			s.Flags |= setFlags(line)
		case "elements":
			if line.words("=", "{") && known {
				known = fill(&s, key, data, line.block())
			}
		}
	}
	describeKey(&s, key, data)
	s.Absent = !known
	p.rules.Sets = append(p.rules.Sets, s)
}

func describeKey(s *decode.NamedSet, key, data []part) {
	s.KeyLen, s.DataLen = keyBytes(key), keyBytes(data)
	if len(key) > 1 {
		s.Flags |= decode.SetConcat
		s.FieldLens = nil
		for _, k := range key {
			s.FieldLens = append(s.FieldLens, k.len)
		}
	}
	s.DataType = 0
	for _, d := range data {
		for _, t := range listTypes {
			if t.kind == d.kind && t.len == d.len {
				s.DataType = s.DataType<<6 | t.number
			}
		}
	}
}

func setFlags(line *listCursor) (f decode.SetFlags) {
	for ; !line.done(); line.at++ {
		for _, w := range strings.Split(line.peek(0).text, ",") {
			f |= map[string]decode.SetFlags{"interval": decode.SetInterval, "constant": decode.SetConstant, "timeout": decode.SetTimeout, "dynamic": decode.SetEval}[w]
		}
	}
	return f
}

// typedParts reads TYPE . TYPE : TYPE.
func typedParts(line *listCursor, s *decode.NamedSet) (key, data []part, ok bool) {
	ok = true
	into := &key
	for !line.done() {
		switch t := line.next(); t.text {
		case ".", "":
		case ":":
			into = &data
		case "verdict":
			s.Verdicts = true
		case "interval":
		case "counter", "quota", "limit":
			s.Flags |= decode.SetObject
			ok = false
		default:
			known, found := listTypes[t.text]
			ok = ok && found
			*into = append(*into, part{known.kind, known.len})
		}
	}
	return key, data, ok && len(key) > 0
}

// typeofParts is the same for selectors in place of types.
func (p *listParser) typeofParts(line *listCursor, s *decode.NamedSet) (key, data []part, ok bool) {
	b := listRule{listCursor: *line, p: p, rule: &decode.Rule{Family: p.family}}
	into := &key
	for !b.done() {
		switch {
		case b.word("."), b.word("interval"):
		case b.word(":"):
			into = &data
		case b.word("verdict"):
			s.Verdicts = true
		default:
			sel, found := b.selector()
			if !found {
				return nil, nil, false
			}
			*into = append(*into, part{sel.kind, sel.len})
		}
	}
	return key, data, len(key) > 0
}

// fill reads elements. It reports false if any is not understood.
func fill(s *decode.NamedSet, key, data []part, c *listCursor) bool {
	ok := true
	for !c.done() {
		var tokens []listToken
		for depth := 0; !c.done() && (depth > 0 || c.peek(0).text != "," || c.peek(0).kind != listMark); {
			t := c.next()
			if t.kind == listMark {
				depth += map[string]int{"{": 1, "}": -1}[t.text]
			}
			if t.kind != listLine && t.kind != listComment {
				tokens = append(tokens, t)
			}
		}
		c.at++
		if len(tokens) > 0 {
			ok = one(s, key, data, &listCursor{tokens: tokens}) && ok
		}
	}
	return ok
}

// one reads one element: a key, what is said of it, and with maps a value.
func one(s *decode.NamedSet, key, data []part, c *listCursor) bool {
	var e decode.Element
	spans, ok := keySpans(key, c, &e)
	if !ok {
		return false
	}
	for !c.done() && !c.word(":") {
		switch t := c.next(); t.text {
		case "expires", "timeout":
			e.Expires = true
		case "comment":
			e.Comment = c.next().text
		}
	}
	if s.Flags&decode.SetMap != 0 {
		if e.Data, ok = mapData(data, c); !ok {
			return false
		}
	}
	return insert(s, key, e, spans)
}

func keySpans(key []part, c *listCursor, e *decode.Element) (spans []listSpan, ok bool) {
	if c.word("*") {
		e.CatchAll = true
		return nil, true
	}
	for i, k := range key {
		if i > 0 && !c.word(".") {
			return nil, false
		}
		v, ok := listValue(k.kind, k.len, c.next())
		if !ok {
			return nil, false
		}
		spans = append(spans, v)
	}
	return spans, len(spans) > 0
}

func mapData(data []part, c *listCursor) (d decode.Data, ok bool) {
	if v, is := c.verdictAt(); is {
		return decode.Data{Verdict: &v}, true
	}
	for i, k := range data {
		if i > 0 && !c.word(".") {
			return d, false
		}
		v, ok := listValue(k.kind, k.len, c.next())
		if !ok || !v.single() {
			return d, false
		}
		d.Value = appendPart(d.Value, v.from, len(data) > 1)
	}
	return d, len(data) > 0
}

// appendPart adds a part of a key, filled up to whole registers if there are
// several.
func appendPart(b, v []byte, several bool) []byte {
	b = append(b, v...)
	for several && len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// insert adds an element as the kernel keeps it: single keys; beginnings and
// ends of intervals; of concatenated keys first and last.
func insert(s *decode.NamedSet, key []part, e decode.Element, spans []listSpan) bool {
	ranged := false
	var from, to []byte
	for i, v := range spans {
		if len(v.from) != key[i].len || len(v.to) != key[i].len { // the beginning of a name
			return false
		}
		ranged = ranged || !v.single()
		from, to = appendPart(from, v.from, len(key) > 1), appendPart(to, v.to, len(key) > 1)
	}
	if ranged && hostOrder(key[0].kind) { // nft turns these round
		return false
	}
	if ranged {
		s.Flags |= decode.SetInterval
	}
	e.Key = from
	switch {
	case e.CatchAll:
		e.Key = nil
	case len(key) > 1 && s.Flags&decode.SetInterval != 0:
		e.KeyEnd = to
	}
	s.Elements = append(s.Elements, e)
	if end, more := plusOne(to); s.Flags&decode.SetInterval != 0 && len(key) == 1 && !e.CatchAll && more {
		s.Elements = append(s.Elements, decode.Element{Key: end, End: true})
	}
	return true
}

// plusOne is the key behind k; false if k is the last.
func plusOne(k []byte) ([]byte, bool) {
	k = slices.Clone(k)
	for i := len(k) - 1; i >= 0; i-- {
		k[i]++
		if k[i] != 0 {
			return k, true
		}
	}
	return k, false
}

// anonymous makes a set of what is in braces.
func (p *listParser) anonymous(key, data []part, isMap bool, body *listCursor) (*decode.NamedSet, bool) {
	s := decode.NamedSet{Family: p.family, Table: p.name, Name: fmt.Sprintf("__list%d", p.sets), Flags: decode.SetAnonymous | decode.SetConstant}
	p.sets++
	if isMap {
		s.Flags |= decode.SetMap
		s.Verdicts = len(data) == 0
	}
	if hasRanges(key, body) {
		s.Flags |= decode.SetInterval
	}
	ok := fill(&s, key, data, body)
	describeKey(&s, key, data)
	p.rules.Sets = append(p.rules.Sets, s)
	return &p.rules.Sets[len(p.rules.Sets)-1], ok
}

// hasRanges reports whether any element is a range, so that all of them are
// kept as intervals.
func hasRanges(key []part, body *listCursor) bool {
	trial := decode.NamedSet{}
	fill(&trial, key, nil, &listCursor{tokens: body.tokens})
	return trial.Flags&decode.SetInterval != 0
}
