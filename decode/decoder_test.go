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

// story is a frame and what it says; of want only the fields named are
// compared, see sees.
type story struct {
	name  string
	frame []byte
	link  uint16 // 0 is Ethernet here
	cut   int    // bytes captured; 0 all
	want  decode.Packet
}

const (
	flow4Client = 50110
	flowServer  = 80
)

func tcp4() decode.Tuple { return tuple(client4, server4, flow4Client, flowServer, decode.TCP) }
func tcp6() decode.Tuple { return tuple(client6, server6, flow4Client, flowServer, decode.TCP) }

func synPacket(t decode.Tuple) decode.Packet {
	return decode.Packet{
		Kind: decode.Segment, Tuple: t, Seq: 1000, Flags: decode.SYN, Window: 64240,
		MSS: 1460, TSVal: 0x010203,
	}
}

func addressesOnly(t decode.Tuple) decode.Packet {
	t.SrcPort, t.DstPort = 0, 0
	return decode.Packet{Kind: decode.Tail, Tuple: t, Truncated: true}
}

// with changes a packet in a table row.
func with(p decode.Packet, change func(*decode.Packet)) decode.Packet {
	change(&p)
	return p
}

func vlan(id uint16, next layers.EthernetType) *layers.Dot1Q {
	return &layers.Dot1Q{VLANIdentifier: id, Type: next}
}

func stories(t testing.TB) []story {
	ip4Syn := serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())
	ip6Syn := serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), syn())
	withOptions := ipv4(layers.IPProtocolTCP)
	withOptions.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
	zeroLength := serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), data(), gopacket.Payload(make([]byte, 9000)))
	binary.BigEndian.PutUint16(zeroLength[16:], 0)
	zeroLength6 := serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), data(), gopacket.Payload(make([]byte, 9000)))
	binary.BigEndian.PutUint16(zeroLength6[18:], 0)
	timeFirst := syn()
	timeFirst.Options = append(slices.Clone(dataOptions), synOptions[0])
	mssLater := data()
	mssLater.Options = synOptions
	return []story{
		{name: "a SYN tells its options", frame: ip4Syn, want: synPacket(tcp4())},
		{name: "a SYN inside a VLAN keeps its ports", want: synPacket(tcp4()),
			frame: serialise(t, ether(layers.EthernetTypeDot1Q), vlan(7, layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())},
		{name: "a SYN inside a VLAN inside a VLAN keeps its ports", want: synPacket(tcp4()),
			frame: serialise(t, ether(layers.EthernetTypeQinQ), vlan(7, layers.EthernetTypeDot1Q), vlan(8, layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())},
		{name: "a SYN behind IP options keeps its ports", want: synPacket(tcp4()),
			frame: serialise(t, ether(layers.EthernetTypeIPv4), withOptions, syn())},
		{name: "an IPv6 SYN tells its options", frame: ip6Syn, want: synPacket(tcp6())},
		{name: "a SYN behind extension headers keeps its ports", want: synPacket(tcp6()),
			frame: behindExtensions(t, ip6Syn)},
		{name: "a segment of data counts its payload and not the frame's padding",
			frame: padded(serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), &layers.TCP{SrcPort: 50110, DstPort: 80, Seq: 5, ACK: true}, gopacket.Payload("x")), 14+20+20+1),
			want:  decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Seq: 5, Flags: decode.ACK, Payload: 1}},
		{name: "a timestamp at the usual place is read from data too",
			frame: serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), data()),
			want:  decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Seq: 1001, Ack: 2001, Flags: decode.ACK | decode.PSH, Window: 502, TSVal: 0x010204}},
		{name: "a TSO packet without a length is as long as its frame", frame: zeroLength,
			want: decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Seq: 1001, Ack: 2001, Flags: decode.ACK | decode.PSH, Window: 502, TSVal: 0x010204, Payload: 9000}},
		{name: "an IPv6 one too", frame: zeroLength6,
			want: decode.Packet{Kind: decode.Segment, Tuple: tcp6(), Seq: 1001, Ack: 2001, Flags: decode.ACK | decode.PSH, Window: 502, TSVal: 0x010204, Payload: 9000}},
		{name: "a SYN with its timestamp first tells its MSS",
			frame: serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), timeFirst),
			want:  with(synPacket(tcp4()), func(p *decode.Packet) { p.TSVal = 0x010204 })},
		{name: "an MSS option means nothing without a SYN",
			frame: serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), mssLater),
			want:  decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Seq: 1001, Ack: 2001, Flags: decode.ACK | decode.PSH, Window: 502, TSVal: 0x010203}},
		{name: "a datagram too short for its header takes nothing from the padding",
			frame: padded(serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), gopacket.Payload(serialise(t, syn())[:4])), 14+20+4),
			want:  decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Truncated: true}},
		{name: "a snapped packet counts the payload that was on the wire", cut: 96,
			frame: serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), udp(), gopacket.Payload(make([]byte, 1000))),
			want:  decode.Packet{Kind: decode.Datagram, Tuple: tuple(client4, server4, 50110, 5300, decode.UDP), Payload: 1000}},

		{name: "a cut within the TCP options keeps the header", frame: ip4Syn, cut: 14 + 20 + 24,
			want: with(synPacket(tcp4()), func(p *decode.Packet) { p.Truncated = true; p.TSVal = 0 })},
		{name: "a cut behind the TCP flags keeps them", frame: ip4Syn, cut: 14 + 20 + 14,
			want: decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Seq: 1000, Flags: decode.SYN, Truncated: true}},
		{name: "a cut behind the ports still tells who", frame: ip4Syn, cut: 14 + 20 + 4,
			want: decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Truncated: true}},
		{name: "a cut at the TCP header still tells the addresses", frame: ip4Syn, cut: 14 + 20,
			want: addressesOnly(tcp4())},
		{name: "a cut at the IPv6 extension headers still tells the addresses", frame: behindExtensions(t, ip6Syn), cut: 14 + 40 + 12,
			want: with(addressesOnly(tcp6()), func(p *decode.Packet) { p.Proto = 0 })},
		{name: "a cut within the IP header tells nothing", frame: ip4Syn, cut: 30,
			want: decode.Packet{Truncated: true}},
		{name: "a cut within the Ethernet header tells nothing", frame: ip4Syn, cut: 13,
			want: decode.Packet{Truncated: true}},
		{name: "a cut within a VLAN tag tells nothing", cut: 16, want: decode.Packet{Truncated: true},
			frame: serialise(t, ether(layers.EthernetTypeDot1Q), vlan(7, layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())},
		{name: "a TCP header that claims to be shorter than it can be is not whole",
			frame: changed(ip4Syn, 14+20+12, 0x40),
			want:  with(synPacket(tcp4()), func(p *decode.Packet) { p.Truncated = true; p.MSS, p.TSVal = 0, 0 })},
		{name: "an IP header that claims version 5 is nothing", frame: changed(ip4Syn, 14, 0x55)},
		{name: "an IP header that claims four words is nothing", frame: changed(ip4Syn, 14, 0x44)},
		{name: "a frame of another protocol is nothing", frame: serialise(t, ether(layers.EthernetTypeLinkLayerDiscovery), gopacket.Payload("lldp"))},
		{name: "a spanning tree's frame is nothing",
			frame: serialise(t, ether(layers.EthernetTypeLLC), &layers.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}, gopacket.Payload(make([]byte, 35)))},
		{name: "an unknown link type is nothing", frame: ip4Syn, link: 147},

		{name: "a ping names its identifier at both ends",
			frame: serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 3}, gopacket.Payload("ping")),
			want:  decode.Packet{Kind: decode.EchoRequest, Tuple: tuple(client4, server4, 77, 77, decode.ICMP), Seq: 3, Type: 8, Payload: 4}},
		{name: "an IPv6 ping's answer names its identifier at both ends",
			frame: serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolICMPv6), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(129, 0)}, &layers.ICMPv6Echo{Identifier: 77, SeqNumber: 3}),
			want:  decode.Packet{Kind: decode.EchoReply, Tuple: tuple(client6, server6, 77, 77, decode.ICMPv6), Seq: 3, Type: 129}},
		{name: "ICMP means nothing in IPv6",
			frame: serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77}),
			want:  decode.Packet{Tuple: tuple(client6, server6, 0, 0, decode.ICMP), Type: 8}},
		{name: "an ICMP redirect is not an error",
			frame: serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(5, 1)}, gopacket.Payload(ip4Syn[14:42])),
			want:  decode.Packet{Tuple: tuple(client4, server4, 0, 0, decode.ICMP), Type: 5, Code: 1, Payload: 28}},
		{name: "an INIT tells its tag", frame: sctpInit(t),
			want: decode.Packet{Kind: decode.Chunk, Tuple: tuple(client4, server4, 50110, 3868, decode.SCTP), Type: 1, Seq: 0xcafe0001, Payload: 20}},

		{name: "a raw IPv4 packet needs no frame", frame: ip4Syn[14:], link: 101, want: synPacket(tcp4())},
		{name: "a raw IPv6 packet needs no frame", frame: ip6Syn[14:], link: 229, want: synPacket(tcp6())},
		{name: "a loopback packet of a little-endian BSD", frame: slices.Concat([]byte{30, 0, 0, 0}, ip6Syn[14:]), link: 108, want: synPacket(tcp6())},
		{name: "a loopback packet of a big-endian BSD", frame: slices.Concat([]byte{0, 0, 0, 2}, ip4Syn[14:]), link: 108, want: synPacket(tcp4())},
		{name: "a cooked packet tells that it was sent", link: 113,
			frame: slices.Concat([]byte{0, 4, 0, 1, 0, 6}, clientMAC[:], []byte{0, 0, 8, 0}, ip4Syn[14:]),
			want:  with(synPacket(tcp4()), func(p *decode.Packet) { p.Dir = capture.DirOut })},
		{name: "a cooked v2 packet tells its interface", link: 276,
			frame: slices.Concat([]byte{0x86, 0xdd, 0, 0, 0, 0, 0, 42, 0, 1, 0, 6}, clientMAC[:], []byte{0, 0}, ip6Syn[14:]),
			want:  with(synPacket(tcp6()), func(p *decode.Packet) { p.Dir = capture.DirIn })},
	}
}

// behindExtensions puts a hop-by-hop, a destination and an authentication
// header between the IPv6 header and what follows it in frame.
func behindExtensions(t testing.TB, frame []byte) []byte {
	t.Helper()
	chain := []byte{
		60, 0, 1, 4, 0, 0, 0, 0, // hop-by-hop, next destination options
		51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // next authentication
		6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, // next TCP
	}
	out := slices.Concat(frame[:54], chain, frame[54:])
	out[20] = 0 // next header
	binary.BigEndian.PutUint16(out[18:], uint16(len(out)-54))
	return out
}

func changed(frame []byte, at int, to byte) []byte {
	out := slices.Clone(frame)
	out[at] = to
	return out
}

func sctpInit(t testing.TB) []byte {
	return serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolSCTP),
		&layers.SCTP{SrcPort: 50110, DstPort: 3868},
		&layers.SCTPInit{SCTPChunk: layers.SCTPChunk{Type: layers.SCTPChunkTypeInit, Length: 20}, InitiateTag: 0xcafe0001, OutboundStreams: 1, InboundStreams: 1})
}

func everyFrame(t testing.TB) [][]byte {
	var frames [][]byte
	for _, s := range stories(t) {
		frames = append(frames, s.frame)
	}
	for _, q := range quotes(t) {
		frames = append(frames, q.frame)
	}
	return append(frames, arpFrame(t, 1), ndFrame(t, layers.ICMPv6TypeNeighborSolicitation))
}

func TestEveryFrameIsAPacket(t *testing.T) {
	for _, s := range stories(t) {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}

// check decodes the frame of a story.
func (s story) check(t *testing.T) {
	t.Helper()
	src := batchOf(s.frame)
	if s.cut > 0 {
		src.Packets[0].Len = uint32(s.cut)
	}
	d, out := decode.NewDecoder(), decode.Batch{}
	if s.link != 0 {
		d.Point(capture.Point{ID: 0, Link: s.link})
	}
	d.Packets(src, &out)
	if diff := cmp.Diff(s.want, essence(out.Packets[0])); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// essence drops what all frames of these tests have in common. Of a frame that
// is nothing, the addresses do not count.
func essence(p decode.Packet) decode.Packet {
	p.Time, p.Frame, p.TTL, p.IPID = 0, 0, 0, 0
	p.SrcMAC, p.DstMAC = [6]byte{}, [6]byte{}
	withoutDigest(&p)
	return p
}

func TestACookedPacketTellsWhetherItWasForMoreThanOne(t *testing.T) {
	for packetType, many := range []bool{false, true, true, false, false} { // linux/if_packet.h
		d, out := decode.NewDecoder(), decode.Batch{}
		d.Point(capture.Point{ID: 0, Link: 113})
		d.Packets(batchOf(slices.Concat([]byte{0, byte(packetType), 0, 1, 0, 6, 0, 1, 2, 3, 4, 5, 0, 0, 8, 0}, make([]byte, 20))), &out)
		if got := out.Packets[0].DstMAC[0]&1 != 0; got != many {
			t.Errorf("packet type %d: to more than one: %v", packetType, got)
		}
	}
}

func TestTheCaptureKnowsTheDirectionBest(t *testing.T) {
	rows := []struct {
		captured   capture.Direction
		packetType byte
		want       capture.Direction
	}{
		{capture.DirUnknown, 0, capture.DirIn},      // to this host
		{capture.DirUnknown, 3, capture.DirIn},      // to another one
		{capture.DirUnknown, 4, capture.DirOut},     // sent
		{capture.DirUnknown, 5, capture.DirUnknown}, // looped back
		{capture.DirIn, 4, capture.DirIn},
		{capture.DirOut, 0, capture.DirOut},
	}
	for _, r := range rows {
		src := batchOf([]byte{0, r.packetType, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x88, 0xcc})
		src.Packets[0].Dir = r.captured
		d, out := decode.NewDecoder(), decode.Batch{}
		d.Point(capture.Point{Link: 113})
		d.Packets(src, &out)
		if got := out.Packets[0].Dir; got != r.want {
			t.Errorf("captured as %d with packet type %d: direction %d, want %d", r.captured, r.packetType, got, r.want)
		}
	}
}

func TestCommonFields(t *testing.T) {
	p, _ := decodeOne(t, serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn()))
	got := decode.Packet{Time: p.Time, Frame: p.Frame, TTL: p.TTL, IPID: p.IPID, SrcMAC: p.SrcMAC, DstMAC: p.DstMAC}
	want := decode.Packet{Time: 1, Frame: 1, TTL: 63, IPID: 4711, SrcMAC: clientMAC, DstMAC: serverMAC}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestABatchKeepsWhatCaptureSaid(t *testing.T) {
	src := batchOf(make([]byte, 10), nil, make([]byte, 20))
	src.First, src.Until = 501, 99
	src.Packets[1] = capture.Packet{Time: 7, Off: 1 << 31, Len: 1 << 31, Point: 9, Dir: capture.DirOut} // outside the arena
	out := decode.Batch{Packets: make([]decode.Packet, 1), Quotes: make([]decode.Quote, 5)}
	decode.NewDecoder().Packets(src, &out)
	want := decode.Batch{Until: 99, Quotes: []decode.Quote{}, Packets: []decode.Packet{
		{Time: 1, Frame: 501, Truncated: true},
		{Time: 7, Frame: 502, Truncated: true, Point: 9, Dir: capture.DirOut},
		{Time: 3, Frame: 503},
	}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestAUsedBatchLeavesNothingBehind(t *testing.T) {
	var out decode.Batch
	d := decode.NewDecoder()
	d.Packets(batchOf(serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())), &out)
	d.Packets(batchOf(make([]byte, 14)), &out)
	if diff := cmp.Diff([]decode.Packet{{Time: 1, Frame: 1}}, out.Packets); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	src, d, out := batchOf(everyFrame(t)...), decode.NewDecoder(), &decode.Batch{}
	d.Packets(src, out)
	if n := testing.AllocsPerRun(100, func() { d.Packets(src, out) }); n != 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}
