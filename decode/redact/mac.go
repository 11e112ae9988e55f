package redact

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// permutation maps numbers of an even number of bits one to one: a Feistel
// network of four rounds, whose function is AES (M. Luby, C. Rackoff, 1988).
type permutation struct {
	block cipher.Block
	half  uint
}

func newPermutation(key []byte, label string, bits uint) permutation {
	block, _ := aes.NewCipher(derive(key, label)) // the size of a hash is right
	return permutation{block, bits / 2}
}

func (p permutation) of(n uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	left, right := n>>p.half&mask, n&mask
	for round := range uint64(6) {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], round)
		binary.BigEndian.PutUint64(b[8:], right)
		p.block.Encrypt(b[:], b[:])
		left, right = right, left^binary.BigEndian.Uint64(b[:8])&mask
	}
	return left<<p.half | right
}

// dockerMAC begins the addresses that engines make of a container's IPv4
// address, which follows.
var dockerMAC = []byte{0x02, 0x42}

// mac maps the 48-bit MAC address in b, in place. The bits for group and local
// addresses stay.
func (r *Redactor) mac(b []byte) {
	if len(b) < 6 {
		return
	}
	b = b[:6]
	switch {
	case bytes.Equal(b, make([]byte, 6)), r.keptMACs[[6]byte(b)]:
	case b[0] == 0x33 && b[1] == 0x33: // IPv6 multicast, the last 32 bits of the group
		if b[2] == 0xff {
			r.group(b[3:])
		}
	case b[0]&1 != 0: // of no one machine
	case bytes.HasPrefix(b, dockerMAC):
		r.ip4(b[2:])
	default:
		r.station(b)
	}
}

// station maps an address that is no engine's to another such.
func (r *Redactor) station(b []byte) {
	bits := b[0] & 3
	for {
		n := uint64(b[0]>>2)<<40 | uint64(b[1])<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
		n = r.macs.of(n)
		b[0], b[1] = byte(n>>40)<<2|bits, byte(n>>32)
		binary.BigEndian.PutUint32(b[2:], uint32(n))
		if !bytes.HasPrefix(b, dockerMAC) && !bytes.Equal(b, make([]byte, 6)) {
			return
		}
	}
}

// group maps the 24 bits of a unicast address that its solicited-node group has
// (RFC 4291 §2.7.1).
func (r *Redactor) group(b []byte) {
	n := r.solic.of(uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2]))
	b[0], b[1], b[2] = byte(n>>16), byte(n>>8), byte(n)
}
