package recording

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// A capture that says when it was ended was watched up to then.
func TestACaptureLastsUntilItsOwnEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  time.Duration // after the last packet
		want time.Duration
	}{
		{"five seconds of silence", 5 * time.Second, 5 * time.Second},
		{"an end before the last packet", -time.Second, 0},
		{"an end that nobody can believe", 1000 * time.Hour, 0},
	} {
		m := little()
		end := uint64(noon+int64(c.end)) / 1000
		m.section().iface(1, "eth0").packet(0, uint64(noon/1000), "a").
			block(blockStats, m.u32(0), m.u64(0), m.option(optEndTime, append(m.u32(uint32(end>>32)), m.u32(uint32(end))...)))
		src, _, err := OpenReader(bytes.NewReader(m.b), "x")
		if err != nil {
			t.Fatal(err)
		}
		var until int64
		for b, err := range src(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			until = b.Until
		}
		if got := time.Duration(until - noon); got != c.want {
			t.Errorf("%s: the stream lasts %v beyond the last packet, want %v", c.name, got, c.want)
		}
	}
}
