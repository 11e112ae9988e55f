package redact

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Protocols (IANA).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoICMPv6   = 58
	protoOptions  = 60
	protoSCTP     = 132
)

// ip rewrites a packet in place, by its version.
func (r *Redactor) ip(b []byte) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		r.ipv4(b)
	case len(b) >= 40 && b[0]>>4 == 6:
		r.ipv6(b)
	default:
		clear(b[min(1, len(b)):])
	}
}

// datagram is what the headers of IP say of what they carry.
type datagram struct {
	pseudo
	proto uint8
	wire  int  // bytes carried, on the wire
	first bool // it begins with a transport header
	more  bool // the checksum covers other fragments too
}

func (r *Redactor) ipv4(b []byte) {
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // TSO
		total = len(b)
	}
	if header < 20 || header > total || header > len(b) {
		r.ip4(b[12:16])
		r.ip4(b[16:20])
		clear(b[20:])
		return
	}
	d := datagram{proto: b[9], wire: total - header}
	part := binary.BigEndian.Uint16(b[6:])
	d.first, d.more = part&0x1fff == 0, part&0x3fff != 0
	old := sum(0).add(b[:header])
	d.old = sum(0).add(b[12:20])
	r.ip4(b[12:16])
	r.ip4(b[16:20])
	d.new = sum(0).add(b[12:20])
	if header > 20 && !blanks(b[20:header]) {
		r.Cleared["options of IP"]++
	}
	blank(b[20:header], 1)
	change(b[10:12], old, sum(0).add(b[:header]))
	d.rest = sum(d.proto) + sum(d.wire)
	end := min(total, len(b))
	clear(b[end:])
	r.carried(d, b[header:end])
}

// blanks reports whether options are those that mean nothing, or none.
func blanks(b []byte) bool {
	for _, c := range b {
		if c > 1 {
			return false
		}
	}
	return true
}

// blank fills options with those that mean nothing.
func blank(b []byte, nop byte) {
	for i := range b {
		b[i] = nop
	}
}

func (r *Redactor) ipv6(b []byte) {
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total == 40 {
		total = len(b)
	}
	d := datagram{proto: b[6], wire: total - 40, first: true}
	d.old = sum(0).add(b[8:40])
	r.ip6(b[8:24])
	r.ip6(b[24:40])
	d.new = sum(0).add(b[8:40])
	end := min(total, len(b))
	clear(b[end:])
	b = b[40:end]
	for range 8 {
		n := r.extension(&d, b)
		if n > len(b) {
			return // cut within the header, which is rewritten
		}
		if n == 0 {
			break
		}
		b = b[n:]
		d.wire -= n
	}
	d.rest = sum(d.proto) + sum(d.wire)
	r.carried(d, b)
}

// extension rewrites one extension header in place and returns its size; 0 if
// there is none.
func (r *Redactor) extension(d *datagram, b []byte) int {
	if len(b) < 8 || !d.first {
		return 0
	}
	size := int(b[1])*8 + 8
	switch d.proto {
	case protoHopByHop, protoOptions:
		r.padOptions(b[2:min(size, len(b))])
	case protoRouting:
		i := 8
		for ; i+16 <= min(size, len(b)); i += 16 {
			r.ip6(b[i : i+16])
		}
		r.gone("options of IP", b[i:min(size, len(b))])
	case protoAH:
		size = int(b[1])*4 + 8
		r.gone("authentication headers", b[min(12, len(b)):min(size, len(b))])
	case protoFragment:
		size = 8
		part := binary.BigEndian.Uint16(b[2:])
		d.first, d.more = part&0xfff8 == 0, d.more || part&0xfff9 != 0
	default:
		return 0
	}
	d.proto = b[0]
	return size
}

// padOptions makes padding of hop-by-hop and destination options (RFC 8200 §4.2).
func (r *Redactor) padOptions(b []byte) {
	r.gone("options of IP", b)
	for len(b) >= 2 {
		n := min(len(b), 257)
		b[0], b[1] = 1, byte(n-2)
		b = b[n:]
	}
}

// carried rewrites the transport header and takes out the payload.
func (r *Redactor) carried(d datagram, b []byte) {
	if !d.first {
		fragment(b)
		return
	}
	switch d.proto {
	case protoTCP:
		r.tcp(d, b)
	case protoUDP:
		r.udp(d, b)
	case protoICMP:
		r.icmp(b)
	case protoICMPv6:
		r.icmp6(d, b)
	case protoSCTP:
		r.sctp(d, b)
	default:
		r.gone("packets of protocols above IP that are not known here", b)
	}
}

// fragment takes the payload out of a later fragment, but for what it adds to
// the checksum that the first one has.
func fragment(b []byte) {
	total := sum(0).add(b).fold()
	clear(b)
	if len(b) >= 2 {
		binary.BigEndian.PutUint16(b, total)
	}
}

// rewriteSegment runs f on the segment and brings the checksum at the offset up
// to date.
func (d datagram) rewriteSegment(b []byte, at int, f func()) {
	old := sum(0).add(b)
	f()
	new := sum(0).add(b)
	if len(b) >= at+2 {
		d.transport(b[at:at+2], old, new)
	}
}

func (r *Redactor) tcp(d datagram, b []byte) {
	header := len(b)
	if len(b) >= 20 {
		header = min(max(int(b[12]>>4)*4, 20), len(b))
	}
	d.rewriteSegment(b, 16, func() {
		if header > 20 {
			r.tcpOptions(b[20:header])
		}
		clear(b[header:])
	})
}

// optionSize is how long an option is, from least to most, its kind and length
// included, in steps.
type optionSize struct{ least, most, step int }

// tcpOptionSizes are of options without addresses, keys or cookies: MSS, window
// scale, SACK and timestamps (IANA).
var tcpOptionSizes = map[byte]optionSize{2: {4, 4, 1}, 3: {3, 3, 1}, 4: {2, 2, 1}, 5: {2, 34, 8}, 8: {10, 10, 1}}

// keeps reports whether an option of a kind may stay that says it has n bytes.
func (s optionSize) keeps(n int) bool {
	return s.most > 0 && n >= s.least && n <= s.most && (n-s.least)%s.step == 0
}

// tcpOptions makes no-operations of all options but a few.
func (r *Redactor) tcpOptions(b []byte) {
	for len(b) > 0 {
		switch {
		case b[0] == 0:
			r.gone("what is behind the options of TCP", b)
			return
		case b[0] == 1:
			b = b[1:]
			continue
		case len(b) < 2 || b[1] < 2 || int(b[1]) > len(b):
			if len(b) >= 2 && !tcpOptionSizes[b[0]].keeps(int(b[1])) || len(b) < 2 && tcpOptionSizes[b[0]].most == 0 {
				r.Cleared["options of TCP"]++
				blank(b, 1)
			}
			return // cut, or nonsense
		}
		n := int(b[1])
		if !tcpOptionSizes[b[0]].keeps(n) {
			r.Cleared["options of TCP"]++
			blank(b[:n], 1)
		}
		b = b[n:]
	}
}

// Ports of VXLAN: IANA's, and the one that Linux had before; and of Geneve.
const (
	vxlanPort  = 4789
	vxlanOld   = 8472
	genevePort = 6081

	etherBridged = 0x6558
)

// tunnelHeader is the size of the header of a tunnel behind that of UDP, in which b
// begins; 0 if there is none that decode would look into.
func (r *Redactor) tunnelHeader(d datagram, b []byte) int {
	const inner = 14
	if r.tunneled || d.more || len(b) < 16+inner {
		return 0
	}
	size := 16
	switch port := binary.BigEndian.Uint16(b[2:]); {
	case port == genevePort && b[8]>>6 == 0 && binary.BigEndian.Uint16(b[10:]) == etherBridged:
		size += int(b[8]&0x3f) * 4
	case (port == vxlanPort || port == vxlanOld) && b[8] == 0x08 && b[9]|b[10]|b[11]|b[15] == 0:
	default:
		return 0
	}
	if len(b) < size+inner {
		return 0
	}
	switch binary.BigEndian.Uint16(b[size+12:]) {
	case etherIPv4, etherIPv6, etherARP, etherVLAN:
		return size
	}
	return 0
}

// telltale clears a datagram's payload but for this: where the first bytes of two
// datagrams were the same, by which requests are followed, they are the same still.
func (r *Redactor) telltale(payload []byte) {
	mac := hmac.New(sha256.New, r.names.key)
	mac.Write([]byte("payload"))
	mac.Write(payload[:min(len(payload), sha256.Size)])
	clear(payload)
	copy(payload, mac.Sum(nil))
}

func (r *Redactor) udp(d datagram, b []byte) {
	if len(b) < 8 {
		return
	}
	unsummed := b[6] == 0 && b[7] == 0
	was := [2]byte{b[6], b[7]}
	d.rewriteSegment(b, 6, func() {
		if size := r.tunnelHeader(d, b); size > 0 {
			r.gone("options of tunnels", b[16:size])
			r.tunneled = true
			r.ethernet(b[size:])
			r.tunneled = false
			return
		}
		r.telltale(b[8:])
	})
	switch {
	case unsummed:
		b[6], b[7] = 0, 0
	case b[6] == 0 && b[7] == 0 && was != [2]byte{}: // RFC 768: zero would say that there is none
		b[6], b[7] = 0xff, 0xff
	}
}

// Sizes of what stays of SCTP chunks that set up an association: header,
// initiate tag, window, streams, first TSN (RFC 9260 §3.3.2).
const (
	sctpHeader = 12
	sctpInit   = 20
)

// sctp keeps the common header and the headers of the chunks; of INIT and INIT
// ACK what is no parameter.
func (r *Redactor) sctp(d datagram, b []byte) {
	right := len(b) >= sctpHeader && len(b) == d.wire && !d.more && bytes.Equal(b[8:12], sctpSum(b))
	for c := b[min(sctpHeader, len(b)):]; len(c) > 0; {
		n := len(c)
		if len(c) >= 4 {
			n = min(max((int(binary.BigEndian.Uint16(c[2:]))+3)&^3, 4), len(c))
		}
		kept := 4
		if c[0] == 1 || c[0] == 2 {
			kept = sctpInit
		}
		clear(c[min(kept, n):n])
		c = c[n:]
	}
	if right {
		copy(b[8:12], sctpSum(b))
	}
}
