package redact

import (
	"encoding/binary"

	"dnatrace/decode"
)

// Sizes of what a dump of legacy tables begins with: struct ipt_getinfo and
// struct ipt_get_entries (linux/netfilter_ipv4/ip_tables.h).
const (
	legacyInfo    = 84
	legacyEntries = 40
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
		clear(b)
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
			inPlace(e[form.names+16*i:form.names+16*i+16], r.iface)
		}
	}
	for at := form.size; at+32 <= len(e); {
		size := int(order.Uint16(e[at:]))
		if size < 32 || at+size > len(e) {
			break
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
