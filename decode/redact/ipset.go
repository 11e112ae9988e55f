package redact

import (
	"encoding/binary"

	"dnatrace/decode"
)

// Attributes of ipset messages and their nests
// (linux/netfilter/ipset/ip_set.h).
var (
	ipsetAddr   = nest(schema{1: valueIP4, 2: valueIP6})
	ipsetHeader = schema{ // what a set was made with
		1: ipsetAddr, 2: ipsetAddr, 3: keep, 4: keep, 5: keep, 6: keep, 7: keep, 8: keep, 10: keep, 11: keep, 12: keep,
		17: keep, 18: keep, 19: keep, 20: keep, 21: keep, 22: keep, 23: keep, 24: keep, 25: keep, 26: keep,
	}
	ipsetEntry = schema{
		1: ipsetAddr, 2: ipsetAddr, 3: keep, 4: keep, 5: keep, 6: keep, 7: keep, 8: keep, 10: keep, 17: valueMAC, 18: valueName,
		20: ipsetAddr, 21: keep, 22: ipsetAddr, 23: valueIface, 24: keep, 25: keep, 26: valueComment, 27: keep, 28: keep, 29: keep,
	}
	ipsetSchema = schema{
		1: keep, 2: valueName, 3: keep, 4: keep, 5: keep, 7: nest(ipsetHeader), 8: list(func(c context, v []byte) { ipsetEntry.apply(c, v) }), 11: keep,
	}
)

func valueMAC(c context, v []byte) {
	if len(v) == 6 {
		c.mac(v)
		return
	}
	clear(v)
}

// Messages that are recorded.
const (
	ipsetList      = 7  // IPSET_CMD_LIST
	ipsetGetByName = 14 // IPSET_CMD_GET_BYNAME
)

// ipsets rewrites the netlink messages of the sets of ipset in place.
func (r *Redactor) ipsets(b []byte) {
	messagesOf(b, subsystemIPSet, func(_ uint8, order binary.ByteOrder, attrs []byte) {
		ipsetSchema.apply(context{r, order}, attrs)
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
