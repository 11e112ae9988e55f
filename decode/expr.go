package decode

import "strconv"

// Expr is one expression of a rule: one of the types of this file, or *XTMatch
// or *XTTarget. The set is closed. Names and meanings are those of
// linux/netfilter/nf_tables.h.
type Expr interface{ expr() }

// Reg names a register. The zero value is the verdict register; n is the 32-bit
// register n-1 of 16, the first of those that a longer value takes.
type Reg uint8

// VerdictReg takes verdicts.
const VerdictReg Reg = 0

// regOf numbers registers of 16 bytes (NFT_REG_1…4) and of 4 bytes
// (NFT_REG32_00…15) alike.
func regOf(n uint32) Reg {
	switch {
	case n >= 1 && n <= 4:
		return Reg((n-1)*4 + 1)
	case n >= 8 && n <= 23:
		return Reg(n - 8 + 1)
	}
	return VerdictReg
}

// Data is a value, or a verdict. The zero value is neither.
type Data struct {
	Value   []byte // as it is in a register: network byte order for what comes from packets
	Verdict *Verdict
}

// Verdict is what an expression or an element decides.
type Verdict struct {
	Code  VerdictCode
	Chain string // valid iff VerdictJump or VerdictGoto
}

// VerdictCode is a verdict of netfilter, or of a chain.
type VerdictCode int32

// Verdicts (NF_* in linux/netfilter.h, NFT_* in linux/netfilter/nf_tables.h).
const (
	VerdictDrop     VerdictCode = 0
	VerdictAccept   VerdictCode = 1
	VerdictStolen   VerdictCode = 2
	VerdictQueue    VerdictCode = 3
	VerdictContinue VerdictCode = -1
	VerdictBreak    VerdictCode = -2
	VerdictJump     VerdictCode = -3
	VerdictGoto     VerdictCode = -4
	VerdictReturn   VerdictCode = -5
)

// String is the verdict as nft writes it.
func (v Verdict) String() string {
	switch v.Code {
	case VerdictDrop:
		return "drop"
	case VerdictAccept:
		return "accept"
	case VerdictStolen:
		return "stolen"
	case VerdictQueue:
		return "queue"
	case VerdictContinue:
		return "continue"
	case VerdictBreak:
		return "break"
	case VerdictJump:
		return "jump " + v.Chain
	case VerdictGoto:
		return "goto " + v.Chain
	case VerdictReturn:
		return "return"
	}
	return "verdict " + strconv.Itoa(int(v.Code))
}

type (
	// MetaExpr loads what the kernel knows of a packet, or sets it iff Set.
	MetaExpr struct {
		Key uint32 // a Meta constant
		Reg Reg    // to, or from iff Set
		Set bool
		// ByName says, of MetaIIF and MetaOIF in rules read from text, that the
		// interface is told by its name: 16 bytes in place of its number.
		ByName bool
	}

	// PayloadExpr loads bytes of the packet, or writes them iff Set.
	PayloadExpr struct {
		Base        uint32 // a Base constant
		Offset, Len int    // bytes
		Reg         Reg    // to, or from iff Set
		Set         bool
	}

	// CmpExpr matches iff the register compares so with Value.
	CmpExpr struct {
		Reg   Reg
		Op    CmpOp
		Value []byte
	}

	// RangeExpr matches iff the register is within From and To, both included,
	// or outside iff Not.
	RangeExpr struct {
		Reg      Reg
		Not      bool
		From, To []byte
	}

	// BitwiseExpr writes (From & Mask) ^ XOR to To, or From shifted by Shift bits.
	BitwiseExpr struct {
		From, To  Reg
		Len       int    // bytes
		Op        uint32 // 0 mask and xor, 1 shift left, 2 shift right; others combine registers
		Mask, XOR []byte
		Shift     uint32
	}

	// ByteorderExpr turns Len bytes round, Size bytes at a time.
	ByteorderExpr struct {
		From, To  Reg
		Len, Size int
	}

	// LookupExpr matches iff the register's value is in the set, or is not iff
	// Not. With a map the element's value goes to To.
	LookupExpr struct {
		Set     string
		Reg     Reg
		To      Reg
		Map     bool // To is valid; VerdictReg for verdict maps
		Not     bool
		Dynamic bool // an update: elements are added by the rule, which always matches
	}

	// ImmediateExpr writes a value to a register, or gives a verdict.
	ImmediateExpr struct {
		Reg  Reg
		Data Data
	}

	// CounterExpr counts what reaches it.
	CounterExpr struct{ Counter }

	// NATExpr translates the destination, or the source iff Source. Registers
	// that are VerdictReg are not given.
	NATExpr struct {
		Source           bool
		Family           Family
		AddrMin, AddrMax Reg
		PortMin, PortMax Reg
		Flags            uint32 // NF_NAT_RANGE_*
	}

	// MasqExpr translates the source to the address of the interface that the
	// packet leaves by.
	MasqExpr struct {
		PortMin, PortMax Reg
		Flags            uint32 // NF_NAT_RANGE_*
	}

	// RedirExpr translates the destination to the host itself.
	RedirExpr struct {
		PortMin, PortMax Reg
		Flags            uint32 // NF_NAT_RANGE_*
	}

	// FibExpr loads what the routing tables say about the packet's addresses.
	FibExpr struct {
		To     Reg
		Result uint32 // 1 interface index, 2 interface name, 3 address type
		Flags  uint32 // a sum of Fib constants
	}

	// CtExpr loads what connection tracking knows of a packet, or sets it iff
	// Set.
	CtExpr struct {
		Key      uint32 // a Ct constant
		Reg      Reg    // to, or from iff Set
		Directed bool   // Reply is valid
		Reply    bool
		Set      bool
	}

	// LimitExpr matches as long as no more than Rate come each Unit seconds, or
	// iff Over from then on.
	LimitExpr struct {
		Rate, Unit uint64
		Burst      uint32
		Bytes      bool // of bytes, else packets
		Over       bool
	}

	// LogExpr writes a line to the kernel's log, or hands the packet to a
	// listener iff Grouped.
	LogExpr struct {
		Prefix   string
		Level    uint32 // syslog's
		HasLevel bool
		Flags    uint32 // NF_LOG_*
		Group    uint16
		Grouped  bool
	}

	// RejectExpr drops the packet and says so to its sender.
	RejectExpr struct {
		Type uint32 // 0 ICMP of the packet's family, 1 TCP RST, 2 ICMP code common to both families
		Code uint8
	}

	// NotrackExpr keeps the packet from connection tracking.
	NotrackExpr struct{}

	// ObjrefExpr updates a stateful object: by name, or by a map's element.
	ObjrefExpr struct {
		Type      uint32 // NFT_OBJECT_*
		Name, Set string
	}

	// QuotaExpr matches until so many bytes have passed, or iff Over from then on.
	QuotaExpr struct {
		Bytes, Used uint64
		Over        bool
	}

	// ConnlimitExpr matches up to so many connections, or iff Over beyond.
	ConnlimitExpr struct {
		Count uint32
		Over  bool
	}

	// TproxyExpr hands the packet to a local socket.
	TproxyExpr struct {
		Family     Family
		Addr, Port Reg
	}

	// DupExpr sends a copy elsewhere.
	DupExpr struct{ Addr, Dev Reg }

	// FwdExpr sends the packet out of another interface, past all other hooks.
	FwdExpr struct{ Dev Reg }

	// FlowExpr lets the rest of a connection bypass the rules.
	FlowExpr struct{ Table string }

	// QueueExpr hands the packet to a program, which decides.
	QueueExpr struct {
		Number, Total uint16
		Flags         uint16 // 1 bypass if nobody listens, 2 spread over CPUs
	}

	// LastExpr notes when it was last reached.
	LastExpr struct{}

	// UnknownExpr is an expression that is not decoded, or damaged.
	UnknownExpr struct {
		Name string
		Does Effect
		// Numbers are its attributes that are numbers of up to four bytes, by their
		// place in the enumeration of the expression's; 0 for those that are not there.
		Numbers [10]uint32
	}
)

// Effect is what is known of an expression that is not decoded.
type Effect uint8

const (
	// EffectAny: it may do anything to the packet. The zero value.
	EffectAny Effect = iota
	// EffectMatch: it only tells whether the rule matches, or gets a value for
	// what does.
	EffectMatch
	// EffectNone: it leaves the packet alone, as far as its way goes.
	EffectNone
)

func (MetaExpr) expr()      {}
func (PayloadExpr) expr()   {}
func (CmpExpr) expr()       {}
func (RangeExpr) expr()     {}
func (BitwiseExpr) expr()   {}
func (ByteorderExpr) expr() {}
func (LookupExpr) expr()    {}
func (ImmediateExpr) expr() {}
func (CounterExpr) expr()   {}
func (NATExpr) expr()       {}
func (MasqExpr) expr()      {}
func (RedirExpr) expr()     {}
func (FibExpr) expr()       {}
func (CtExpr) expr()        {}
func (LimitExpr) expr()     {}
func (LogExpr) expr()       {}
func (RejectExpr) expr()    {}
func (NotrackExpr) expr()   {}
func (ObjrefExpr) expr()    {}
func (QuotaExpr) expr()     {}
func (ConnlimitExpr) expr() {}
func (TproxyExpr) expr()    {}
func (DupExpr) expr()       {}
func (FwdExpr) expr()       {}
func (FlowExpr) expr()      {}
func (QueueExpr) expr()     {}
func (LastExpr) expr()      {}
func (UnknownExpr) expr()   {}
