package dumps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// nft -j list ruleset prints the rules as JSON (libnftables-json(5)). They are put into
// the words of nft list ruleset; what has no words here stands in brackets, and is not
// understood later on.

// nftObject is a thing of the ruleset: it has one key, which says what it is.
type nftObject map[string]json.RawMessage

// nftThing is a table, chain, rule, set or map.
type nftThing struct {
	Family, Table, Chain, Name string
	Handle                     int
	Type, Map, Flags           json.RawMessage
	Hook, Policy, Comment      string
	Prio                       json.RawMessage
	Dev                        json.RawMessage
	Expr                       []nftObject
	Elem                       []json.RawMessage
}

// nftTables gathers what is printed of tables, in their order.
type nftTables struct {
	order []string
	parts map[string]*nftParts
}

type nftParts struct {
	sets, chains []string
	heads        map[string]string // of chains, by name
	rules        map[string][]string
	flags        string
}

// nftFromJSON is the text of a ruleset that was printed as JSON.
func nftFromJSON(raw []byte) ([]byte, error) {
	var doc struct{ NFTables []nftObject }
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	t := nftTables{parts: map[string]*nftParts{}}
	for _, o := range doc.NFTables {
		for kind, raw := range o {
			var x nftThing
			if json.Unmarshal(raw, &x) == nil {
				t.add(kind, &x)
			}
		}
	}
	return t.text(), nil
}

func (t *nftTables) of(family, name string) *nftParts {
	key := family + " " + name
	p := t.parts[key]
	if p == nil {
		p = &nftParts{heads: map[string]string{}, rules: map[string][]string{}}
		t.parts[key], t.order = p, append(t.order, key)
	}
	return p
}

func (t *nftTables) add(kind string, x *nftThing) {
	switch kind {
	case "table":
		p := t.of(x.Family, x.Name)
		if flags := nftWords(x.Flags, ","); flags != "" {
			p.flags = "\tflags " + flags + "\n"
		}
	case "chain":
		p := t.of(x.Family, x.Table)
		p.chains, p.heads[x.Name] = append(p.chains, x.Name), nftChainHead(x)
	case "rule":
		p := t.of(x.Family, x.Table)
		p.rules[x.Chain] = append(p.rules[x.Chain], nftRule(x))
	case "set", "map":
		p := t.of(x.Family, x.Table)
		p.sets = append(p.sets, nftSet(kind, x))
	}
}

func (t *nftTables) text() []byte {
	var b bytes.Buffer
	for _, key := range t.order {
		p := t.parts[key]
		fmt.Fprintf(&b, "table %s {\n%s%s", key, p.flags, strings.Join(p.sets, ""))
		for _, name := range p.chains {
			fmt.Fprintf(&b, "\tchain %s {\n%s", name, p.heads[name])
			for _, r := range p.rules[name] {
				fmt.Fprintf(&b, "\t\t%s\n", r)
			}
			b.WriteString("\t}\n")
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

func nftChainHead(x *nftThing) string {
	if x.Hook == "" {
		return ""
	}
	dev := ""
	if d := nftWords(x.Dev, ", "); d != "" {
		dev = fmt.Sprintf(" device %q", d)
	}
	policy := ""
	if x.Policy != "" {
		policy = " policy " + x.Policy + ";"
	}
	return fmt.Sprintf("\t\ttype %s hook %s%s priority %s;%s\n", nftWords(x.Type, ""), x.Hook, dev, nftWords(x.Prio, ""), policy)
}

func nftSet(kind string, x *nftThing) string {
	var b strings.Builder
	of := nftWords(x.Type, " . ")
	if kind == "map" {
		of += " : " + nftWords(x.Map, " . ")
	}
	fmt.Fprintf(&b, "\t%s %s {\n\t\ttype %s\n", kind, x.Name, of)
	if flags := nftWords(x.Flags, ","); flags != "" {
		fmt.Fprintf(&b, "\t\tflags %s\n", flags)
	}
	if len(x.Elem) > 0 {
		fmt.Fprintf(&b, "\t\telements = { %s }\n", nftElements(x.Elem))
	}
	b.WriteString("\t}\n")
	return b.String()
}

func nftElements(all []json.RawMessage) string {
	var out []string
	for _, e := range all {
		var pair []json.RawMessage
		if json.Unmarshal(e, &pair) == nil && len(pair) == 2 {
			out = append(out, nftValue(pair[0])+" : "+nftTarget(pair[1]))
			continue
		}
		out = append(out, nftValue(e))
	}
	return strings.Join(out, ", ")
}

// nftTarget is what a map leads to: a verdict or a value.
func nftTarget(raw json.RawMessage) string {
	var o nftObject
	if json.Unmarshal(raw, &o) == nil {
		for key, arg := range o {
			if v, ok := nftVerdict(key, arg); ok {
				return v
			}
		}
	}
	return nftValue(raw)
}

func nftVerdict(key string, arg json.RawMessage) (string, bool) {
	switch key {
	case "accept", "drop", "continue", "return":
		return key, true
	case "jump", "goto":
		var to struct{ Target string }
		if json.Unmarshal(arg, &to) == nil {
			return key + " " + to.Target, true
		}
	}
	return "", false
}

func nftRule(x *nftThing) string {
	var words []string
	for _, o := range x.Expr {
		keys := make([]string, 0, len(o))
		for key := range o {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			words = append(words, nftStatement(key, o[key]))
		}
	}
	if x.Comment != "" {
		words = append(words, fmt.Sprintf("comment %q", x.Comment))
	}
	return strings.Join(words, " ") + fmt.Sprintf(" # handle %d", x.Handle)
}

// nftStatement is one statement of a rule.
func nftStatement(key string, arg json.RawMessage) string {
	if v, ok := nftVerdict(key, arg); ok {
		return v
	}
	var a struct {
		Op                string
		Left, Right       json.RawMessage
		Key, Value, Data  json.RawMessage
		Packets, Bytes    *uint64
		Addr, Port, Flags json.RawMessage
		Family, Type      string
		Expr              json.RawMessage
		Rate, Burst       *uint64
		Per, Prefix       string
		Inv               bool
		RateUnit          string `json:"rate_unit"`
		Val               json.RawMessage
	}
	_ = json.Unmarshal(arg, &a)
	switch key {
	case "match":
		return nftMatch(a.Op, a.Left, a.Right)
	case "counter":
		if a.Packets != nil && a.Bytes != nil {
			return fmt.Sprintf("counter packets %d bytes %d", *a.Packets, *a.Bytes)
		}
		return "counter"
	case "notrack":
		return key
	case "log":
		if a.Prefix != "" {
			return fmt.Sprintf("log prefix %q", a.Prefix)
		}
		return key
	case "reject":
		switch {
		case a.Type == "":
			return key
		case len(a.Expr) > 0:
			return "reject with " + a.Type + " " + nftValue(a.Expr)
		}
		return "reject with " + a.Type
	case "dnat", "snat", "masquerade", "redirect":
		return nftTranslation(key, a.Family, a.Addr, a.Port, a.Flags)
	case "mangle":
		return nftValue(a.Key) + " set " + nftValue(a.Value)
	case "vmap":
		return nftValue(a.Key) + " vmap " + nftMap(a.Data)
	case "limit":
		if a.Rate == nil || a.RateUnit != "" && a.RateUnit != "packets" {
			break
		}
		over, burst := "", ""
		if a.Inv {
			over = "over "
		}
		if a.Burst != nil {
			burst = fmt.Sprintf(" burst %d packets", *a.Burst)
		}
		return fmt.Sprintf("limit rate %s%d/%s%s", over, *a.Rate, a.Per, burst)
	case "ct count":
		if a.Inv {
			return "ct count over " + nftValue(a.Val)
		}
		return "ct count " + nftValue(a.Val)
	}
	return "[" + key + " " + string(arg) + "]"
}

func nftTranslation(key, family string, addr, port, flags json.RawMessage) string {
	to := ""
	if len(addr) > 0 {
		if to = nftValue(addr); len(port) > 0 && strings.Contains(to, ":") {
			to = "[" + to + "]"
		}
	}
	if len(port) > 0 {
		to += ":" + nftValue(port)
	}
	if to != "" {
		to = " to " + to
	}
	if family != "" {
		family = " " + family
	}
	if f := nftWords(flags, ","); f != "" {
		to += " " + f
	}
	return key + family + to
}

// nftMatch is a comparison; that of being equal has no sign.
func nftMatch(op string, left, right json.RawMessage) string {
	sign := op + " "
	var masked struct {
		And []json.RawMessage `json:"&"`
	}
	var flags []string
	switch {
	case json.Unmarshal(left, &masked) == nil && len(masked.And) == 2 && json.Unmarshal(masked.And[1], &flags) == nil:
		if op == "==" {
			sign = ""
		}
		return nftValue(masked.And[0]) + " " + sign + nftValue(right) + " / " + strings.Join(flags, ",")
	case len(masked.And) > 0:
	case op == "==" || op == "in":
		sign = ""
	}
	return nftValue(left) + " " + sign + nftValue(right, nftNames(left)...)
}

// nftNames tells which of the fields that are compared are names of interfaces, which
// stand in quotes.
func nftNames(raw json.RawMessage) (all []bool) {
	var o struct {
		Meta   struct{ Key string }
		Concat []json.RawMessage
	}
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	for _, field := range o.Concat {
		all = append(all, slices.Contains(nftNames(field), true))
	}
	if o.Concat == nil {
		all = append(all, slices.Contains([]string{"iif", "oif", "iifname", "oifname", "ibrname", "obrname"}, o.Meta.Key))
	}
	return all
}

func nftMap(raw json.RawMessage) string {
	var o struct{ Set []json.RawMessage }
	if json.Unmarshal(raw, &o) == nil && o.Set != nil {
		return "{ " + nftElements(o.Set) + " }"
	}
	return nftValue(raw)
}

// nftWords is a word, or a list of them.
func nftWords(raw json.RawMessage, between string) string {
	var all []string
	var one string
	var number json.Number
	switch {
	case len(raw) == 0:
		return ""
	case json.Unmarshal(raw, &one) == nil:
		return one
	case json.Unmarshal(raw, &number) == nil:
		return number.String()
	case json.Unmarshal(raw, &all) == nil:
		return strings.Join(all, between)
	}
	return ""
}

// nftValue is an expression. Bare words are names in quotes where quote is set, of one
// field or of each that are put together.
func nftValue(raw json.RawMessage, quote ...bool) string {
	var text string
	var number json.Number
	var list []json.RawMessage
	var o nftObject
	switch {
	case json.Unmarshal(raw, &text) == nil:
		if len(quote) > 0 && quote[0] && !strings.HasPrefix(text, "@") {
			return fmt.Sprintf("%q", text)
		}
		return text
	case json.Unmarshal(raw, &number) == nil:
		return number.String()
	case json.Unmarshal(raw, &list) == nil:
		return nftJoined(list, ",", quote...)
	case json.Unmarshal(raw, &o) == nil && len(o) == 1:
		for key, arg := range o {
			return nftExpression(key, arg, quote...)
		}
	}
	return "[" + string(raw) + "]"
}

func nftJoined(list []json.RawMessage, between string, quote ...bool) string {
	var out []string
	for i, v := range list {
		if between == " . " && len(quote) == len(list) {
			out = append(out, nftValue(v, quote[i]))
			continue
		}
		out = append(out, nftValue(v, quote...))
	}
	return strings.Join(out, between)
}

func nftExpression(key string, arg json.RawMessage, quote ...bool) string {
	var a struct {
		Key, Protocol, Field, Base, Dir, Family, Addr, Result string
		Offset, Len                                           int
		Flags                                                 json.RawMessage
		Val, Data                                             json.RawMessage
	}
	_ = json.Unmarshal(arg, &a)
	var list []json.RawMessage
	isList := json.Unmarshal(arg, &list) == nil
	switch {
	case key == "meta" && slices.Contains([]string{"iif", "oif", "iifname", "oifname"}, a.Key):
		return a.Key
	case key == "meta":
		return "meta " + a.Key
	case key == "payload" && a.Protocol != "":
		return a.Protocol + " " + a.Field
	case key == "payload" && a.Base != "":
		return fmt.Sprintf("@%s,%d,%d", a.Base, a.Offset, a.Len)
	case key == "ct":
		words := []string{"ct"}
		for _, w := range []string{a.Dir, a.Family, a.Key} {
			if w != "" {
				words = append(words, w)
			}
		}
		return strings.Join(words, " ")
	case key == "fib":
		return "fib " + nftWords(a.Flags, " . ") + " " + a.Result
	case key == "prefix":
		var p struct {
			Addr json.RawMessage
			Len  int
		}
		_ = json.Unmarshal(arg, &p)
		return fmt.Sprintf("%s/%d", nftValue(p.Addr), p.Len)
	case key == "range" && len(list) == 2:
		return nftJoined(list, "-", quote...)
	case key == "set" && isList:
		return "{ " + nftJoined(list, ", ", quote...) + " }"
	case key == "concat" && isList:
		return nftJoined(list, " . ", quote...)
	case key == "elem" && len(a.Val) > 0:
		return nftValue(a.Val, quote...)
	case key == "map":
		var m struct{ Key, Data json.RawMessage }
		_ = json.Unmarshal(arg, &m)
		return nftValue(m.Key) + " map " + nftMap(m.Data)
	case len(list) == 2 && slices.Contains([]string{"&", "|", "^", "<<", ">>"}, key):
		return nftValue(list[0]) + " " + key + " " + nftValue(list[1], quote...)
	}
	return "[" + key + " " + string(arg) + "]"
}
