package decode

import (
	"strconv"
	"strings"
)

// Flags of the match and the target (enum ip_set_kopt, enum ipset_cmd_flags in
// linux/netfilter/ipset/ip_set.h).
const (
	ipsetInvert        = 1 << 0 // with the directions
	ipsetReturnNoMatch = 1 << 7 // with the directions, or by itself

	ipsetExist           = 1 << 0
	ipsetSkipCounter     = 1 << 3
	ipsetSkipSubcounter  = 1 << 4
	ipsetMapMark         = 1 << 8
	ipsetMapPriority     = 1 << 9
	ipsetMapQueue        = 1 << 10
	ipsetNone            = 0xffff // IPSET_INVALID_ID
	ipsetDirections      = 6      // IPSET_DIM_MAX
	ipsetOldSrc          = 1      // IPSET_SRC of revision 0
	ipsetOldInvert       = 4      // IPSET_MATCH_INV of it
	ipsetDefaultTimeout  = 0xffffffff
	ipsetCounterPackets  = 8  // offsets in struct xt_set_info_match_v3 and _v4
	ipsetCounterBytes    = 24 //
	ipsetCounterFlags    = 40
	ipsetTargetMap       = 8 // in struct xt_set_info_target_v3
	ipsetTargetMapFlags  = 12
	ipsetTargetFlagsOfV2 = 8
)

// xtSet reads struct xt_set_info_match_v0 to _v4
// (linux/netfilter/xt_set.h).
func xtSet(d *xtData, rev uint32) XTInfo {
	if rev == 0 {
		s := XTSet{}
		s.IPSetRef, s.Not = d.oldSet(0)
		return s
	}
	if rev > 4 {
		return nil
	}
	flags := d.u8(3)
	s := XTSet{IPSetRef: d.set(0), Not: flags&ipsetInvert != 0, ReturnNoMatch: flags&ipsetReturnNoMatch != 0}
	if rev < 3 {
		return s.written("", "")
	}
	command := d.u32(ipsetCounterFlags)
	s.ReturnNoMatch = command&ipsetReturnNoMatch != 0
	updates := ""
	if command&ipsetSkipCounter != 0 {
		updates += " ! --update-counters"
	}
	if command&ipsetSkipSubcounter != 0 {
		updates += " ! --update-subcounters"
	}
	at := [2]int{0, 8} // of the operator and the value
	if rev == 4 {
		at = [2]int{8, 0}
	}
	counters := ""
	for _, c := range []struct {
		name string
		off  int
	}{{"packets", ipsetCounterPackets}, {"bytes", ipsetCounterBytes}} {
		counters += counterText(c.name, d.u8(c.off+at[0]), d.order.Uint64(d.at(c.off+at[1], 8)))
	}
	s.Counted = counters != ""
	return s.written(updates, counters)
}

// written adds what iptables-save prints behind the set (libxt_set.c).
func (s XTSet) written(updates, counters string) XTSet {
	nomatch := ""
	if s.ReturnNoMatch {
		nomatch = " --return-nomatch"
	}
	s.Options = strings.TrimSpace(nomatch + updates + counters)
	return s
}

// counterText writes a condition on a counter (IPSET_COUNTER_*).
func counterText(name string, op uint8, value uint64) string {
	form := [...]string{1: " --%-eq ", 2: " ! --%-eq ", 3: " --%-lt ", 4: " --%-gt "}
	if op == 0 || int(op) >= len(form) {
		return ""
	}
	return strings.Replace(form[op], "%", name, 1) + strconv.FormatUint(value, 10)
}

// set reads struct xt_set_info.
func (d *xtData) set(off int) IPSetRef {
	r := IPSetRef{Index: d.u16(off), Dim: int(d.u8(off + 2)), Src: d.u8(off+3) & 0x7e}
	if r.Index == ipsetNone {
		return IPSetRef{}
	}
	return r
}

// oldSet reads struct xt_set_info_v0: a list of flags that ends with a zero.
func (d *xtData) oldSet(off int) (r IPSetRef, not bool) {
	r.Index = d.u16(off)
	if r.Index == ipsetNone {
		return IPSetRef{}, false
	}
	not = d.u32(off+4)&ipsetOldInvert != 0
	for i := range ipsetDirections {
		flags := d.u32(off + 4 + 4*i)
		if flags == 0 {
			break
		}
		if r.Dim++; flags&ipsetOldSrc != 0 {
			r.Src |= 1 << r.Dim
		}
	}
	return r, not
}

// xtSetTarget reads struct xt_set_info_target_v0 to _v3.
func xtSetTarget(d *xtData, rev uint32) XTInfo {
	var t XTSetTarget
	if rev == 0 {
		t.Add, _ = d.oldSet(0)
		t.Del, _ = d.oldSet(32)
		return t
	}
	if rev > 3 {
		return nil
	}
	t.Add, t.Del = d.set(0), d.set(4)
	options, flags, timeout := "", uint32(0), uint32(ipsetDefaultTimeout)
	switch rev {
	case 2:
		flags, timeout = d.u32(ipsetTargetFlagsOfV2), d.u32(ipsetTargetFlagsOfV2+4)
	case 3:
		t.Map = d.set(ipsetTargetMap)
		flags, timeout = d.u32(ipsetTargetMapFlags), d.u32(ipsetTargetMapFlags+4)
	}
	if flags&ipsetExist != 0 {
		options += " --exist"
	}
	if timeout != ipsetDefaultTimeout && t.Add.Dim > 0 {
		options += " --timeout " + strconv.FormatUint(uint64(timeout), 10)
	}
	for _, m := range []struct {
		bit  uint32
		text string
	}{{ipsetMapMark, " --map-mark"}, {ipsetMapPriority, " --map-prio"}, {ipsetMapQueue, " --map-queue"}} {
		if flags&m.bit != 0 {
			options += m.text
		}
	}
	t.Options = strings.TrimSpace(options)
	return t
}
