package decode_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

// gopacket is the judge of this package: what it decodes without error, both
// must agree on. It is not asked, deliberately, about
//   - IP versions other than the EtherType's, which it does not look at, and
//     ICMP in the wrong IP version: Other here;
//   - IPv6 packets of length 0 and L4 headers beyond the IP length behind a
//     hop-by-hop header, where it loses count;
//   - more than four VLAN tags or eight extension headers, and authentication
//     headers in IPv4: Other here;
//   - fragments, which it leaves undecoded.
//
// A payload's length is taken from the IP header here, also where gopacket
// takes UDP's own or what was captured.
func judge(frame []byte) (want decode.Packet, ok bool) {
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	ls := packet.Layers()
	var tags, extensions, offset int
	var end int // of the IP packet, from its first byte
	for i, l := range ls {
		if i+1 < len(ls) && ls[i+1].LayerType() == gopacket.LayerTypeDecodeFailure {
			return want, false
		}
		switch l := l.(type) {
		case *layers.Ethernet:
			want.SrcMAC, want.DstMAC = [6]byte(l.SrcMAC), [6]byte(l.DstMAC)
		case *layers.Dot1Q:
			tags++
		case *layers.IPv4:
			if l.Version != 4 || len(frame) > 0xffff {
				return want, false
			}
			want.TTL, want.IPID, want.Proto = l.TTL, l.Id, decode.Proto(l.Protocol)
			want.Src, want.Dst = mapped(l.SrcIP), mapped(l.DstIP)
			offset, end = len(l.Contents), int(l.Length)
		case *layers.IPv6:
			if l.Version != 6 || l.Length == 0 {
				return want, false
			}
			want.TTL, want.Proto = l.HopLimit, decode.Proto(l.NextHeader)
			want.Src, want.Dst = decode.IP(l.SrcIP), decode.IP(l.DstIP)
			offset, end = 40, 40+int(l.Length)
		case *layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination, *layers.IPSecAH:
			if want.IPID != 0 || want.Src.Is4() {
				return want, false
			}
			extensions++
			offset += len(l.LayerContents())
			want.Proto = decode.Proto(l.LayerContents()[0])
		case *layers.TCP:
			want.Kind = decode.Segment
			want.SrcPort, want.DstPort = uint16(l.SrcPort), uint16(l.DstPort)
			want.Seq, want.Ack, want.Window = l.Seq, l.Ack, l.Window
			want.Flags = flagsOf(l)
			want.MSS, want.TSVal = optionsOf(l)
			offset += len(l.Contents)
			want.Payload = uint32(end - offset)
			return want, tags <= 4 && extensions <= 8 && offset <= end
		case *layers.UDP:
			want.Kind = decode.Datagram
			want.SrcPort, want.DstPort = uint16(l.SrcPort), uint16(l.DstPort)
			offset += 8
			want.Payload = uint32(end - offset)
			return want, tags <= 4 && extensions <= 8 && offset <= end
		case *layers.ICMPv4:
			want.Type, want.Code = l.TypeCode.Type(), l.TypeCode.Code()
			switch want.Type {
			case layers.ICMPv4TypeEchoRequest:
				want.Kind = decode.EchoRequest
			case layers.ICMPv4TypeEchoReply:
				want.Kind = decode.EchoReply
			}
			want.SrcPort, want.DstPort, want.Seq = l.Id, l.Id, uint32(l.Seq)
			want.Payload = uint32(end - offset - 8)
			return want, tags <= 4 && want.Kind != decode.Other && want.Src.Is4() && offset+8 <= end
		case *layers.ICMPv6Echo:
			icmp := packet.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
			want.Type, want.Code = icmp.TypeCode.Type(), icmp.TypeCode.Code()
			want.Kind = decode.EchoRequest
			if want.Type == layers.ICMPv6TypeEchoReply {
				want.Kind = decode.EchoReply
			}
			want.SrcPort, want.DstPort, want.Seq = l.Identifier, l.Identifier, uint32(l.SeqNumber)
			want.Payload = uint32(end - offset - 8)
			return want, tags <= 4 && extensions <= 8 && !want.Src.Is4() && offset+8 <= end
		case *layers.ICMPv6:
		default:
			return want, false
		}
	}
	return want, false
}

func mapped(ip []byte) decode.IP {
	out := decode.IP{10: 0xff, 11: 0xff}
	copy(out[12:], ip)
	return out
}

func flagsOf(l *layers.TCP) (f decode.TCPFlags) {
	for i, set := range []bool{l.FIN, l.SYN, l.RST, l.PSH, l.ACK, l.URG, l.ECE, l.CWR} {
		if set {
			f |= 1 << i
		}
	}
	return f
}

func optionsOf(l *layers.TCP) (mss uint16, tsval uint32) {
	for _, o := range l.Options {
		switch {
		case o.OptionType == layers.TCPOptionKindMSS && len(o.OptionData) == 2 && l.SYN:
			mss = binary.BigEndian.Uint16(o.OptionData)
		case o.OptionType == layers.TCPOptionKindTimestamps && len(o.OptionData) == 8:
			tsval = binary.BigEndian.Uint32(o.OptionData)
		}
	}
	return mss, tsval
}

// seeds are frames of every kind this package knows.
func seeds(t testing.TB) [][]byte {
	frames := everyFrame(t)
	for _, m := range mixes {
		frames = append(frames, m.frames(t)...)
	}
	return frames
}

func TestTheJudgeIsAskedAboutCommonFrames(t *testing.T) {
	asked := 0
	for _, f := range seeds(t) {
		if agree(t, f) {
			asked++
		}
	}
	if asked < 10 {
		t.Errorf("gopacket decoded only %d of the seeds: the comparison is empty", asked)
	}
}

// agree compares what gopacket and this package say; false if gopacket has no say.
func agree(t *testing.T, frame []byte) bool {
	want, ok := judge(frame)
	if !ok {
		return false
	}
	got, _ := decodeOne(t, frame)
	want.Time, want.Frame = got.Time, got.Frame
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gopacket (-) and this package (+) disagree on %x:\n%s", frame, diff)
	}
	return true
}

var linkTypes = []uint16{0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 147}

func FuzzPacket(f *testing.F) {
	for _, frame := range seeds(f) {
		for link := range linkTypes {
			f.Add(frame, uint8(link), uint16(len(frame)/2))
		}
		f.Add(frame[14:], uint8(4), uint16(30))
	}
	f.Fuzz(func(t *testing.T, frame []byte, link uint8, keep uint16) {
		agree(t, frame)
		whole, cut := decodeCut(t, frame, linkTypes[int(link)%len(linkTypes)], int(keep))
		if cut.Kind < decode.Segment {
			return
		}
		if whole.Kind != cut.Kind || whole.Tuple != cut.Tuple {
			t.Errorf("the whole frame says %v %v, the cut one %v %v", whole.Kind, whole.Tuple, cut.Kind, cut.Tuple)
		}
		if cut.Time, cut.Frame = whole.Time, whole.Frame; !cut.Truncated && cut != whole {
			t.Errorf("a cut frame lost something and does not say so:\n%s", cmp.Diff(whole, cut))
		}
	})
}

// decodeCut decodes a frame twice: whole, and as if only its first bytes had
// been captured.
func decodeCut(t *testing.T, frame []byte, link uint16, keep int) (whole, cut decode.Packet) {
	src := batchOf(frame, frame[:min(keep, len(frame))])
	src.Packets[1].Orig = uint32(len(frame))
	src.Packets[1].Point = 1 // fragments are told apart by point
	d, out := decode.NewDecoder(), decode.Batch{}
	d.Point(capture.Point{ID: 0, Link: link})
	d.Point(capture.Point{ID: 1, Link: link})
	d.Packets(src, &out)
	for _, p := range out.Packets {
		if int(p.Quote) > len(out.Quotes) {
			t.Fatalf("quote %d of %d", p.Quote, len(out.Quotes))
		}
		if p.Kind == decode.ICMPError && p.Quote == 0 && !p.Truncated {
			t.Errorf("an ICMP error without a quote that is not truncated")
		}
	}
	cut = out.Packets[1]
	cut.Point = 0
	return out.Packets[0], cut
}
