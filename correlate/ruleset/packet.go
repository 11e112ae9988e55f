package ruleset

import (
	"net/netip"
	"time"

	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// Packet is what meets the rules. What is left at its zero value is unknown,
// unless said otherwise; a rule that asks for it makes the outcome uncertain.
type Packet struct {
	// Sent says that a process of this namespace sends the packet: it meets
	// output and postrouting, and if it is for the namespace itself, then
	// prerouting and input on lo. Otherwise it comes in on IIF and meets
	// prerouting, then input or forward and postrouting.
	Sent bool
	// IIF and OIF are the interfaces' names. OIF is the one that the packet
	// leaves by after translation; Route, if given, is asked instead.
	IIF, OIF           string
	IIFIndex, OIFIndex uint32
	// Port is, if IIF is a bridge, the port of it that the packet comes in by. Its
	// zero value is the one behind which the source is, if that is known.
	Port Port
	// Above says that the packet was seen on IIF itself: if that is a bridge, the
	// rules of its ports are behind it.
	Above bool

	Tuple    decode.Tuple // as it meets the first hook
	TCPFlags byte         // FIN 1, SYN 2, RST 4, PSH 8, ACK 16; 0 is unknown
	ICMP     *ICMP        // nil if unknown or not ICMP
	Mark     uint32       // 0 is none
	Length   int          // bytes of the IP packet
	TTL      uint8        // or hop limit, as it meets the first hook
	// Age is how long after the rules were read the packet meets them, for what
	// goes away by itself.
	Age time.Duration

	// State is how connection tracking sees the packet: decode.CtNew,
	// CtEstablished, CtRelated, CtInvalid or CtUntracked. 0 is CtNew.
	State uint32
	// Flow is the connection that the packet belongs to, if it is known already:
	// its translation is then what is done, and no rule is asked for another.
	// Nil for the first packet of a connection.
	Flow *Flow

	// AddrType is the type of an address in the namespace's routing tables: one
	// of the Type constants. Nil if that is not known.
	AddrType func(netip.Addr) uint32
	// Route is the interface that packets to an address leave by, "" for none;
	// known is false where that cannot be told. Nil if it cannot for any: OIF is
	// taken, and reverse paths cannot be told.
	Route func(netip.Addr) (oif string, known bool)
	// Marked is Route for a packet with a mark. Nil: Policy is asked.
	Marked func(a netip.Addr, mark uint32) (oif string, known bool)
	// Policy reports whether routing policy may send a packet with this mark
	// elsewhere than one without, or, if tos, one whose type of service a rule has
	// changed. Nil if routing asks for neither.
	Policy func(mark uint32, tos bool) bool
	// Link is what is known of an interface of the namespace. Nil if nothing is.
	Link func(name string) Link
	// Bridge is the bridge that an interface is, nil if it is none; it is not known
	// if frames may cross one that is not told. Nil, or without Route: nothing is
	// known of bridges, and tables of that family are told in Unknown.
	Bridge func(link string) (b *Bridge, known bool)
}

// Link is an interface as rules can ask for it. What is at its zero value is
// unknown.
type Link struct {
	Index uint32
	Type  uint16 // ARPHRD_*
	Kind  string // as in host.Link
}

// ICMP is the kind of an ICMP or ICMPv6 message.
type ICMP struct{ Type, Code uint8 }

// Flow is a connection as connection tracking has it.
type Flow struct {
	Orig, Reply decode.Tuple // as in decode.Conntrack
	Status      uint32       // IPS_*; the bits of translation are added
	Mark        uint32
	MarkKnown   bool
}

// Types of addresses (RTN_* in linux/rtnetlink.h).
const (
	TypeUnknown   = 0
	TypeUnicast   = 1
	TypeLocal     = 2
	TypeBroadcast = 3
	TypeMulticast = 5
)

// LocalAddrs returns an AddrType for a namespace that has these addresses and
// routes for all others. Loopback addresses are local.
func LocalAddrs(addrs ...netip.Addr) func(netip.Addr) uint32 {
	local := map[netip.Addr]bool{}
	for _, a := range addrs {
		local[a.Unmap()] = true
	}
	return func(a netip.Addr) uint32 {
		a = a.Unmap()
		switch {
		case local[a] || a.IsLoopback():
			return TypeLocal
		case a.IsMulticast():
			return TypeMulticast
		case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			return TypeBroadcast
		}
		return TypeUnicast
	}
}

// Verdict is what becomes of a packet. The zero value is Unclear.
type Verdict uint8

// Verdicts.
const (
	Unclear  Verdict = iota // it depends on what is not known
	Passed                  // no rule stops it
	Dropped                 // silently
	Rejected                // and the sender is told
)

func (v Verdict) String() string {
	return [...]string{"unclear", "passed", "dropped", "rejected"}[min(v, Rejected)]
}

// Outcome is what the rules do with a packet.
type Outcome struct {
	Verdict Verdict
	// Rule is the rule or policy that dropped or rejected it; nil otherwise.
	// With Verdict Unclear it is the one that would, should no rule that cannot be
	// evaluated match, and no limit be reached.
	Rule *Rule
	// Stage is where: ingress, raw, prerouting, dnat, input, forward, output,
	// postrouting, egress or bridge; "" if Passed.
	Stage stage.Stage
	// Steps are the rules that matched and the policies that applied, in order.
	Steps []Step
	// Tuple is the packet's after translation. The source is as before if
	// Masqueraded.
	Tuple       decode.Tuple
	Translation *Rule // that changed the destination; nil for none, or if Flow was known
	Masqueraded bool  // the source becomes an address of the interface it leaves by, or one of several
	Local       bool  // it is for this namespace
	// OIF is the interface that it leaves by, and Mark its mark when it was routed.
	// OIF is "" if it was not, or that is not known.
	OIF  string
	Mark uint32
	// Unknown says what could not be evaluated and may matter. If it is empty,
	// the outcome is certain, given the packet and the rules.
	Unknown []string
	// Sure is what becomes of the packet for certain, if not by which of two rules,
	// that of iptables-legacy or of nf_tables; Unclear if that is not certain.
	Sure Verdict
}

// Lookups are what the rule that stopped the packet asked sets.
func (o Outcome) Lookups() []Lookup {
	if o.Rule == nil || o.Rule.Policy || len(o.Steps) == 0 {
		return nil
	}
	return o.Steps[len(o.Steps)-1].Lookups
}

// Certain reports whether nothing unknown matters.
func (o Outcome) Certain() bool { return len(o.Unknown) == 0 }

// Step is a rule that matched, or a policy that applied.
type Step struct {
	Rule    Rule
	Stage   stage.Stage
	Verdict string // as nft writes it: "accept", "drop", "jump DOCKER", "continue", "dnat", …
	Before  decode.Tuple
	After   decode.Tuple
	Leaving bool     // it is known by which interface the packet leaves: it has been routed
	Lookups []Lookup // what the rule asked named sets
}
