package recording

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/google/gopacket/pcapgo"
)

// BenchmarkRead frames a generated capture (make one with fixtures/gen and name
// it in DNATRACE_BENCH) next to gopacket's reader.
func BenchmarkRead(b *testing.B) {
	path := os.Getenv("DNATRACE_BENCH")
	if path == "" {
		b.Skip("set DNATRACE_BENCH to a pcapng file: go run ./fixtures/gen -preset b -o bench/b.pcapng")
	}
	b.Run("dnatrace", func(b *testing.B) {
		b.ReportAllocs()
		var n uint64
		for b.Loop() {
			n = countPackets(b, path)
		}
		report(b, n)
	})
	b.Run("gopacket", func(b *testing.B) {
		b.ReportAllocs()
		var n uint64
		for b.Loop() {
			n = countGopacket(b, path)
		}
		report(b, n)
	})
}

func report(b *testing.B, packets uint64) {
	b.ReportMetric(float64(packets)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpkt/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(packets)/float64(b.N), "ns/pkt")
}

func countPackets(b *testing.B, path string) (n uint64) {
	source, _, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	for batch, err := range source(context.Background()) {
		if err != nil {
			b.Fatal(err)
		}
		n += uint64(len(batch.Packets))
	}
	return n
}

func countGopacket(b *testing.B, path string) (n uint64) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		b.Fatal(err)
	}
	for {
		_, _, err := r.ZeroCopyReadPacketData()
		if err == io.EOF {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
}
