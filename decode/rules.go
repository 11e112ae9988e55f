package decode

import (
	"bytes"
	"encoding/binary"
)

// Rules is what nf_tables, ip_tables and ip6_tables have in one namespace, in the
// order of the kernel's dump: tables and chains as they were made, rules as they
// are passed.
type Rules struct {
	Tables     []Table
	Chains     []Chain
	Rules      []Rule
	Sets       []NamedSet
	Objects    []Object
	Flowtables []Flowtable
	IPSets     []IPSet
	// IPSetsAfter are the same as they were found later, which no message tells of;
	// nil if they were not read again.
	IPSetsAfter []IPSet
	NoIPSets    string // why IPSets could not be read; "" if they could, or there are none
	// BigEndian is the byte order of the machine that the rules were read on,
	// in which the kernel keeps marks, interface indexes, states of connections
	// and the data of xtables extensions.
	BigEndian bool
	Skipped   int // messages of other kinds
	// Missing says what is known to be in force and is not among these rules.
	Missing []string
}

// Order is the byte order that BigEndian means.
func (r *Rules) Order() binary.ByteOrder {
	if r.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// Family is an address family of netfilter (NFPROTO_*, linux/netfilter.h).
type Family uint8

// Families of tables. The zero value is none.
const (
	FamilyInet   Family = 1 // IPv4 and IPv6
	FamilyIPv4   Family = 2
	FamilyARP    Family = 3
	FamilyNetdev Family = 5
	FamilyBridge Family = 7
	FamilyIPv6   Family = 10
)

// String is the family as nft names it.
func (f Family) String() string {
	switch f {
	case FamilyInet:
		return "inet"
	case FamilyIPv4:
		return "ip"
	case FamilyARP:
		return "arp"
	case FamilyNetdev:
		return "netdev"
	case FamilyBridge:
		return "bridge"
	case FamilyIPv6:
		return "ip6"
	}
	return "unknown"
}

// Table is one table.
type Table struct {
	Family  Family
	Name    string
	Handle  uint64
	Legacy  bool   // of ip_tables or ip6_tables, not of nf_tables
	Dormant bool   // its chains are not called
	Owner   uint32 // netlink port of the socket that owns it; 0 for none
}

// Chain is one chain. The fields from Type on are valid iff Base.
type Chain struct {
	Family   Family
	Table    string
	Name     string
	Legacy   bool // as in Table
	Handle   uint64
	Base     bool     // called from a hook, not from other rules
	Type     string   // "filter", "nat", "route"
	Hook     uint32   // number within the family: NF_INET_*, for netdev NF_NETDEV_*
	Priority int32    // chains of a hook are called from the lowest one on
	Drop     bool     // policy
	Devices  []string // of ingress and egress hooks
	Counter  *Counter // of the policy; nil if none is kept
}

// Hooks of the families that have addresses, and of bridge (NF_INET_* in
// linux/netfilter.h, NF_BR_* in linux/netfilter_bridge.h).
const (
	HookPrerouting  = 0
	HookInput       = 1
	HookForward     = 2
	HookOutput      = 3
	HookPostrouting = 4
	HookIngress     = 5 // of inet; netdev counts ingress 0, egress 1
)

// Counter counts what passed.
type Counter struct {
	Packets, Bytes uint64
}

// Rule is one rule. Its expressions are run in order until one does not match.
type Rule struct {
	Family  Family
	Table   string
	Chain   string
	Legacy  bool   // as in Table
	Handle  uint64 // unique within the table; 0 where it is not known: legacy tables, texts without handles
	Text    string // as the program printed it that the rule was read from, without counters; "" if it was read in binary
	Exprs   []Expr
	Comment string // as nft keeps it, beside the expressions
	Compat  *Compat
	Damaged bool // an expression could not be read whole
}

// Compat is what iptables told the kernel for extensions of a rule
// (NFTA_RULE_COMPAT).
type Compat struct {
	Proto  Proto
	Invert bool
}

// NamedSet is one set or map, the unnamed ones of single rules included.
type NamedSet struct {
	Family    Family
	Table     string
	Name      string
	Handle    uint64
	Flags     SetFlags
	KeyLen    int   // bytes
	FieldLens []int // bytes of each part of a concatenated key, unpadded; nil if not concatenated or not said
	DataLen   int   // bytes of a map's values; valid iff SetMap and not Verdicts
	Verdicts  bool  // a map to verdicts
	KeyType   uint32
	DataType  uint32 // both as nft numbers its types: the kernel does not look at them
	Elements  []Element
	Absent    bool // its elements were not in the dump
}

// SetFlags are NFT_SET_* (linux/netfilter/nf_tables.h).
type SetFlags uint32

// Flags of sets.
const (
	SetAnonymous SetFlags = 0x1
	SetConstant  SetFlags = 0x2
	SetInterval  SetFlags = 0x4
	SetMap       SetFlags = 0x8
	SetTimeout   SetFlags = 0x10
	SetEval      SetFlags = 0x20 // rules may add elements
	SetObject    SetFlags = 0x40
	SetConcat    SetFlags = 0x80
)

// Element is one element of a set. In sets of intervals that are not
// concatenated, one element begins an interval and the next one, with End set,
// is the first key behind it.
type Element struct {
	Key      []byte
	KeyEnd   []byte // last key of an interval of a concatenated set; nil for a single key
	Data     Data   // of maps
	Object   string // of maps to objects
	End      bool
	CatchAll bool // matches what no other element does; Key is empty
	Expires  bool // goes away by itself
	Comment  string
}

// Object is one stateful object that rules refer to by name.
type Object struct {
	Family Family
	Table  string
	Name   string
	Type   uint32 // NFT_OBJECT_*
}

// Flowtable is one table of connections that bypass the rules.
type Flowtable struct {
	Family  Family
	Table   string
	Name    string
	Devices []string
}

// text reads a string that the kernel ends with a zero.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
