package ring

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// frameOf builds a frame from words: "tcp 198.51.100.100:50110 > 198.51.100.1:8080",
// with headers to go before it: "vlan", "qinq", "options" (IPv4), and IPv6
// extension headers "hop", "route", "dest", "auth", "fragment", "tail" (a later
// fragment, of either family).
func frameOf(t testing.TB, text string) []byte {
	t.Helper()
	words := strings.Fields(text)
	i := slices.Index(words, ">")
	b := frameBuilder{t: t, extras: words[:i-2], proto: words[i-2]}
	b.src, b.sport = end(t, words[i-1])
	b.dst, b.dport = end(t, words[i+1])
	return b.build()
}

func end(t testing.TB, s string) (netip.Addr, uint16) {
	t.Helper()
	if a, err := netip.ParseAddr(s); err == nil {
		return a, 0
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return ap.Addr(), ap.Port()
}

type frameBuilder struct {
	t            testing.TB
	extras       []string
	proto        string
	src, dst     netip.Addr
	sport, dport uint16
}

func (f frameBuilder) has(extra string) bool { return slices.Contains(f.extras, extra) }

func (f frameBuilder) build() []byte {
	var tags []byte
	for _, tag := range []struct{ name, bytes string }{{"qinq", "88a80064"}, {"vlan", "81000007"}} {
		if f.has(tag.name) {
			b, _ := hex.DecodeString(tag.bytes)
			tags = append(tags, b...)
		}
	}
	frame := append(make([]byte, 12), tags...)
	switch {
	case f.proto == "arp":
		return append(append(frame, 0x08, 0x06), f.arp()...)
	case f.src.Is4():
		return append(append(frame, 0x08, 0x00), f.ipv4()...)
	}
	return append(append(frame, 0x86, 0xdd), f.ipv6()...)
}

func (f frameBuilder) arp() []byte {
	s, d := f.src.As4(), f.dst.As4()
	b := make([]byte, 28)
	copy(b[14:], s[:])
	copy(b[24:], d[:])
	return b
}

func (f frameBuilder) ipv4() []byte {
	ip := &layers.IPv4{Version: 4, TTL: 64, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	if f.has("options") {
		ip.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: make([]byte, 5)}, {OptionType: 0}}
	}
	if f.has("tail") {
		ip.FragOffset = 185
	}
	n, l4 := f.transport()
	ip.Protocol = layers.IPProtocol(n)
	return f.serialize(ip, gopacket.Payload(l4))
}

func (f frameBuilder) ipv6() []byte {
	n, l4 := f.transport()
	ip := &layers.IPv6{Version: 6, HopLimit: 64, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	next, body := n, l4
	for _, e := range slices.Backward(f.extras) {
		h := make([]byte, 8)
		id := byte(0)
		switch e {
		case "hop":
			id = extHopByHop
		case "dest":
			id = extDest
			h = make([]byte, 24)
			h[1] = 2
		case "route":
			id = extRouting
		case "auth":
			id = extAuth
			h = make([]byte, 24)
			h[1] = 4
		case "fragment":
			id = extFragment
			h[3] = 1 // more to come
		case "tail":
			id = extFragment
			binary.BigEndian.PutUint16(h[2:], 1480)
		default:
			continue
		}
		h[0] = next
		next, body = id, append(h, body...)
	}
	ip.NextHeader = layers.IPProtocol(next)
	return f.serialize(ip, gopacket.Payload(body))
}

func (f frameBuilder) serialize(l ...gopacket.SerializableLayer) []byte {
	f.t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, l...); err != nil {
		f.t.Fatal(err)
	}
	return buf.Bytes()
}

func (f frameBuilder) transport() (proto byte, b []byte) {
	b = make([]byte, 28)
	binary.BigEndian.PutUint16(b[0:], f.sport)
	binary.BigEndian.PutUint16(b[2:], f.dport)
	icmp := map[string][2]byte{
		"unreachable": {1, 3}, "expired": {1, 11}, "echo": {1, 8}, "echo-reply": {1, 0},
		"too-big": {58, 2}, "echo6": {58, 128}, "solicit": {58, 135}, "advertise": {58, 136}, "router": {58, 134},
	}
	switch f.proto {
	case "tcp":
		return protoTCP, b
	case "udp":
		return protoUDP, b
	case "sctp":
		return protoSCTP, b
	case "gre":
		return 47, b
	}
	what, ok := icmp[f.proto]
	if !ok {
		f.t.Fatalf("%q is no protocol of this test", f.proto)
	}
	b[0], b[1], b[2], b[3] = what[1], 0, 0, 0
	if what[1] == 135 || what[1] == 136 {
		target := f.dst.As16()
		copy(b[8:], target[:])
	}
	return what[0], b
}
