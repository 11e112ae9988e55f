package redact

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

var (
	src4, dst4 = net.IP{198, 51, 100, 100}, net.IP{203, 0, 113, 9}
	src6, dst6 = net.ParseIP("2001:db8::77"), net.ParseIP("2001:db8:1::9")
	macs       = []net.HardwareAddr{{0x00, 0x1b, 0x21, 1, 2, 3}, {0xba, 0x36, 0x22, 0xae, 0xf6, 0x99}}
	secret     = []byte("Cookie: secret of 198.51.100.100")
)

// built is a frame with lengths and checksums filled in.
func built(t testing.TB, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

func ether(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macs[0], DstMAC: macs[1], EthernetType: kind}
}

// frames are one of each kind, all of them right.
func frames(t testing.TB) map[string][]byte {
	ip4 := func(p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Id: 7, Protocol: p, SrcIP: src4, DstIP: dst4}
	}
	ip6 := func(p layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: src6, DstIP: dst6}
	}
	tcp := func(over gopacket.NetworkLayer) *layers.TCP {
		s := &layers.TCP{SrcPort: 50110, DstPort: 8080, Seq: 1, ACK: true, Window: 64, Options: []layers.TCPOption{
			{OptionType: 2, OptionLength: 4, OptionData: []byte{5, 180}},
			{OptionType: 30, OptionLength: 8, OptionData: []byte{0x30, 1, 198, 51, 100, 100}}, // MPTCP ADD_ADDR
			{OptionType: 8, OptionLength: 10, OptionData: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		}}
		s.SetNetworkLayerForChecksum(over)
		return s
	}
	udp := func(over gopacket.NetworkLayer) *layers.UDP {
		s := &layers.UDP{SrcPort: 5353, DstPort: 53}
		s.SetNetworkLayerForChecksum(over)
		return s
	}
	v4t, v4u, v6t, v6u, v6i := ip4(6), ip4(17), ip6(6), ip6(17), ip6(58)
	options := ip4(6)
	options.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 198, 51, 100, 100}}, {OptionType: 0}}
	quoted := built(t, v4t, tcp(v4t), gopacket.Payload(secret))[:48]
	advertise := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(136, 0)}
	advertise.SetNetworkLayerForChecksum(v6i)
	inner := built(t, ether(0x0800), v4t, tcp(v4t), gopacket.Payload(secret))
	tunnel := &layers.UDP{SrcPort: 40000, DstPort: vxlanPort}
	tunnel.SetNetworkLayerForChecksum(v4u)
	geneve := &layers.UDP{SrcPort: 40000, DstPort: genevePort}
	geneve.SetNetworkLayerForChecksum(v4u)
	return map[string][]byte{
		"TCP":                  built(t, ether(0x0800), v4t, tcp(v4t), gopacket.Payload(secret)),
		"TCP with IP options":  built(t, ether(0x0800), options, tcp(options), gopacket.Payload(secret)),
		"UDP":                  built(t, ether(0x0800), v4u, udp(v4u), gopacket.Payload(secret)),
		"TCP over IPv6":        built(t, ether(0x86dd), v6t, tcp(v6t), gopacket.Payload(secret)),
		"UDP over IPv6":        built(t, ether(0x86dd), v6u, udp(v6u), gopacket.Payload(secret)),
		"an ICMP error":        built(t, ether(0x0800), ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(quoted)),
		"an echo":              built(t, ether(0x0800), ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 3, Seq: 1}, gopacket.Payload(secret)),
		"a neighbour's answer": built(t, ether(0x86dd), v6i, advertise, gopacket.Payload(append(append([]byte{0x60, 0, 0, 0}, src6...), 2, 1, 0, 0x1b, 0x21, 1, 2, 3))),
		"VXLAN":                built(t, ether(0x0800), v4u, tunnel, gopacket.Payload(append([]byte{8, 0, 0, 0, 0, 0, 42, 0}, inner...))),
		"Geneve":               built(t, ether(0x0800), v4u, geneve, gopacket.Payload(append([]byte{2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 1, 198, 51, 100, 100}, inner...))),
		"ARP": built(t, ether(0x0806), &layers.ARP{AddrType: 1, Protocol: 0x0800, HwAddressSize: 6, ProtAddressSize: 4, Operation: 2,
			SourceHwAddress: macs[0], SourceProtAddress: src4, DstHwAddress: macs[1], DstProtAddress: dst4}),
	}
}

// right reports whether every checksum in an IP packet is: computed anew, it is
// the same.
func right(b []byte) bool {
	header, proto, pseudoSum := 40, b[6], sum(0)
	if b[0]>>4 == 4 {
		header, proto = int(b[0]&15)*4, b[9]
		if sum(0).add(b[:header]).fold() != 0xffff {
			return false
		}
		pseudoSum = pseudoSum.add(b[12:20])
	} else {
		pseudoSum = pseudoSum.add(b[8:40])
	}
	if proto == protoICMP {
		pseudoSum = 0
	} else {
		pseudoSum += sum(proto) + sum(len(b)-header)
	}
	return pseudoSum.add(b[header:]).fold() == 0xffff
}

func TestChecksumsAreRightIffTheyWere(t *testing.T) {
	for name, frame := range frames(t) {
		for _, broken := range []bool{false, true} {
			r := New([]byte("some key"))
			r.Seal()
			b := bytes.Clone(frame)
			if name == "ARP" {
				r.frame(linkEthernet, b)
				if bytes.Contains(b, src4) || bytes.Contains(b, dst4) || bytes.Contains(b, macs[0]) {
					t.Error("ARP: addresses are still there")
				}
				continue
			}
			if broken {
				b[len(b)-1] ^= 0x55 // what the last header's checksum covers
			}
			before := right(b[14:])
			r.frame(linkEthernet, b)
			if after := right(b[14:]); before == broken || after != before {
				t.Errorf("%s, broken %t: right was %t, is %t", name, broken, before, after)
			}
			for what, s := range map[string][]byte{"source": src4, "destination": dst4, "IPv6 source": src6, "IPv6 destination": dst6, "MAC": macs[0], "payload": secret[:6]} {
				if bytes.Contains(b, s) {
					t.Errorf("%s: the %s is still there", name, what)
				}
			}
			if len(b) != len(frame) || binary.BigEndian.Uint16(b[16:]) != binary.BigEndian.Uint16(frame[16:]) {
				t.Errorf("%s: lengths differ", name)
			}
		}
	}
}

func TestAPartialChecksumStaysOne(t *testing.T) {
	frame := frames(t)["TCP"]
	ip := frame[14:]
	partial := func(b []byte) uint16 {
		return (sum(0).add(b[12:20]) + protoTCP + sum(len(b)-20)).fold()
	}
	binary.BigEndian.PutUint16(ip[36:], partial(ip))
	r := New([]byte("some key"))
	r.Seal()
	r.frame(linkEthernet, frame)
	if got := binary.BigEndian.Uint16(ip[36:]); got != partial(ip) {
		t.Errorf("got %#x, want the sum of the pseudo-header, %#x", got, partial(ip))
	}
}

func TestDatagramsThatCarriedTheSameCarryTheSame(t *testing.T) {
	r := New([]byte("some key"))
	cleared := func(s string) string {
		b := []byte(s)
		r.telltale(b)
		return string(b)
	}
	long := "a query that is longer than what is looked at of it: "
	switch a, b := cleared(long+"one"), cleared(long+"two"); {
	case a != b:
		t.Errorf("datagrams that begin alike became\n%x\n%x", a, b)
	case strings.Contains(a, "query") || strings.Trim(a[32:], "\x00") != "":
		t.Errorf("something is left of the payload: %q", a)
	}
	if cleared("query 1") == cleared("query 2") {
		t.Error("two datagrams cannot be told apart any more")
	}
}

// FuzzFrame holds that any frame is rewritten without a panic, in its length,
// and that what is decoded of it is of the same kind.
func FuzzFrame(f *testing.F) {
	for _, b := range frames(f) {
		f.Add(uint16(linkEthernet), b)
		f.Add(uint16(linkRaw), b[14:])
	}
	for link, b := range rareFrames(f) {
		f.Add(link, b)
	}
	f.Fuzz(func(t *testing.T, link uint16, frame []byte) {
		r := New([]byte("some key"))
		r.Seal()
		r.links[0] = link
		b := capture.Batch{Packets: []capture.Packet{{Len: uint32(len(frame)), Orig: uint32(len(frame))}}, Arena: frame}
		out := r.Rewrite(&b)
		if len(out.Arena) != len(frame) {
			t.Fatalf("%d bytes became %d", len(frame), len(out.Arena))
		}
		was, is := decoded(link, &b), decoded(link, out)
		if was.Kind == decode.Datagram && (was.Seq == 0) == (is.Seq == 0) {
			was.Seq = is.Seq // what tells it from others, not what it is
		}
		if was.Kind != is.Kind || was.SrcPort != is.SrcPort || was.DstPort != is.DstPort || was.Flags != is.Flags || was.Seq != is.Seq || was.Payload != is.Payload {
			t.Errorf("kind %d became %d, flags %d %d, payload %d %d, seq %d %d\n%x\n%x", was.Kind, is.Kind, was.Flags, is.Flags, was.Payload, is.Payload, was.Seq, is.Seq, b.Arena, out.Arena)
		}
	})
}

// rareFrames are one of each link type that is not everyday's, with the same packet.
func rareFrames(t testing.TB) map[uint16][]byte {
	ip := frames(t)["TCP"][14:]
	ether, snap := frames(t)["TCP"], append([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, ip...)
	data := slices.Concat([]byte{0x08, 0x01, 0x34, 0x12}, macs[0], macs[1], macs[0], []byte{0x10, 0x20}, snap, []byte{1, 2, 3, 4})
	pktap := make([]byte, 108)
	copy(pktap, []byte{108, 0, 0, 0, 1, 0, 0, 0, 1})
	copy(pktap[12:], "customer0")
	pktap[36] = 2
	copy(pktap[56:], "customerd")
	attribute := func(kind byte, v []byte) []byte {
		b := append([]byte{byte(4 + len(v)), byte((4 + len(v)) >> 8), kind, 0}, v...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	return map[uint16][]byte{
		linkPPP:      slices.Concat([]byte{0xff, 3, 0, 0x21}, ip),
		linkPPPHDLC:  slices.Concat([]byte{0xff, 3, 0x02, 0x81, 0x89, 0x60, 1, 1}, ip),
		linkCHDLC:    slices.Concat([]byte{0x0f, 0, 8, 0}, ip),
		linkIPoIB:    slices.Concat([]byte("forty bytes of customer's own addresses."), []byte{8, 0, 0, 0}, ip),
		linkPPI:      slices.Concat([]byte{0, 0, 20, 0, 1, 0, 0, 0}, []byte("customers' 5"), ether),
		linkPKTAP:    slices.Concat(pktap, ether),
		linkRadiotap: slices.Concat([]byte{0, 0, 16, 0}, []byte("customers' 5"), data),
		link80211:    data,
		linkNFLog: slices.Concat([]byte{2, 0, 0, 5}, attribute(nflogHeader, []byte{8, 0, 2, 0}), attribute(10, []byte("customer \x00")),
			attribute(nflogAddress, slices.Concat([]byte{0, 6, 0, 0}, macs[0], []byte{0, 0})), attribute(nflogPayload, ip)),
		linkRFC1483: snap,
		linkMPLS:    slices.Concat([]byte{0x89, 0x60, 1, 1}, ip),
	}
}

func TestFramesOfRareLinksCarryTheSameRequestAndNothingElse(t *testing.T) {
	for link, frame := range rareFrames(t) {
		r := New([]byte("some key"))
		r.Seal()
		r.links[0] = link
		b := capture.Batch{Packets: []capture.Packet{{Len: uint32(len(frame)), Orig: uint32(len(frame))}}, Arena: frame}
		out := r.Rewrite(&b)
		was, is := decoded(link, &b), decoded(link, out)
		if was.Kind != decode.Segment || is.Kind != was.Kind || is.SrcPort != was.SrcPort || is.DstPort != was.DstPort || is.Seq != was.Seq || is.Flags != was.Flags || is.Payload != was.Payload {
			t.Errorf("link type %d: %+v became %+v", link, was, is)
		}
		if (was.SrcMAC == [6]byte{}) != (is.SrcMAC == [6]byte{}) {
			t.Errorf("link type %d: MAC %x became %x", link, was.SrcMAC, is.SrcMAC)
		}
		for what, s := range map[string][]byte{"address": src4, "MAC": macs[0], "other MAC": macs[1], "payload": secret[:6], "header": []byte("customer")} {
			if bytes.Contains(out.Arena, s) {
				t.Errorf("link type %d: the %s is still there", link, what)
			}
		}
	}
}

func decoded(link uint16, b *capture.Batch) decode.Packet {
	d := decode.NewDecoder()
	d.Point(capture.Point{Link: link})
	var out decode.Batch
	d.Packets(b, &out)
	return out.Packets[0]
}

// FuzzMessages holds that netlink messages, legacy tables and printed rules of
// any content are rewritten without a panic.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 198.51.100.0/24 -i eth0 -m comment --comment \"x\" -j DROP\nCOMMIT\n"))
	f.Add([]byte("table ip x {\n\tset s { type ipv4_addr; flags interval; elements = { 198.51.100.1-198.51.100.9 } }\n}\n"))
	f.Add([]byte{32, 0, 0, 0, 6, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 12, 0, 1, 0, 'f', 'i', 'l', 't', 'e', 'r', 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := New([]byte("some key"))
		r.learnRules(data)
		r.learnText(string(data))
		r.learnIPSets(data)
		r.Seal()
		for _, rewrite := range []func([]byte){
			r.conntrack, r.ruleTrace, r.nftRuleset, r.ipsets,
			func(b []byte) { r.legacyRuleset(b, false, false) }, func(b []byte) { r.legacyRuleset(b, true, false) },
			func(b []byte) { r.ruleText(string(b)) }, func(b []byte) { r.ipsetText(string(b)) }, func(b []byte) { r.text(string(b)) },
		} {
			rewrite(bytes.Clone(data))
		}
	})
}
