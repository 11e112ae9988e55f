package correlate

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// What finds a leg is read first, for each packet.
func TestWhatFindsALegLiesTogether(t *testing.T) {
	var g leg
	for name, end := range map[string]uintptr{
		"tuple": unsafe.Offsetof(g.tuple) + unsafe.Sizeof(g.tuple), "netns": unsafe.Offsetof(g.netns) + unsafe.Sizeof(g.netns),
		"flags": unsafe.Offsetof(g.flags) + unsafe.Sizeof(g.flags), "req": unsafe.Offsetof(g.req) + unsafe.Sizeof(g.req),
	} {
		if end > 64 {
			t.Errorf("%s ends at byte %d of a leg: behind the length of a cache line", name, end)
		}
	}
	if size := unsafe.Sizeof(reqRecord{}); size != 128 {
		t.Errorf("a request takes %d bytes, which is no longer two cache lines", size)
	}
}

// Large tables are told of before they are used, and hold what small ones do.
func TestLargeMemoryIsToldOf(t *testing.T) {
	told := 0
	x := newIndex(func(b []byte) { told += len(b) })
	const n = 1 << 19
	for i := range uint32(n) {
		x.add(i*0x9E3779B1, i)
	}
	if told < 8*n {
		t.Errorf("%d bytes of the index were told of, want what holds %d entries", told, n)
	}
	told = 0
	s := slab[leg]{advise: func(b []byte) { told += len(b) }}
	for i := range uint32(1 << 16) {
		if got := s.get(); got != i {
			t.Fatalf("record %d was handed out as number %d", i, got)
		}
		s.at(i).hash = i
	}
	for i := range uint32(1 << 16) {
		if s.at(i).hash != i {
			t.Fatalf("record %d holds %d", i, s.at(i).hash)
		}
	}
	if told == 0 {
		t.Error("nothing of 16 MiB of legs was told of")
	}
}

func TestMovedDeadlinesComeInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h deadlineHeap
	var want []deadline
	for i := range 3000 {
		d := deadline{at: rng.Int64N(500), number: uint32(i)}
		h.push(d)
		want = append(want, d)
		if i%3 == 0 { // some are met while others come
			earliest := slices.IndexFunc(want, func(d deadline) bool {
				return !slices.ContainsFunc(want, func(o deadline) bool { return o.before(&d) })
			})
			if got := h.pop(); got != want[earliest] {
				t.Fatalf("%v is met, want %v", got, want[earliest])
			}
			want = slices.Delete(want, earliest, earliest+1)
		}
	}
	slices.SortFunc(want, func(a, b deadline) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
	for _, d := range want {
		if got := h.pop(); got != d {
			t.Fatalf("%v is met, want %v", got, d)
		}
	}
	if len(h) != 0 {
		t.Errorf("%d are left", len(h))
	}
}
