package ring

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// span is the values from lo to hi.
type span struct{ lo, hi uint32 }

// spansOf sorts values and joins those that follow each other.
func spansOf(values []uint32) []span {
	spans := make([]span, len(values))
	for i, v := range values {
		spans[i] = span{v, v}
	}
	return united(spans)
}

// united sorts spans and joins those that overlap or follow each other.
func united(spans []span) (out []span) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	for _, s := range spans {
		// No sum: the last address there is has none behind it.
		if n := len(out); n > 0 && (s.lo <= out[n-1].hi || s.lo-1 == out[n-1].hi) {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

// widest is how many spans of a kind are left after widening.
const widest = 16

// joined closes the smallest gaps until few spans are left.
func joined(spans []span) []span {
	for len(spans) > widest {
		i := 1
		for j := 2; j < len(spans); j++ {
			if spans[j].lo-spans[j-1].hi < spans[i].lo-spans[i-1].hi {
				i = j
			}
		}
		spans[i-1].hi = spans[i].hi
		spans = slices.Delete(spans, i, i+1)
	}
	return spans
}

// portSet is ports by protocol, in the order of protocol numbers.
type portSet []protoPorts

type protoPorts struct {
	proto uint8
	spans []span
}

func newPortSet(ports []Port, ranges ...Range) portSet {
	byProto := map[uint8][]span{}
	for _, p := range ports {
		byProto[p.Proto] = append(byProto[p.Proto], span{uint32(p.Port), uint32(p.Port)})
	}
	for _, r := range ranges {
		byProto[r.Proto] = append(byProto[r.Proto], span{uint32(r.First), uint32(max(r.First, r.Last))})
	}
	var set portSet
	for proto, spans := range byProto {
		set = append(set, protoPorts{proto, united(spans)})
	}
	slices.SortFunc(set, func(a, b protoPorts) int { return cmp.Compare(a.proto, b.proto) })
	return set
}

// of is the ports of a protocol.
func (s portSet) of(proto uint8) []span {
	for _, p := range s {
		if p.proto == proto {
			return p.spans
		}
	}
	return nil
}

func (s portSet) widen() {
	for i := range s {
		s[i].spans = joined(s[i].spans)
	}
}

// addrSet is addresses by family; those of IPv6 as prefixes of four words, or
// of two after widening.
type addrSet struct {
	v4 []span
	v6 [][]uint32
}

func newAddrSet(addrs []netip.Addr) addrSet {
	var set addrSet
	var v4 []uint32
	for _, a := range addrs {
		switch a = a.Unmap(); {
		case a.Is4():
			b := a.As4()
			v4 = append(v4, binary.BigEndian.Uint32(b[:]))
		case a.Is6():
			set.v6 = append(set.v6, words(a))
		}
	}
	set.v4 = spansOf(v4)
	set.v6 = distinct(set.v6)
	return set
}

func words(a netip.Addr) []uint32 {
	b := a.As16()
	var w []uint32
	for i := 0; i < 16; i += 4 {
		w = append(w, binary.BigEndian.Uint32(b[i:]))
	}
	return w
}

func distinct(prefixes [][]uint32) [][]uint32 {
	slices.SortFunc(prefixes, slices.Compare)
	return slices.CompactFunc(prefixes, slices.Equal)
}

func (s *addrSet) widen() {
	s.v4 = joined(s.v4)
	for i := range s.v6 {
		s.v6[i] = s.v6[i][:2]
	}
	s.v6 = distinct(s.v6)
}
