package ruletrace

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dnatrace/capture/ring"
)

// Chains of the table. The base chains let go at once of nearly everything, as
// each packet of the host passes them. Where many ports are wanted, what has the
// number of one goes on to select; what is wanted goes to mark.
const (
	chainSelect  = "select"
	chainICMP    = "icmp"
	chainMark    = "mark"
	chainMarkTCP = "marktcp" // so that a flood of datagrams leaves it its share
)

// called are the chains that others call, those first that are called.
var called = []string{chainMarkTCP, chainMark, chainSelect, chainICMP}

// priority of the base chains: before all that iptables has, raw before
// defragmentation (-450) included.
const priority = -500

// base are the hooks where packets enter: from an interface, and from this host.
var base = []struct {
	name string
	hook uint32
}{{"prerouting", 0}, {"output", 3}}

// rule is one rule of a chain.
type rule struct {
	chain string
	exprs []expr.Any
}

// Registers: the first has 16 bytes, the others are the 4 bytes after an IPv4
// address or a protocol, and those after an IPv6 address.
const (
	reg       = unix.NFT_REG_1
	reg4      = unix.NFT_REG32_00 + 1
	regPort4  = unix.NFT_REG32_00 + 2
	regProto6 = unix.NFT_REG32_00 + 4
	regPort6  = unix.NFT_REG32_00 + 5
)

func newRule(chain string, exprs ...[]expr.Any) rule {
	return rule{chain, slices.Concat(exprs...)}
}

// few ports are compared one by one, each in a rule that does all there is to do:
// that spares each of the target's packets a jump and a look into a set.
const few = 8

// entry is what the base chain does. It depends on what is wanted, so that
// nobody pays for what is not.
func entry(chain string, w wanted) (rs []rule) {
	sets := w.sets
	established := newRule(chain, proto(unix.IPPROTO_TCP), flags(synOrReset, expr.CmpOpEq), verdict(expr.VerdictReturn, ""))
	keys := len(sets[setPorts].keys) + len(sets[setEndpoints4].keys) + len(sets[setEndpoints6].keys)
	hosts := len(sets[setHosts4].keys) + len(sets[setHosts6].keys)
	for _, to := range []bool{true, false} {
		if keys <= few {
			rs = append(rs, byPort(chain, to, sets)...)
		}
		for _, r := range w.ranges {
			rs = append(rs, newRule(chain, inRange(to, r), trace))
		}
	}
	if keys > few || hosts > 0 {
		rs = append(rs, established)
	}
	for _, to := range []bool{true, false} {
		if keys > few {
			rs = append(rs, newRule(chain, port(to, reg), in(sets, setNumbers), verdict(expr.VerdictJump, chainSelect)))
		}
		for i, f := range []ipFamily{ip4, ip6} {
			if len(sets[setHosts4+i].keys) > 0 {
				rs = append(rs, newRule(chain, f.is(), f.addr(to), in(sets, setHosts4+i), mark))
			}
		}
	}
	for i, f := range []ipFamily{ip4, ip6} {
		if len(sets[setAddrs4+i].keys) > 0 {
			rs = append(rs, newRule(chain, proto(f.icmp), verdict(expr.VerdictJump, chainICMP)))
		}
	}
	return rs
}

// byPort marks what goes to, or comes from, each of a few ports and endpoints.
func byPort(chain string, to bool, sets []set) (rs []rule) {
	for _, k := range sets[setPorts].keys {
		rs = append(rs, newRule(chain, theirs(to, k), trace))
	}
	for i, f := range []ipFamily{ip4, ip6} {
		for _, k := range sets[setEndpoints4+i].keys {
			rs = append(rs, newRule(chain, theirs(to, k[f.size:]), f.is(), f.addr(to), equal(k[:f.size]), trace))
		}
	}
	return rs
}

// theirs matches the port and protocol of a key, and of TCP only what is traced.
func theirs(to bool, key []byte) []expr.Any {
	return slices.Concat(port(to, reg), equal(key[4:6]), proto(key[0]), traced(key[0]))
}

// inRange matches as theirs does, the ports of a range.
func inRange(to bool, r ring.Range) []expr.Any {
	return slices.Concat(port(to, reg), []expr.Any{
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg, Data: binary.BigEndian.AppendUint16(nil, r.First)},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg, Data: binary.BigEndian.AppendUint16(nil, r.Last)},
	}, proto(r.Proto), traced(r.Proto))
}

// traced matches of TCP only what is traced.
func traced(p byte) []expr.Any {
	if p == unix.IPPROTO_TCP {
		return flags(synOrReset, expr.CmpOpNeq)
	}
	return nil
}

var mark = verdict(expr.VerdictGoto, chainMark)

// rest is what the other chains do. It is the same whatever is wanted, as that is
// in the sets; but where nothing is, nothing may be able to mark a packet: that
// alone makes the kernel prepare for a trace in every chain of every namespace.
func rest(w wanted) []rule {
	if w.nothing() {
		return nil
	}
	sets := w.sets
	rs := []rule{newRule(chainICMP, proto(unix.IPPROTO_ICMPV6), neighbourDiscovery(), verdict(expr.VerdictReturn, ""))}
	for _, to := range []bool{true, false} {
		rs = append(rs, newRule(chainSelect, meta(expr.MetaKeyL4PROTO, reg), port(to, reg4), in(sets, setPorts), mark))
		for i, f := range []ipFamily{ip4, ip6} {
			rs = append(rs,
				newRule(chainSelect, f.is(), f.addr(to), meta(expr.MetaKeyL4PROTO, f.protoReg), port(to, f.portReg), in(sets, setEndpoints4+i), mark),
				newRule(chainICMP, f.is(), f.addr(to), in(sets, setAddrs4+i), mark))
		}
	}
	return append(rs,
		newRule(chainMark, proto(unix.IPPROTO_TCP), verdict(expr.VerdictGoto, chainMarkTCP)),
		newRule(chainMark, trace),
		newRule(chainMarkTCP, trace))
}

// ipFamily is where addresses are, and where they go.
type ipFamily struct {
	ether             uint16
	src, dst, size    uint32 // bytes from the IP header's start
	protoReg, portReg uint32
	icmp              byte
}

var (
	ip4 = ipFamily{unix.ETH_P_IP, 12, 16, 4, reg4, regPort4, unix.IPPROTO_ICMP}
	ip6 = ipFamily{unix.ETH_P_IPV6, 8, 24, 16, regProto6, regPort6, unix.IPPROTO_ICMPV6}
)

// is compares the protocol of the frame, which every family's hooks have.
func (f ipFamily) is() []expr.Any {
	return append(meta(expr.MetaKeyPROTOCOL, reg), equal(binary.BigEndian.AppendUint16(nil, f.ether))...)
}

func (f ipFamily) addr(destination bool) []expr.Any {
	at := f.src
	if destination {
		at = f.dst
	}
	return []expr.Any{&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: f.size}}
}

func meta(key expr.MetaKey, to uint32) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: to}}
}

func equal(v []byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: v}}
}

func proto(p byte) []expr.Any {
	return append(meta(expr.MetaKeyL4PROTO, reg), equal([]byte{p})...)
}

const synOrReset = 0x02 | 0x04

// flags matches segments that have none of the flags, or with CmpOpNeq any.
func flags(mask byte, none expr.CmpOp) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
		&expr.Cmp{Op: none, Register: reg, Data: []byte{0}},
	}
}

// neighbourDiscovery matches ICMPv6 types 133 to 137, which are no requests.
func neighbourDiscovery() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg, Data: []byte{133}},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg, Data: []byte{137}},
	}
}

// port loads a port of TCP, UDP or SCTP.
func port(destination bool, to uint32) []expr.Any {
	at := uint32(0)
	if destination {
		at = 2
	}
	return []expr.Any{&expr.Payload{DestRegister: to, Base: expr.PayloadBaseTransportHeader, Offset: at, Len: 2}}
}

// in matches what is in a set.
func in(sets []set, i int) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: reg, SetName: sets[i].name, SetID: uint32(i + 1)}}
}

// trace is "limit rate 25/second burst 50 packets meta nftrace set 1". Where the
// limit is reached, the rule's evaluation ends there.
var trace = []expr.Any{
	&expr.Limit{Type: expr.LimitTypePkts, Rate: Rate, Unit: expr.LimitTimeSecond, Burst: Burst},
	&expr.Immediate{Register: reg, Data: []byte{1}},
	&expr.Meta{Key: expr.MetaKeyNFTRACE, Register: reg, SourceRegister: true},
}

func verdict(k expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: k, Chain: chain}}
}
