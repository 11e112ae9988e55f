package decode_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

// Link types of pcap files, beside those of the other tests.
const (
	pppLink      = 9
	hdlcLink     = 50
	pppoeLink    = 51
	atmLink      = 100
	wifiLink     = 105
	radiotapLink = 127
	mplsLink     = 219
)

func session(next layers.PPPType) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{
		&layers.PPPoE{Version: 1, Type: 1, Code: layers.PPPoECodeSession, SessionId: 7}, &layers.PPP{PPPType: next},
	}
}

func label(n uint32, last bool) *layers.MPLS {
	return &layers.MPLS{Label: n, TTL: 64, StackBottom: last}
}

func snap(next layers.EthernetType) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{
		&layers.LLC{DSAP: 0xaa, SSAP: 0xaa, Control: 3}, &layers.SNAP{OrganizationalCode: make([]byte, 3), Type: next},
	}
}

// lengthFrame is an 802.3 frame: a length where Ethernet has a type. gopacket
// fills it in.
func lengthFrame() *layers.Ethernet { return ether(layers.EthernetTypeLLC) }

// dataFrame is the header of an 802.11 frame that carries data to the wired
// side: control, duration, three addresses, sequence.
func dataFrame() []byte {
	return slices.Concat([]byte{0x08, 0x01, 0, 0}, serverMAC[:], clientMAC[:], serverMAC[:], []byte{0, 0})
}

// qosFrame is dataFrame with a QoS field.
func qosFrame() []byte {
	return append(changed(dataFrame(), 0, 0x88), 0, 0)
}

// sent is a packet that its frame says was sent.
func sent(p decode.Packet) decode.Packet {
	p.Dir = capture.DirOut
	return p
}

// prismHeader is one without values: message code, length, name of the device.
func prismHeader() []byte {
	h := make([]byte, 144)
	h[0], h[4] = 0x44, 144
	return h
}

var radiotapHeader = []byte{0, 0, 8, 0, 0, 0, 0, 0}

// rareStories are frames in which link layers that gopacket knows come before
// the IP packet.
func rareStories(t testing.TB) []story {
	ip4 := []gopacket.SerializableLayer{ipv4(layers.IPProtocolTCP), syn()}
	ip6 := []gopacket.SerializableLayer{ipv6(layers.IPProtocolTCP), syn()}
	frame := func(ls ...[]gopacket.SerializableLayer) []byte { return serialise(t, slices.Concat(ls...)...) }
	eth := func(l ...gopacket.SerializableLayer) []gopacket.SerializableLayer { return l }
	snapped := frame(snap(layers.EthernetTypeIPv4), ip4)
	pppoe := frame(eth(ether(layers.EthernetTypePPPoESession)), session(layers.PPPTypeIPv4), ip4)
	discovery := changed(pppoe, 15, 0x09)
	endless := slices.Concat(frame(eth(ether(layers.EthernetTypeMPLSUnicast))), make([]byte, 2000))
	return []story{
		{name: "a SYN in a PPPoE session keeps its ports", frame: pppoe, want: synPacket(tcp4())},
		{name: "an IPv6 SYN in a PPPoE session too", want: synPacket(tcp6()),
			frame: frame(eth(ether(layers.EthernetTypePPPoESession)), session(layers.PPPTypeIPv6), ip6)},
		{name: "a PPPoE session in a VLAN keeps its ports", want: synPacket(tcp4()),
			frame: frame(eth(ether(layers.EthernetTypeDot1Q), vlan(7, layers.EthernetTypePPPoESession)), session(layers.PPPTypeIPv4), ip4)},
		{name: "the discovery of PPPoE carries nothing", frame: discovery},
		{name: "a PPPoE frame cut by the capture keeps its ports", want: synPacket(tcp4()),
			frame: append(pppoe, make([]byte, 1000)...), cut: len(pppoe)},
		{name: "a PPPoE frame cut behind the ports still tells who", cut: 14 + 8 + 20 + 4, frame: pppoe,
			want: decode.Packet{Kind: decode.Segment, Tuple: tcp4(), Truncated: true}},
		{name: "a PPPoE frame cut within the IP header tells nothing", cut: 14 + 8 + 10, frame: pppoe, want: decode.Packet{Truncated: true}},
		{name: "a PPPoE frame cut within its own header tells nothing", cut: 14 + 3, frame: pppoe, want: decode.Packet{Truncated: true}},
		{name: "a SYN with an MPLS label keeps its ports", want: synPacket(tcp4()),
			frame: frame(eth(ether(layers.EthernetTypeMPLSUnicast), label(16, true)), ip4)},
		{name: "a SYN under three labels keeps its ports", want: synPacket(tcp6()),
			frame: frame(eth(ether(layers.EthernetTypeMPLSUnicast), label(16, false), label(17, false), label(18, true)), ip6)},
		{name: "labels without an end are given up", frame: endless},
		{name: "a SYN in an 802.3 frame with SNAP keeps its ports", want: synPacket(tcp4()),
			frame: frame(eth(lengthFrame()), snap(layers.EthernetTypeIPv4), ip4)},
		{name: "a VLAN inside SNAP keeps its ports", want: synPacket(tcp4()),
			frame: frame(eth(lengthFrame()), snap(layers.EthernetTypeDot1Q), eth(vlan(7, layers.EthernetTypeIPv4)), ip4)},
		{name: "a SNAP frame cut within LLC tells nothing", cut: 15, want: decode.Packet{Truncated: true},
			frame: frame(eth(lengthFrame()), snap(layers.EthernetTypeIPv4), ip4)},
		{name: "a tunnel is a packet of its own and not opened",
			want:  decode.Packet{Tuple: tuple(client4, server4, 0, 0, 47)},
			frame: frame(eth(ether(layers.EthernetTypeMPLSUnicast), label(16, true), ipv4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv4}), ip4)},

		{name: "a PPP link", link: pppLink, frame: frame(eth(&layers.PPP{PPPType: layers.PPPTypeIPv4}), ip4), want: synPacket(tcp4())},
		{name: "a PPP link in HDLC-like framing", link: hdlcLink, want: synPacket(tcp6()),
			frame: frame(eth(&layers.PPP{PPPType: layers.PPPTypeIPv6, HasPPTPHeader: true}), ip6)},
		{name: "a PPPoE link", link: pppoeLink, frame: pppoe[14:], want: synPacket(tcp4())},
		{name: "LLC on ATM", link: atmLink, frame: snapped, want: synPacket(tcp4())},
		{name: "an MPLS link", link: mplsLink, frame: frame(eth(label(16, true)), ip4), want: synPacket(tcp4())},
		{name: "a frame from the air", link: wifiLink, frame: slices.Concat(dataFrame(), snapped), want: synPacket(tcp4())},
		{name: "a frame from the air with QoS and a check sequence", link: wifiLink, want: synPacket(tcp4()),
			frame: slices.Concat(qosFrame(), snapped, []byte{1, 2, 3, 4})},
		{name: "a frame from the air with a header about its reception", link: radiotapLink, want: synPacket(tcp4()),
			frame: slices.Concat(radiotapHeader, dataFrame(), snapped)},
		{name: "an encrypted frame from the air is nothing", link: wifiLink,
			frame: slices.Concat(changed(dataFrame(), 1, 0x41), snapped)},
		{name: "a frame cut within the header about its reception tells nothing", link: radiotapLink, cut: 6, want: decode.Packet{Truncated: true},
			frame: slices.Concat(radiotapHeader, dataFrame(), snapped)},
		{name: "FDDI", link: 10, frame: slices.Concat([]byte{0x50}, serverMAC[:], clientMAC[:], snapped), want: synPacket(tcp4())},
		{name: "a frame from the air with Prism's header", link: 119, want: synPacket(tcp4()), frame: slices.Concat(prismHeader(), dataFrame(), snapped)},
		{name: "a frame from the air with the header of AVS", link: 163, want: synPacket(tcp4()),
			frame: slices.Concat([]byte{0x80, 0x21, 0x10, 0x01, 0, 0, 0, 64}, make([]byte, 56), dataFrame(), snapped)},
		{name: "a packet that OpenBSD's filter logged", link: 117, want: synPacket(tcp4()), frame: slices.Concat([]byte{61}, make([]byte, 63), frame(ip4))},
		{name: "a packet out of IPsec on OpenBSD", link: 109, want: synPacket(tcp6()), frame: slices.Concat(make([]byte, 12), frame(ip6))},
		{name: "a packet sent over a serial line", link: 8, want: sent(synPacket(tcp4())), frame: slices.Concat([]byte{1}, make([]byte, 15), frame(ip4))},
		{name: "IP over Fibre Channel", link: 138, want: synPacket(tcp4()), frame: slices.Concat(make([]byte, 16), snapped)},
		{name: "a packet that pppd sent", link: 166, want: sent(synPacket(tcp4())), frame: slices.Concat([]byte{1, 3, 0, 0x21}, frame(ip4))},
		{name: "PPP with its direction in front", link: 204, want: sent(synPacket(tcp4())), frame: slices.Concat([]byte{1, 0xff, 3, 0, 0x21}, frame(ip4))},
		{name: "Ethernet with its preamble", link: 274, want: synPacket(tcp4()), frame: slices.Concat(make([]byte, 8), frame(eth(ether(layers.EthernetTypeIPv4)), ip4))},
		{name: "a header longer than the frame tells nothing", link: 163, want: decode.Packet{Truncated: true}, frame: []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1}},
		{name: "a PPP frame that ends at its type tells nothing", link: pppLink, frame: []byte{0x21}, want: decode.Packet{Truncated: true}},
	}
}

func TestWhatIsRareIsFoundBehindItsLinkLayers(t *testing.T) {
	for _, s := range rareStories(t) {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}

func TestLookingForWhatIsRareLeavesTheBatchAlone(t *testing.T) {
	for _, s := range rareStories(t) {
		src := batchOf(s.frame, []byte("the next frame of the batch"))
		d := decode.NewDecoder()
		d.Point(capture.Point{Link: max(s.link, 1)})
		before := slices.Clone(src.Arena)
		d.Packets(src, &decode.Batch{})
		if !bytes.Equal(before, src.Arena) {
			t.Errorf("%s: the bytes of the batch have changed", s.name)
		}
	}
}

// A frame that hides its IP header deep must cost no more than one that has
// none.
func TestLookingForWhatIsRareIsBounded(t *testing.T) {
	stack := func(size int) []byte {
		return slices.Concat(serialise(t, ether(layers.EthernetTypeMPLSUnicast)), make([]byte, size))
	}
	allocations := func(frame []byte) float64 {
		src, d, out := batchOf(frame), decode.NewDecoder(), &decode.Batch{}
		d.Packets(src, out)
		return testing.AllocsPerRun(20, func() { d.Packets(src, out) })
	}
	if short, long := allocations(stack(1000)), allocations(stack(60000)); long > short {
		t.Errorf("%v allocations for 60,000 bytes of labels, %v for 1,000", long, short)
	}
}
