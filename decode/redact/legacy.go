package redact

import (
	"encoding/binary"
	"slices"

	"dnatrace/decode"
)

// Sizes of what a dump of legacy tables begins with: struct ipt_getinfo and
// struct ipt_get_entries (linux/netfilter_ipv4/ip_tables.h).
const (
	legacyInfo    = 84
	legacyEntries = 40
	legacyName    = 32 // of the table
)

// entryForm is the layout of struct ipt_entry or ip6t_entry.
type entryForm struct {
	family decode.Family
	addr   int // bytes of an address; source, destination, and their masks come first
	names  int // of the interfaces; their masks follow
	target int // offset of target_offset; next_offset follows
	size   int // the first match follows
}

var entryForms = map[bool]entryForm{
	false: {decode.FamilyIPv4, 4, 16, 88, 112},
	true:  {decode.FamilyIPv6, 16, 64, 140, 168},
}

// legacyRuleset rewrites the entries of a legacy table in place, or only learns
// from them. What does not frame is cleared.
func (r *Redactor) legacyRuleset(b []byte, v6 bool, learn bool) {
	if len(b) < legacyInfo+legacyEntries {
		return
	}
	form := entryForms[v6]
	if !learn {
		r.legacyHead(b)
	}
	b = b[legacyInfo+legacyEntries:]
	for len(b) >= form.size {
		order := entryOrder(form, b)
		next := int(order.Uint16(b[form.target+2:]))
		target := int(order.Uint16(b[form.target:]))
		if next < form.size || next > len(b) || target > next {
			break
		}
		r.legacyEntry(form, order, b[:next], target, learn)
		b = b[next:]
	}
	if !learn {
		r.gone("entries of tables of iptables", b)
	}
}

// legacyTables are the names of the tables of iptables: there are no others.
var legacyTables = []string{"filter", "nat", "mangle", "raw", "security"}

// legacyHead rewrites the name of the table, which both structs begin with, of which
// the rest are numbers.
func (r *Redactor) legacyHead(b []byte) {
	for _, at := range []int{0, legacyInfo} {
		name := b[at : at+legacyName]
		if !slices.Contains(legacyTables, cut(name)) {
			r.gone("entries of tables of iptables", name)
			continue
		}
		inPlace(name, func(s string) string { return s })
	}
}

// entryOrder tells the byte order by the offset of the target, which is small.
func entryOrder(form entryForm, b []byte) binary.ByteOrder {
	if binary.LittleEndian.Uint16(b[form.target:]) > binary.BigEndian.Uint16(b[form.target:]) {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (r *Redactor) legacyEntry(form entryForm, order binary.ByteOrder, e []byte, target int, learn bool) {
	if !learn {
		for i := range 2 {
			addr, mask := e[i*form.addr:(i+1)*form.addr], e[(i+2)*form.addr:(i+3)*form.addr]
			r.xtMasked(form.family, addr, mask)
			name := form.names + 16*i
			r.xtIface(e[name:name+16], e[name+32:name+48])
		}
	}
	for at := form.size; at+32 <= len(e); {
		size := int(order.Uint16(e[at:]))
		if size < 32 || at+size > len(e) {
			break
		}
		if !learn {
			r.legacyName(e[at+2 : at+31])
		}
		name, rev, raw := cut(e[at+2:at+31]), uint32(e[at+31]), e[at+32:at+size]
		switch {
		case at >= target && learn:
			r.learnTarget(name, form.family, rev, raw)
		case at >= target:
			r.xtTarget(name, form.family, rev, raw)
		case learn:
			r.learnMatch(name, form.family, rev, raw)
		default:
			r.xtMatch(name, form.family, rev, raw)
		}
		at += size
	}
}

// legacyName leaves the name of an extension that is known.
func (r *Redactor) legacyName(v []byte) { extensionName(context{Redactor: r}, v) }
