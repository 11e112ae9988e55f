package decode_test

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

// The frames of these tests are serialised by gopacket, so that it is not this
// package that says what a frame looks like.

var (
	client4 = netip.MustParseAddr("198.51.100.100")
	server4 = netip.MustParseAddr("172.17.0.2")
	client6 = netip.MustParseAddr("2001:db8::100")
	server6 = netip.MustParseAddr("2001:db8::2")

	clientMAC = [6]byte{0x02, 0, 0, 0, 0, 0x64}
	serverMAC = [6]byte{0x02, 0x42, 0xac, 0x11, 0, 2}
)

func ether(next layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: clientMAC[:], DstMAC: serverMAC[:], EthernetType: next}
}

func ipv4(next layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{
		Version: 4, TTL: 63, Id: 4711, Protocol: next, Flags: layers.IPv4DontFragment,
		SrcIP: client4.AsSlice(), DstIP: server4.AsSlice(),
	}
}

func ipv6(next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{
		Version: 6, HopLimit: 63, NextHeader: next,
		SrcIP: client6.AsSlice(), DstIP: server6.AsSlice(),
	}
}

var synOptions = []layers.TCPOption{
	{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{0x05, 0xb4}},
	{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
	{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 1, 2, 3, 0, 0, 0, 0}},
	{OptionType: layers.TCPOptionKindNop},
	{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
}

var dataOptions = []layers.TCPOption{
	{OptionType: layers.TCPOptionKindNop},
	{OptionType: layers.TCPOptionKindNop},
	{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 1, 2, 4, 0, 0, 0, 9}},
}

func syn() *layers.TCP {
	return &layers.TCP{SrcPort: 50110, DstPort: 80, Seq: 1000, SYN: true, Window: 64240, Options: synOptions}
}

func data() *layers.TCP {
	return &layers.TCP{SrcPort: 50110, DstPort: 80, Seq: 1001, Ack: 2001, ACK: true, PSH: true, Window: 502, Options: dataOptions}
}

func udp() *layers.UDP { return &layers.UDP{SrcPort: 50110, DstPort: 5300} }

// serialise writes a frame; lengths are filled in, checksums are not.
func serialise(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
		t.Fatalf("serialise frame: %v", err)
	}
	return append([]byte(nil), buf.Bytes()...)
}

// padded makes a frame as long as the shortest that Ethernet carries, with
// noise behind what it says.
func padded(frame []byte, says int) []byte {
	frame = append(frame, make([]byte, max(0, 60-len(frame)))...)
	for i := says; i < len(frame); i++ {
		frame[i] = 0xee
	}
	return frame
}

// batchOf lays frames out as a source does.
func batchOf(frames ...[]byte) *capture.Batch {
	b := &capture.Batch{First: 1}
	for i, f := range frames {
		b.Packets = append(b.Packets, capture.Packet{
			Time: int64(i + 1), Off: uint32(len(b.Arena)), Len: uint32(len(f)), Orig: uint32(len(f)),
		})
		b.Arena = append(b.Arena, f...)
	}
	return b
}

// decodeOne decodes one whole Ethernet frame.
func decodeOne(t testing.TB, frame []byte) (decode.Packet, []decode.Quote) {
	t.Helper()
	var out decode.Batch
	decode.NewDecoder().Packets(batchOf(frame), &out)
	if len(out.Packets) != 1 {
		t.Fatalf("one frame became %d packets", len(out.Packets))
	}
	return out.Packets[0], out.Quotes
}

func tuple(src, dst netip.Addr, srcPort, dstPort uint16, proto decode.Proto) decode.Tuple {
	return decode.Tuple{Src: decode.IPFrom(src), Dst: decode.IPFrom(dst), SrcPort: srcPort, DstPort: dstPort, Proto: proto}
}
