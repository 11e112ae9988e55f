package redact

import "encoding/binary"

// Attributes of nf_tables messages and their nests: the enumerations of
// linux/netfilter/nf_tables.h. Values of expressions and elements are rewritten
// afterwards, by what they are compared with; see registers.go.
var (
	verdictSchema = schema{1: keep, 2: valueName}
	dataSchema    = schema{1: keep, 2: nest(verdictSchema)}
	countSchema   = schema{1: keep, 2: keep}
	hookSchema    = schema{1: keep, 2: keep, 3: valueIface, 4: list(valueIface)}

	tableSchema = schema{1: valueName, 2: keep, 3: keep, 4: keep, 6: userdata(0), 7: keep}
	chainSchema = schema{
		1: valueName, 2: keep, 3: valueName, 4: nest(hookSchema), 5: keep, 6: keep, 7: keep,
		8: nest(countSchema), 10: keep, 11: keep, 12: userdata(0),
	}
	ruleSchema = schema{
		1: valueName, 2: valueName, 3: keep, 4: list(expression), 5: nest(schema{1: keep, 2: keep}), 6: keep,
		7: userdata(0), 9: keep, 10: keep, 11: keep,
	}
	setSchema = schema{
		1: valueName, 2: valueName, 3: keep, 4: keep, 5: keep, 6: keep, 7: keep, 8: keep, 9: keep, 10: keep, 11: keep,
		12: keep, 13: userdata(7), 15: keep, 16: keep,
	}
	elementSchema = schema{
		1: nest(dataSchema), 2: nest(dataSchema), 3: keep, 4: keep, 5: keep, 6: userdata(0), 9: valueName, 10: nest(dataSchema),
	}
	elementsSchema  = schema{1: valueName, 2: valueName, 3: list(func(c context, v []byte) { elementSchema.apply(c, v) }), 4: keep}
	objectSchema    = schema{1: valueName, 2: valueName, 3: keep, 5: keep, 6: keep}
	flowtableSchema = schema{1: valueName, 2: valueName, 3: nest(schema{1: keep, 2: keep, 3: list(valueIface)}), 4: keep, 5: keep, 7: keep}
)

// nftSchemas are the messages of a dump, by number (enum nf_tables_msg_types).
var nftSchemas = map[uint8]schema{
	0: tableSchema, 3: chainSchema, 6: ruleSchema, 9: setSchema, 12: elementsSchema, 18: objectSchema, 22: flowtableSchema,
	15: {1: keep, 2: keep}, // generation; the name of who made it is cleared
}

// expressionSchemas are of the expressions that decode reads, by name. Others
// are cleared: nothing is known of them but their name.
var expressionSchemas map[string]schema

func init() {
	values := schema{1: keep, 2: keep, 3: keep, 4: keep, 5: keep, 6: keep, 7: keep, 8: keep, 9: keep}
	expressionSchemas = map[string]schema{
		"lookup":       values.with(1, valueName),
		"dynset":       values.with(1, valueName),
		"objref":       values.with(2, valueName).with(4, valueName),
		"flow_offload": values.with(1, valueName),
		"immediate":    values.with(2, nest(dataSchema)),
		"log":          values.with(2, valueComment),
	}
	for _, name := range []string{
		"meta", "payload", "cmp", "range", "bitwise", "byteorder", "counter", "nat", "masq", "redir", "fib", "ct", "limit",
		"reject", "notrack", "quota", "connlimit", "tproxy", "dup", "fwd", "queue", "last", "match", "target", "socket", "rt", "numgen", "synproxy",
	} {
		expressionSchemas[name] = values
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
	var name string
	eachAttr(c.order, v, func(kind int, b []byte) {
		if kind == 1 {
			name = cut(b)
		}
	})
	known := expressionSchemas[name]
	eachAttr(c.order, v, func(kind int, b []byte) {
		switch {
		case kind == 2 && known != nil:
			known.apply(c, b)
		case kind == 2 && len(b) >= 4: // one attribute of zeros
			clear(b)
			c.order.PutUint16(b, uint16(len(b)))
		case kind != 1:
			clear(b)
		}
	})
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
// type, length, value. The one of the type given is a comment, the others say
// how nft shows a value.
func userdata(comment byte) rewrite {
	return func(c context, v []byte) {
		for len(v) >= 2 && len(v) >= 2+int(v[1]) {
			n := 2 + int(v[1])
			if v[0] == comment {
				valueComment(c, v[2:n])
			}
			v = v[n:]
		}
		clear(v)
	}
}

// nftRuleset rewrites the netlink messages of a dump of nf_tables in place.
func (r *Redactor) nftRuleset(b []byte) {
	messages(b, func(subsystem, kind uint8, order binary.ByteOrder, attrs []byte) {
		s := nftSchemas[kind]
		if subsystem != subsystemNFTables || s == nil {
			clear(attrs)
			return
		}
		s.apply(context{r, order}, attrs)
	})
	r.ruleValues(b)
}
