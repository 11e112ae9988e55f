package decode_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

// datagram decodes a datagram with a payload, from the source address on, of
// which the capture holds all but cut bytes.
func datagram(t *testing.T, payload []byte, cut int, ip gopacket.SerializableLayer, udp *layers.UDP) decode.Packet {
	t.Helper()
	frame := serialise(t, ether(layers.EthernetTypeIPv4), ip, udp, gopacket.Payload(payload))
	var got decode.Batch
	decode.NewDecoder().Packets(&capture.Batch{Arena: frame, Packets: []capture.Packet{{Len: uint32(len(frame) - cut), Orig: uint32(len(frame))}}}, &got)
	return got.Packets[0]
}

// withoutDigest is for tests of all else in a datagram.
func withoutDigest(p *decode.Packet) {
	if p.Kind == decode.Datagram {
		p.Seq = 0
	}
}

func TestADatagramIsKnownByItsFirstBytesWhateverTranslationChanges(t *testing.T) {
	long := bytes.Repeat([]byte("query"), 20)
	other := bytes.Clone(long)
	other[3] ^= 1
	late := bytes.Clone(long)
	late[60] ^= 1
	before, behind := &layers.UDP{SrcPort: 4000, DstPort: 8053}, &layers.UDP{SrcPort: 4000, DstPort: 53}
	seq := func(payload []byte, cut int, udp *layers.UDP) uint32 {
		return datagram(t, payload, cut, ipv4(layers.IPProtocolUDP), udp).Seq
	}
	if a, b := seq(long, 0, before), seq(long, 0, behind); a != b || a == 0 {
		t.Errorf("before translation %#x, behind it %#x: want one value", a, b)
	}
	if a, b := seq(long, 0, before), seq(long, 60, behind); a != b {
		t.Errorf("whole %#x, from a short capture %#x: want one value", a, b)
	}
	if a, b := seq(long, 0, before), seq(other, 0, before); a == b {
		t.Errorf("datagrams that differ in the fourth byte are both %#x", a)
	}
	if a, b := seq(long, 0, before), seq(late, 0, before); a != b {
		t.Errorf("bytes that short captures do not hold count: %#x and %#x", a, b)
	}
	if a, b := seq([]byte("ping"), 0, before), seq([]byte("ping\x00"), 0, before); a == b {
		t.Errorf("a byte more makes no difference: %#x", a)
	}
	for name, got := range map[string]uint32{"nothing to tell by": seq(nil, 0, before), "cut within the bytes that count": seq(long, 80, before)} {
		if got != 0 {
			t.Errorf("%s: %#x, want 0", name, got)
		}
	}
}
