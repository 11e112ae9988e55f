package redact

import (
	"encoding/binary"

	"dnatrace/decode"
)

// Attributes of nf_tables messages and their nests: the enumerations of
// linux/netfilter/nf_tables.h. Values of expressions and elements are rewritten
// afterwards, by what they are compared with; see registers.go. What is then left
// over is cleared.
var (
	verdictSchema = schema{1: number, 2: valueName, 3: number}
	dataSchema    = schema{1: pending, 2: nest(verdictSchema)}
	countSchema   = numbers(2)
	hookSchema    = schema{1: number, 2: number, 3: valueIface, 4: list(valueIface)}

	tableSchema = schema{1: valueName, 2: number, 3: number, 4: number, 6: userdata(0, 0), 7: number}
	chainSchema = schema{
		1: valueName, 2: number, 3: valueName, 4: nest(hookSchema), 5: number, 6: number, 7: wordOf("filter", "nat", "route"),
		8: nest(countSchema), 10: number, 11: number, 12: userdata(0, 0),
	}
	ruleSchema = schema{
		1: valueName, 2: valueName, 3: number, 4: list(expression), 5: nest(numbers(2)), 6: number,
		7: userdata(0, 0), 9: number, 10: number, 11: number,
	}
	setSchema = schema{
		1: valueName, 2: valueName, 3: number, 4: number, 5: number, 6: number, 7: number, 8: number,
		9:  nest(schema{1: number, 2: list(nest(numbers(1)))}),
		10: number, 11: number, 12: number, 13: userdata(7, 6), 15: number, 16: number, 19: kernelType, 20: number,
	}
	elementSchema = schema{
		1: nest(dataSchema), 2: nest(dataSchema), 3: number, 4: number, 5: number, 6: userdata(0, 1), 9: valueName, 10: nest(dataSchema),
	}
	elementsSchema  = schema{1: valueName, 2: valueName, 3: list(func(c context, v []byte) { elementSchema.apply(c, v) }), 4: number}
	objectSchema    = schema{1: valueName, 2: valueName, 3: number, 5: number, 6: number}
	flowtableSchema = schema{1: valueName, 2: valueName, 3: nest(schema{1: number, 2: number, 3: list(valueIface)}), 4: number, 5: number, 7: number}
)

// nftSchemas are the messages of a dump, by number (enum nf_tables_msg_types).
var nftSchemas = map[uint8]schema{
	0: tableSchema, 3: chainSchema, 6: ruleSchema, 9: setSchema, 12: elementsSchema, 18: objectSchema, 22: flowtableSchema,
	15: numbers(2), // generation; the name of who made it is cleared
}

// expressionSchemas are of the kernel's expressions, by name. Of others nothing
// stays. Those nested in others, and the cookies and labels of some, are not read
// and go.
var expressionSchemas map[string]schema

func init() {
	data := nest(dataSchema)
	extension := schema{1: extensionName, 2: number, 3: pending}
	expressionSchemas = map[string]schema{
		"meta": numbers(3), "payload": numbers(8), "byteorder": numbers(5), "counter": countSchema, "nat": numbers(7), "masq": numbers(3),
		"redir": numbers(3), "fib": numbers(3), "ct": numbers(4), "limit": numbers(5), "reject": numbers(2), "notrack": {}, "quota": numbers(4),
		"connlimit": numbers(2), "tproxy": numbers(3), "dup": numbers(2), "fwd": numbers(3), "queue": numbers(4), "last": numbers(2),
		"socket": numbers(3), "rt": numbers(2), "numgen": numbers(4), "exthdr": numbers(7), "osf": numbers(3), "xfrm": numbers(4),
		"tunnel": numbers(3), "synproxy": numbers(3), "inner": numbers(4), "hash": numbers(7),
		"cmp":          numbers(2).with(3, data),
		"range":        numbers(2).with(3, data).with(4, data),
		"bitwise":      numbers(8).with(4, data).with(5, data).with(7, nest(numbers(1))),
		"lookup":       numbers(5).with(1, valueName),
		"dynset":       {1: valueName, 2: number, 3: number, 4: number, 5: number, 6: number, 9: number},
		"objref":       numbers(5).with(2, valueName).with(4, valueName),
		"flow_offload": {1: valueName},
		"immediate":    numbers(1).with(2, data),
		"log":          numbers(6).with(2, valueComment),
		"match":        extension,
		"target":       extension,
	}
}

// with is the schema with one attribute rewritten otherwise.
func (s schema) with(kind int, f rewrite) schema {
	t := schema{kind: f}
	for k, v := range s {
		if k != kind {
			t[k] = v
		}
	}
	return t
}

// expression rewrites one expression: NFTA_EXPR_NAME, NFTA_EXPR_DATA.
func expression(c context, v []byte) {
	var e nftExpression
	eachAttr(c.order, v, func(kind int, b []byte) {
		switch kind {
		case 1:
			e.name = c.onlyOne(e.name, b)
		case 2:
			e.data = c.onlyOne(e.data, b)
		default:
			c.gone("attributes of netlink messages", b)
		}
	})
	e.order = c.order
	known := expressionSchemas[cut(e.name)]
	if known == nil {
		e.unknown(c.Redactor)
		return
	}
	c.within = &e
	known.apply(c, e.data)
}

// nftExpression is where the name and the attributes of an expression are.
type nftExpression struct {
	name, data []byte
	order      binary.ByteOrder
}

// unknown leaves nothing of an expression of which nothing is known: it may have
// done anything.
func (e *nftExpression) unknown(r *Redactor) {
	r.gone("expressions of nft that are not known here", e.name)
	e.empty()
}

// empty makes one attribute of zeros of an expression's.
func (e *nftExpression) empty() {
	clear(e.data)
	if len(e.data) >= 4 {
		e.order.PutUint16(e.data, uint16(len(e.data)))
	}
}

// redacted makes one of an expression that says of itself that it was taken out.
func (e *nftExpression) redacted() {
	clear(e.name)
	copy(e.name, decode.RedactedExpr)
	e.empty()
}

// pending leaves a value to what knows what it is. What nobody knows goes
// afterwards.
func pending(c context, v []byte) {
	if len(v) > 0 {
		c.pending[&v[0]] = value{v, c.within}
	}
}

// value is a value that nobody has said yet what it is, and the expression that it
// is in; nil for that of an element of a set.
type value struct {
	bytes []byte
	in    *nftExpression
}

// settle takes a value from those that are pending.
func (r *Redactor) settle(v []byte) {
	if len(v) > 0 {
		delete(r.pending, &v[0])
	}
}

// takeOut clears a value that cannot be replaced, and the expression that it is in.
func (r *Redactor) takeOut(v []byte) {
	if len(v) == 0 {
		return
	}
	of := r.pending[&v[0]]
	if zeros(v) {
		return
	}
	r.Cleared["values in rules"]++
	clear(v)
	if of.in != nil {
		of.in.redacted()
	}
}

// takeOutPending does so with all that are left.
func (r *Redactor) takeOutPending() {
	for _, v := range r.pending {
		r.takeOut(v.bytes)
	}
	clear(r.pending)
}

func cut(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// userdata rewrites what programs keep beside rules and sets (libnftnl/udata.h):
// type, length, value. The one of the type given is a comment. Numbers of up to
// four bytes and of a type up to last say how nft shows a value; all else goes.
func userdata(comment, last byte) rewrite {
	return func(c context, v []byte) {
		for len(v) >= 2 && len(v) >= 2+int(v[1]) {
			n := 2 + int(v[1])
			switch {
			case v[0] == comment:
				valueComment(c, v[2:n])
			case v[0] > last || v[1] > 4:
				c.gone("descriptions of sets", v[2:n])
			}
			v = v[n:]
		}
		c.gone("descriptions of sets", v)
	}
}

// nftRuleset rewrites the netlink messages of a dump of nf_tables in place.
func (r *Redactor) nftRuleset(b []byte) {
	r.messages(b, func(subsystem, kind uint8, order binary.ByteOrder, attrs []byte) {
		s := nftSchemas[kind]
		if subsystem != subsystemNFTables || s == nil {
			r.gone("netlink messages", attrs)
			return
		}
		s.apply(context{Redactor: r, order: order}, attrs)
	})
	r.ruleValues(b)
	r.takeOutPending()
}
