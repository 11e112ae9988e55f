package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var large = flag.String("large", "", "a capture of a million packets, to report on")

// TestReportOfALargeCaptureIsSmallAndQuick compares with replay in the same run:
// the report may take two seconds beyond it, and two mebibytes.
func TestReportOfALargeCaptureIsSmallAndQuick(t *testing.T) {
	if *large == "" {
		t.Skip("no capture to report on: go run ./fixtures/gen -preset a -o FILE, and -args -large FILE")
	}
	timed := func(args ...string) time.Duration {
		best := time.Hour // of three: the machine may have more to do
		for range 3 {
			began := time.Now()
			if _, err, code := dnatrace(args...); code != exitOK {
				t.Fatalf("%v: exit %d, %s", args, code, err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	for _, name := range []string{"incident.html", "incident.md"} {
		file := filepath.Join(t.TempDir(), name)
		replay, report := timed("replay", *large, "-o", "json", "--summary"), timed("report", *large, "-o", file)
		st, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes; replay %v, report %v", name, st.Size(), replay.Round(time.Millisecond), report.Round(time.Millisecond))
		if st.Size() > 2<<20 || report-replay > 2*time.Second {
			t.Errorf("%s: %d bytes, %v beyond replay: want at most 2 MiB and 2 s", name, st.Size(), report-replay)
		}
	}
}
