package live

import (
	"slices"
	"testing"
	"time"
)

func TestWhoReadsLateHurriesUntilItIsCalm(t *testing.T) {
	var said []bool
	h := haste{set: func(hurry bool) { said = append(said, hurry) }}
	at := int64(1e18)
	for _, step := range []struct {
		name string
		wait time.Duration
		late time.Duration
		want []bool
	}{
		{"what waited while all was armed", 0, time.Second, nil},
		{"packets are read as they come", 0, 20 * time.Millisecond, nil},
		{"they are read late", 3 * time.Second, 200 * time.Millisecond, []bool{true}},
		{"and again", time.Second, 900 * time.Millisecond, []bool{true}},
		{"it has caught up", 9 * time.Second, 20 * time.Millisecond, []bool{true}},
		{"it has been calm for long", 2 * time.Second, 20 * time.Millisecond, []bool{true, false}},
		{"it stays calm", time.Second, 20 * time.Millisecond, []bool{true, false}},
		{"they are read late once more", time.Second, time.Second, []bool{true, false, true}},
	} {
		at += int64(step.wait)
		if h.read(at, step.late); !slices.Equal(said, step.want) {
			t.Errorf("%s: %v, want %v", step.name, said, step.want)
		}
	}
}
