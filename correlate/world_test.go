package correlate

import (
	"fmt"
	"strings"
	"testing"

	"dnatrace/capture/host"
	"dnatrace/decode"
)

// sampled is a state of a namespace read from a record of this size.
func sampled(netns string, second, size int) *decode.HostSample {
	return &decode.HostSample{
		Time: int64(second) * 1e9, Netns: netns, Size: size,
		Sample: host.Sample{State: host.State{Inode: uint64(second)}},
	}
}

func TestLargeStatesThinOut(t *testing.T) {
	tr := New(Config{})
	const seconds, size = 300, mostBytes / 40
	for i := 1; i <= seconds; i++ {
		tr.Event(sampled("host", i, size))
		tr.Event(sampled("web", i, 100))
		if tr.world.bytes > mostBytes+size {
			t.Fatalf("after %d s, states of %d bytes are kept, want at most %d", i, tr.world.bytes, mostBytes)
		}
	}
	for _, netns := range []string{"host", "web"} {
		kept := tr.world.hosts[netns]
		if first, last := kept[0].value.Inode, kept[len(kept)-1].value.Inode; first != 1 || last != seconds {
			t.Errorf("%s: states of the seconds %d to %d are kept, want 1 and %d among them", netns, first, last, seconds)
		}
		sum := 0
		for _, v := range kept {
			sum += v.size
		}
		if sum > tr.world.bytes {
			t.Errorf("%s: %d bytes are kept, and %d counted in all", netns, sum, tr.world.bytes)
		}
	}
	if d := tr.Finish(); len(d.Recording.Damage) != 0 {
		t.Errorf("damage %q, want none: what matters was kept", d.Recording.Damage)
	}
}

func TestStatesBeyondAllBoundsAreToldNotKept(t *testing.T) {
	tr := New(Config{})
	for i := range 1000 {
		tr.Event(sampled(fmt.Sprint("netns ", i), i, mostBytes/4))
	}
	if tr.world.bytes > 2*mostBytes {
		t.Errorf("states of %d bytes are kept, want at most %d", tr.world.bytes, 2*mostBytes)
	}
	if d := tr.Finish(); len(d.Recording.Damage) != 1 || !strings.Contains(d.Recording.Damage[0], "too large to be kept") {
		t.Errorf("damage %q, want a word about what was not kept", d.Recording.Damage)
	}
}
