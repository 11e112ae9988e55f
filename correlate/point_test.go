package correlate

import (
	"testing"
	"time"

	"dnatrace/decode"
)

func TestOnePacketSeenTwiceAtAPointIsOneSighting(t *testing.T) {
	syn := decode.Packet{Time: 1e9, Seq: 7, IPID: 4711, Tuple: decode.Tuple{SrcPort: 1, DstPort: 2, Proto: decode.TCP}}
	later := func(d time.Duration, change func(*decode.Packet)) decode.Packet {
		p := syn
		p.Time += int64(d)
		if change != nil {
			change(&p)
		}
		return p
	}
	for _, c := range []struct {
		name string
		all  bool
		from uint16 // which file the second is of
		p    decode.Packet
		want bool
	}{
		{"in another file of the point", false, 1, later(8*time.Microsecond, nil), true},
		{"in another file, and too late", false, 1, later(11*time.Microsecond, nil), false},
		{"in the same file it was sent twice", false, 0, later(8*time.Microsecond, nil), false},
		{"at the next interface of a capture of them all", true, 0, later(80*time.Microsecond, nil), true},
		{"there too a later try is another", true, 0, later(time.Second, nil), false},
		{"there too another segment is another", true, 0, later(time.Microsecond, func(p *decode.Packet) { p.Seq++ }), false},
		{"there too another datagram is another", true, 0, later(time.Microsecond, func(p *decode.Packet) { p.IPID++ }), false},
	} {
		pt := point{all: c.all, doubled: true}
		first := syn
		if pt.repeats(&first, 0) {
			t.Errorf("%s: the first is taken for a repetition", c.name)
		}
		if got := pt.repeats(&c.p, c.from); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
