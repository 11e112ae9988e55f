package decode_test

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

// tunneled is a frame inside VXLAN.
func tunneled(t *testing.T, port uint16, vni *layers.VXLAN, inner []byte) []byte {
	t.Helper()
	return serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 40000, DstPort: layers.UDPPort(port)}, vni, gopacket.Payload(inner))
}

func TestAPacketInsideVXLANIsWhatCounts(t *testing.T) {
	inner := serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), syn())
	net7 := &layers.VXLAN{ValidIDFlag: true, VNI: 7}
	outer := func(port, payload int) decode.Packet {
		return decode.Packet{Kind: decode.Datagram, Tuple: tuple(client4, server4, 40000, uint16(port), decode.UDP), Payload: uint32(payload)}
	}
	whole := synPacket(tuple(client6, server6, 50110, 80, decode.TCP))
	whole.Tunneled = true
	for _, c := range []struct {
		name  string
		frame []byte
		cut   int
		want  decode.Packet
	}{
		{name: "at its own port", frame: tunneled(t, 4789, net7, inner), want: whole},
		{name: "at the port that Linux had before", frame: tunneled(t, 8472, net7, inner), want: whole},
		{name: "not at any other", frame: tunneled(t, 4790, net7, inner), want: outer(4790, 8+len(inner))},
		{name: "a header that sets other bits is none", frame: tunneled(t, 4789, &layers.VXLAN{ValidIDFlag: true, VNI: 7, GBPExtension: true}, inner), want: outer(4789, 8+len(inner))},
		{name: "what holds no packet stays a datagram", frame: tunneled(t, 4789, net7, []byte("hello, hello, hello, hello")), want: outer(4789, 8+26)},
		{name: "a tunnel in a tunnel is opened once", frame: tunneled(t, 4789, net7, tunneled(t, 4789, net7, inner)), want: func() decode.Packet {
			p := outer(4789, 8+len(inner))
			p.Tunneled = true
			return p
		}()},
		{name: "a cut in front of the inner frame leaves the datagram", frame: tunneled(t, 4789, net7, inner), cut: 14 + 20 + 8 + 8 + 10, want: outer(4789, 8+len(inner))},
	} {
		b := c.frame
		if c.cut != 0 {
			b = b[:c.cut]
		}
		var got decode.Batch
		decode.NewDecoder().Packets(&capture.Batch{Arena: b, Packets: []capture.Packet{{Len: uint32(len(b)), Orig: uint32(len(c.frame))}}}, &got)
		p := got.Packets[0]
		p.IPID, p.TTL, p.SrcMAC, p.DstMAC = 0, 0, [6]byte{}, [6]byte{}
		withoutDigest(&p)
		c.want.IPID, c.want.TTL, c.want.SrcMAC, c.want.DstMAC = 0, 0, [6]byte{}, [6]byte{}
		if d := cmp.Diff(c.want, p); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestAPacketIsAsLargeAsItSays(t *testing.T) {
	if n := unsafe.Sizeof(decode.Packet{}); n != 104 {
		t.Errorf("a Packet has %d bytes, want 104", n)
	}
}
