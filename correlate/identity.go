package correlate

import (
	"math/bits"

	"dnatrace/decode"
)

// identities find the requests under way that a packet may belong to, by what
// translation leaves alone: the client's end, or what a packet carries. A sender
// chooses both, so that a chain for each key would be his to lengthen: of one
// key only the youngest few requests are held, and that there were more is
// remembered. Of a crowd nobody is told apart.
type identities struct{ index }

const (
	// mostAlike is how many requests of one key are held.
	mostAlike = 4
	// crowded marks an entry that pushed out another of its key. Numbers of
	// records are smaller.
	crowded = 1 << 31
)

// add enters request record n under hash, and reports which one it pushed out. Of
// two records of that hash, younger tells whether the first was opened later.
func (x *identities) add(hash, n uint32, younger func(a, b uint32) bool) (out uint32, pushed bool) {
	alike, oldest := 0, uint32(0)
	for i := x.first(hash); x.slots[i] != 0; i = (i + 1) & x.mask {
		if uint32(x.slots[i]>>32) != hash {
			continue
		}
		if alike++; alike == 1 || younger(record(x.slots[oldest]), record(x.slots[i])) {
			oldest = i
		}
	}
	if alike < mostAlike {
		x.index.add(hash, n)
		return 0, false
	}
	out = record(x.slots[oldest])
	x.slots[oldest] = uint64(hash)<<32 | crowded | uint64(n+1)
	return out, true
}

// record is the number of the record that an entry holds.
func record(entry uint64) uint32 { return uint32(entry)&^crowded - 1 }

// remove takes record n out from under hash, if it is there.
func (x *identities) remove(hash, n uint32) {
	x.index.remove(hash, n)
	x.index.remove(hash, n|crowded)
}

// find appends the records under hash to found, in no order; crowd reports that
// there were more.
func (x *identities) find(found []uint32, hash uint32) (records []uint32, crowd bool) {
	for i := x.first(hash); x.slots[i] != 0; i = (i + 1) & x.mask {
		if e := x.slots[i]; uint32(e>>32) == hash {
			found = append(found, record(e))
			crowd = crowd || uint32(e)&crowded != 0
		}
	}
	return found, crowd
}

// endHash is the hash of a client's end.
func (t *Tracker) endHash(tuple *decode.Tuple) uint32 {
	return mix(hashEnd(&tuple.Src, tuple.SrcPort, t.legs.seed), uint64(tuple.Proto))
}

// carriedHash is the hash of what a packet carries and keeps, whichever of its
// ends are translated. What could be many a packet's has none: 0.
//
//   - TCP: the initial sequence number, with the time stamp or the IP
//     identification beside it
//   - UDP: the first bytes, with the IP identification, or enough of them
//   - ICMP echo: identifier and number, with the IP identification
//   - SCTP: the initiate tag
func (t *Tracker) carriedHash(p *decode.Packet) uint32 {
	telling := p.IPID != 0
	switch p.Kind {
	case decode.Segment:
		telling = telling || p.TSVal != 0
	case decode.Datagram:
		telling = p.Seq != 0 && (telling || p.Payload >= tellingPayload)
	case decode.Chunk:
		telling = true
	}
	if !telling {
		return 0
	}
	h := t.legs.seed ^ uint64(p.Seq)<<16 ^ uint64(p.IPID)
	return max(mix(h, uint64(p.TSVal)<<32|uint64(p.Proto)), 1)
}

// tellingPayload is how many bytes of payload tell datagrams apart that have no
// identification, as in IPv6.
const tellingPayload = 12

func mix(h, v uint64) uint32 {
	hi, lo := bits.Mul64(h^0xA0761D6478BD642F, 0x9E3779B97F4A7C15^v)
	return uint32(hi>>32) ^ uint32(lo>>32)
}
