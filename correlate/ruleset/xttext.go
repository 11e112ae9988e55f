package ruleset

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// extension writes a match. One that is not decoded is named.
func (w *iptablesWriter) extension(e *decode.XTMatch) bool {
	switch i := e.Info.(type) {
	case decode.XTComment:
		w.commented = true
		return w.another("comment", "--comment "+quoted(i.Text))
	case decode.XTAddrType:
		return w.addrType(i)
	case decode.XTConntrack:
		return w.conntrack(i)
	case decode.XTPorts:
		return w.another(e.Name, portOptions(i))
	case decode.XTMultiport:
		return w.another("multiport", multiport(i))
	case decode.XTICMP:
		return w.icmp(e.Name, i)
	case decode.XTMark:
		t := fmt.Sprintf("%s--mark 0x%x", bang(i.Not), i.Mark)
		if i.Mask != 0xffffffff {
			t += fmt.Sprintf("/0x%x", i.Mask)
		}
		return w.another(e.Name, t)
	case decode.XTRange:
		return w.ipRange(i)
	case decode.XTLimit:
		return w.another("limit", rate(i))
	case decode.XTPhysdev:
		return w.another("physdev", physdev(i))
	case decode.XTText:
		return w.another(e.Name, i.Options)
	case decode.XTSet:
		if t, ok := w.setWords(i); ok {
			return w.another("set", t)
		}
	}
	return w.another(e.Name, "[not decoded]")
}

func bang(not bool) string {
	if not {
		return "! "
	}
	return ""
}

func (w *iptablesWriter) addrType(i decode.XTAddrType) bool {
	var o []string
	if i.Src != 0 {
		o = append(o, bang(i.NotSrc)+"--src-type "+typeNames(i.Src))
	}
	if i.Dst != 0 {
		o = append(o, bang(i.NotDst)+"--dst-type "+typeNames(i.Dst))
	}
	if i.ByIIF {
		o = append(o, "--limit-iface-in")
	}
	if i.ByOIF {
		o = append(o, "--limit-iface-out")
	}
	return w.another("addrtype", strings.Join(o, " "))
}

func typeNames(mask uint16) string {
	var names []string
	for _, t := range addrTypes {
		if mask&(1<<t.value) != 0 {
			names = append(names, strings.ToUpper(t.name))
		}
	}
	return strings.Join(names, ",")
}

var (
	xtStates   = []word{{decode.XTStateInvalid, "INVALID"}, {decode.XTStateNew, "NEW"}, {decode.XTStateRelated, "RELATED"}, {decode.XTStateEstablished, "ESTABLISHED"}, {decode.XTStateUntracked, "UNTRACKED"}, {decode.XTStateSNAT, "SNAT"}, {decode.XTStateDNAT, "DNAT"}}
	xtStatuses = []word{{1, "EXPECTED"}, {2, "SEEN_REPLY"}, {4, "ASSURED"}, {8, "CONFIRMED"}}
)

func (w *iptablesWriter) conntrack(i decode.XTConntrack) bool {
	name, option := "conntrack", "--ctstate "
	if i.StateMatch {
		name, option = "state", "--state "
	}
	var o []string
	add := func(bit uint16, text string) {
		if i.Flags&bit != 0 {
			o = append(o, bang(i.Not&bit != 0)+text)
		}
	}
	add(decode.XTCtState, option+namesIn(xtStates, uint32(i.State)))
	add(decode.XTCtProto, "--ctproto "+strconv.Itoa(int(i.Proto)))
	add(decode.XTCtOrigSrc, "--ctorigsrc "+w.xtPrefix(i.OrigSrc))
	add(decode.XTCtOrigDst, "--ctorigdst "+w.xtPrefix(i.OrigDst))
	add(decode.XTCtReplSrc, "--ctreplsrc "+w.xtPrefix(i.ReplSrc))
	add(decode.XTCtReplDst, "--ctrepldst "+w.xtPrefix(i.ReplDst))
	add(decode.XTCtOrigSrcPort, "--ctorigsrcport "+portRange(i.OrigSrcPort))
	add(decode.XTCtOrigDstPort, "--ctorigdstport "+portRange(i.OrigDstPort))
	add(decode.XTCtReplSrcPort, "--ctreplsrcport "+portRange(i.ReplSrcPort))
	add(decode.XTCtReplDstPort, "--ctrepldstport "+portRange(i.ReplDstPort))
	add(decode.XTCtStatus, "--ctstatus "+namesIn(xtStatuses, uint32(i.Status)))
	add(decode.XTCtExpires, "--ctexpire "+span(i.ExpiresMin, i.ExpiresMax))
	if i.Flags&decode.XTCtDirection != 0 {
		o = append(o, "--ctdir "+map[bool]string{false: "ORIGINAL", true: "REPLY"}[i.Not&decode.XTCtDirection != 0])
	}
	return w.another(name, strings.Join(o, " "))
}

func span(from, to uint32) string {
	if from == to {
		return strconv.FormatUint(uint64(from), 10)
	}
	return fmt.Sprintf("%d:%d", from, to)
}

func (w *iptablesWriter) xtPrefix(a decode.XTAddr) string {
	if w.ip6 {
		return trimFull(prefix(kindIPv6, a.Addr[:], a.Mask[:]), "/128")
	}
	return trimFull(prefix(kindIPv4, a.Addr[:4], a.Mask[:4]), "/32")
}

// trimFull leaves the length of a whole address out, as this match does.
func trimFull(s, full string) string { return strings.TrimSuffix(s, full) }

func (w *iptablesWriter) addr(b [16]byte) string {
	if w.ip6 {
		return netip.AddrFrom16(b).String()
	}
	return netip.AddrFrom4([4]byte(b[:4])).String()
}

func portRange(p decode.PortRange) string { return span(uint32(p.Min), uint32(p.Max)) }

func portOptions(i decode.XTPorts) string {
	var o []string
	if (i.Src != decode.PortRange{Min: 0, Max: 65535}) || i.NotSrc {
		o = append(o, bang(i.NotSrc)+"--sport "+portRange(i.Src))
	}
	if (i.Dst != decode.PortRange{Min: 0, Max: 65535}) || i.NotDst {
		o = append(o, bang(i.NotDst)+"--dport "+portRange(i.Dst))
	}
	if i.Option != 0 || i.NotOption {
		o = append(o, fmt.Sprintf("%s--tcp-option %d", bang(i.NotOption), i.Option))
	}
	if i.FlagMask != 0 || i.NotFlags {
		o = append(o, bang(i.NotFlags)+"--tcp-flags "+flagNames(i.FlagMask)+" "+flagNames(i.Flags))
	}
	return strings.Join(o, " ")
}

func multiport(i decode.XTMultiport) string {
	ports := make([]string, len(i.Ports))
	for n, p := range i.Ports {
		ports[n] = portRange(p)
	}
	option := [...]string{"--sports ", "--dports ", "--ports "}[min(i.Which, 2)]
	return bang(i.Not) + option + strings.Join(ports, ",")
}

func (w *iptablesWriter) icmp(name string, i decode.XTICMP) bool {
	option, any := "--icmp-type ", uint8(255)
	if name == "icmp6" {
		option = "--icmpv6-type "
	}
	t := strconv.Itoa(int(i.Type))
	switch {
	case i.Type == any && name == "icmp":
		t = "any"
	case i.CodeMin == i.CodeMax:
		t += "/" + strconv.Itoa(int(i.CodeMin))
	}
	return w.another(name, bang(i.Not)+option+t)
}

func (w *iptablesWriter) ipRange(i decode.XTRange) bool {
	var o []string
	if i.Src {
		o = append(o, bang(i.NotSrc)+"--src-range "+w.addr(i.SrcMin)+"-"+w.addr(i.SrcMax))
	}
	if i.Dst {
		o = append(o, bang(i.NotDst)+"--dst-range "+w.addr(i.DstMin)+"-"+w.addr(i.DstMax))
	}
	return w.another("iprange", strings.Join(o, " "))
}

// rate writes the average of the match limit as iptables does: the largest unit
// in which it is not a fraction.
func rate(i decode.XTLimit) string {
	const scale = 10000
	t := ""
	for _, u := range []struct {
		name string
		time uint32
	}{{"day", 24 * 60 * 60 * scale}, {"hour", 60 * 60 * scale}, {"min", 60 * scale}, {"sec", scale}} {
		if i.Average == 0 || i.Average > u.time {
			break
		}
		if n := u.time / i.Average; t == "" || u.time/n >= i.Average && u.time%i.Average == 0 {
			t = fmt.Sprintf("--limit %d/%s", n, u.name)
		}
	}
	if i.Burst != 5 {
		t += fmt.Sprintf(" --limit-burst %d", i.Burst)
	}
	return t
}

func physdev(i decode.XTPhysdev) string {
	var o []string
	for bit, text := range []string{"--physdev-in " + i.In, "--physdev-out " + i.Out, "--physdev-is-bridged", "--physdev-is-in", "--physdev-is-out"} {
		if i.Asked&(1<<bit) != 0 {
			o = append(o, bang(i.Not&(1<<bit) != 0)+text)
		}
	}
	return strings.Join(o, " ")
}
