package watch

import (
	"slices"
	"time"
)

// historySeconds is how far a history goes back.
const historySeconds = 120

// history counts what was judged in each of the last seconds. A request that is
// judged again counts where it was told first; one that failed after all, there
// too.
type history struct {
	seconds []second // a ring by time
	last    int64    // Unix seconds of the newest
}

type second struct{ told, failed uint32 }

func (h *history) add(now time.Time, n news) {
	s := h.at(now)
	if n.first {
		s.told++
	}
	if n.failed {
		s.failed++
	}
}

// at is the second of a time, which is the newest.
func (h *history) at(now time.Time) *second {
	if h.seconds == nil {
		h.seconds, h.last = make([]second, historySeconds), now.Unix()
	}
	h.move(now.Unix())
	return &h.seconds[h.last%historySeconds]
}

func (h *history) move(to int64) {
	if to-h.last >= historySeconds {
		clear(h.seconds)
		h.last = to
	}
	for h.last < to {
		h.last++
		h.seconds[h.last%historySeconds] = second{}
	}
}

// back is what was counted so many seconds ago.
func (h *history) back(now time.Time, ago int) second {
	at := now.Unix() - int64(ago)
	if h.seconds == nil || at > h.last || at <= h.last-historySeconds || at < 0 {
		return second{}
	}
	return h.seconds[at%historySeconds]
}

// rateOver is the time that a rate is taken over.
const rateOver = 5

// rate is how many requests were judged a second, over the last whole ones.
func (h *history) rate(now time.Time, began time.Time) float64 {
	n, over := 0, min(rateOver, max(1, int(now.Unix()-began.Unix())))
	for ago := 1; ago <= over; ago++ {
		s := h.back(now, ago)
		n += int(s.told)
	}
	return float64(n) / float64(over)
}

// recently reports whether something was told in the last minute, and whether
// something failed.
func (h *history) recently(now time.Time) (told, failed bool) {
	for ago := range 60 {
		s := h.back(now, ago)
		told, failed = told || s.told > 0, failed || s.failed > 0
	}
	return told, failed
}

func (h *history) clone() history { return history{slices.Clone(h.seconds), h.last} }
