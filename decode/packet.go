package decode

import "dnatrace/capture"

// Packet is what one frame says, in a fixed, pointer-free shape of 104 bytes. It
// is total: a frame that is cut or nonsense is a Packet with Truncated or Kind
// Other. Numbers are in host byte order.
type Packet struct {
	Time  int64  // Unix ns
	Frame uint64 // number in the stream, from 1

	Seq, Ack uint32 // TCP. SCTP: Seq is the initiate tag of INIT and INIT-ACK, Ack the verification tag. ICMP echo: Seq is the sequence number. UDP: Seq is a digest of the first bytes of payload, 0 if the capture has not got them
	Payload  uint32 // bytes of L4 payload on the wire, by the IP header's length (if that is 0, as in TSO: by frame length). LaterFragment: all bytes after the IP headers
	TSVal    uint32 // TCP timestamp value; 0 without the option

	Tuple // valid iff Kind is at least Segment; of a Tail all but the ports; else as Kind says

	Window    uint16            // TCP, unscaled
	MSS       uint16            // valid iff TCP SYN; 0 without the option
	IPID      uint16            // IPv4 identification; 0 for IPv6
	Point     uint16            // capture.Point.ID
	Quote     uint16            // 1 + index in Batch.Quotes of the packet an ICMP error quotes; 0 none
	TTL       uint8             // or hop limit
	Flags     TCPFlags          // valid iff TCP, not a LaterFragment; 0 if cut off
	Dir       capture.Direction // the capture's; if that is unknown, the cooked header's
	Kind      Kind
	Type      uint8 // ICMP, ICMPv6 type. SCTP: first chunk type. ARP: operation
	Code      uint8 // ICMP, ICMPv6 code
	Fragment  FragmentState
	Truncated bool    // a header is not whole: the capture cut it, or the packet's own lengths leave no room for it
	Tunneled  bool    // it came inside VXLAN or Geneve: nothing here is of the packet that carried it
	SrcMAC    [6]byte // of the frame; ARP and ND: of the sender, as the message says
	DstMAC    [6]byte // of the frame; ARP: of the target; zero where the link layer has none. Of a cooked header, that of everyone where it says that more than one was meant
}

// Kind says what a frame is, as far as requests are concerned.
type Kind uint8

// Kinds from Segment on have a valid Tuple. ICMP redirects, router discovery,
// and protocols other than the named ones are Other.
const (
	Other       Kind = iota // nothing a request is made of
	ARPRequest              // Src is the sender's, Dst the target's protocol address
	ARPReply                // likewise
	Solicit                 // ICMPv6 neighbour solicitation: Src sender, Dst target
	Advertise               // ICMPv6 neighbour advertisement: Src is the target that is at SrcMAC, Dst who is told
	ICMPError               // Src and Dst of the outer packet; Quote is set unless Truncated
	Tail                    // addresses without ports: a later IP fragment whose first was not seen, or (Truncated) a header cut before them
	Segment                 // TCP
	Datagram                // UDP
	EchoRequest             // ICMP, ICMPv6: both ports are the identifier
	EchoReply
	Chunk // SCTP
)

// TCPFlags are the TCP header's flag bits (RFC 9293 §3.1).
type TCPFlags uint8

// The flags in wire order.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// FragmentState says which part of an IP datagram a packet is.
type FragmentState uint8

// Whole is the zero value.
const (
	Whole FragmentState = iota
	FirstFragment
	LaterFragment // ports are those of the first fragment iff Kind is not Tail
)

// Quote is the packet an ICMP error complains about (RFC 792, RFC 4443 §2.4):
// at least its addresses, and its ports where quoted.
type Quote struct {
	Tuple
	Seq    uint32 // TCP sequence number; valid iff HasSeq
	HasSeq bool
	Ports  bool   // the ports (of an echo: the identifier) were quoted
	MTU    uint32 // next-hop MTU of "fragmentation needed" and "packet too big"; 0 otherwise
}

// Batch is a batch of decoded packets. It is reused: valid until the next
// Decoder.Packets into it.
type Batch struct {
	Packets []Packet
	Quotes  []Quote
	Until   int64 // as capture.Batch.Until
}
