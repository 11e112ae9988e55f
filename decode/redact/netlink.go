package redact

import (
	"encoding/binary"
	"regexp"
	"slices"
)

// Netlink headers (linux/netlink.h, linux/netfilter/nfnetlink.h) and subsystems.
const (
	netlinkHeader = 16
	nfgenHeader   = 4

	subsystemConntrack = 1
	subsystemIPSet     = 6
	subsystemNFTables  = 10
)

// attrType takes NLA_F_NESTED and NLA_F_NET_BYTEORDER off an attribute's type.
const attrType = 0x3fff

// messages calls f for every netlink message in b: its kind, subsystem and
// number within it, and its attributes. What does not frame is cleared.
func (r *Redactor) messages(b []byte, f func(subsystem, kind uint8, order binary.ByteOrder, attrs []byte)) {
	for len(b) >= netlinkHeader {
		order := orderOf(b)
		size := int(order.Uint32(b))
		if size < netlinkHeader || size > len(b) {
			break
		}
		kind := order.Uint16(b[4:])
		if body := b[netlinkHeader:size]; kind > 0xff && len(body) >= nfgenHeader {
			f(uint8(kind>>8), uint8(kind), order, body[nfgenHeader:])
		} else {
			r.gone("netlink messages", body)
		}
		clear(b[size:min((size+3)&^3, len(b))])
		b = b[min((size+3)&^3, len(b)):]
	}
	if len(b) > netlinkHeader {
		r.gone("netlink messages", b[netlinkHeader:])
	}
}

// messagesOf is messages for those of one subsystem; all others become zeros.
func (r *Redactor) messagesOf(b []byte, subsystem uint8, f func(kind uint8, order binary.ByteOrder, attrs []byte)) {
	r.messages(b, func(of, kind uint8, order binary.ByteOrder, attrs []byte) {
		if of != subsystem {
			r.gone("netlink messages", attrs)
			return
		}
		f(kind, order, attrs)
	})
}

// orderOf tells the byte order of the machine that the message comes from by
// where its type has the subsystem.
func orderOf(b []byte) binary.ByteOrder {
	if (b[4] == subsystemNFTables || b[4] == subsystemConntrack) && b[5] != subsystemNFTables && b[5] != subsystemConntrack {
		return binary.BigEndian
	}
	if b[4] == subsystemIPSet && (b[5] == ipsetList || b[5] == ipsetGetByName) {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// eachAttr calls f with the type and value of every netlink attribute in b. What
// does not frame is cleared.
func eachAttr(order binary.ByteOrder, b []byte, f func(kind int, v []byte)) {
	for len(b) >= 4 {
		size := int(order.Uint16(b))
		if size < 4 || size > len(b) {
			break
		}
		f(int(order.Uint16(b[2:])&attrType), b[4:size])
		clear(b[size:min((size+3)&^3, len(b))])
		b = b[min((size+3)&^3, len(b)):]
	}
	clear(b)
}

// schema says what to do with the attributes of a message, by type. One that is
// not in it is cleared.
type schema map[int]rewrite

// rewrite rewrites the value of an attribute, in place and in its length.
type rewrite func(c context, v []byte)

// context is what the rewriting of values needs.
type context struct {
	within *nftExpression // nil outside of one
	*Redactor
	order binary.ByteOrder
}

func (s schema) apply(c context, b []byte) {
	eachAttr(c.order, b, func(kind int, v []byte) {
		if f := s[kind]; f != nil {
			f(c, v)
			return
		}
		c.gone("attributes of netlink messages", v)
	})
}

// onlyOne is the last attribute of those of one type, of which there should be one:
// the one before is cleared.
func (r *Redactor) onlyOne(before, v []byte) []byte {
	r.gone("attributes of netlink messages", before)
	return v
}

// number leaves a number as it is.
func number(c context, v []byte) {
	if len(v) > 8 {
		c.gone("attributes of netlink messages", v)
	}
}

// wordOf leaves a string as it is that is one of these words.
func wordOf(words ...string) rewrite {
	return func(c context, v []byte) {
		if !slices.Contains(words, cut(v)) {
			c.gone("attributes of netlink messages", v)
			return
		}
		inPlace(v, func(s string) string { return s })
	}
}

// kernelType leaves the name of how the kernel keeps a set.
func kernelType(c context, v []byte) {
	if !setType.MatchString(cut(v)) {
		c.gone("attributes of netlink messages", v)
		return
	}
	inPlace(v, func(s string) string { return s })
}

var setType = regexp.MustCompile(`^nft_set_[a-z0-9_]{1,40}$`)

// numbers is the schema of attributes that are numbers, from 1 to n.
func numbers(n int) schema {
	s := schema{}
	for i := 1; i <= n; i++ {
		s[i] = number
	}
	return s
}

// nest rewrites the attributes within an attribute.
func nest(s schema) rewrite { return func(c context, v []byte) { s.apply(c, v) } }

// list rewrites every attribute within an attribute, whatever its type, alike.
func list(f rewrite) rewrite {
	return func(c context, v []byte) {
		eachAttr(c.order, v, func(_ int, e []byte) { f(c, e) })
	}
}

func valueIP4(c context, v []byte) {
	if len(v) == 4 {
		c.ip4(v)
		return
	}
	c.gone("attributes of netlink messages", v)
}

func valueIP6(c context, v []byte) {
	if len(v) == 16 {
		c.ip6(v)
		return
	}
	c.gone("attributes of netlink messages", v)
}

// text replaces a string that ends with a zero or with its field, in place, by
// one of the same length.
func inPlace(v []byte, f func(string) string) {
	n := 0
	for n < len(v) && v[n] != 0 {
		n++
	}
	to := f(string(v[:n]))
	if len(to) != n {
		to = ""
	}
	clear(v[copy(v, to):])
}

func valueIface(c context, v []byte)   { inPlace(v, c.iface) }
func valueName(c context, v []byte)    { inPlace(v, c.names.ruleName) }
func valueComment(c context, v []byte) { inPlace(v, c.names.comment) }
