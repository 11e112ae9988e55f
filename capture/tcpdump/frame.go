package tcpdump

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

var big = binary.BigEndian

// frame is a packet as it goes into the capture: without its link layer, which depends
// on what the others of its interface say.
type frame struct {
	time     int64 // Unix ns
	point    int
	dir      byte
	everyone bool
	cooked   bool
	data     []byte // with the header of Ethernet
	orig     int    // bytes that it had, by its line
	like     string // alike in all packets that are the same; "" for none of interest
}

// frame is the packet, with a header of Ethernet whose addresses are zero where the
// line does not tell them. It ends where what the line says does.
func (l *line) frame() []byte {
	dst := l.dst
	if l.everyone && dst == (mac{}) {
		dst = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	b := append(append([]byte{}, dst[:]...), l.src[:]...)
	switch {
	case l.raw != nil:
		return append(big.AppendUint16(b, etherType(l.raw)), l.raw...)
	case l.packet.arp != nil:
		return append(append(b, 0x08, 0x06), l.packet.arp.bytes()...)
	case l.from.Is4():
		b = append(b, 0x08, 0x00)
	default:
		b = append(b, 0x86, 0xdd)
	}
	return append(b, l.bytes(l.quoted)...)
}

// orig is how many bytes the frame had.
func (l *line) orig() int {
	switch etherType(l.raw) {
	case 0x0800:
		return 14 + max(len(l.raw), int(big.Uint16(l.raw[2:])))
	case 0x86dd:
		return 14 + max(len(l.raw), 40+int(big.Uint16(l.raw[4:])))
	}
	switch {
	case l.packet.arp != nil:
		return 42
	}
	return 14 + l.size()
}

// like tells packets apart, as far as a line does.
func (l *line) like() string {
	if l.packet.arp != nil || l.raw == nil && l.proto != protoTCP {
		return ""
	}
	return fmt.Sprint(l.packet, l.raw)
}

func (a *arpMessage) bytes() []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, a.op}
	b = append(b, a.senderAt[:]...)
	b = append(b, four(a.sender)...)
	b = append(b, a.wanted[:]...)
	return append(b, four(a.target)...)
}

func four(a netip.Addr) []byte {
	if !a.Is4() {
		return make([]byte, 4)
	}
	b := a.As4()
	return b[:]
}

// size is the length of the packet, with the headers that bytes writes.
func (p *packet) size() int {
	header := 20
	if p.from.Is6() {
		header = 40
	}
	if p.offset > 0 {
		return header + p.payload
	}
	switch p.proto {
	case protoTCP:
		header += 20 + len(p.tcp.options)
	default:
		header += 8
	}
	return header + p.payload
}

// bytes are the headers, as far as the line tells them. Quoted is the packet that an
// error complains about; nil if nothing of it is shown.
func (p *packet) bytes(quoted *packet) []byte {
	var b []byte
	if p.from.Is4() {
		b = p.ipv4()
	} else {
		b = p.ipv6()
	}
	if p.offset > 0 {
		return b
	}
	switch p.proto {
	case protoTCP:
		return append(b, p.tcp.bytes(p.sport, p.dport)...)
	case protoUDP:
		b = big.AppendUint16(b, p.sport)
		b = big.AppendUint16(b, p.dport)
		return append(b, byte((8+p.payload)>>8), byte(8+p.payload), 0, 0)
	}
	return append(b, p.icmp.bytes(p, quoted)...)
}

func (p *packet) ipv4() []byte {
	size := p.size()
	if size > 0xffff {
		size = 0 // as the kernel writes it of a segment that is not cut yet
	}
	b := []byte{0x45, 0, byte(size >> 8), byte(size), byte(p.id >> 8), byte(p.id), 0, 0, p.ttl, p.proto, 0, 0}
	bits := p.offset / 8
	if p.dont {
		bits |= 0x4000
	}
	if p.more {
		bits |= 0x2000
	}
	big.PutUint16(b[6:], bits)
	return append(append(b, four(p.from)...), four(p.to)...)
}

func (p *packet) ipv6() []byte {
	size := p.size() - 40
	if size > 0xffff {
		size = 0
	}
	b := []byte{0x60, 0, 0, 0, byte(size >> 8), byte(size), p.proto, p.ttl}
	from, to := p.from.As16(), p.to.As16()
	return append(append(b, from[:]...), to[:]...)
}

func (t *segment) bytes(sport, dport uint16) []byte {
	b := big.AppendUint16(nil, sport)
	b = big.AppendUint16(b, dport)
	b = big.AppendUint32(b, t.seq)
	b = big.AppendUint32(b, t.ack)
	b = append(b, byte(20+len(t.options))<<2, t.flags)
	b = big.AppendUint16(b, t.window)
	return append(append(b, 0, 0, 0, 0), t.options...)
}

func (m *message) bytes(p, quoted *packet) []byte {
	b := []byte{m.kind, m.code, 0, 0}
	switch {
	case m.target.IsValid():
		a := m.target.As16()
		return append(append(b, m.flags, 0, 0, 0), a[:]...)
	case !m.complains:
		b = big.AppendUint16(b, m.id)
		return big.AppendUint16(b, m.seq)
	}
	b = big.AppendUint32(b, m.mtu) // in the low 16 bits of IPv4's
	if quoted != nil {
		return append(b, quoted.head()...)
	}
	return append(b, m.addresses(p)...)
}

// head is what an error quotes at least: the IP header and eight bytes.
func (p *packet) head() []byte {
	b := p.bytes(nil)
	if p.from.Is4() {
		return b[:min(len(b), 28)]
	}
	return b[:min(len(b), 48)]
}

// addresses is the IP header that an error quotes, where the line tells no more than
// where the packet went: it had come from whoever is told.
func (m *message) addresses(p *packet) []byte {
	if !m.about.IsValid() || m.aboutProto == 0 || m.about.Is4() != p.to.Is4() {
		return nil
	}
	q := packet{from: p.to, to: m.about, proto: m.aboutProto}
	if q.from.Is4() {
		return q.ipv4()
	}
	return q.ipv6()
}
