package probe

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
	"dnatrace/capture/internal/owned"
	"dnatrace/capture/rules"
)

// Hooks (linux/netfilter.h).
const (
	hookInput       = 1
	hookPostrouting = 4
	hookEgress      = 1 // of family netdev
)

// last is the priority behind all others.
const last = math.MaxInt32

// Prefixes by which the guard says what it stopped, or saw.
const (
	saidAnswer = "answer" // for the made-up client, from the IP header on
	saidAway   = "away"   // one of the requests, on its way out
	saidReset  = "reset"  // one of our resets, which has passed every rule
	saidFrame  = "frame"  // for the made-up client, at an interface, from the link layer's header on
)

// guard is a file that holds the tables: they go with it.
type guard struct {
	want    *Want
	group   uint16 // of the netfilter log
	clients []netip.Addr
}

// raise makes the tables.
func (g *guard) raise() (*os.File, error) {
	f, err := multicast.Join(unix.NETLINK_NETFILTER, 1<<18)
	if err != nil {
		return nil, fmt.Errorf("guard the probe: %w", err)
	}
	if err := owned.Using(f, g.make); err != nil {
		f.Close()
		return nil, fmt.Errorf("guard the probe: %w", err)
	}
	return f, nil
}

func (g *guard) make(c owned.Conn) error {
	name := fmt.Sprintf("%s%08x", rules.GuardPrefix, c.Port)
	nat, err := c.Translates()
	if err != nil {
		return err
	}
	nat = nat || legacyNAT()
	b := owned.NewBatch()
	b.Table(unix.NFPROTO_INET, name)
	b.Chain(unix.NFPROTO_INET, name, "leave", &owned.Hook{Number: hookPostrouting, Priority: last})
	b.Chain(unix.NFPROTO_INET, name, "arrive", &owned.Hook{Number: hookInput, Priority: last})
	for _, ip := range g.clients {
		for _, r := range g.leaving(ip, nat) {
			b.Rule(unix.NFPROTO_INET, name, "leave", r)
		}
		b.Rule(unix.NFPROTO_INET, name, "arrive", g.resets(ip))
	}
	b.Table(unix.NFPROTO_NETDEV, name)
	for i, link := range g.want.Outside {
		chain := fmt.Sprintf("egress%d", i)
		b.Chain(unix.NFPROTO_NETDEV, name, chain, &owned.Hook{Number: hookEgress, Priority: last, Device: link})
		for _, ip := range g.clients {
			for _, r := range g.sending(ip) {
				b.Rule(unix.NFPROTO_NETDEV, name, chain, r)
			}
		}
	}
	return c.Commit(b)
}

// legacyNAT reports whether iptables-legacy translates addresses in the calling
// thread's namespace.
func legacyNAT() bool {
	for _, file := range []string{"ip_tables_names", "ip6_tables_names"} {
		names, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err == nil && slices.Contains(strings.Fields(string(names)), "nat") {
			return true
		}
	}
	return false
}

// leaving are the rules behind all others where packets leave: stop what goes to
// the made-up client, and what of its requests would leave the host; hear of its
// resets.
func (g *guard) leaving(ip netip.Addr, nat bool) (rs [][]expr.Any) {
	v := familyOf(ip)
	rs = append(rs, slices.Concat(v.is(), v.addr(true), equal(ip.AsSlice()), untraced, g.log(saidAnswer), drop))
	for _, link := range g.want.Outside {
		rs = append(rs, slices.Concat(v.is(), v.addr(false), equal(ip.AsSlice()), leavesBy(link), untraced, g.log(saidAway), drop))
		if nat { // only then can it have another source by now; looking at it is no cause to begin to track
			rs = append(rs, slices.Concat(v.is(), asking, equal(ip.AsSlice()), leavesBy(link), untraced, g.log(saidAway), drop))
		}
	}
	return append(rs, g.resets(ip))
}

// resets hears of resets by the made-up client.
func (g *guard) resets(ip netip.Addr) []expr.Any {
	v := familyOf(ip)
	return slices.Concat(v.is(), v.addr(false), equal(ip.AsSlice()), protocol(TCP), []expr.Any{
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 1, Mask: []byte{rst}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: []byte{0}},
	}, untraced, g.log(saidReset))
}

// sending are the rules at an interface that leads away, for what does not pass
// the routing: bridged frames, and questions for the made-up client's MAC address.
func (g *guard) sending(ip netip.Addr) [][]expr.Any {
	v := familyOf(ip)
	rs := [][]expr.Any{
		slices.Concat(v.is(), v.addr(true), equal(ip.AsSlice()), g.log(saidFrame), drop),
		slices.Concat(v.is(), v.addr(false), equal(ip.AsSlice()), drop),
	}
	if ip.Is4() {
		return append(rs,
			slices.Concat(ether(unix.ETH_P_ARP), field(expr.PayloadBaseNetworkHeader, 24, 4), equal(ip.AsSlice()), drop),
			slices.Concat(ether(unix.ETH_P_ARP), field(expr.PayloadBaseNetworkHeader, 14, 4), equal(ip.AsSlice()), drop))
	}
	return append(rs, slices.Concat(v.is(), protocol(ICMP6), field(expr.PayloadBaseTransportHeader, 8, 16), equal(ip.AsSlice()), drop))
}

func (g *guard) log(prefix string) []expr.Any {
	return []expr.Any{&expr.Log{
		Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_QTHRESHOLD,
		Group: g.group, QThreshold: 1, Data: []byte(prefix),
	}}
}

// family is where the addresses of a packet are.
type family struct {
	ether          uint16
	src, dst, size uint32
}

var (
	v4 = family{unix.ETH_P_IP, 12, 16, 4}
	v6 = family{unix.ETH_P_IPV6, 8, 24, 16}
)

func familyOf(ip netip.Addr) family {
	if ip.Is4() {
		return v4
	}
	return v6
}

func (v family) is() []expr.Any { return ether(v.ether) }

func (v family) addr(destination bool) []expr.Any {
	at := v.src
	if destination {
		at = v.dst
	}
	return field(expr.PayloadBaseNetworkHeader, at, v.size)
}

// asking loads who began the connection that a packet belongs to.
var asking = []expr.Any{&expr.Ct{Key: expr.CtKeySRC, Register: unix.NFT_REG_1, Direction: 0}}

func field(base expr.PayloadBase, at, size uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: unix.NFT_REG_1, Base: base, Offset: at, Len: size}}
}

func ether(kind uint16) []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: unix.NFT_REG_1}}, equal(binary.BigEndian.AppendUint16(nil, kind))...)
}

func protocol(p uint8) []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: unix.NFT_REG_1}}, equal([]byte{p})...)
}

func leavesBy(link string) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, link)
	return append([]expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: unix.NFT_REG_1}}, equal(name)...)
}

func equal(v []byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: v}}
}

// untraced ends the rule trace of a packet: what the guard does is no rule of
// anybody's.
var untraced = []expr.Any{
	&expr.Immediate{Register: unix.NFT_REG_1, Data: []byte{0}},
	&expr.Meta{Key: expr.MetaKeyNFTRACE, Register: unix.NFT_REG_1, SourceRegister: true},
}

var drop = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
