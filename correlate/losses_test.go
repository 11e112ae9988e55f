package correlate

import (
	"math/rand/v2"
	"slices"
	"testing"

	"dnatrace/capture"
)

// touching is what between is to find, by looking at every interval.
func touching(all []capture.Loss, from, to int64) uint64 {
	n := uint64(0)
	for _, l := range all {
		if l.From <= to && l.To >= from {
			n += l.Lost
		}
	}
	return n
}

func TestWhatARingLostInATimeIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var l losses
		var all []capture.Loss
		at := int64(0)
		for range 200 {
			at += 1 + rng.Int64N(100)
			n := capture.Loss{From: at, To: at + rng.Int64N(50), Lost: 1 + rng.Uint64N(9)}
			at = n.To
			all = append(all, n)
		}
		shuffled := slices.Clone(all)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, n := range shuffled {
			l.add(n)
		}
		if !slices.Equal(l.list, all) {
			t.Fatal("intervals that do not overlap do not stay as they are, in order of time")
		}
		for range 1000 {
			from := rng.Int64N(at + 100)
			to := from + rng.Int64N(1000)
			if got, want := l.between(from, to), touching(all, from, to); got != want {
				t.Fatalf("%d lost from %d to %d, want %d", got, from, to, want)
			}
		}
	}
}

// Where intervals overlap, or there are too many, a loss may be taken for longer
// than it was. It is never forgotten.
func TestNoLossIsForgottenHoweverManyThereAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var l losses
	var all []capture.Loss
	lost := uint64(0)
	for range 20 * lossesKept {
		from := rng.Int64N(1e12)
		n := capture.Loss{From: from, To: from + rng.Int64N(1e6), Lost: 1}
		all = append(all, n)
		lost++
		l.add(n)
		if len(l.list) > lossesKept {
			t.Fatalf("%d intervals are held", len(l.list))
		}
	}
	if got := l.between(0, 2e12); got != lost {
		t.Errorf("%d lost in all, want %d", got, lost)
	}
	for range 200 {
		from := rng.Int64N(1e12)
		if got, least := l.between(from, from+1e8), touching(all, from, from+1e8); got < least {
			t.Errorf("%d lost, want %d at least", got, least)
		}
	}
	for i := 1; i < len(l.list); i++ {
		if l.list[i].From < l.list[i-1].To {
			t.Fatal("intervals overlap")
		}
	}
}
