package ruleset

import (
	"slices"
	"strings"

	"dnatrace/decode"
)

// conditionWords begin conditions, those that are not decoded among them
// (primary_stmt_expr in nft's parser).
var conditionWords = []string{
	"meta", "ct", "mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "iifgroup", "oifgroup",
	"ether", "vlan", "arp", "ip", "ip6", "icmp", "icmpv6", "igmp", "tcp", "udp", "udplite", "sctp", "dccp", "th", "ah", "esp", "comp",
	"gre", "gretap", "geneve", "vxlan", "hbh", "rt", "rt0", "rt2", "srh", "frag", "dst", "mh", "exthdr",
	"fib", "socket", "osf", "ipsec", "numgen", "jhash", "symhash", "@ll", "@nh", "@th", "@ih",
}

func beginsCondition(word string) bool {
	first, _, _ := strings.Cut(word, ",")
	return slices.Contains(conditionWords, first)
}

// actingWords do something with what a condition would compare.
var actingWords = []string{"set", "map", "vmap", "to"}

// listEffect is what words that are not understood may do.
func listEffect(words []string) decode.Effect {
	acts := func(w string) bool { return slices.Contains(actingWords, w) }
	if !beginsCondition(words[0]) || slices.ContainsFunc(words, acts) {
		return decode.EffectAny
	}
	return decode.EffectMatch
}

// goesOn reports whether the next word belongs to those before it that were not
// understood: all do, up to the next verdict or statement. What looks like a
// condition may be about what was not understood, as in "gre ip saddr".
func (b *listRule) goesOn() bool {
	c := b.listCursor
	if _, ok := c.verdictAt(); ok {
		return false
	}
	t := b.peek(0)
	return t.kind != listComment && listStatements[t.text] == nil
}

// undecoded passes a condition of which only the shape is known: FIELD, perhaps
// an operator, and a value.
func (b *listRule) undecoded() bool {
	at := b.at
	ok := b.field()
	for ok && b.word(".") {
		ok = b.field()
	}
	if ok && b.word("&") {
		b.at++
	}
	b.operator()
	if !ok || slices.Contains(actingWords, b.peek(0).text) || !b.pass() {
		b.at = at
		return false
	}
	b.add(decode.UnknownExpr{Name: b.between(at), Does: decode.EffectMatch})
	return true
}

// between is the text of the tokens from at up to here.
func (b *listRule) between(at int) string {
	t := b.tokens[at:min(b.at, len(b.tokens))]
	return strings.Join(strings.Fields(b.p.text[t[0].start:t[len(t)-1].end]), " ")
}

// field passes the words of one field.
func (b *listRule) field() bool {
	if _, ok := b.selector(); ok {
		return true
	}
	t := b.next()
	if t.kind != listWord || !beginsCondition(t.text) {
		return false
	}
	switch t.text {
	case "fib", "numgen", "jhash", "symhash", "gre", "gretap", "geneve", "vxlan": // what follows has many shapes
		return false
	case "mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "iifgroup", "oifgroup":
		return true
	case "ct":
		if b.word("original") || b.word("reply") {
			return b.fields(1)
		}
		return b.fields(1)
	case "tcp", "sctp", "dccp":
		if b.word("option") || b.word("chunk") {
			b.at++
			if next := b.peek(0).text; next == "exists" || next == "missing" || next == "!=" {
				return true
			}
		}
		return b.fields(1)
	case "arp", "rt", "ipsec":
		return b.fields(2)
	case "socket":
		if b.word("cgroupv2") {
			return b.fields(2)
		}
		return b.fields(1)
	case "osf":
		if b.word("ttl") {
			b.at++
		}
		return b.fields(1)
	}
	if strings.HasPrefix(t.text, "@") {
		return true
	}
	return b.fields(1)
}

// fields passes so many words, or one less if the last but one is the name of a
// field and not of a group of fields.
func (b *listRule) fields(n int) bool {
	for ; n > 0; n-- {
		t := b.next()
		if t.kind != listWord {
			return false
		}
		if n == 2 && !slices.Contains([]string{"saddr", "daddr", "ip", "ip6", "in", "out"}, t.text) {
			return true
		}
		if t.text == "ip" || t.text == "ip6" {
			n = max(n, 2)
		}
	}
	return true
}

// pass passes one value: a word, a range, flags with their mask, a set.
func (b *listRule) pass() bool {
	if b.word("{") {
		b.block()
		return true
	}
	t := b.next()
	if t.kind != listWord && t.kind != listString || t.text == "" || beginsCondition(t.text) && !strings.HasPrefix(t.text, "@") {
		return false
	}
	switch next := b.peek(0); {
	case next.kind == listWord && next.text == "-", b.peek(0).text == "/":
		b.at += 2
	case next.kind == listWord && strings.HasPrefix(next.text, "-"):
		b.at++
	}
	return true
}

// passSource passes what a statement takes, whatever it is worth.
func (b *listRule) passSource() bool {
	if b.words("rt", "mtu") {
		return true
	}
	if _, ok := b.selectors(); !ok {
		return b.pass()
	}
	if b.word("map") {
		return b.pass()
	}
	for isBitwise(b.peek(0)) {
		b.at += 2
	}
	return true
}

func isBitwise(t listToken) bool {
	return t.kind == listWord && slices.Contains([]string{"&", "and", "|", "or", "^", "xor"}, t.text)
}

// harmlessSets write what changes nothing of a packet's way.
var harmlessSets = [][]string{
	{"meta", "priority"}, {"meta", "nftrace"}, {"meta", "secmark"},
	{"ct", "label"}, {"ct", "event"}, {"ct", "secmark"}, {"ct", "helper"}, {"ct", "timeout"}, {"ct", "expectation"},
}

// tosSets write the type of service, or traffic class.
var tosSets = [][]string{{"ip", "dscp"}, {"ip", "ecn"}, {"ip6", "dscp"}, {"ip6", "ecn"}, {"ip6", "flowlabel"}}

// writes reads what is written to the packet and not followed, but known for
// leaving its way alone.
func (b *listRule) writes() bool {
	at := b.at
	for _, w := range tosSets {
		if b.words(append(slices.Clone(w), "set")...) && b.passSource() {
			e := decode.PayloadExpr{Base: decode.BaseNetwork, Offset: 1, Len: 1, Reg: 1, Set: true}
			l3 := decode.FamilyIPv4
			if w[0] == "ip6" {
				l3 = decode.FamilyIPv6
			}
			b.need(selector{l3: l3})
			b.add(e)
			return true
		}
		b.at = at
	}
	option := b.words("tcp", "option")
	if option {
		b.at += 2
	}
	harmless := option && b.word("set") && b.passSource()
	for _, w := range harmlessSets {
		if !harmless {
			b.at = at
			harmless = b.words(append(slices.Clone(w), "set")...) && b.passSource()
		}
	}
	if !harmless {
		b.at = at
		return false
	}
	b.add(decode.UnknownExpr{Name: b.between(at), Does: decode.EffectNone})
	return true
}

// resetOption reads reset tcp option KIND.
func (b *listRule) resetOption() bool {
	at := b.at - 1
	if !b.words("tcp", "option") || b.next().kind != listWord {
		return false
	}
	b.add(decode.UnknownExpr{Name: b.between(at), Does: decode.EffectNone})
	return true
}

// dup reads dup to ADDRESS [device NAME], of which the packet itself knows
// nothing.
func (b *listRule) dup() bool {
	if !b.word("to") || !b.passSource() || b.word("device") && !b.passSource() {
		return false
	}
	b.add(decode.DupExpr{})
	return true
}

// fwd reads fwd to NAME, fwd ip to ADDRESS device NAME.
func (b *listRule) fwd() bool {
	_ = b.word("ip") || b.word("ip6")
	if !b.word("to") || !b.passSource() || b.word("device") && !b.passSource() {
		return false
	}
	b.add(decode.FwdExpr{})
	return true
}

// synproxy reads synproxy [name NAME] and its options.
func (b *listRule) synproxy() bool {
	e := decode.ObjrefExpr{Type: 10}
	for more := true; more; {
		switch {
		case b.word("name"):
			e.Name = b.next().text
		case b.word("mss"), b.word("wscale"):
			b.at++
		default:
			more = b.word("timestamp") || b.word("sack-perm")
		}
	}
	b.add(e)
	return true
}
