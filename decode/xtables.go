package decode

import (
	"encoding/binary"
	"net/netip"
)

// XTMatch is a match extension of iptables, run within an nf_tables rule.
type XTMatch struct {
	Name string
	Rev  uint32
	Raw  []byte // in the recorded machine's byte order
	Info XTInfo // nil if this extension or revision is not decoded
}

// XTTarget is a target extension of iptables.
type XTTarget struct {
	Name string
	Rev  uint32
	Raw  []byte
	Info XTInfo // as in XTMatch
}

func (*XTMatch) expr()  {}
func (*XTTarget) expr() {}

// XTInfo is the data of an extension: one of the XT types of this file. The set
// is closed.
type XTInfo interface{ xtInfo() }

// All numbers are in host byte order. Sources: the headers of the same names,
// linux/netfilter/xt_*.h.
type (
	// XTAddrType is of the match addrtype: the type of an address in the
	// routing tables. A mask of 0 asks for nothing.
	XTAddrType struct {
		Src, Dst       uint16 // sums of 1 << RTN_*
		NotSrc, NotDst bool
		ByIIF, ByOIF   bool // --limit-iface-in, --limit-iface-out
	}

	// XTConntrack is of the matches conntrack and state.
	XTConntrack struct {
		Flags, Not                         uint16 // XTCt constants: what is asked for, and what of it inverted
		OrigSrc, OrigDst, ReplSrc, ReplDst XTAddr
		OrigSrcPort, OrigDstPort           PortRange
		ReplSrcPort, ReplDstPort           PortRange
		Proto                              Proto
		State                              uint16 // XTState constants
		Status                             uint16 // IPS_*
		ExpiresMin, ExpiresMax             uint32 // seconds
		StateMatch                         bool   // it was written -m state
	}

	// XTAddr is an address and its mask.
	XTAddr struct{ Addr, Mask [16]byte } // IPv4 in the first four bytes

	// PortRange includes both ends.
	PortRange struct{ Min, Max uint16 }

	// XTPorts is of the matches tcp, udp and the like.
	XTPorts struct {
		Src, Dst        PortRange
		NotSrc, NotDst  bool
		FlagMask, Flags byte // TCP; 0 mask asks for nothing
		NotFlags        bool
		Option          byte // TCP; 0 asks for nothing
		NotOption       bool
	}

	// XTMultiport is of the match multiport.
	XTMultiport struct {
		Which uint8 // 0 source, 1 destination, 2 either
		Ports []PortRange
		Not   bool
	}

	// XTICMP is of the matches icmp and icmp6.
	XTICMP struct {
		Type, CodeMin, CodeMax uint8 // type 255 of IPv4: any
		Not                    bool
	}

	// XTMark is of the matches mark and connmark.
	XTMark struct {
		Mark, Mask uint32
		Not        bool
	}

	// XTRange is of the match iprange.
	XTRange struct {
		SrcMin, SrcMax, DstMin, DstMax [16]byte
		Src, Dst, NotSrc, NotDst       bool
	}

	// XTComment is of the match comment, which always matches.
	XTComment struct{ Text string }

	// XTSet is of the match set.
	XTSet struct {
		IPSetRef
		Not           bool
		ReturnNoMatch bool   // only entries with nomatch count
		Counted       bool   // the entry's counters decide, too
		Options       string // what iptables-save prints behind the set
	}

	// XTSetTarget is of the target SET. What is not done has a zero Dim.
	XTSetTarget struct {
		Add, Del, Map IPSetRef
		Options       string // as in XTSet
	}

	// IPSetRef is a set, and which end of the packet each part of its entries is
	// looked up by.
	IPSetRef struct {
		Name  string // only of rules read from text; else ""
		Index uint16 // IPSet.Index; valid iff Name is ""
		Dim   int    // parts
		Src   uint8  // of part n, from 1: 1<<n; it is the source
	}

	// XTLimit is of the match limit.
	XTLimit struct {
		Average uint32 // time between packets, in 1/10,000 s
		Burst   uint32 // packets
	}

	// XTPhysdev is of the match physdev.
	XTPhysdev struct {
		In, Out string // names of bridge ports, "+" at the end for a prefix
		Asked   uint8  // XT_PHYSDEV_OP_*
		Not     uint8  // the same bits
	}

	// XTNAT is of the targets DNAT, SNAT, MASQUERADE and REDIRECT.
	XTNAT struct {
		Flags            uint32 // NF_NAT_RANGE_*
		AddrMin, AddrMax netip.Addr
		PortMin, PortMax uint16
	}

	// XTReject is of the target REJECT.
	XTReject struct{ With uint32 } // enum ipt_reject_with, or its IPv6 twin

	// XTLog is of the target LOG.
	XTLog struct {
		Level, Flags uint8
		Prefix       string
	}

	// XTNFLog is of the target NFLOG.
	XTNFLog struct {
		Group, Threshold uint16
		Prefix           string
	}

	// XTSetMark is of the target MARK: (mark &^ Mask) ^ Mark.
	XTSetMark struct{ Mark, Mask uint32 }

	// XTConnmark is of the target CONNMARK.
	XTConnmark struct {
		CtMark, CtMask, Mask uint32
		Mode                 uint8 // 0 set, 1 save, 2 restore
		Shifts               bool  // by some bits, which is not decoded
	}

	// XTCT is of the target CT.
	XTCT struct {
		Notrack bool
		Alias   bool   // it was written as the target NOTRACK, and is deleted as that alone
		Zone    string // the option that puts it into another zone than 0, as iptables-save prints it; "" for none
		Options string // others, as iptables-save prints them; only of rules read from text
	}

	// XTText is the options of an extension as iptables-save prints them, of rules
	// read from text, where they are not understood any further.
	XTText struct{ Options string }

	// XTTTL is of the targets TTL and HL.
	XTTTL struct {
		Mode  uint8 // an XTTTL constant
		Value uint8
	}

	// XTMSS is of the target TCPMSS.
	XTMSS struct{ Size uint16 } // 65535: as the path allows
)

// Bits of XTConntrack.Flags and Not.
const (
	XTCtState       = 1 << 0
	XTCtProto       = 1 << 1
	XTCtOrigSrc     = 1 << 2
	XTCtOrigDst     = 1 << 3
	XTCtReplSrc     = 1 << 4
	XTCtReplDst     = 1 << 5
	XTCtStatus      = 1 << 6
	XTCtExpires     = 1 << 7
	XTCtOrigSrcPort = 1 << 8
	XTCtOrigDstPort = 1 << 9
	XTCtReplSrcPort = 1 << 10
	XTCtReplDstPort = 1 << 11
	XTCtDirection   = 1 << 12
)

// Bits of XTConntrack.State.
const (
	XTStateInvalid     = 1 << 0
	XTStateEstablished = 1 << 1
	XTStateRelated     = 1 << 2
	XTStateNew         = 1 << 3
	XTStateSNAT        = 1 << 6 // IP_CT_NUMBER + 1
	XTStateDNAT        = 1 << 7
	XTStateUntracked   = 1 << 8
)

// Modes of XTTTL (linux/netfilter_ipv4/ipt_TTL.h, linux/netfilter_ipv6/ip6t_HL.h).
const (
	XTTTLSet = 0
	XTTTLInc = 1
	XTTTLDec = 2
)

// Flags of translations (linux/netfilter/nf_nat.h).
const (
	NATMapIPs      = 1 << 0
	NATPorts       = 1 << 1
	NATRandom      = 1 << 2
	NATPersistent  = 1 << 3
	NATRandomFully = 1 << 4
	NATOffset      = 1 << 5
	NATNetmap      = 1 << 6
)

func (XTAddrType) xtInfo()  {}
func (XTConntrack) xtInfo() {}
func (XTPorts) xtInfo()     {}
func (XTMultiport) xtInfo() {}
func (XTICMP) xtInfo()      {}
func (XTMark) xtInfo()      {}
func (XTRange) xtInfo()     {}
func (XTComment) xtInfo()   {}
func (XTLimit) xtInfo()     {}
func (XTPhysdev) xtInfo()   {}
func (XTNAT) xtInfo()       {}
func (XTReject) xtInfo()    {}
func (XTLog) xtInfo()       {}
func (XTSetMark) xtInfo()   {}
func (XTNFLog) xtInfo()     {}
func (XTConnmark) xtInfo()  {}
func (XTCT) xtInfo()        {}
func (XTText) xtInfo()      {}
func (XTMSS) xtInfo()       {}
func (XTTTL) xtInfo()       {}
func (XTSet) xtInfo()       {}
func (XTSetTarget) xtInfo() {}

// xtData reads structs of the recorded machine. Beyond the end it reads zeros
// and notes it.
type xtData struct {
	order binary.ByteOrder
	b     []byte
	ip6   bool
	short bool
}

func (d *xtData) at(off, n int) []byte {
	if off+n > len(d.b) {
		d.short = true
		return make([]byte, n)
	}
	return d.b[off : off+n]
}

func (d *xtData) u8(off int) uint8       { return d.at(off, 1)[0] }
func (d *xtData) u16(off int) uint16     { return d.order.Uint16(d.at(off, 2)) }
func (d *xtData) u32(off int) uint32     { return d.order.Uint32(d.at(off, 4)) }
func (d *xtData) be16(off int) uint16    { return binary.BigEndian.Uint16(d.at(off, 2)) }
func (d *xtData) bytes16(o int) [16]byte { return [16]byte(d.at(o, 16)) }
func (d *xtData) rest(off int) string    { return text(d.b[min(off, len(d.b)):]) }

// addr reads an address of the rule's family (union nf_inet_addr).
func (d *xtData) addr(off int) netip.Addr {
	if d.ip6 {
		return netip.AddrFrom16([16]byte(d.at(off, 16)))
	}
	return netip.AddrFrom4([4]byte(d.at(off, 4)))
}
