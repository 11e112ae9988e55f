package redact

import "encoding/binary"

// sum is a one's complement sum in progress (RFC 1071).
type sum uint64

// add sums b as 16-bit numbers, a last odd byte as the upper half of one.
func (s sum) add(b []byte) sum {
	for len(b) >= 2 {
		s += sum(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += sum(b[0]) << 8
	}
	return s
}

func (s sum) fold() uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// change brings the checksum in field up to date after what it covers went from
// summing up to old to new (RFC 1624, eqn. 3): right stays right, wrong wrong.
func change(field []byte, old, new sum) {
	if len(field) < 2 || old.fold() == new.fold() {
		return
	}
	was := binary.BigEndian.Uint16(field)
	now := ^(sum(^was) + sum(^old.fold()) + sum(new.fold())).fold()
	binary.BigEndian.PutUint16(field, now)
}

// pseudo is the sum of the addresses that a checksum covers beside its own
// packet, and what else of the pseudo-header a partial one holds (RFC 9293 §3.1,
// RFC 8200 §8.1).
type pseudo struct {
	old, new sum // of the addresses, before and after
	rest     sum // protocol and length
}

// transport brings a transport header's checksum up to date: full, or partial,
// as the kernel leaves it to the network card (CHECKSUM_PARTIAL: the sum of the
// pseudo-header alone). Old and new are what the segment sums up to without the
// field.
func (p pseudo) transport(field []byte, old, new sum) {
	if len(field) < 2 {
		return
	}
	if was := binary.BigEndian.Uint16(field); was == (p.old + p.rest).fold() {
		binary.BigEndian.PutUint16(field, (p.new + p.rest).fold())
		return
	}
	change(field, p.old+old, p.new+new)
}
