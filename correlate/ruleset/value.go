package ruleset

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// word is a value that has a name.
type word struct {
	value uint32
	name  string
}

var (
	ctStates   = []word{{1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"}}
	ctStatuses = []word{{1, "expected"}, {2, "seen-reply"}, {4, "assured"}, {8, "confirmed"}, {16, "snat"}, {32, "dnat"}, {512, "dying"}}
	tcpFlags   = []word{{1, "fin"}, {2, "syn"}, {4, "rst"}, {8, "psh"}, {16, "ack"}, {32, "urg"}, {64, "ecn"}, {128, "cwr"}}
	addrTypes  = []word{{0, "unspec"}, {1, "unicast"}, {2, "local"}, {3, "broadcast"}, {4, "anycast"}, {5, "multicast"}, {6, "blackhole"}, {7, "unreachable"}, {8, "prohibit"}}
	protocols  = []word{{1, "icmp"}, {2, "igmp"}, {4, "ipencap"}, {6, "tcp"}, {17, "udp"}, {41, "ipv6"}, {33, "dccp"}, {47, "gre"}, {50, "esp"}, {51, "ah"}, {58, "ipv6-icmp"}, {112, "vrrp"}, {132, "sctp"}, {136, "udplite"}}
	nfprotos   = []word{{2, "ipv4"}, {10, "ipv6"}}
	etherTypes = []word{{0x0800, "ip"}, {0x0806, "arp"}, {0x86dd, "ip6"}, {0x8100, "8021q"}, {0x88a8, "8021ad"}}
	directions = []word{{0, "original"}, {1, "reply"}}
	pktTypes   = []word{{0, "host"}, {1, "broadcast"}, {2, "multicast"}, {3, "other"}}
	arpOps     = []word{{1, "request"}, {2, "reply"}, {3, "rrequest"}, {4, "rreply"}, {8, "inrequest"}, {9, "inreply"}, {10, "nak"}}
	// linkTypes are ARPHRD_* as nft names them (src/meta.c).
	linkTypes  = []word{{1, "ether"}, {512, "ppp"}, {768, "ipip"}, {769, "ipip6"}, {772, "loopback"}, {776, "sit"}, {778, "ipgre"}}
	linkGroups = []word{{0, "default"}} // others have names only in a file of the host
	presences  = []word{{0, "missing"}, {1, "exists"}}
	icmpTypes  = []word{{0, "echo-reply"}, {3, "destination-unreachable"}, {4, "source-quench"}, {5, "redirect"}, {8, "echo-request"}, {9, "router-advertisement"}, {10, "router-solicitation"}, {11, "time-exceeded"}, {12, "parameter-problem"}, {13, "timestamp-request"}, {14, "timestamp-reply"}, {15, "info-request"}, {16, "info-reply"}, {17, "address-mask-request"}, {18, "address-mask-reply"}}
	icmp6Types = []word{{1, "destination-unreachable"}, {2, "packet-too-big"}, {3, "time-exceeded"}, {4, "parameter-problem"}, {128, "echo-request"}, {129, "echo-reply"}, {130, "mld-listener-query"}, {131, "mld-listener-report"}, {132, "mld-listener-done"}, {133, "nd-router-solicit"}, {134, "nd-router-advert"}, {135, "nd-neighbor-solicit"}, {136, "nd-neighbor-advert"}, {137, "nd-redirect"}, {143, "mld2-listener-report"}}
)

func nameIn(words []word, v uint32) string {
	for _, w := range words {
		if w.value == v {
			return w.name
		}
	}
	return strconv.FormatUint(uint64(v), 10)
}

// namesIn writes a mask as the words for its bits.
func namesIn(words []word, v uint32) string {
	var names []string
	for _, w := range words {
		if v&w.value != 0 {
			names = append(names, w.name)
			v &^= w.value
		}
	}
	if v != 0 || len(names) == 0 {
		names = append(names, fmt.Sprintf("0x%x", v))
	}
	return strings.Join(names, ",")
}

// value writes b as nft does for fields of kind k. order is the machine's.
func value(k kind, b []byte, order binary.ByteOrder) string {
	n := bigNumber(b)
	h := hostNumber(b, order)
	switch k {
	case kindIfname, kindIfindex:
		return strconv.Quote(ifname(b, "*"))
	case kindIftype:
		return nameIn(linkTypes, h)
	case kindIfgroup:
		if h == 0 {
			return strconv.Quote(linkGroups[0].name)
		}
		return strconv.FormatUint(uint64(h), 10)
	case kindMark:
		return fmt.Sprintf("0x%08x", h)
	case kindProto:
		return nameIn(protocols, n)
	case kindNFProto:
		return nameIn(nfprotos, n)
	case kindEtherType:
		return nameIn(etherTypes, n)
	case kindIPv4, kindIPv6:
		return address(k, b)
	case kindMAC:
		return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":")
	case kindCtState:
		return namesIn(ctStates, h)
	case kindCtStatus:
		return namesIn(ctStatuses, h)
	case kindCtDirection:
		return nameIn(directions, n)
	case kindAddrType:
		return nameIn(addrTypes, h)
	case kindICMP:
		return nameIn(icmpTypes, n)
	case kindICMPv6:
		return nameIn(icmp6Types, n)
	case kindTCPFlags:
		return namesIn(tcpFlags, n)
	case kindPktType:
		return nameIn(pktTypes, n)
	case kindBool:
		return nameIn(presences, n)
	case kindARPOp:
		return nameIn(arpOps, n)
	case kindHost:
		return strconv.FormatUint(uint64(h), 10)
	case kindNumber:
		return strconv.FormatUint(uint64(n), 10)
	}
	return fmt.Sprintf("0x%x", b)
}

// ifname reads an interface name; one without a zero at its end is the
// beginning of names.
func ifname(b []byte, wildcard string) string {
	s := string(b)
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	if len(b) < 16 {
		return s + wildcard
	}
	return s
}

// address writes an address, or a prefix if only its first bytes are there.
func address(k kind, b []byte) string {
	full := 4
	if k == kindIPv6 {
		full = 16
	}
	if len(b) == 0 || len(b) > full {
		return fmt.Sprintf("0x%x", b)
	}
	a, _ := netip.AddrFromSlice(append(append([]byte{}, b...), make([]byte, full-len(b))...))
	if len(b) < full {
		return netip.PrefixFrom(a, 8*len(b)).String()
	}
	return a.String()
}

func bigNumber(b []byte) (n uint32) {
	for _, c := range b[max(0, len(b)-4):] {
		n = n<<8 | uint32(c)
	}
	return n
}

func hostNumber(b []byte, order binary.ByteOrder) uint32 {
	switch len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(order.Uint16(b))
	case 4:
		return order.Uint32(b)
	}
	return bigNumber(b)
}

// prefixLen is the number of leading ones of a mask that has no other ones.
func prefixLen(mask []byte) (int, bool) {
	n := 0
	for i, c := range mask {
		n += bits.LeadingZeros8(^c)
		if c != 0xff {
			return n, c<<bits.LeadingZeros8(^c) == 0 && zero(mask[i+1:])
		}
	}
	return n, true
}

func portText(b []byte) string { return strconv.Itoa(int(bigNumber(b))) }
