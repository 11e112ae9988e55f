package ruleset

import (
	"strconv"
	"strings"

	"dnatrace/decode"
)

// listRule makes the expressions of one rule of nft's list.
type listRule struct {
	listCursor
	p       *listParser
	rule    *decode.Rule
	l3      decode.Family // that the rule is known to be about
	l4      decode.Proto
	unknown []string    // words that are not understood, since the last that were
	cut     []listToken // what is left out of the rule's text: counters and handle
}

func (p *listParser) rule(chain string, s *listCursor) {
	r := decode.Rule{Family: p.family, Table: p.name, Chain: chain}
	b := listRule{listCursor: *s, p: p, rule: &r}
	if p.family == decode.FamilyIPv4 || p.family == decode.FamilyIPv6 || p.family == decode.FamilyARP {
		b.l3 = p.family
	}
	for !b.done() {
		if len(b.unknown) > 0 && b.goesOn() {
			b.skip()
			continue
		}
		b.flush()
		was, l3, l4 := b.listCursor, b.l3, b.l4
		exprs, sets := len(r.Exprs), len(p.rules.Sets)
		if !b.statement() {
			b.listCursor, b.l3, b.l4 = was, l3, l4
			r.Exprs, p.rules.Sets = r.Exprs[:exprs], p.rules.Sets[:sets]
			b.skip()
		}
	}
	b.flush()
	if p.iptables() && !targets(r.Exprs) {
		b.add(p.unlisted(chain))
	}
	r.Text = b.written()
	p.rules.Rules = append(p.rules.Rules, r)
}

// targets reports whether a rule does anything but compare and count.
func targets(exprs []decode.Expr) bool {
	for _, e := range exprs {
		switch e := e.(type) {
		case decode.MetaExpr:
			if e.Set {
				return true
			}
		case decode.CtExpr:
			if e.Set {
				return true
			}
		case decode.PayloadExpr, decode.CmpExpr, decode.RangeExpr, decode.BitwiseExpr, decode.ByteorderExpr, decode.FibExpr, decode.CounterExpr, decode.LimitExpr, *decode.XTMatch:
		case decode.LookupExpr:
			if e.Map && e.To == decode.VerdictReg {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// unlisted is the target of a rule of iptables for which nft lists none: for
// MASQUERADE of IPv6 it prints nothing at all.
func (p *listParser) unlisted(chain string) decode.Expr {
	if p.family == decode.FamilyIPv6 && p.name == "nat" && chain == "POSTROUTING" {
		return &decode.XTTarget{Name: "MASQUERADE", Info: decode.XTNAT{}}
	}
	return &decode.XTTarget{Name: "that nft does not list"}
}

func (b *listRule) add(e ...decode.Expr) {
	b.flush()
	b.rule.Exprs = append(b.rule.Exprs, e...)
}

// skip passes a word that is not understood.
func (b *listRule) skip() {
	t := b.next()
	if t.text == "{" {
		b.block()
	}
	b.unknown = append(b.unknown, t.text)
}

// flush adds what was not understood.
func (b *listRule) flush() {
	if len(b.unknown) > 0 {
		b.rule.Exprs = append(b.rule.Exprs, decode.UnknownExpr{Name: strings.Join(b.unknown, " "), Does: listEffect(b.unknown)})
		b.unknown = nil
	}
}

// written is the rule's text as nft wrote it, without counters, comments of nft's
// own and handle.
func (b *listRule) written() string {
	var words []string
	from := -1
	end := 0
	take := func() {
		if from >= 0 {
			words = append(words, b.p.text[from:end])
		}
		from = -1
	}
	for _, t := range b.tokens {
		if len(b.cut) > 0 && t.start == b.cut[0].start {
			take()
			b.cut = b.cut[1:]
			continue
		}
		if from < 0 {
			from = t.start
		}
		end = t.end
	}
	take()
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// omit leaves tokens from at up to here out of the rule's text.
func (b *listRule) omit(at int) bool {
	b.cut = append(b.cut, b.tokens[at:min(b.at, len(b.tokens))]...)
	return true
}

// statement reads one condition or statement. It reports false, with nothing
// added, if it is not understood.
func (b *listRule) statement() bool {
	t := b.peek(0)
	switch {
	case t.kind == listComment:
		return b.remark()
	case t.kind != listWord:
		return false
	}
	if v, ok := b.verdictAt(); ok {
		b.add(immediate(v))
		return true
	}
	if b.words("ct", "count") {
		return b.connlimit()
	}
	if read := listStatements[t.text]; read != nil {
		at := b.at
		b.at++
		if read(b) {
			return true
		}
		b.at = at
	}
	return b.sets() || b.writes() || b.condition() || b.undecoded()
}

// remark reads the handle. In tables of iptables, other comments stand for what
// nft cannot print.
func (b *listRule) remark() bool {
	at := b.at
	n, ok := handleIn(b.next())
	switch {
	case ok:
		b.rule.Handle = n
	case b.p.iptables():
		return false
	}
	return b.omit(at)
}

// listStatements read statements behind their first word.
var listStatements map[string]func(*listRule) bool

func init() {
	listStatements = map[string]func(*listRule) bool{
		"counter":    (*listRule).counter,
		"comment":    func(b *listRule) bool { b.rule.Comment = b.next().text; return true },
		"limit":      (*listRule).limit,
		"quota":      (*listRule).quota,
		"log":        (*listRule).log,
		"reject":     (*listRule).reject,
		"masquerade": (*listRule).masquerade,
		"redirect":   (*listRule).redirect,
		"dnat":       func(b *listRule) bool { return b.nat(false) },
		"snat":       func(b *listRule) bool { return b.nat(true) },
		"notrack":    func(b *listRule) bool { b.add(decode.NotrackExpr{}); return true },
		"queue":      (*listRule).queue,
		"tproxy":     (*listRule).tproxy,
		"flow":       (*listRule).flow,
		"xt":         (*listRule).extension,
		"add":        (*listRule).update,
		"update":     (*listRule).update,
		"delete":     (*listRule).update,
		"dup":        (*listRule).dup,
		"fwd":        (*listRule).fwd,
		"synproxy":   (*listRule).synproxy,
		"reset":      (*listRule).resetOption,
		"last":       func(b *listRule) bool { b.words("used", "never"); b.add(decode.LastExpr{}); return true },
	}
}

// counter reads counter, counter packets N bytes N, or counter name X.
func (b *listRule) counter() bool {
	at := b.at - 1
	var c decode.Counter
	switch {
	case b.word("name"):
		b.add(decode.ObjrefExpr{Type: 1, Name: b.next().text})
		return true
	case b.word("packets"):
		n, err := strconv.ParseUint(b.next().text, 10, 64)
		if err != nil || !b.word("bytes") {
			return false
		}
		c.Packets = n
		if c.Bytes, err = strconv.ParseUint(b.next().text, 10, 64); err != nil {
			return false
		}
	default: // -s: what was counted is not said
		return b.omit(at)
	}
	b.add(decode.CounterExpr{Counter: c})
	return b.omit(at)
}

// extension reads what nft cannot translate: xt match "NAME", xt target "NAME".
func (b *listRule) extension() bool {
	kind, name := b.next().text, b.next().text
	switch kind {
	case "match":
		b.add(&decode.XTMatch{Name: name})
	case "target":
		b.add(&decode.XTTarget{Name: name})
	default:
		return false
	}
	return true
}

// update reads add @SET { … } and update @SET { … }.
func (b *listRule) update() bool {
	set := b.next().text
	if !strings.HasPrefix(set, "@") || !b.word("{") {
		return false
	}
	body := b.block()
	key := listRule{listCursor: *body, p: b.p, rule: b.rule, l3: b.l3, l4: b.l4}
	_, ok := key.key()
	b.l3, b.l4 = key.l3, key.l4
	b.add(decode.LookupExpr{Set: set[1:], Reg: 1, Dynamic: true})
	return ok || set != ""
}
