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

// attribute is one of netfilter's logger, filled up to a multiple of four.
func attribute(order binary.AppendByteOrder, kind uint16, value []byte) []byte {
	b := order.AppendUint16(nil, uint16(4+len(value)))
	b = append(order.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// logged is a frame of NFLOG: with the hook, the interface it came in by, the
// sender's address, a prefix and a time, as the kernel orders them.
func logged(order binary.AppendByteOrder, hook byte, packet []byte) []byte {
	return slices.Concat([]byte{2, 0, 0, 5},
		attribute(order, 1, []byte{0x08, 0x00, hook, 0}),
		attribute(order, 10, []byte("dropped: \x00")),
		attribute(order, 4, []byte{0, 0, 0, 2}),
		attribute(order, 8, slices.Concat([]byte{0, 6, 0, 0}, clientMAC[:], []byte{0, 0})),
		attribute(order, 3, make([]byte, 16)),
		attribute(order, 9, packet))
}

func headed(size int, etherType uint16, packet []byte) []byte {
	b := make([]byte, size, size+len(packet))
	binary.BigEndian.PutUint16(b[size-2:], etherType)
	return append(b, packet...)
}

// otherLinks are frames of link types with headers of their own.
func otherLinks(t testing.TB) []story {
	ip4 := serialise(t, ipv4(layers.IPProtocolTCP), syn())
	ip6 := serialise(t, ipv6(layers.IPProtocolTCP), syn())
	fromClient := func(dir capture.Direction) decode.Packet {
		p := synPacket(tcp4())
		p.Dir = dir
		return p
	}
	incoming := synPacket(tcp4())
	incoming.Dir = capture.DirIn
	bare := slices.Concat([]byte{2, 0, 0, 5}, attribute(binary.LittleEndian, 9, ip4))
	pktap := make([]byte, 108)
	binary.LittleEndian.PutUint32(pktap, 108)
	binary.LittleEndian.PutUint32(pktap[8:], 12)
	pktap[36] = 1
	geneve := func(options int) []byte {
		inner := serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())
		header := append([]byte{byte(options), 0, 0x65, 0x58, 0, 0, 7, 0}, make([]byte, 4*options)...)
		return serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 40000, DstPort: 6081}, gopacket.Payload(append(header, inner...)))
	}
	inside := synPacket(tcp4())
	inside.Tunneled = true
	return []story{
		{name: "a packet that a rule logged", link: 239, frame: bare, want: synPacket(tcp4())},
		{name: "one of IPv6", link: 239, frame: slices.Concat([]byte{10, 0, 0, 5}, attribute(binary.LittleEndian, 9, ip6)), want: synPacket(tcp6())},
		{name: "one with all that the kernel tells", link: 239, frame: logged(binary.LittleEndian, 0, ip4), want: fromClient(capture.DirIn)},
		{name: "one on its way out, from a big-endian machine", link: 239, frame: logged(binary.BigEndian, 4, ip4), want: fromClient(capture.DirOut)},
		{name: "one that is forwarded has no direction", link: 239, frame: logged(binary.LittleEndian, 2, ip4), want: fromClient(capture.DirUnknown)},
		{name: "one of a bridge", link: 239, want: synPacket(tcp4()),
			frame: slices.Concat([]byte{7, 0, 0, 5}, attribute(binary.LittleEndian, 1, []byte{0x08, 0x00, 2, 0}), attribute(binary.LittleEndian, 9, ip4))},
		{name: "one cut before the packet", link: 239, frame: bare, cut: 6, want: decode.Packet{Truncated: true}},
		{name: "one whose attributes have no length", link: 239, frame: append([]byte{2, 0, 0, 5}, make([]byte, 40)...)},
		{name: "IP over InfiniBand", link: 242, frame: slices.Concat([]byte{0x08, 0x00, 0, 0}, ip4), want: synPacket(tcp4())},
		{name: "IP over InfiniBand with a pseudo header", link: 242, frame: slices.Concat(make([]byte, 40), []byte{0x86, 0xdd, 0, 0}, ip6), want: synPacket(tcp6())},
		{name: "Cisco's HDLC", link: 104, frame: headed(4, 0x0800, ip4), want: synPacket(tcp4())},
		{name: "a frame with information about itself", link: 192, want: synPacket(tcp4()),
			frame: slices.Concat([]byte{0, 0, 8, 0, 101, 0, 0, 0}, ip4)},
		{name: "a frame of Darwin's pktap", link: 258, frame: slices.Concat(pktap, ip4), want: incoming},
		{name: "a packet inside Geneve", frame: geneve(0), want: inside},
		{name: "a packet inside Geneve, behind options", frame: geneve(2), want: inside},
	}
}

func TestFramesOfOtherLinksAreDecoded(t *testing.T) {
	for _, s := range otherLinks(t) {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}

func TestARuleLogsWhereAPacketCameFrom(t *testing.T) {
	d := decode.NewDecoder()
	d.Point(capture.Point{Link: 239})
	var out decode.Batch
	d.Packets(batchOf(logged(binary.LittleEndian, 0, serialise(t, ipv4(layers.IPProtocolTCP), syn()))), &out)
	if got := out.Packets[0].SrcMAC; got != clientMAC {
		t.Errorf("got % x", got)
	}
}

func TestWhatIsNotDecodedIsCounted(t *testing.T) {
	tcp := serialise(t, ipv4(layers.IPProtocolTCP), syn())
	within := func(etherType layers.EthernetType, b []byte) []byte {
		return serialise(t, ether(etherType), gopacket.Payload(b))
	}
	carried := func(proto layers.IPProtocol) []byte {
		return serialise(t, ether(layers.EthernetTypeIPv4), ipv4(proto), gopacket.Payload(tcp))
	}
	tags := serialise(t, ether(layers.EthernetTypeDot1Q), vlan(1, 0x8100), vlan(2, 0x8100), vlan(3, 0x8100), vlan(4, 0x8100), vlan(5, layers.EthernetTypeIPv4), gopacket.Payload(tcp))
	for _, c := range []struct {
		link  uint16
		frame []byte
		want  string // "" for what carries no requests
	}{
		{1, carried(47), "GRE"},
		{1, carried(4), "IP in IP"},
		{1, carried(41), "IPv6 in IP"},
		{1, carried(50), "ESP, which is encrypted"},
		{1, carried(115), "L2TP"},
		{1, within(0x88e5, tcp), "MACsec"},
		{1, within(0x88e7, tcp), "provider backbone bridging"},
		{1, tags, "more VLAN tags than four"},
		{253, tcp, "link type 253 (NETLINK)"},
		{147, tcp, "link type 147"},
		{192, []byte{0, 0, 8, 0, 192, 0, 0, 0, 1, 2}, "a header within a header"},
		{1, carried(89), ""},         // OSPF
		{1, within(0x88cc, tcp), ""}, // LLDP
		{1, within(0x0800, tcp), ""},
	} {
		d := decode.NewDecoder()
		d.Point(capture.Point{ID: 0, Link: 1})
		d.Point(capture.Point{ID: 1, Link: c.link})
		src := batchOf(c.frame, c.frame)
		for i := range src.Packets {
			src.Packets[i].Point = 1
		}
		d.Packets(src, &decode.Batch{})
		var want []decode.Unread
		if c.want != "" {
			want = []decode.Unread{{Point: 1, What: c.want, Packets: 2}}
		}
		if diff := cmp.Diff(want, d.Unread()); diff != "" {
			t.Errorf("link type %d, % x:\n%s", c.link, c.frame[:min(20, len(c.frame))], diff)
		}
		if again := d.Unread(); again != nil {
			t.Errorf("told twice: %v", again)
		}
	}
}
