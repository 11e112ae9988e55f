package ruleset

import (
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/decode"
)

func saveRange(_ *saveRule, options []option) (decode.XTInfo, bool) {
	var i decode.XTRange
	for _, o := range options {
		v, _ := o.value()
		first, last, _ := strings.Cut(v, "-")
		from, ok := xtAddr(first)
		to, ok2 := xtAddr(last)
		switch {
		case !ok || !ok2:
			return nil, false
		case o.name == "--src-range":
			i.Src, i.NotSrc, i.SrcMin, i.SrcMax = true, o.not, from, to
		case o.name == "--dst-range":
			i.Dst, i.NotDst, i.DstMin, i.DstMax = true, o.not, from, to
		default:
			return nil, false
		}
	}
	return i, true
}

// xtAddr is an address as extensions keep it.
func xtAddr(s string) (out [16]byte, ok bool) {
	a, err := netip.ParseAddr(s)
	copy(out[:], a.AsSlice())
	return out, err == nil
}

var limitTimes = []word{{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}}

func saveLimit(_ *saveRule, options []option) (decode.XTInfo, bool) {
	i := decode.XTLimit{Burst: 5}
	for _, o := range options {
		v, _ := o.value()
		switch o.name {
		case "--limit":
			rate, unit, _ := strings.Cut(v, "/")
			n, err := strconv.ParseUint(rate, 10, 32)
			if err != nil || n == 0 || o.not {
				return nil, false
			}
			for _, t := range limitTimes {
				if unit != "" && strings.HasPrefix(t.name, unit) {
					i.Average = t.value * 10000 / uint32(n)
				}
			}
		case "--limit-burst":
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				return nil, false
			}
			i.Burst = uint32(n)
		default:
			return nil, false
		}
	}
	return i, i.Average != 0
}

func savePhysdev(_ *saveRule, options []option) (decode.XTInfo, bool) {
	var i decode.XTPhysdev
	for _, o := range options {
		bit, ok := map[string]uint8{"--physdev-in": 1, "--physdev-out": 2, "--physdev-is-bridged": 4, "--physdev-is-in": 8, "--physdev-is-out": 16}[o.name]
		if !ok {
			return nil, false
		}
		i.Asked |= bit
		if o.not {
			i.Not |= bit
		}
		switch v, _ := o.value(); bit {
		case 1:
			i.In = v
		case 2:
			i.Out = v
		}
	}
	return i, true
}
