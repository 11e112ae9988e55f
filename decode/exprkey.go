package decode

// Keys of MetaExpr (enum nft_meta_keys).
const (
	MetaLen      = 0
	MetaProtocol = 1 // EtherType
	MetaPriority = 2
	MetaMark     = 3
	MetaIIF      = 4
	MetaOIF      = 5
	MetaIIFName  = 6
	MetaOIFName  = 7
	MetaIIFType  = 8
	MetaOIFType  = 9
	MetaSKUID    = 10
	MetaSKGID    = 11
	MetaTrace    = 12
	MetaSecmark  = 14
	MetaNFProto  = 15
	MetaL4Proto  = 16
	MetaPktType  = 19
	MetaCPU      = 20
	MetaIIFGroup = 21
	MetaOIFGroup = 22
	MetaCgroup   = 23
	MetaIIFKind  = 26
	MetaOIFKind  = 27
)

// Bases of PayloadExpr (enum nft_payload_bases).
const (
	BaseLink      = 0
	BaseNetwork   = 1
	BaseTransport = 2
	BaseInner     = 3
)

// CmpOp is a comparison (enum nft_cmp_ops).
type CmpOp uint32

// Comparisons, byte by byte from the first.
const (
	CmpEqual CmpOp = iota
	CmpNotEqual
	CmpLess
	CmpLessEqual
	CmpGreater
	CmpGreaterEqual
)

// Results and flags of FibExpr (enum nft_fib_result, enum nft_fib_flags).
const (
	FibOIF      = 1
	FibOIFName  = 2
	FibAddrType = 3

	FibSaddr   = 1 << 0
	FibDaddr   = 1 << 1
	FibMark    = 1 << 2
	FibIIF     = 1 << 3
	FibOIFlag  = 1 << 4
	FibPresent = 1 << 5
)

// Keys of CtExpr (enum nft_ct_keys).
const (
	CtState      = 0
	CtDirection  = 1
	CtStatus     = 2
	CtMark       = 3
	CtSecmark    = 4
	CtExpiration = 5
	CtHelper     = 6
	CtL3Proto    = 7
	CtSrc        = 8
	CtDst        = 9
	CtProtocol   = 10
	CtProtoSrc   = 11
	CtProtoDst   = 12
	CtLabels     = 13
	CtZone       = 17
	CtEventmask  = 18
	CtSrcIP      = 19
	CtDstIP      = 20
	CtSrcIP6     = 21
	CtDstIP6     = 22
	CtID         = 23
)

// Bits of the value of CtState (linux/netfilter/nf_conntrack_common.h,
// NF_CT_STATE_BIT).
const (
	CtInvalid     = 1 << 0
	CtEstablished = 1 << 1
	CtRelated     = 1 << 2
	CtNew         = 1 << 3
	CtUntracked   = 1 << 6
)
