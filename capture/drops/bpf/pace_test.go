package bpf

import (
	"testing"
	"time"
)

func TestAFloodOfDropsIsToldInPart(t *testing.T) {
	var p pace
	at := time.Unix(1000, 0)
	told := func(n int, each time.Duration) (allowed int) {
		for range n {
			at = at.Add(each)
			if p.allows(at) {
				allowed++
			}
		}
		return allowed
	}
	if n := told(Burst+100, 0); n != Burst {
		t.Errorf("%d at once are told, want %d", n, Burst)
	}
	if n := told(100*Rate, time.Second/(10*Rate)); n < 10*Rate-10 || n > 10*Rate+10 {
		t.Errorf("in ten seconds of a flood %d are told, want about %d", n, 10*Rate)
	}
	at = at.Add(time.Hour)
	if n := told(1000, time.Second/100); n != 1000 {
		t.Errorf("of a hundred a second %d are told, want all 1000", n)
	}
}
