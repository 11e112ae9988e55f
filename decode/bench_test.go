package decode_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/capture"
	"dnatrace/decode"
)

var mixes = []struct {
	name   string
	frames func(testing.TB) [][]byte
}{
	{"tcp4", func(t testing.TB) [][]byte {
		return [][]byte{serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), data(), gopacket.Payload("GET / HTTP/1.1\r\n\r\n"))}
	}},
	{"syn4", func(t testing.TB) [][]byte {
		return [][]byte{serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn())}
	}},
	{"udp4", func(t testing.TB) [][]byte {
		return [][]byte{serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), udp(), gopacket.Payload("query"))}
	}},
	{"tcp6", func(t testing.TB) [][]byte {
		return [][]byte{serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), data())}
	}},
	{"mixed", func(t testing.TB) [][]byte {
		return [][]byte{
			serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn()),
			serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), data(), gopacket.Payload("GET / HTTP/1.1\r\n\r\n")),
			serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), data()),
			serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), udp(), gopacket.Payload("query")),
		}
	}},
}

// fullBatch repeats frames until a batch is full.
func fullBatch(frames [][]byte) *capture.Batch {
	var all [][]byte
	for i := range capture.BatchSize {
		all = append(all, frames[i%len(frames)])
	}
	return batchOf(all...)
}

func BenchmarkDecoder(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.name, func(b *testing.B) {
			src, d, dst := fullBatch(m.frames(b)), decode.NewDecoder(), &decode.Batch{}
			b.ReportAllocs()
			for b.Loop() {
				d.Packets(src, dst)
			}
			perPacket(b)
		})
	}
}

func BenchmarkGopacketParser(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.name, func(b *testing.B) {
			src := fullBatch(m.frames(b))
			var eth layers.Ethernet
			var ip4 layers.IPv4
			var ip6 layers.IPv6
			var tcp layers.TCP
			var udp layers.UDP
			var payload gopacket.Payload
			parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip4, &ip6, &tcp, &udp, &payload)
			found := make([]gopacket.LayerType, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range src.Packets {
					if err := parser.DecodeLayers(src.Arena[p.Off:p.Off+p.Len], &found); err != nil {
						b.Fatal(err)
					}
				}
			}
			perPacket(b)
		})
	}
}

func BenchmarkGopacketNewPacket(b *testing.B) {
	for _, m := range mixes {
		b.Run(m.name, func(b *testing.B) {
			src := fullBatch(m.frames(b))
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range src.Packets {
					packet := gopacket.NewPacket(src.Arena[p.Off:p.Off+p.Len], layers.LayerTypeEthernet, gopacket.NoCopy)
					if packet.TransportLayer() == nil {
						b.Fatal("no transport layer")
					}
				}
			}
			perPacket(b)
		})
	}
}

// perPacket turns the time of batches into that of packets.
func perPacket(b *testing.B) {
	packets := float64(b.N) * capture.BatchSize
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/packets, "ns/packet")
	b.ReportMetric(packets/b.Elapsed().Seconds()/1e6, "Mpkt/s")
}
