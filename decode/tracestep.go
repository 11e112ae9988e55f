package decode

// TraceStep is one step of a packet on its way through nf_tables: a rule that
// matched, the end of a chain, or a base chain's policy. The steps of one packet
// have the same ID, in order, from hook to hook; the first one in each base chain
// has the headers, interfaces and connection as they are there, after whatever
// translation came before.
type TraceStep struct {
	Time    int64 // Unix ns, of receipt: a millisecond or so late
	Netns   string
	ID      uint32 // of the packet in its namespace, for a few seconds; the kernel uses it again
	Family  Family // of the table
	Network Family // of the packet: FamilyIPv4 or FamilyIPv6 in a table of FamilyInet; 0 if not given
	Table   string
	Chain   string
	Handle  uint64 // of the rule; 0 for a policy and at a chain's end
	Type    TraceType
	Verdict Verdict // of the rule, or the policy; valid iff Type is not TraceUnknown

	Mark     uint32 // of the packet after this step; 0 for none
	IIF, OIF uint32 // ifindex; 0 where the hook has none, and where Packet is empty

	// Packet is what the headers in the message say, at most 40 bytes of the
	// network and 20 of the transport header: options, payload and what an ICMP
	// error quotes are not among them. Point, Frame and Dir are 0; Kind is Other
	// where the message has no headers.
	Packet Packet

	// Conntrack says that the packet was tracked at this step and the kernel
	// tells (Linux 6.16): the rest is valid then.
	Conntrack   bool
	CTID        uint32 // as Conntrack.ID
	CTDirection uint8  // 0 original, 1 reply
	CTStatus    uint32 // IPS_* bits
	CTState     uint32 // NF_CT_STATE bits, as rules match them: 1 invalid, 2 established, 4 related, 8 new, 64 untracked
}

// TraceType says what a step is (enum nft_trace_types).
type TraceType uint8

// The zero value is unknown.
const (
	TraceUnknown TraceType = iota
	TracePolicy            // the base chain's policy decided
	TraceReturn            // a rule returned
	TraceRule              // a rule matched; without a Handle, the chain ended
)
