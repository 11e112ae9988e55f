package redact

import (
	"encoding/binary"
	"regexp"

	"dnatrace/decode"
)

// Attributes of ipset messages and their nests
// (linux/netfilter/ipset/ip_set.h).
var (
	ipsetAddr   = nest(schema{1: valueIP4, 2: valueIP6})
	ipsetHeader = schema{ // what a set was made with
		1: ipsetAddr, 2: ipsetAddr, 3: number, 4: number, 5: number, 6: number, 7: number, 8: number, 10: number, 11: number, 12: nest(schema{1: valueMask, 2: valueMask}),
		17: number, 18: number, 19: number, 20: number, 21: number, 22: number, 23: number, 24: number, 25: number, 26: number,
	}
	ipsetEntry = schema{
		1: ipsetAddr, 2: ipsetAddr, 3: number, 4: number, 5: number, 6: number, 7: number, 8: number, 10: number, 17: valueMAC, 18: valueName,
		20: ipsetAddr, 21: number, 22: ipsetAddr, 23: valueIface, 24: number, 25: number, 26: valueComment, 27: number, 28: number, 29: number,
	}
	ipsetSchema = schema{
		1: number, 2: valueName, 3: valueSetType, 4: number, 5: number, 7: nest(ipsetHeader), 8: list(func(c context, v []byte) { ipsetEntry.apply(c, v) }), 11: number,
	}
)

// valueMask leaves the mask of a network as it is.
func valueMask(c context, v []byte) {
	if !leading(v) {
		c.gone("attributes of netlink messages", v)
	}
}

// leading reports whether the bits that are set are the first ones.
func leading(mask []byte) bool {
	ended := false
	for _, b := range mask {
		if lost := ^b; ended && b != 0 || lost&(lost+1) != 0 {
			return false
		}
		ended = ended || b != 0xff
	}
	return true
}

// valueSetType leaves the name of a kind of set as it is.
func valueSetType(c context, v []byte) {
	if !ipsetKind.MatchString(cut(v)) {
		c.gone("attributes of netlink messages", v)
		return
	}
	inPlace(v, func(s string) string { return s })
}

// ipsetKind is the name of a kind of set: how it is kept, and what its entries are
// made of.
var ipsetKind = regexp.MustCompile(`^(bitmap|hash|list):(ip|ip6|net|port|mac|mark|iface|set)(,(ip|net|port|mac|mark|iface)){0,2}$`)

func valueMAC(c context, v []byte) {
	if len(v) == 6 {
		c.mac(v)
		return
	}
	c.gone("attributes of netlink messages", v)
}

// Messages that are recorded.
const (
	ipsetList      = 7  // IPSET_CMD_LIST
	ipsetGetByName = 14 // IPSET_CMD_GET_BYNAME
)

// ipsets rewrites the netlink messages of the sets of ipset in place.
func (r *Redactor) ipsets(b []byte) {
	r.messagesOf(b, subsystemIPSet, func(_ uint8, order binary.ByteOrder, attrs []byte) {
		ipsetSchema.apply(context{Redactor: r, order: order}, attrs)
	})
}

// learnIPSets pins the ranges of bitmaps, and notes the names of interfaces.
func (r *Redactor) learnIPSets(b []byte) {
	sets, _ := decode.ParseIPSets(b) // what is damaged is cleared later
	for i := range sets {
		if s := &sets[i]; s.First.Is4() && s.Last.Is4() {
			r.v4.span(s.First.AsSlice(), s.Last.AsSlice())
		}
		for _, e := range sets[i].Entries {
			if e.Iface != "" && !e.Wildcard {
				r.names.learnIface(e.Iface)
			}
		}
	}
}
