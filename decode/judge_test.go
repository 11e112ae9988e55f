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

// gopacket is the judge of this package: what it decodes without error, both
// must agree on. It is not asked, deliberately, about
//   - IP versions other than the EtherType's, which it does not look at, and
//     ICMP in the wrong IP version: Other here;
//   - IPv4 packets of length 0 in 802.3 frames, whose own length counts there;
//   - IPv6 packets of length 0 and L4 headers beyond the IP length behind a
//     hop-by-hop header, where it loses count;
//   - more than four VLAN tags, eight extension headers or 32 labels, frames in
//     frames, sessions among the discovery of PPPoE, and authentication headers
//     in IPv4: Other here;
//   - fragments, which it leaves undecoded.
//
// A payload's length is taken from the IP header here, also where gopacket
// takes UDP's own or what was captured.
func judge(frame []byte) (decode.Packet, bool) {
	// Clipped, because gopacket's PPPoE takes what lies behind the frame as well.
	packet := gopacket.NewPacket(slices.Clip(frame), layers.LayerTypeEthernet, gopacket.NoCopy)
	ls := packet.Layers()
	var v opinion
	for i, l := range ls {
		if i+1 < len(ls) && ls[i+1].LayerType() == gopacket.LayerTypeDecodeFailure {
			return decode.Packet{}, false
		}
		if !v.network(l) && !v.transport(l, len(frame)) {
			return decode.Packet{}, false
		}
		if v.want.Kind == decode.Datagram && slices.Contains([]uint16{4789, 8472, 6081}, v.want.DstPort) {
			return decode.Packet{}, false // what is inside counts here
		}
		if v.want.Kind != decode.Other {
			return v.want, v.tags <= 4 && v.extensions <= 8 && v.labels <= 32 && v.offset <= v.end
		}
	}
	return decode.Packet{}, false
}

// opinion is what gopacket's layers say so far.
type opinion struct {
	want             decode.Packet
	tags, extensions int
	frames, labels   int
	etherType        layers.EthernetType
	inLength         bool // in a frame with a length
	offset, end      int  // of the layer, of the IP packet; from the IP header on
}

// network takes a layer below L4; false if there is nothing to take from it.
func (v *opinion) network(l gopacket.Layer) bool {
	w := &v.want
	switch l := l.(type) {
	case *layers.Ethernet:
		w.SrcMAC, w.DstMAC = [6]byte(l.SrcMAC), [6]byte(l.DstMAC)
		v.etherType = l.EthernetType
		v.frames++
		return v.frames == 1
	case *layers.Dot1Q:
		v.etherType = l.Type
		v.tags++
	case *layers.SNAP:
		v.etherType = l.Type
	case *layers.PPPoE:
		return v.etherType == layers.EthernetTypePPPoESession
	case *layers.LLC:
		v.inLength = true
	case *layers.PPP:
	case *layers.MPLS:
		v.labels++
	case *layers.IPv4:
		w.TTL, w.IPID, w.Proto = l.TTL, l.Id, decode.Proto(l.Protocol)
		w.Src, w.Dst = mapped(l.SrcIP), mapped(l.DstIP)
		v.offset, v.end = len(l.Contents), int(l.Length)
		return l.Version == 4 && (!v.inLength || binary.BigEndian.Uint16(l.Contents[2:]) != 0)
	case *layers.IPv6:
		w.TTL, w.Proto = l.HopLimit, decode.Proto(l.NextHeader)
		w.Src, w.Dst = decode.IP(l.SrcIP), decode.IP(l.DstIP)
		v.offset, v.end = 40, 40+int(l.Length)
		return l.Version == 6 && l.Length != 0
	case *layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination, *layers.IPSecAH:
		v.extensions++
		v.offset += len(l.LayerContents())
		w.Proto = decode.Proto(l.LayerContents()[0])
		return !w.Src.Is4()
	case *layers.ICMPv6:
		w.Type, w.Code = l.TypeCode.Type(), l.TypeCode.Code()
		return !w.Src.Is4()
	default:
		return false
	}
	return true
}

// transport takes an L4 layer of a frame; false if it is none.
func (v *opinion) transport(l gopacket.Layer, frame int) bool {
	w, header := &v.want, 8
	switch l := l.(type) {
	case *layers.TCP:
		w.Kind = decode.Segment
		w.SrcPort, w.DstPort = uint16(l.SrcPort), uint16(l.DstPort)
		w.Seq, w.Ack, w.Window = l.Seq, l.Ack, l.Window
		w.Flags = flagsOf(l)
		w.MSS, w.TSVal = optionsOf(l)
		header = len(l.Contents)
	case *layers.UDP:
		w.Kind = decode.Datagram
		w.SrcPort, w.DstPort = uint16(l.SrcPort), uint16(l.DstPort)
	case *layers.ICMPv4:
		w.Type, w.Code = l.TypeCode.Type(), l.TypeCode.Code()
		v.echo(layers.ICMPv4TypeEchoRequest, layers.ICMPv4TypeEchoReply, l.Id, l.Seq)
	case *layers.ICMPv6Echo:
		v.echo(layers.ICMPv6TypeEchoRequest, layers.ICMPv6TypeEchoReply, l.Identifier, l.SeqNumber)
	default:
		return false
	}
	v.offset += header
	w.Payload = uint32(v.end - v.offset)
	is4 := w.Src.Is4()
	return frame <= 0xffff && (w.Proto != decode.ICMP || is4) && (w.Proto != decode.ICMPv6 || !is4)
}

func (v *opinion) echo(request, reply uint8, id, seq uint16) {
	switch v.want.Type {
	case request:
		v.want.Kind = decode.EchoRequest
	case reply:
		v.want.Kind = decode.EchoReply
	}
	v.want.SrcPort, v.want.DstPort, v.want.Seq = id, id, uint32(seq)
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
	for _, s := range slices.Concat(rareStories(t), otherLinks(t)) {
		frames = append(frames, s.frame)
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
	if asked < 25 {
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
	withoutDigest(&got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gopacket (-) and this package (+) disagree on %x:\n%s", frame, diff)
	}
	return true
}

var linkTypes = []uint16{0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 147, pppLink, hdlcLink, pppoeLink, atmLink, wifiLink, radiotapLink, mplsLink, 104, 192, 239, 242, 258}

func FuzzPacket(f *testing.F) {
	for _, frame := range seeds(f) {
		for link := range linkTypes {
			f.Add(frame, uint8(link), uint16(len(frame)/2))
		}
		f.Add(frame[min(14, len(frame)):], uint8(4), uint16(30))
	}
	f.Fuzz(func(t *testing.T, frame []byte, link uint8, keep uint16) {
		agree(t, frame)
		whole, cut := decodeCut(t, frame, linkTypes[int(link)%len(linkTypes)], int(keep))
		if cut.Kind < decode.Segment || whole.Tunneled && !cut.Tunneled {
			return // what is cut in front of the inner frame is the outer one
		}
		if whole.Kind != cut.Kind || whole.Tuple != cut.Tuple {
			t.Errorf("the whole frame says %v %v, the cut one %v %v", whole.Kind, whole.Tuple, cut.Kind, cut.Tuple)
		}
		if cut.Kind == decode.Datagram && cut.Seq == 0 {
			withoutDigest(&whole) // too little is left of it
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
