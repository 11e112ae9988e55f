package report

import (
	"math"
	"testing"
	"time"
)

func TestEverySpanOfTimeIsWritten(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0.000 ms",
		-1500 * time.Microsecond: "−1.500 ms",
		50 * time.Millisecond:    "50.0 ms",
		math.MaxInt64:            "9223372036.855 s",
		math.MinInt64:            "−9223372036.855 s", // as far as times can be apart
	} {
		if got := sinceText(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
