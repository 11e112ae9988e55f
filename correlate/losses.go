package correlate

import (
	"slices"

	"dnatrace/capture"
)

// losses are the intervals in which a ring lost packets, in order of time. Those
// that overlap are one, so that both ends are in order and what was lost in a
// time is found without looking at all of them.
type losses struct {
	list   []capture.Loss
	before []uint64 // packets lost in list[:i], for each i
}

// lossesKept bounds the intervals of a ring. When there are more, those with the
// least time between them become one: a gap less to be sure of, never a loss less.
const lossesKept = 4096

// add enters an interval. Nearly always it is the latest.
func (l *losses) add(n capture.Loss) {
	n.To = max(n.From, n.To)
	i, _ := slices.BinarySearchFunc(l.list, n.From, func(o capture.Loss, from int64) int {
		if o.To > from {
			return 1
		}
		return -1
	})
	// From i on they end after n begins.
	k := i
	for k < len(l.list) && l.list[k].From < n.To {
		n = both(l.list[k], n)
		k++
	}
	l.list = slices.Replace(l.list, i, k, n)
	if len(l.list) > lossesKept {
		l.thin()
		i = 0
	}
	l.sum(i)
}

func both(a, b capture.Loss) capture.Loss {
	a.From, a.To, a.Lost = min(a.From, b.From), max(a.To, b.To), a.Lost+b.Lost
	return a
}

// thin joins every interval with the next that is among the nearer half.
func (l *losses) thin() {
	gaps := make([]int64, 0, len(l.list))
	for i := 1; i < len(l.list); i++ {
		gaps = append(gaps, l.list[i].From-l.list[i-1].To)
	}
	slices.Sort(gaps)
	near := gaps[len(gaps)/2]
	kept := l.list[:1]
	for _, n := range l.list[1:] {
		last := &kept[len(kept)-1]
		if n.From-last.To <= near {
			*last = both(*last, n)
		} else {
			kept = append(kept, n)
		}
	}
	l.list = kept
}

// sum brings before up to date from the i-th interval on.
func (l *losses) sum(i int) {
	if len(l.before) == 0 {
		l.before = append(l.before, 0)
	}
	l.before = l.before[:i+1]
	for _, n := range l.list[i:] {
		l.before = append(l.before, l.before[len(l.before)-1]+n.Lost)
	}
}

// between is how many packets were lost in intervals that touch a time.
func (l *losses) between(from, to int64) uint64 {
	if l == nil || len(l.list) == 0 {
		return 0
	}
	first, _ := slices.BinarySearchFunc(l.list, from, func(o capture.Loss, t int64) int {
		if o.To >= t {
			return 1
		}
		return -1
	})
	end, _ := slices.BinarySearchFunc(l.list, to, func(o capture.Loss, t int64) int {
		if o.From > t {
			return 1
		}
		return -1
	})
	if end <= first {
		return 0
	}
	return l.before[end] - l.before[first]
}

func (l *losses) all() []capture.Loss {
	if l == nil {
		return nil
	}
	return l.list
}
