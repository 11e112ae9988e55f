package ruletrace

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Chains of the table. The base chains let go at once of nearly everything, as
// each packet of the host passes them. Where many ports are wanted, what has the
// number of one goes on to select; what is wanted goes to mark.
const (
	chainSelect    = "select"
	chainICMP      = "icmp"
	chainMark      = "mark" // and on to one of these
	chainMarkTCP   = "marktcp"
	chainMarkOther = "markother"
)

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

// few ports are compared one by one, which spares each of the target's packets a
// jump and a look into a set.
const few = 8

// entry is what the base chain does. It depends on what is wanted, so that
// nobody pays for what is not.
func entry(chain string, sets []set) []rule {
	rs := []rule{newRule(chain, proto(unix.IPPROTO_TCP), tcpWithout(synOrReset), verdict(expr.VerdictReturn, ""))}
	for _, to := range []bool{true, false} {
		rs = append(rs, byPort(chain, to, sets)...)
	}
	for i, f := range []ipFamily{ip4, ip6} {
		if len(sets[setAddrs4+i].keys) > 0 {
			rs = append(rs, newRule(chain, proto(f.icmp), verdict(expr.VerdictJump, chainICMP)))
		}
		if len(sets[setHosts4+i].keys) == 0 {
			continue
		}
		for _, to := range []bool{true, false} {
			rs = append(rs, newRule(chain, f.is(), f.addr(to), in(sets, setHosts4+i), mark))
		}
	}
	return rs
}

// byPort is what the base chain does about ports.
func byPort(chain string, to bool, sets []set) (rs []rule) {
	if len(sets[setPorts].keys)+len(sets[setEndpoints4].keys)+len(sets[setEndpoints6].keys) > few {
		return []rule{newRule(chain, port(to, reg), in(sets, setNumbers), verdict(expr.VerdictJump, chainSelect))}
	}
	for _, k := range sets[setPorts].keys {
		rs = append(rs, newRule(chain, port(to, reg), equal(k[4:6]), proto(k[0]), markOf(k[0])))
	}
	for i, f := range []ipFamily{ip4, ip6} {
		for _, k := range sets[setEndpoints4+i].keys {
			addr, k := k[:f.size], k[f.size:]
			rs = append(rs, newRule(chain, port(to, reg), equal(k[4:6]), proto(k[0]), f.is(), f.addr(to), equal(addr), markOf(k[0])))
		}
	}
	return rs
}

var mark = verdict(expr.VerdictGoto, chainMark)

// markOf is mark where the protocol is known.
func markOf(proto byte) []expr.Any {
	if proto == unix.IPPROTO_TCP {
		return verdict(expr.VerdictGoto, chainMarkTCP)
	}
	return verdict(expr.VerdictGoto, chainMarkOther)
}

// rest is what the other chains do. It is the same whatever is wanted: that is
// in the sets.
func rest(sets []set) []rule {
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
		newRule(chainMark, proto(unix.IPPROTO_TCP), markOf(unix.IPPROTO_TCP)),
		newRule(chainMark, markOf(0)),
		newRule(chainMarkTCP, limit(Rate, Burst), trace()),
		newRule(chainMarkOther, limit(Rate, Burst), trace()))
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

// tcpWithout matches segments that have none of the flags.
func tcpWithout(flags byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{flags}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{0}},
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

func limit(rate uint64, burst uint32) []expr.Any {
	return []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: rate, Unit: expr.LimitTimeSecond, Burst: burst}}
}

// trace is "meta nftrace set 1".
func trace() []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: reg, Data: []byte{1}},
		&expr.Meta{Key: expr.MetaKeyNFTRACE, Register: reg, SourceRegister: true},
	}
}

func verdict(k expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: k, Chain: chain}}
}
