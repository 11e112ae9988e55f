package correlate

import (
	"math/rand/v2"
	"testing"

	"dnatrace/capture"
	"dnatrace/decode"
)

// probes is how many slots a search looks at in the mean, and at most, before it
// is at an entry of an index.
func (x *index) probes() (mean float64, most int) {
	sum := 0
	for i, e := range x.slots {
		if e == 0 {
			continue
		}
		n := 1 + int((uint32(i)-uint32(e>>32))&x.mask)
		sum += n
		most = max(most, n)
	}
	return float64(sum) / float64(max(x.used, 1)), most
}

// What a packet costs does not depend on what its sender chooses: neither equal
// sequence numbers, nor equal ports, nor one client for many servers makes the
// search for a packet's leg, or for the request of a new leg, twice as long as
// random ones do.
func TestNoSenderCanMakeSearchesLong(t *testing.T) {
	const count = 100_000
	rng := rand.New(rand.NewPCG(5, 6))
	client := func(i int) decode.IP {
		return decode.IP{10: 0xff, 11: 0xff, 12: 10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
	}
	host := decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 1}
	choose := map[string]func(i int) decode.Packet{
		"equal sequence numbers": func(i int) decode.Packet {
			return decode.Packet{Seq: 1, IPID: uint16(i), Tuple: decode.Tuple{Src: client(i), SrcPort: uint16(rng.Uint32()), Dst: host, DstPort: 8080}}
		},
		"all alike but for the client's address": func(i int) decode.Packet {
			return decode.Packet{Seq: 1, IPID: 1, TSVal: 1, Tuple: decode.Tuple{Src: client(i), SrcPort: 4000, Dst: host, DstPort: 8080}}
		},
		"all alike but for the client's port": func(i int) decode.Packet {
			return decode.Packet{Seq: 1, IPID: 1, TSVal: 1, Tuple: decode.Tuple{Src: client(i >> 16), SrcPort: uint16(i), Dst: host, DstPort: 8080}}
		},
		"one client's end to many servers": func(i int) decode.Packet {
			return decode.Packet{Seq: 1, IPID: 1, Tuple: decode.Tuple{Src: client(1), SrcPort: 4000, Dst: client(i | 1<<20), DstPort: 8080}}
		},
		"one client's end to many ports": func(i int) decode.Packet {
			return decode.Packet{Seq: rng.Uint32(), IPID: 1, Tuple: decode.Tuple{Src: client(1), SrcPort: 4000, Dst: client(i>>16 | 1<<20), DstPort: uint16(i)}}
		},
		"sequence numbers that count": func(i int) decode.Packet {
			return decode.Packet{Seq: uint32(i), IPID: uint16(i), Tuple: decode.Tuple{Src: client(i), SrcPort: uint16(i), Dst: host, DstPort: 8080}}
		},
	}
	feed := func(next func(i int) decode.Packet) map[string]*index {
		k := New(Config{Keep: 1})
		for i, name := range []string{"eth0", "docker0"} {
			k.Event(&decode.Point{Point: capture.Point{ID: uint16(i), Name: name, Netns: capture.HostNetns, Role: []capture.Role{capture.RoleNIC, capture.RoleBridge}[i]}})
		}
		var b decode.Batch
		for i := range count {
			p := next(i)
			p.Time, p.Frame, p.Kind, p.Flags, p.Proto, p.Dir = 1e18+int64(i)*1000, uint64(i), decode.Segment, decode.SYN, decode.TCP, capture.DirIn
			behind := p
			behind.Time, behind.Point, behind.Dir = p.Time+500, 1, capture.DirOut
			behind.Dst, behind.DstPort = decode.IP{10: 0xff, 11: 0xff, 12: 172, 13: 17, 15: 2}, 80
			b.Packets = append(b.Packets[:0], p, behind)
			k.Packets(&b)
		}
		return map[string]*index{"legs": &k.legs.index, "clients' ends": &k.ends.index, "what packets carry": &k.carried.index}
	}
	random := feed(func(i int) decode.Packet {
		return decode.Packet{Seq: rng.Uint32(), IPID: uint16(rng.Uint32()), TSVal: rng.Uint32(), Tuple: decode.Tuple{Src: client(rng.IntN(1 << 24)), SrcPort: uint16(rng.Uint32()), Dst: host, DstPort: 8080}}
	})
	for name, next := range choose {
		for in, x := range feed(next) {
			usual, _ := random[in].probes()
			mean, most := x.probes()
			t.Logf("%s, %s: %.2f probes in the mean (random: %.2f), %d at most", name, in, mean, usual, most)
			if mean > 2*max(usual, 1.5) || most > 200 {
				t.Errorf("%s: a search among %s takes %.1f probes in the mean and %d at most; random ones %.1f", name, in, mean, most, usual)
			}
		}
	}
}
