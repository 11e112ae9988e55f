package decode

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// readExtension decodes the data of an extension in place, if it is one.
func readExtension(e Expr, order binary.ByteOrder, f Family) {
	switch e := e.(type) {
	case *XTMatch:
		e.Info = extensionInfo(matchReaders, e.Name, e.Rev, e.Raw, order, f)
	case *XTTarget:
		e.Info = extensionInfo(targetReaders, e.Name, e.Rev, e.Raw, order, f)
	}
}

func extensionInfo(readers map[string]xtReader, name string, rev uint32, raw []byte, order binary.ByteOrder, f Family) XTInfo {
	read := readers[name]
	if read == nil {
		return nil
	}
	d := &xtData{order: order, b: raw, ip6: f == FamilyIPv6}
	if info := read(d, rev); !d.short {
		return info
	}
	return nil
}

// xtReader decodes one revision of an extension; nil if it does not know it.
type xtReader func(d *xtData, rev uint32) XTInfo

var matchReaders = map[string]xtReader{
	"addrtype":  xtAddrType,
	"conntrack": xtConntrack,
	"state": func(d *xtData, _ uint32) XTInfo {
		return XTConntrack{Flags: XTCtState, State: uint16(d.u32(0)), StateMatch: true}
	},
	"tcp":       xtTCP,
	"udp":       xtUDP,
	"multiport": xtMultiport,
	"icmp":      xtICMP,
	"icmp6":     xtICMP,
	"mark":      xtMark,
	"connmark":  xtMark,
	"iprange":   xtIPRange,
	"comment":   func(d *xtData, _ uint32) XTInfo { return XTComment{d.rest(0)} },
	"limit":     func(d *xtData, _ uint32) XTInfo { return XTLimit{Average: d.u32(0), Burst: d.u32(4)} },
	"physdev":   xtPhysdev,
	"set":       xtSet,
}

var targetReaders = map[string]xtReader{
	"DNAT":       xtNAT,
	"SNAT":       xtNAT,
	"MASQUERADE": xtNAT,
	"REDIRECT":   xtNAT,
	"REJECT":     func(d *xtData, _ uint32) XTInfo { return XTReject{d.u32(0)} },
	"LOG": func(d *xtData, _ uint32) XTInfo {
		return XTLog{Level: d.u8(0), Flags: d.u8(1), Prefix: text(d.at(2, 30))}
	},
	"NFLOG": func(d *xtData, _ uint32) XTInfo {
		return XTNFLog{Group: d.u16(4), Threshold: d.u16(6), Prefix: text(d.at(12, 64))}
	},
	"MARK":     xtSetMark,
	"CONNMARK": xtConnmark,
	"CT":       xtCT,
	"TTL":      func(d *xtData, _ uint32) XTInfo { return XTTTL{Mode: d.u8(0), Value: d.u8(1)} },
	"HL":       func(d *xtData, _ uint32) XTInfo { return XTTTL{Mode: d.u8(0), Value: d.u8(1)} },
	"NOTRACK":  func(*xtData, uint32) XTInfo { return XTCT{Notrack: true} },
	"TCPMSS":   func(d *xtData, _ uint32) XTInfo { return XTMSS{d.u16(0)} },
	"SET":      xtSetTarget,
}

func xtAddrType(d *xtData, rev uint32) XTInfo {
	t := XTAddrType{Src: d.u16(0), Dst: d.u16(2)}
	if rev == 0 {
		t.NotSrc, t.NotDst = d.u32(4) != 0, d.u32(8) != 0
		return t
	}
	flags := d.u32(4)
	t.NotSrc, t.NotDst = flags&1 != 0, flags&2 != 0
	t.ByIIF, t.ByOIF = flags&4 != 0, flags&8 != 0
	return t
}

// xtCtStateAlias is set in the flags by -m state.
const xtCtStateAlias = 1 << 13

func xtConntrack(d *xtData, rev uint32) XTInfo {
	if rev < 1 || rev > 3 {
		return nil
	}
	c := XTConntrack{
		OrigSrc: d.masked(0), OrigDst: d.masked(32), ReplSrc: d.masked(64), ReplDst: d.masked(96),
		ExpiresMin: d.u32(128), ExpiresMax: d.u32(132),
		Proto: Proto(d.u16(136)),
		Flags: d.u16(146), Not: d.u16(148),
	}
	c.StateMatch = c.Flags&xtCtStateAlias != 0
	c.Flags &^= xtCtStateAlias
	if rev == 1 {
		c.State, c.Status = uint16(d.u8(150)), uint16(d.u8(151))
	} else {
		c.State, c.Status = d.u16(150), d.u16(152)
	}
	for i, p := range []*PortRange{&c.OrigSrcPort, &c.OrigDstPort, &c.ReplSrcPort, &c.ReplDstPort} {
		if rev == 3 {
			*p = PortRange{d.u16(138 + 2*i), d.u16(154 + 2*i)}
		} else {
			*p = PortRange{d.be16(138 + 2*i), d.be16(138 + 2*i)}
		}
	}
	return c
}

func (d *xtData) masked(off int) XTAddr { return XTAddr{d.bytes16(off), d.bytes16(off + 16)} }

func xtTCP(d *xtData, _ uint32) XTInfo {
	not := d.u8(11)
	return XTPorts{
		Src: PortRange{d.u16(0), d.u16(2)}, Dst: PortRange{d.u16(4), d.u16(6)},
		Option: d.u8(8), FlagMask: d.u8(9), Flags: d.u8(10),
		NotSrc: not&1 != 0, NotDst: not&2 != 0, NotFlags: not&4 != 0, NotOption: not&8 != 0,
	}
}

func xtUDP(d *xtData, _ uint32) XTInfo {
	not := d.u8(8)
	return XTPorts{
		Src: PortRange{d.u16(0), d.u16(2)}, Dst: PortRange{d.u16(4), d.u16(6)},
		NotSrc: not&1 != 0, NotDst: not&2 != 0,
	}
}

func xtMultiport(d *xtData, rev uint32) XTInfo {
	m := XTMultiport{Which: d.u8(0)}
	if rev == 1 {
		m.Not = d.u8(47) != 0
	}
	for i, n := 0, min(int(d.u8(1)), 15); i < n; i++ {
		p := PortRange{d.u16(2 + 2*i), d.u16(2 + 2*i)}
		if rev == 1 && d.u8(32+i) != 0 && i+1 < n { // the first of a range
			i++
			p.Max = d.u16(2 + 2*i)
		}
		m.Ports = append(m.Ports, p)
	}
	return m
}

func xtICMP(d *xtData, _ uint32) XTInfo {
	return XTICMP{Type: d.u8(0), CodeMin: d.u8(1), CodeMax: d.u8(2), Not: d.u8(3)&1 != 0}
}

func xtMark(d *xtData, rev uint32) XTInfo {
	if rev != 1 {
		return nil
	}
	return XTMark{Mark: d.u32(0), Mask: d.u32(4), Not: d.u8(8) != 0}
}

func xtIPRange(d *xtData, rev uint32) XTInfo {
	if rev != 1 {
		return nil
	}
	flags := d.u8(64)
	return XTRange{
		SrcMin: d.bytes16(0), SrcMax: d.bytes16(16), DstMin: d.bytes16(32), DstMax: d.bytes16(48),
		Src: flags&0x1 != 0, Dst: flags&0x2 != 0, NotSrc: flags&0x10 != 0, NotDst: flags&0x20 != 0,
	}
}

func xtPhysdev(d *xtData, _ uint32) XTInfo {
	return XTPhysdev{
		In: d.ifname(0), Out: d.ifname(32), Not: d.u8(64), Asked: d.u8(65),
	}
}

// ifname reads a name and the mask behind it, which leaves the zero at the
// name's end out for a prefix.
func (d *xtData) ifname(off int) string {
	name, mask := text(d.at(off, 16)), d.at(off+16, 16)
	if name != "" && len(name) < 16 && mask[len(name)] == 0 {
		return name + "+"
	}
	return name
}

// xtNAT reads struct nf_nat_ipv4_multi_range_compat, nf_nat_range or, from
// revision 2 on, nf_nat_range2.
func xtNAT(d *xtData, rev uint32) XTInfo {
	if rev == 0 && !d.ip6 {
		return XTNAT{
			Flags:   d.u32(4),
			AddrMin: netip.AddrFrom4([4]byte(d.at(8, 4))), AddrMax: netip.AddrFrom4([4]byte(d.at(12, 4))),
			PortMin: d.be16(16), PortMax: d.be16(18),
		}
	}
	return XTNAT{
		Flags:   d.u32(0),
		AddrMin: d.addr(4), AddrMax: d.addr(20),
		PortMin: d.be16(36), PortMax: d.be16(38),
	}
}

// xtCT reads struct xt_ct_target_info, of which all revisions begin alike.
func xtCT(d *xtData, _ uint32) XTInfo {
	const notrack, alias, original, reply, byMark = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4 // XT_CT_*
	flags, zone := d.u16(0), d.u16(2)
	t := XTCT{Notrack: flags&notrack != 0, Alias: flags&alias != 0}
	if zone == 0 && flags&(original|reply|byMark) == 0 {
		return t
	}
	t.Zone = "--zone"
	switch {
	case flags&original != 0:
		t.Zone += "-orig"
	case flags&reply != 0:
		t.Zone += "-reply"
	}
	if flags&byMark != 0 {
		t.Zone += " mark"
	} else {
		t.Zone += " " + strconv.Itoa(int(zone))
	}
	return t
}

func xtSetMark(d *xtData, rev uint32) XTInfo {
	if rev != 2 {
		return nil
	}
	return XTSetMark{Mark: d.u32(0), Mask: d.u32(4)}
}

func xtConnmark(d *xtData, rev uint32) XTInfo {
	c := XTConnmark{CtMark: d.u32(0), CtMask: d.u32(4), Mask: d.u32(8)}
	switch rev {
	case 1:
		c.Mode = d.u8(12)
	case 2:
		c.Shifts, c.Mode = d.u8(13) != 0, d.u8(14)
	default:
		return nil
	}
	return c
}
