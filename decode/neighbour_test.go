package decode_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/decode"
)

func arpFrame(t testing.TB, operation uint16) []byte {
	frame := serialise(t, ether(layers.EthernetTypeARP), &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: operation, SourceHwAddress: []byte{2, 0, 0, 0, 0, 1}, SourceProtAddress: client4.AsSlice(),
		DstHwAddress: []byte{2, 0, 0, 0, 0, 2}, DstProtAddress: server4.AsSlice(),
	})
	return padded(frame, 14+28)
}

func TestARPNamesWhoAsksForWhom(t *testing.T) {
	for operation, kind := range map[uint16]decode.Kind{1: decode.ARPRequest, 2: decode.ARPReply, 3: decode.Other} {
		got, _ := decodeOne(t, arpFrame(t, operation))
		want := decode.Packet{Time: 1, Frame: 1, Kind: kind, Type: uint8(operation), SrcMAC: clientMAC, DstMAC: serverMAC}
		if kind != decode.Other {
			want.Tuple = tuple(client4, server4, 0, 0, 0)
			want.SrcMAC, want.DstMAC = [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("operation %d: want (-), got (+):\n%s", operation, diff)
		}
	}
}

func ndFrame(t testing.TB, icmpType uint8) []byte {
	header := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(icmpType, 0)}
	target := net.IP(netip.MustParseAddr("2001:db8::77").AsSlice())
	options := layers.ICMPv6Options{ // in any order
		{Type: layers.ICMPv6OptMTU, Data: make([]byte, 6)},
		{Type: layers.ICMPv6OptSourceAddress, Data: []byte{2, 0, 0, 0, 0, 1}},
		{Type: layers.ICMPv6OptTargetAddress, Data: []byte{2, 0, 0, 0, 0, 2}},
	}
	var body gopacket.SerializableLayer = &layers.ICMPv6NeighborSolicitation{TargetAddress: target, Options: options}
	if icmpType == layers.ICMPv6TypeNeighborAdvertisement {
		body = &layers.ICMPv6NeighborAdvertisement{TargetAddress: target, Options: options}
	}
	return serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolICMPv6), header, body)
}

func TestNeighbourDiscoveryNamesTheTarget(t *testing.T) {
	target := netip.MustParseAddr("2001:db8::77")
	solicit, _ := decodeOne(t, ndFrame(t, layers.ICMPv6TypeNeighborSolicitation))
	advertise, _ := decodeOne(t, ndFrame(t, layers.ICMPv6TypeNeighborAdvertisement))
	want := []decode.Packet{
		{Time: 1, Frame: 1, Kind: decode.Solicit, Type: 135, TTL: 63, Tuple: tuple(client6, target, 0, 0, decode.ICMPv6),
			Payload: 40, SrcMAC: [6]byte{2, 0, 0, 0, 0, 1}, DstMAC: serverMAC},
		{Time: 1, Frame: 1, Kind: decode.Advertise, Type: 136, TTL: 63, Tuple: tuple(target, server6, 0, 0, decode.ICMPv6),
			Payload: 40, SrcMAC: [6]byte{2, 0, 0, 0, 0, 2}, DstMAC: serverMAC},
	}
	if diff := cmp.Diff(want, []decode.Packet{solicit, advertise}); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestANeighbourOptionWithoutLengthEndsTheOptions(t *testing.T) {
	frame := ndFrame(t, layers.ICMPv6TypeNeighborSolicitation)
	frame[14+40+24+1] = 0
	p, _ := decodeOne(t, frame)
	if p.Kind != decode.Solicit || p.SrcMAC != clientMAC {
		t.Errorf("kind %v from %x, want a solicitation from the frame's own address", p.Kind, p.SrcMAC)
	}
}
