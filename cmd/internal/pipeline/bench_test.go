package pipeline

import (
	"context"
	"os"
	"testing"

	"dnatrace/capture/pages"
	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
)

// BenchmarkStages judges a capture (make one with fixtures/gen and name it in
// DNATRACE_BENCH) with decoding and correlating on one goroutine, and on two.
func BenchmarkStages(b *testing.B) {
	path := os.Getenv("DNATRACE_BENCH")
	if path == "" {
		b.Skip("set DNATRACE_BENCH to a capture: go run ./fixtures/gen -preset b -o bench/b.pcapng")
	}
	options := judge.Options{Keep: 100, Advise: pages.Large}
	for _, v := range []struct {
		name string
		run  func() (*correlate.Document, error)
	}{
		{"all stages, one goroutine", func() (*correlate.Document, error) {
			source, _, err := recording.Open(path)
			if err != nil {
				return nil, err
			}
			return judge.Replay(context.Background(), source, options)
		}},
		{"all stages, one goroutine to decode and one to correlate", func() (*correlate.Document, error) {
			source, _, err := recording.Open(path)
			if err != nil {
				return nil, err
			}
			return Run(context.Background(), source, Options{Options: options})
		}},
	} {
		b.Run(v.name, func(b *testing.B) {
			var packets uint64
			for b.Loop() {
				d, err := v.run()
				if err != nil {
					b.Fatal(err)
				}
				for _, p := range d.Recording.Points {
					packets += p.Packets
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
		})
	}
}
