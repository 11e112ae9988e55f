package ruleset

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// nftText writes a rule as nft lists it, without counters.
func (s *Set) nftText(r *decode.Rule, clauses []clause) string {
	w := nftWriter{order: s.rules.Order(), family: r.Family}
	var out []string
	for i, c := range clauses {
		if implied(clauses, i, r.Family) {
			continue
		}
		if t := w.clause(c); t != "" {
			out = append(out, t)
		}
	}
	if r.Damaged {
		out = append(out, "[damaged]")
	}
	if r.Comment != "" {
		out = append(out, "comment "+strconv.Quote(r.Comment))
	}
	return strings.Join(out, " ")
}

// implied reports whether clause i only pins down a protocol that a later
// clause names.
func implied(clauses []clause, i int, f decode.Family) bool {
	c := clauses[i]
	if c.kind != cmpClause || c.op != decode.CmpEqual || len(c.left) != 1 || c.left[0].mask != nil {
		return false
	}
	l3, l4 := false, false
	switch e := c.left[0].load.(type) {
	case decode.MetaExpr:
		l3 = e.Key == decode.MetaNFProto || e.Key == decode.MetaProtocol
		l4 = e.Key == decode.MetaL4Proto
	case decode.PayloadExpr:
		l3 = e.Base == decode.BaseLink && e.Offset == 12
		l4 = f == c.l3 && e.Base == decode.BaseNetwork && (e.Offset == 9 && c.l3 == decode.FamilyIPv4 || e.Offset == 6 && c.l3 == decode.FamilyIPv6) && e.Len == 1
	}
	for _, later := range clauses[i+1:] {
		if r, ok := later.stmt.(decode.RejectExpr); ok && l3 && r.Type == 0 {
			return true
		}
		for _, o := range later.reads() {
			if f, ok := fieldOf(o); ok && (l3 && f.usesL3 || l4 && f.usesL4) {
				return true
			}
		}
	}
	return false
}

// reads are the operands of a clause, the keys of maps that a statement takes
// values from included.
func (c clause) reads() []operand {
	all := c.left
	if c.kind == statement {
		for _, o := range c.regs {
			all = append(all, o.key...)
		}
	}
	return all
}

type nftWriter struct {
	order  binary.ByteOrder
	family decode.Family
}

func (w nftWriter) clause(c clause) string {
	switch c.kind {
	case cmpClause:
		return w.cmp(c)
	case rangeClause:
		name, k := w.operand(c.left[0])
		w = w.turned(c.left[0])
		not := ""
		if c.not {
			not = "!= "
		}
		return name + " " + not + w.value(k, c.value) + "-" + w.value(k, c.to)
	case lookupClause:
		return w.lookup(c)
	}
	return w.statement(c)
}

var cmpWords = [...]string{"", "!= ", "< ", "<= ", "> ", ">= "}

func cmpWord(op decode.CmpOp) string {
	if int(op) < len(cmpWords) {
		return cmpWords[op]
	}
	return fmt.Sprintf("op%d ", op)
}

func (w nftWriter) value(k kind, b []byte) string { return value(k, b, w.order) }

// turned is the writer for values that are compared with an operand.
func (w nftWriter) turned(o operand) nftWriter {
	if o.turned {
		w.order = binary.BigEndian
	}
	return w
}

func (w nftWriter) operand(o operand) (string, kind) {
	if e, ok := o.load.(decode.LookupExpr); ok {
		return w.keys(o.key) + " map " + w.setName(o.set, e.Set, o.key, false), kindHex
	}
	f, ok := fieldOf(o)
	if ok {
		return f.name, f.kind
	}
	switch e := o.load.(type) {
	case decode.PayloadExpr:
		base := [...]string{"ll", "nh", "th", "ih"}
		return fmt.Sprintf("@%s,%d,%d", base[min(int(e.Base), 3)], e.Offset*8, e.Len*8), kindHex
	case decode.MetaExpr:
		return fmt.Sprintf("meta [%d]", e.Key), kindHex
	case decode.CtExpr:
		return fmt.Sprintf("ct [%d]", e.Key), kindHex
	case decode.ImmediateExpr:
		return fmt.Sprintf("0x%x", e.Data.Value), kindHex
	}
	return "[not decoded]", kindHex
}

// cmp writes a comparison. Masks are prefixes of addresses, sets of flags, or
// plain.
func (w nftWriter) cmp(c clause) string {
	o := c.left[0]
	name, k := w.operand(o)
	w = w.turned(o)
	if o.mask == nil {
		return name + " " + cmpWord(c.op) + w.value(k, c.value)
	}
	n, prefix := prefixLen(o.mask)
	flags := k == kindCtState || k == kindCtStatus || k == kindTCPFlags
	switch {
	case o.shift || o.xor != nil:
		return fmt.Sprintf("%s & 0x%x ^ 0x%x %s%s", name, o.mask, o.xor, cmpWord(c.op), w.value(k, c.value))
	case prefix && (k == kindIPv4 || k == kindIPv6):
		return name + " " + cmpWord(c.op) + w.value(k, c.value) + "/" + strconv.Itoa(n)
	case flags && zero(c.value) && c.op == decode.CmpNotEqual:
		return name + " " + w.value(k, o.mask)
	case flags && zero(c.value) && c.op == decode.CmpEqual:
		return name + " ! " + w.value(k, o.mask)
	case k == kindTCPFlags:
		return name + " " + cmpWord(c.op) + w.value(k, c.value) + " / " + w.value(k, o.mask)
	}
	op := cmpWord(c.op)
	if c.op == decode.CmpEqual {
		op = "== "
	}
	return name + " & " + w.value(k, o.mask) + " " + op + w.value(k, c.value)
}

func (w nftWriter) lookup(c clause) string {
	e := c.stmt.(decode.LookupExpr)
	if e.Dynamic {
		return "update @" + e.Set + " { " + w.keys(c.left) + " }"
	}
	name := w.keys(c.left)
	switch {
	case e.Map:
		name += " vmap "
	case c.not:
		name += " != "
	default:
		name += " "
	}
	return name + w.setName(c.set, e.Set, c.left, e.Map)
}

func (w nftWriter) keys(left []operand) string {
	names := make([]string, len(left))
	for i, o := range left {
		names[i], _ = w.operand(o)
	}
	return strings.Join(names, " . ")
}

// setName is @NAME, or what is in a set that has none.
func (w nftWriter) setName(set *decode.NamedSet, name string, key []operand, verdicts bool) string {
	if set == nil || set.Flags&decode.SetAnonymous == 0 {
		return "@" + name
	}
	kinds := make([]kind, len(key))
	for i, o := range key {
		_, kinds[i] = w.operand(o)
	}
	var items []string
	for _, iv := range intervals(set) {
		t := w.interval(kinds, key, iv)
		if iv.element.Data.Verdict != nil {
			t += " : " + iv.element.Data.Verdict.String()
		} else if set.Flags&decode.SetMap != 0 {
			t += " : " + w.mapped(set, iv.element.Data.Value)
		}
		items = append(items, t)
	}
	return "{ " + strings.Join(items, ", ") + " }"
}

// Types of sets' values as nft numbers them (include/datatype.h).
const (
	typeIPv4   = 7
	typeIPv6   = 8
	typePort   = 13
	typeMark   = 19
	typeGroup  = 35
	typeIfname = 41
)

func (w nftWriter) mapped(set *decode.NamedSet, b []byte) string {
	switch t := set.DataType; {
	case t == typeIPv4 || t == typeIPv6 || t == typePort || t == typeMark || t == typeIfname:
		return w.value(map[uint32]kind{typeIPv4: kindIPv4, typeIPv6: kindIPv6, typePort: kindNumber, typeMark: kindMark, typeIfname: kindIfname}[t], b)
	case t == typeIPv4<<6|typePort && len(b) == 8:
		return w.value(kindIPv4, b[:4]) + " . " + portText(b[4:6])
	case t == typeIPv6<<6|typePort && len(b) == 20:
		return w.value(kindIPv6, b[:16]) + " . " + portText(b[16:18])
	}
	return fmt.Sprintf("0x%x", b)
}

func (w nftWriter) interval(kinds []kind, key []operand, iv interval) string {
	if iv.element.CatchAll {
		return "*"
	}
	parts := make([]string, 0, len(kinds))
	at := 0
	for i, k := range kinds {
		n := width(key[i])
		if len(kinds) == 1 {
			n = len(iv.from)
		}
		if at+n > len(iv.from) || at+n > len(iv.to) {
			return fmt.Sprintf("0x%x-0x%x", iv.from, iv.to)
		}
		parts = append(parts, w.span(k, iv.from[at:at+n], iv.to[at:at+n]))
		at += words(n) * 4
	}
	return strings.Join(parts, " . ")
}

// span writes one value, a prefix, or a range.
func (w nftWriter) span(k kind, from, to []byte) string {
	if slices.Equal(from, to) {
		return w.value(k, from)
	}
	if k == kindIPv4 || k == kindIPv6 {
		if n, ok := commonPrefix(from, to); ok {
			return w.value(k, from) + "/" + strconv.Itoa(n)
		}
	}
	return w.value(k, from) + "-" + w.value(k, to)
}

// commonPrefix reports whether from to to is exactly a prefix.
func commonPrefix(from, to []byte) (int, bool) {
	mask := make([]byte, len(from))
	for i := range from {
		mask[i] = ^(from[i] ^ to[i])
		if from[i]&^mask[i] != 0 {
			return 0, false
		}
	}
	return prefixLen(mask)
}
