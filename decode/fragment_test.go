package decode_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

// pieces4 cuts a UDP datagram into a first fragment and one more.
func pieces4(t testing.TB, id uint16) (first, later []byte) {
	ip := ipv4(layers.IPProtocolUDP)
	ip.Id = id
	whole := serialise(t, ether(layers.EthernetTypeIPv4), ip, udp(), gopacket.Payload(make([]byte, 1000)))
	first, later = slices.Clone(whole[:34+600]), slices.Concat(whole[:34], whole[34+600:])
	binary.BigEndian.PutUint16(first[16:], 20+600)
	binary.BigEndian.PutUint16(first[20:], 0x2000)
	binary.BigEndian.PutUint16(later[16:], 20+408)
	binary.BigEndian.PutUint16(later[20:], 600/8)
	return first, later
}

// pieces6 likewise, with a fragment header.
func pieces6(t testing.TB, id uint32) (first, later []byte) {
	ip := ipv6(layers.IPProtocolIPv6Fragment)
	body := serialise(t, udp(), gopacket.Payload(make([]byte, 1000)))
	piece := func(part uint16, b []byte) []byte {
		header := make([]byte, 8)
		header[0] = byte(layers.IPProtocolUDP)
		binary.BigEndian.PutUint16(header[2:], part)
		binary.BigEndian.PutUint32(header[4:], id)
		return serialise(t, ether(layers.EthernetTypeIPv6), ip, gopacket.Payload(append(header, b...)))
	}
	return piece(1, body[:600]), piece(600, body[600:])
}

// facts is what these tests ask of a fragment.
type facts struct {
	Kind     decode.Kind
	Tuple    decode.Tuple
	Fragment decode.FragmentState
	Payload  uint32
}

func factsOf(ps []decode.Packet) (fs []facts) {
	for _, p := range ps {
		fs = append(fs, facts{p.Kind, p.Tuple, p.Fragment, p.Payload})
	}
	return fs
}

func TestFragments(t *testing.T) {
	first4, later4 := pieces4(t, 1)
	_, other4 := pieces4(t, 2)
	first6, later6 := pieces6(t, 1)
	far4 := changed(changed(later4, 20, 0x10), 21, 0) // 32 KiB into the datagram
	options6 := changed(later6, 14+40, 60)
	flow4 := tuple(client4, server4, 50110, 5300, decode.UDP)
	flow6 := tuple(client6, server6, 50110, 5300, decode.UDP)
	tail4 := facts{decode.Tail, tuple(client4, server4, 0, 0, decode.UDP), decode.LaterFragment, 408}
	start := facts{decode.Datagram, flow4, decode.FirstFragment, 592}
	rows := []struct {
		name  string
		src   *capture.Batch
		apart int64 // ns between two frames
		want  []facts
	}{
		{"a later fragment has the ports of its first", batchOf(first4, later4), 1,
			[]facts{start, {decode.Datagram, flow4, decode.LaterFragment, 408}}},
		{"an IPv6 one too", batchOf(first6, later6), 1,
			[]facts{{decode.Datagram, flow6, decode.FirstFragment, 592}, {decode.Datagram, flow6, decode.LaterFragment, 408}}},
		{"a later fragment that overtook its first is a tail", batchOf(later4, first4), 1, []facts{tail4, start}},
		{"a later fragment of another datagram is a tail", batchOf(first4, other4), 1, []facts{start, tail4}},
		{"a fragment far into its datagram is a later one", batchOf(first4, far4), 1,
			[]facts{start, {decode.Datagram, flow4, decode.LaterFragment, 408}}},
		{"data of a later fragment is not taken for an extension header", batchOf(options6), 1,
			[]facts{{decode.Tail, tuple(client6, server6, 0, 0, 60), decode.LaterFragment, 408}}},
		{"an identification is forgotten after half a minute", batchOf(first4, later4), 30e9, []facts{start, tail4}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for i := range r.src.Packets {
				r.src.Packets[i].Time = 1 + int64(i)*r.apart
			}
			var out decode.Batch
			decode.NewDecoder().Packets(r.src, &out)
			if diff := cmp.Diff(r.want, factsOf(out.Packets)); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestFragmentsOfOnePointDoNotServeAnother(t *testing.T) {
	src := batchOf(pieces4(t, 1))
	src.Packets[1].Point = 1
	var out decode.Batch
	decode.NewDecoder().Packets(src, &out)
	if got := out.Packets[1].Kind; got != decode.Tail {
		t.Errorf("kind %v, want a tail: the first fragment was seen elsewhere", got)
	}
}

func TestAnAtomicFragmentIsWhole(t *testing.T) {
	header := []byte{byte(layers.IPProtocolTCP), 0, 0, 0, 0, 0, 0, 1}
	body := append(header, serialise(t, syn())...)
	p, _ := decodeOne(t, serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolIPv6Fragment), gopacket.Payload(body)))
	if diff := cmp.Diff(synPacket(tcp6()), essence(p)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestAFloodOfFragmentsPushesOutOldOnes(t *testing.T) {
	d, out := decode.NewDecoder(), decode.Batch{}
	known := 0
	for id := range 10_000 {
		src := batchOf(pieces4(t, uint16(id)))
		src.Packets[0].Time, src.Packets[1].Time = int64(2*id+1), int64(2*id+2)
		d.Packets(src, &out)
		if out.Packets[1].Kind == decode.Datagram {
			known++
		}
	}
	if known != 10_000 {
		t.Errorf("%d of 10000 datagrams kept their ports although the first fragment came just before", known)
	}
	src := &capture.Batch{Arena: []byte{}}
	for id := 10_000 - 256; id < 10_000; id++ {
		_, later := pieces4(t, uint16(id))
		src.Packets = append(src.Packets, capture.Packet{Time: 20_001, Off: uint32(len(src.Arena)), Len: uint32(len(later))})
		src.Arena = append(src.Arena, later...)
	}
	d.Packets(src, &out)
	tails := 0
	for _, p := range out.Packets {
		if p.Kind == decode.Tail {
			tails++
		}
	}
	if tails > 25 {
		t.Errorf("%d of the 256 youngest datagrams were pushed out by older ones", tails)
	}
	_, oldest := pieces4(t, 0)
	d.Packets(batchOf(oldest), &out)
	if out.Packets[0].Kind != decode.Tail {
		t.Errorf("the first of 10000 datagrams is still remembered: the table is not bounded")
	}
}
