package tcpdump

import "net/netip"

// numbers turns the sequence numbers that tcpdump prints into those of the packets. It
// prints those of SYNs as they are, and those of a connection's first segment with an
// acknowledgement, and all later ones less these (print-tcp.c), unless -S was given. An
// acknowledgement that carries nothing is printed without its own number: that is what
// follows the last byte which its sender sent.
type numbers struct {
	bases map[connection]base
	next  map[[2]netip.AddrPort]uint32
	plain bool // -S was given
	sure  bool // which of both is known
}

// connection is the two ends, the lower one first.
type connection struct{ a, b netip.AddrPort }

// base is what is taken off the numbers of each end.
type base struct{ a, b uint32 }

func newNumbers() *numbers {
	return &numbers{bases: map[connection]base{}, next: map[[2]netip.AddrPort]uint32{}}
}

// settle replaces the numbers of a segment, in the order in which they were printed.
func (n *numbers) settle(p *packet) {
	if p.proto != protoTCP || p.offset > 0 {
		return
	}
	from, to := netip.AddrPortFrom(p.from, p.sport), netip.AddrPortFrom(p.to, p.dport)
	way := [2]netip.AddrPort{from, to}
	t := &p.tcp
	next, known := n.next[way]
	if t.flags&flagACK != 0 {
		n.relative(p, from, to, next)
	}
	if !t.hasSeq && known {
		t.seq = next
	}
	end := t.seq + uint32(p.payload)
	if t.flags&(flagSYN|flagFIN) != 0 {
		end++
	}
	if t.hasSeq && t.flags&flagRST == 0 && (!known || t.flags&flagSYN != 0 || int32(end-next) > 0) {
		n.next[way] = end
	}
}

func (n *numbers) relative(p *packet, from, to netip.AddrPort, next uint32) {
	t := &p.tcp
	c, turned := connection{from, to}, false
	if to.Compare(from) < 0 {
		c, turned = connection{to, from}, true
	}
	b, known := n.bases[c]
	if !known || t.flags&flagSYN != 0 {
		seq := t.seq
		if !t.hasSeq {
			seq = next
		}
		if b = (base{seq, t.ack - 1}); turned {
			b = base{t.ack - 1, seq}
		}
		n.bases[c] = b
		return
	}
	own, other := b.a, b.b
	if turned {
		own, other = other, own
	}
	if !n.sure { // the first number behind one that was printed as it is
		n.sure, n.plain = true, t.ack != 1 && t.ack-other < 1<<20
	}
	if n.plain {
		return
	}
	t.ack += other
	if t.hasSeq {
		t.seq += own
	}
}
