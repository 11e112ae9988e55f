package ruleset

import (
	"strconv"
	"strings"

	"dnatrace/decode"
)

// saveConntrack reads the options of conntrack and state.
func saveConntrack(b *saveRule, options []option) (decode.XTInfo, bool) {
	var i decode.XTConntrack
	for _, o := range options {
		v, _ := o.value()
		bit, ok := saveTracked(&i, o.name, v, b.ip6)
		if !ok {
			return nil, false
		}
		i.Flags |= bit
		if o.not {
			i.Not ^= bit
		}
	}
	return i, true
}

func saveTracked(i *decode.XTConntrack, name, v string, ip6 bool) (bit uint16, ok bool) {
	switch name {
	case "--ctstate", "--state":
		var n uint32
		n, ok = numbers(xtStates, v)
		i.State, i.StateMatch = uint16(n), name == "--state"
		return decode.XTCtState, ok
	case "--ctstatus":
		var n uint32
		n, ok = numbers(xtStatuses, v)
		i.Status = uint16(n)
		return decode.XTCtStatus, ok
	case "--ctproto":
		n, ok := number(protocols, v)
		i.Proto = decode.Proto(n)
		return decode.XTCtProto, ok && n < 256
	case "--ctdir":
		i.Not |= map[string]uint16{"REPLY": decode.XTCtDirection}[strings.ToUpper(v)]
		return decode.XTCtDirection, strings.EqualFold(v, "ORIGINAL") || strings.EqualFold(v, "REPLY")
	case "--ctexpire":
		return decode.XTCtExpires, saveExpires(i, v)
	case "--ctorigsrcport":
		i.OrigSrcPort, ok = savePorts(v)
		return decode.XTCtOrigSrcPort, ok
	case "--ctorigdstport":
		i.OrigDstPort, ok = savePorts(v)
		return decode.XTCtOrigDstPort, ok
	case "--ctreplsrcport":
		i.ReplSrcPort, ok = savePorts(v)
		return decode.XTCtReplSrcPort, ok
	case "--ctrepldstport":
		i.ReplDstPort, ok = savePorts(v)
		return decode.XTCtReplDstPort, ok
	case "--ctorigsrc":
		i.OrigSrc, ok = savePrefix(v, ip6)
		return decode.XTCtOrigSrc, ok
	case "--ctorigdst":
		i.OrigDst, ok = savePrefix(v, ip6)
		return decode.XTCtOrigDst, ok
	case "--ctreplsrc":
		i.ReplSrc, ok = savePrefix(v, ip6)
		return decode.XTCtReplSrc, ok
	case "--ctrepldst":
		i.ReplDst, ok = savePrefix(v, ip6)
		return decode.XTCtReplDst, ok
	}
	return 0, false
}

func savePrefix(s string, ip6 bool) (a decode.XTAddr, ok bool) {
	addr, mask, ok := addrMask(s, ip6)
	copy(a.Addr[:], addr)
	copy(a.Mask[:], mask)
	return a, ok
}

func saveExpires(i *decode.XTConntrack, v string) bool {
	first, last, ranged := strings.Cut(v, ":")
	if !ranged {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 32)
	to, err2 := strconv.ParseUint(last, 10, 32)
	i.ExpiresMin, i.ExpiresMax = uint32(from), uint32(to)
	return err == nil && err2 == nil
}
