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

// Prefixes by which the guard says what it stopped, or saw. Those about requests are
// followed by a blank and which one of them it is: its source may be another by then.
const (
	saidAnswer = "answer" // for the made-up client, from the IP header on
	saidAway   = "away"   // one of the requests, on its way out
	saidReset  = "reset"  // one of our resets, which has passed every rule
	saidFrame  = "frame"  // for the made-up client, at an interface, from the link layer's header on
)

// Chains of the guard. It looks at packets of the made-up clients alone, and of
// those stops what is of the probe's own ports: --from may name a client that
// exists.
const (
	chainLeave  = "leave"  // behind all others, where packets leave
	chainArrive = "arrive" // and where the host takes them itself
	chainTo     = "to"     // for a client
	chainFrom   = "from"   // by a client
	chainOurs   = "ours"   // one of the requests, the number of which follows
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
	b := owned.NewBatch()
	g.routed(b, name, nat || legacyNAT())
	g.sent(b, name)
	return c.Commit(b)
}

// routed adds the table for what is routed, and for what the host itself sends. Once
// translated, a request is known by how it was asked; nobody begins to track because
// of that.
func (g *guard) routed(b *owned.Batch, name string, nat bool) {
	t := table{b, unix.NFPROTO_INET, name}
	b.Table(t.family, name)
	for _, chain := range []string{chainTo, chainFrom} {
		b.Chain(t.family, name, chain, nil)
	}
	b.Chain(t.family, name, chainLeave, &owned.Hook{Number: hookPostrouting, Priority: last})
	b.Chain(t.family, name, chainArrive, &owned.Hook{Number: hookInput, Priority: last})
	for _, ip := range g.clients {
		v := familyOf(ip)
		t.rule(chainLeave, v.is(), v.addr(true), equal(ip.AsSlice()), jump(chainTo))
		t.rule(chainLeave, v.is(), v.addr(false), equal(ip.AsSlice()), jump(chainFrom))
		t.rule(chainArrive, v.is(), v.addr(false), equal(ip.AsSlice()), jump(chainFrom))
	}
	for i := range g.want.Asks {
		a := &g.want.Asks[i]
		v, ours := familyOf(a.Client.Addr()), fmt.Sprintf("%s%d", chainOurs, i)
		g.request(t, ours, i)
		for _, match := range answersTo(a) {
			t.rule(chainTo, v.is(), v.addr(true), equal(a.Client.Addr().AsSlice()), match, untraced, g.log(saidAnswer), drop)
		}
		t.rule(chainFrom, v.is(), v.addr(false), equal(a.Client.Addr().AsSlice()), askedBy(a), jump(ours))
		if nat {
			t.rule(chainLeave, v.is(), asking, equal(a.Client.Addr().AsSlice()), askingPort, equal(port(a)), jump(ours))
		}
	}
}

// request adds the chain for the packets of one request: none leaves the host, and
// its reset is heard of.
func (g *guard) request(t table, chain string, i int) {
	t.Chain(t.family, t.name, chain, nil)
	for _, link := range g.want.Outside {
		t.rule(chain, leavesBy(link), untraced, g.log(fmt.Sprintf("%s %d", saidAway, i)), drop)
	}
	t.rule(chain, protocol(TCP), resets, untraced, g.log(fmt.Sprintf("%s %d", saidReset, i)))
}

// sent adds the table for what interfaces that lead away send, for what does not
// pass the routing: bridged frames, and questions for the made-up client's MAC
// address.
func (g *guard) sent(b *owned.Batch, name string) {
	t := table{b, unix.NFPROTO_NETDEV, name}
	b.Table(t.family, name)
	b.Chain(t.family, name, chainTo, nil)
	for i := range g.want.Asks {
		a := &g.want.Asks[i]
		v := familyOf(a.Client.Addr())
		for _, match := range answersTo(a) {
			t.rule(chainTo, v.is(), v.addr(true), equal(a.Client.Addr().AsSlice()), match, g.log(saidFrame), drop)
		}
		t.rule(chainTo, v.is(), v.addr(false), equal(a.Client.Addr().AsSlice()), askedBy(a), drop)
	}
	for i, link := range g.want.Outside {
		chain := fmt.Sprintf("egress%d", i)
		b.Chain(t.family, name, chain, &owned.Hook{Number: hookEgress, Priority: last, Device: link})
		for _, ip := range g.clients {
			v := familyOf(ip)
			t.rule(chain, v.is(), v.addr(true), equal(ip.AsSlice()), jump(chainTo))
			t.rule(chain, v.is(), v.addr(false), equal(ip.AsSlice()), jump(chainTo))
			if slices.Contains(g.want.Known, ip) {
				continue // others ask for it, too
			}
			for _, match := range questionsFor(ip) {
				t.rule(chain, match, drop)
			}
		}
	}
}

// table is one in the making.
type table struct {
	*owned.Batch
	family byte
	name   string
}

func (t table) rule(chain string, exprs ...[]expr.Any) {
	t.Rule(t.family, t.name, chain, slices.Concat(exprs...))
}

// port is the made-up client's own, or the identifier of its echo.
func port(a *Ask) []byte { return binary.BigEndian.AppendUint16(nil, a.Client.Port()) }

// answersTo match what answers a request, of packets for its client: by port, or an
// error that quotes it.
func answersTo(a *Ask) [][]expr.Any {
	v := familyOf(a.Client.Addr())
	quoted := v.quoted // where the quoted packet's transport header begins
	if a.Proto == ICMP || a.Proto == ICMP6 {
		quoted += 4
	}
	failed := slices.Concat(protocol(v.icmp), transport(v.quotedProto, 1), equal([]byte{a.Proto}), transport(quoted, 2), equal(port(a)))
	switch a.Proto {
	case ICMP:
		return [][]expr.Any{slices.Concat(protocol(ICMP), transport(0, 1), equal([]byte{0}), transport(4, 2), equal(port(a))), failed}
	case ICMP6:
		return [][]expr.Any{slices.Concat(protocol(ICMP6), transport(0, 1), equal([]byte{129}), transport(4, 2), equal(port(a))), failed}
	}
	return [][]expr.Any{slices.Concat(protocol(a.Proto), transport(2, 2), equal(port(a))), failed}
}

// askedBy matches a request, of packets by its client.
func askedBy(a *Ask) []expr.Any {
	at := uint32(0)
	if a.Proto == ICMP || a.Proto == ICMP6 {
		at = 4
	}
	return slices.Concat(protocol(a.Proto), transport(at, 2), equal(port(a)))
}

// questionsFor match who asks for the MAC address of a client, by ARP or neighbour
// discovery.
func questionsFor(ip netip.Addr) [][]expr.Any {
	if ip.Is6() {
		return [][]expr.Any{slices.Concat(ether(unix.ETH_P_IPV6), protocol(ICMP6), transport(8, 16), equal(ip.AsSlice()))}
	}
	return [][]expr.Any{
		slices.Concat(ether(unix.ETH_P_ARP), field(expr.PayloadBaseNetworkHeader, 24, 4), equal(ip.AsSlice())),
		slices.Concat(ether(unix.ETH_P_ARP), field(expr.PayloadBaseNetworkHeader, 14, 4), equal(ip.AsSlice())),
	}
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
	icmp           uint8
	// Of an ICMP error, from its own header on: the quoted packet's protocol, and the
	// end of its IP header.
	quotedProto, quoted uint32
}

var (
	v4 = family{unix.ETH_P_IP, 12, 16, 4, ICMP, icmpSize + 9, icmpSize + ip4Size}
	v6 = family{unix.ETH_P_IPV6, 8, 24, 16, ICMP6, icmpSize + 6, icmpSize + ip6Size}
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

// asking loads who began the connection that a packet belongs to, and askingPort from
// which port.
var (
	asking     = []expr.Any{&expr.Ct{Key: expr.CtKeySRC, Register: unix.NFT_REG_1, Direction: 0}}
	askingPort = []expr.Any{&expr.Ct{Key: expr.CtKeyPROTOSRC, Register: unix.NFT_REG_1, Direction: 0}}
)

// resets matches segments with RST.
var resets = append(transport(13, 1),
	&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 1, Mask: []byte{rst}, Xor: []byte{0}},
	&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: []byte{0}})

func field(base expr.PayloadBase, at, size uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: unix.NFT_REG_1, Base: base, Offset: at, Len: size}}
}

func transport(at, size uint32) []expr.Any {
	return field(expr.PayloadBaseTransportHeader, at, size)
}

func jump(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
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
