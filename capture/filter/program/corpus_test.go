package program

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture/recording"
)

// framesFile holds the frames that expressions are tried on, one a line in hex.
const framesFile = "testdata/frames.txt"

func readFrames(t testing.TB) [][]byte {
	t.Helper()
	text, err := os.ReadFile(framesFile)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for _, line := range strings.Fields(string(text)) {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b)
	}
	return frames
}

func writeFrames(t *testing.T) {
	var out strings.Builder
	for _, f := range append(generated(t), recorded(t)...) {
		fmt.Fprintln(&out, hex.EncodeToString(f))
	}
	if err := os.WriteFile(framesFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// recorded are a few frames of each fixture.
func recorded(t *testing.T) (frames [][]byte) {
	files, err := filepath.Glob("../../../fixtures/testdata/*/*.pcapng*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for i, f := range files {
		if i%6 != 0 {
			continue
		}
		src, _, err := recording.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for b, err := range src(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range b.Packets {
				if n++; n%7 == 1 && n < 60 {
					frames = append(frames, append([]byte(nil), b.Arena[p.Off:p.Off+min(p.Len, 120)]...))
				}
			}
		}
	}
	return frames
}

var (
	hosts4 = []string{"198.51.100.1", "198.51.100.100", "203.0.113.9", "172.17.0.2", "172.18.0.3", "10.1.2.3", "224.0.0.251", "255.255.255.255", "80.0.0.0"}
	hosts6 = []string{"2001:db8::1", "2001:db8::100", "2001:db8:17::2", "fe80::1", "ff02::1", "::1"}
	macs   = []string{"02:42:ac:11:00:02", "02:42:00:00:00:01", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb"}
	ports  = []uint16{80, 443, 8080, 53, 50110, 8081, 1}
)

// generated are frames of every sort, and cuts of them.
func generated(t *testing.T) (frames [][]byte) {
	rnd := rand.New(rand.NewPCG(7, 9))
	for range 420 {
		g := generator{t: t, rnd: rnd}
		frames = append(frames, g.frame())
	}
	for i := range 160 {
		if f := frames[i]; len(f) > 14 {
			frames = append(frames, f[:cut(rnd, f)])
		}
	}
	return frames
}

// cut ends a frame behind its Ethernet header, and not within the addresses:
// whether a program reads those bits of an address that do not count depends on
// tcpdump's optimizer.
func cut(rnd *rand.Rand, f []byte) int {
	n := 14 + rnd.IntN(min(len(f), 80)-13)
	switch {
	case f[12] == 0x86 && n > 22 && n < 54:
		return 22
	case f[12] == 8 && n > 23 && n < 42:
		return 20 + n%4
	}
	return n
}

type generator struct {
	t   *testing.T
	rnd *rand.Rand
}

func one[T any](g generator, of []T) T { return of[g.rnd.IntN(len(of))] }

func (g generator) frame() []byte {
	mac := func() net.HardwareAddr { m, _ := net.ParseMAC(one(g, macs)); return m }
	eth := &layers.Ethernet{SrcMAC: mac(), DstMAC: mac()}
	var rest []gopacket.SerializableLayer
	switch n := g.rnd.IntN(20); {
	case n < 10:
		eth.EthernetType, rest = layers.EthernetTypeIPv4, g.ipv4()
	case n < 16:
		eth.EthernetType, rest = layers.EthernetTypeIPv6, g.ipv6()
	case n < 18:
		eth.EthernetType, rest = layers.EthernetTypeARP, g.arp()
		if n == 17 && g.rnd.IntN(2) == 0 {
			eth.EthernetType = 0x8035
		}
	case n < 19:
		eth.EthernetType, rest = layers.EthernetTypeLLC, g.noise()
		eth.Length = 46
	default:
		eth.EthernetType, rest = layers.EthernetType(one(g, []uint16{0x88cc, 0x8863, 0x888e})), g.noise()
	}
	return g.serialize(append([]gopacket.SerializableLayer{eth}, rest...))
}

func (g generator) noise() []gopacket.SerializableLayer {
	b := make([]byte, 20+g.rnd.IntN(60))
	for i := range b {
		b[i] = byte(g.rnd.Uint32())
	}
	return []gopacket.SerializableLayer{gopacket.Payload(b)}
}

func (g generator) ipv4() []gopacket.SerializableLayer {
	ip := &layers.IPv4{Version: 4, TTL: 64, SrcIP: net.ParseIP(one(g, hosts4)), DstIP: net.ParseIP(one(g, hosts4))}
	if g.rnd.IntN(5) == 0 {
		ip.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: make([]byte, 5)}, {OptionType: 0}}
	}
	switch g.rnd.IntN(8) {
	case 0:
		ip.Flags = layers.IPv4MoreFragments
	case 1:
		ip.FragOffset = uint16(1 + g.rnd.IntN(0x1fff))
	case 2:
		ip.Flags = layers.IPv4DontFragment
	}
	proto, body := g.transport(false)
	ip.Protocol = layers.IPProtocol(proto)
	return []gopacket.SerializableLayer{ip, gopacket.Payload(body)}
}

func (g generator) ipv6() []gopacket.SerializableLayer {
	ip := &layers.IPv6{Version: 6, HopLimit: 64, SrcIP: net.ParseIP(one(g, hosts6)), DstIP: net.ParseIP(one(g, hosts6))}
	proto, body := g.transport(true)
	switch g.rnd.IntN(6) {
	case 0: // fragment header
		body = append([]byte{proto, 0, 0, byte(g.rnd.IntN(2)), 1, 2, 3, 4}, body...)
		proto = 44
	case 1: // hop-by-hop options
		body = append([]byte{proto, 0, 1, 4, 0, 0, 0, 0}, body...)
		proto = 0
	}
	ip.NextHeader = layers.IPProtocol(proto)
	return []gopacket.SerializableLayer{ip, gopacket.Payload(body)}
}

func (g generator) transport(six bool) (byte, []byte) {
	body := make([]byte, 20+g.rnd.IntN(80))
	for i := range body {
		body[i] = byte(g.rnd.Uint32())
	}
	src, dst := one(g, ports), one(g, ports)
	body[0], body[1], body[2], body[3] = byte(src>>8), byte(src), byte(dst>>8), byte(dst)
	icmp := byte(1)
	if six {
		icmp = 58
	}
	return one(g, []byte{6, 6, 6, 17, 17, 132, icmp, icmp, 2, 47, 50, 51, 103, 112, 1, 58}), body
}

func (g generator) arp() []gopacket.SerializableLayer {
	b := make([]byte, 28)
	copy(b, []byte{0, 1, 8, 0, 6, 4, 0, byte(1 + g.rnd.IntN(2))})
	copy(b[14:], net.ParseIP(one(g, hosts4)).To4())
	copy(b[24:], net.ParseIP(one(g, hosts4)).To4())
	return []gopacket.SerializableLayer{gopacket.Payload(b)}
}

func (g generator) serialize(l []gopacket.SerializableLayer) []byte {
	g.t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, l...); err != nil {
		g.t.Fatal(err)
	}
	return append([]byte(nil), buf.Bytes()...)
}
