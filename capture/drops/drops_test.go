package drops_test

import (
	"slices"
	"testing"

	"dnatrace/capture/drops"
)

// TestPortsAreEachWatchedOnce: ports and ranges of a target overlap as they will.
func TestPortsAreEachWatchedOnce(t *testing.T) {
	w := drops.Want{Ports: []uint16{8080, 80}, Ranges: [][2]uint16{{79, 81}, {65534, 65535}, {81, 81}}}
	if got, want := w.AllPorts(), []uint16{79, 80, 81, 8080, 65534, 65535}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !slices.Equal(w.Ports, []uint16{8080, 80}) {
		t.Errorf("what was wanted is now %v", w.Ports)
	}
	if got := (drops.Want{}).AllPorts(); len(got) != 0 {
		t.Errorf("no port was wanted, and %v are watched", got)
	}
}

// TestWhatIsTooMuchIsCutAndSaidSo: the kernel's tables have room for so many.
func TestWhatIsTooMuchIsCutAndSaidSo(t *testing.T) {
	if _, cut := (drops.Want{Ports: make([]uint16, drops.Most), Inodes: []uint64{1}}).Bounded(); cut {
		t.Error("what there is room for is said to be cut")
	}
	w := drops.Want{Ports: make([]uint16, drops.Most+1), Inodes: make([]uint64, drops.Most+7)}
	got, cut := w.Bounded()
	if !cut || len(got.Ports) != drops.Most || len(got.Inodes) != drops.Most {
		t.Errorf("%d ports and %d namespaces are kept, cut: %v", len(got.Ports), len(got.Inodes), cut)
	}
}
