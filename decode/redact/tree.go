package redact

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
)

// tree maps addresses of one family, one to one, so that two share as many
// leading bits afterwards as before (Crypto-PAn: J. Xu et al., "Prefix-Preserving
// IP Address Anonymization", ICNP 2002). Each bit is turned over or not by what
// AES makes of the bits before it; a pin says where it is not.
type tree struct {
	block cipher.Block
	pad   [16]byte
	size  int // bytes of an address
	pins  []pin
	seen  map[[16]byte][16]byte
}

// pin leaves bits of addresses as they are.
type pin struct {
	addr [16]byte
	from int  // first bit of addr's path that is kept
	to   int  // bits of addr, its prefix length
	all  bool // what is below addr/to is kept too
}

// classes are kept apart from all other addresses; those with keep stay as they
// are (RFC 6890; 172.16.0.0/12 is where the engine's bridges are by default).
var classes = []struct {
	prefix string
	keep   bool
}{
	{"0.0.0.0/8", true}, {"127.0.0.0/8", true}, {"169.254.0.0/16", true}, {"172.16.0.0/12", true},
	{"224.0.0.0/4", true}, {"240.0.0.0/4", true},
	{"10.0.0.0/8", false}, {"100.64.0.0/10", false}, {"192.168.0.0/16", false},
	{"::/127", true}, {"::ffff:0:0/96", true}, {"64:ff9b::/96", true}, {"fe80::/10", true}, {"ff00::/8", true},
	{"fc00::/8", false}, {"fd00::/8", false}, {"2000::/3", false},
}

func newTree(key []byte, size int) *tree {
	label := map[int]string{4: "ipv4", 16: "ipv6"}[size]
	block, _ := aes.NewCipher(derive(key, label)) // the size of a hash is right
	t := &tree{block: block, size: size, seen: map[[16]byte][16]byte{}}
	copy(t.pad[:], derive(key, label+" pad"))
	for _, c := range classes {
		t.keep(netip.MustParsePrefix(c.prefix), c.keep)
	}
	return t
}

// derive makes a key for one purpose.
func derive(key []byte, label string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(label))
	return h.Sum(nil)
}

// keep pins a prefix of the tree's family: the addresses outside stay outside
// and, with all, those inside stay what they are.
func (t *tree) keep(p netip.Prefix, all bool) {
	b := p.Addr().AsSlice()
	if len(b) != t.size {
		return
	}
	n := pin{to: p.Bits(), all: all}
	copy(n.addr[:], b)
	t.pins = append(t.pins, n)
}

// span pins the ends of a range within the prefix that they share, so that what
// was inside it is inside, and nothing else.
func (t *tree) span(from, to []byte) {
	if len(from) != t.size || len(to) != t.size {
		return
	}
	for _, end := range [][]byte{from, to} {
		n := pin{from: shared(from, to, 8*t.size), to: 8 * t.size}
		copy(n.addr[:], end)
		t.pins = append(t.pins, n)
	}
}

// seal drops pins that say the same.
func (t *tree) seal() {
	unique := map[pin]bool{}
	kept := t.pins[:0]
	for _, p := range t.pins {
		if !unique[p] {
			unique[p] = true
			kept = append(kept, p)
		}
	}
	t.pins = kept
	clear(t.seen)
}

// shared counts the leading bits that a and b have in common, up to most.
func shared(a, b []byte, most int) int {
	for i := range min(len(a), len(b)) {
		if x := a[i] ^ b[i]; x != 0 {
			n := 8 * i
			for x&0x80 == 0 {
				x <<= 1
				n++
			}
			return min(n, most)
		}
	}
	return most
}

// rewrite maps the address of which b is the beginning, in place. The bits of
// the result depend on no later ones, so that a prefix maps to the prefix.
func (t *tree) rewrite(b []byte) {
	var a [16]byte
	copy(a[:], b[:min(len(b), t.size)])
	if to, ok := t.seen[a]; ok {
		copy(b, to[:t.size])
		return
	}
	to := t.mapped(a)
	if len(t.seen) < 1<<20 {
		t.seen[a] = to
	}
	copy(b, to[:min(len(b), t.size)])
}

func (t *tree) mapped(a [16]byte) [16]byte {
	pinned := t.pinned(&a)
	to := a
	for i := range 8 * t.size {
		if !pinned[i] && t.flip(&a, i) {
			to[i/8] ^= 0x80 >> (i % 8)
		}
	}
	return to
}

// flip is the bit that AES makes of the first i bits of a.
func (t *tree) flip(a *[16]byte, i int) bool {
	in := t.pad
	whole := i / 8
	copy(in[:whole], a[:whole])
	if rest := i % 8; rest > 0 {
		mask := byte(0xff) << (8 - rest)
		in[whole] = a[whole]&mask | in[whole]&^mask
	}
	var out [16]byte
	t.block.Encrypt(out[:], in[:])
	return out[0]&0x80 != 0
}

// pinned tells which bits of a are kept.
func (t *tree) pinned(a *[16]byte) (bits [128]bool) {
	for i := range t.pins {
		p := &t.pins[i]
		common := shared(a[:t.size], p.addr[:t.size], p.to)
		for j := p.from; j <= common && j < p.to; j++ {
			bits[j] = true
		}
		for j := p.to; p.all && common == p.to && j < 8*t.size; j++ {
			bits[j] = true
		}
	}
	t.pinEnds(a, &bits)
	return bits
}

// pinEnds keeps the zeros and, of IPv4, the ones that an address's last part
// begins with: the address of a network and its broadcast address stay ones, and
// small numbers small.
func (t *tree) pinEnds(a *[16]byte, bits *[128]bool) {
	first, ends := 64, []byte{0}
	if t.size == 4 {
		first, ends = 24, []byte{0, 1}
	}
	for _, end := range ends {
		for i := first; i < 8*t.size; i++ {
			bits[i] = true
			if a[i/8]>>(7-i%8)&1 != end {
				break
			}
		}
	}
}

// whole reports whether an address stays what it is by a pin of all.
func (t *tree) whole(a []byte) bool {
	for i := range t.pins {
		p := &t.pins[i]
		if p.all && shared(a, p.addr[:t.size], p.to) == p.to {
			return true
		}
	}
	return false
}

var (
	mapped4   = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}
	nat64     = []byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}
	solicited = []byte{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}
)

// ip4 maps the IPv4 address of which b is the beginning, in place.
func (r *Redactor) ip4(b []byte) { r.v4.rewrite(b) }

// ip6 maps the IPv6 address of which b is the beginning, in place. Those that
// have another address within them have its pseudonym afterwards.
func (r *Redactor) ip6(b []byte) {
	switch {
	case bytes.HasPrefix(b, mapped4), bytes.HasPrefix(b, nat64):
		r.ip4(b[12:])
		return
	case bytes.HasPrefix(b, solicited) && len(b) == 16:
		r.group(b[13:])
		return
	case len(b) == 16 && b[0] == 0xff && b[1]>>4 == 3: // RFC 3306: a prefix is in it
		clear(b[4:12])
		return
	case len(b) == 16 && b[11] == 0xff && b[12] == 0xfe && r.v6.whole(b):
		r.eui64(b[8:])
		return
	}
	r.v6.rewrite(b)
}

// eui64 maps the MAC address in an interface identifier (RFC 4291, appendix A).
func (r *Redactor) eui64(b []byte) {
	mac := []byte{b[0] ^ 2, b[1], b[2], b[5], b[6], b[7]}
	r.mac(mac)
	b[0], b[1], b[2], b[5], b[6], b[7] = mac[0]^2, mac[1], mac[2], mac[3], mac[4], mac[5]
}

func (r *Redactor) addr(a netip.Addr) netip.Addr {
	switch {
	case a.Is4():
		b := a.As4()
		r.ip4(b[:])
		return netip.AddrFrom4(b)
	case a.IsValid():
		b := a.As16()
		r.ip6(b[:])
		return netip.AddrFrom16(b).WithZone(r.names.iface(a.Zone()))
	}
	return a
}

func (r *Redactor) prefix(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return p
	}
	to := netip.PrefixFrom(r.addr(p.Addr()), p.Bits())
	if p == p.Masked() {
		to = to.Masked()
	}
	return to
}
