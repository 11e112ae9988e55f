package ruleset

import (
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// saveRule makes the expressions of one rule of iptables-save: those that
// iptables-nft makes, with every match an extension.
type saveRule struct {
	rule    *decode.Rule
	ip6     bool
	chains  map[string]bool
	counter *decode.Counter
	proto   string
}

// segment is a match or the target, with its options.
type segment struct {
	flag, name string // "-m", "-j" or "-g"
	options    []option
}

func (b *saveRule) build(options []option) {
	var segments []segment
	for _, o := range options {
		switch o.name {
		case "-m", "--match", "-j", "--jump", "-g", "--goto":
			name, _ := o.value()
			segments = append(segments, segment{flag: shortFlag(o.name), name: name})
			continue
		}
		if b.common(o) {
			continue
		}
		if len(segments) == 0 { // -p tcp --dport 80
			segments = append(segments, segment{flag: "-m", name: b.proto})
		}
		last := &segments[len(segments)-1]
		last.options = append(last.options, o)
	}
	for _, s := range segments {
		if s.flag == "-m" {
			b.add(b.match(s))
		}
	}
	if b.counter != nil {
		b.add(decode.CounterExpr{Counter: *b.counter})
	}
	for _, s := range segments {
		if s.flag != "-m" {
			b.add(b.target(s))
		}
	}
}

func shortFlag(name string) string {
	return map[string]string{"--match": "-m", "--jump": "-j", "--goto": "-g"}[name] + map[bool]string{true: name}[len(name) == 2]
}

func (b *saveRule) add(e ...decode.Expr) { b.rule.Exprs = append(b.rule.Exprs, e...) }

// common takes the options that every rule can have. It reports whether it was
// one of them.
func (b *saveRule) common(o option) bool {
	v, one := o.value()
	switch o.name {
	case "-s", "--source", "-d", "--destination":
		b.prefix(o, v)
	case "-i", "--in-interface":
		b.iface(decode.MetaIIFName, o.not, v)
	case "-o", "--out-interface":
		b.iface(decode.MetaOIFName, o.not, v)
	case "-p", "--protocol":
		b.protocol(o, v)
	case "-f", "--fragment":
		b.add(decode.UnknownExpr{Name: "-f", Does: decode.EffectMatch})
		return true
	case "-c", "--set-counters":
		if len(o.values) == 2 {
			b.counter, _ = saveCounter(o.values[0] + ":" + o.values[1])
		}
		return true
	case "-4", "-6", "--ipv4", "--ipv6":
		return true
	default:
		return false
	}
	if !one {
		b.add(decode.UnknownExpr{Name: o.name, Does: decode.EffectMatch})
	}
	return true
}

func (b *saveRule) cmp(load decode.Expr, not bool, value []byte) {
	op := decode.CmpEqual
	if not {
		op = decode.CmpNotEqual
	}
	b.add(load, decode.CmpExpr{Reg: 1, Op: op, Value: value})
}

func (b *saveRule) prefix(o option, v string) {
	addr, mask, ok := addrMask(v, b.ip6)
	if !ok {
		b.add(decode.UnknownExpr{Name: o.name + " " + v, Does: decode.EffectMatch})
		return
	}
	at := map[bool]int{false: 12, true: 8}[b.ip6]
	if strings.HasPrefix(o.name, "-d") || o.name == "--destination" {
		at += len(addr)
	}
	b.add(decode.PayloadExpr{Base: decode.BaseNetwork, Offset: at, Len: len(addr), Reg: 1})
	if n, whole := prefixLen(mask); !whole || n != 8*len(mask) {
		b.add(decode.BitwiseExpr{From: 1, To: 1, Len: len(addr), Mask: mask, XOR: make([]byte, len(mask))})
	}
	op := decode.CmpEqual
	if o.not {
		op = decode.CmpNotEqual
	}
	b.add(decode.CmpExpr{Reg: 1, Op: op, Value: addr})
}

// addrMask reads ADDR, ADDR/LEN or ADDR/MASK.
func addrMask(s string, ip6 bool) (addr, mask []byte, ok bool) {
	host, length, masked := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is6() != ip6 || a.Zone() != "" {
		return nil, nil, false
	}
	addr = a.AsSlice()
	mask = make([]byte, len(addr))
	n := 8 * len(addr)
	if masked {
		if m, err := netip.ParseAddr(length); err == nil && m.Is6() == ip6 {
			return masks(addr, m.AsSlice()), m.AsSlice(), true
		}
		if n, err = strconv.Atoi(length); err != nil || n < 0 || n > 8*len(addr) {
			return nil, nil, false
		}
	}
	for i := range n {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return masks(addr, mask), mask, true
}

func masks(b, mask []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] & mask[i]
	}
	return out
}

// iface compares the name of an interface, or its beginning before a plus sign.
func (b *saveRule) iface(key uint32, not bool, name string) {
	if name == "+" && !not { // any
		return
	}
	value := name16(name)
	if strings.HasSuffix(name, "+") {
		value = []byte(strings.TrimSuffix(name, "+"))
	}
	b.cmp(decode.MetaExpr{Key: key, Reg: 1}, not, value)
}

func (b *saveRule) protocol(o option, v string) {
	b.proto = v
	n, ok := number(protocols, v)
	switch {
	case v == "all" || ok && n == 0:
		return
	case !ok || n > 255:
		n, ok = number([]word{{58, "icmpv6"}, {58, "icmp6"}, {135, "mobility-header"}, {4, "ipip"}, {103, "pim"}, {89, "ospf"}, {108, "ipcomp"}, {88, "eigrp"}, {115, "l2tp"}}, v)
		if !ok || n > 255 {
			b.add(decode.UnknownExpr{Name: o.name + " " + v, Does: decode.EffectMatch})
			return
		}
	}
	b.cmp(decode.MetaExpr{Key: decode.MetaL4Proto, Reg: 1}, o.not, []byte{byte(n)})
}

// number reads a word for a value, or the number itself.
func number(words []word, s string) (uint32, bool) {
	for _, w := range words {
		if strings.EqualFold(w.name, s) {
			return w.value, true
		}
	}
	n, err := strconv.ParseUint(s, 0, 32)
	return uint32(n), err == nil
}

// numbers reads a list of words for bits.
func numbers(words []word, list string) (uint32, bool) {
	var sum uint32
	for _, s := range strings.Split(list, ",") {
		n, ok := number(words, s)
		if !ok {
			return 0, false
		}
		sum |= n
	}
	return sum, true
}
