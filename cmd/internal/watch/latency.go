package watch

import (
	"math/bits"
	"slices"
	"time"
)

// A latency holds how long something took, in buckets whose bounds are an eighth
// of a power of two apart, from 1 µs to over four minutes: a quantile is at most
// 12.5 % too high. It takes 5 kB however much is added, nothing before that.
const (
	latencySteps   = 8
	latencyOctaves = 28
	latencyBuckets = latencySteps * (latencyOctaves - 2)
)

// recent is how long a latency takes as the present at least; at most twice that.
const recent = 30 * time.Second

type latency struct {
	all, now, before []uint32 // since the beginning; in the present half, and in the one before
	turned           time.Time
}

// add adds a time in seconds; 0 is unknown and not counted.
func (l *latency) add(at time.Time, seconds float64) {
	if seconds <= 0 {
		return
	}
	if l.all == nil {
		l.all, l.now, l.before = make([]uint32, latencyBuckets), make([]uint32, latencyBuckets), make([]uint32, latencyBuckets)
		l.turned = at
	}
	l.turn(at)
	b := bucketOf(seconds)
	l.all[b]++
	l.now[b]++
}

func (l *latency) turn(at time.Time) {
	since := at.Sub(l.turned)
	if since < recent {
		return
	}
	l.now, l.before = l.before, l.now
	clear(l.now)
	if since >= 2*recent {
		clear(l.before)
	}
	l.turned = at
}

// bucketOf is the bucket of a time in seconds.
func bucketOf(seconds float64) int {
	us := uint64(min(seconds*1e6, 1<<latencyOctaves-1))
	if us < latencySteps {
		return int(us)
	}
	shift := bits.Len64(us) - 4 // 8 to 15 stay
	return min((shift+1)*latencySteps+int(us>>shift)-latencySteps, latencyBuckets-1)
}

// bound is the upper bound of a bucket, in seconds.
func bound(b int) float64 {
	if b < latencySteps {
		return float64(b+1) / 1e6
	}
	shift := b/latencySteps - 1
	return float64(uint64(latencySteps+b%latencySteps+1)<<shift) / 1e6
}

// quantiles are the median and the 99th percentile of the last minute or half of
// one, or of all the time where nothing came then. They are 0 if nothing did.
func (l *latency) quantiles(now time.Time) (p50, p99 float64) {
	if l.all == nil {
		return 0, 0
	}
	counts := make([]uint32, latencyBuckets)
	since := now.Sub(l.turned)
	for b := range counts {
		if since < 2*recent {
			counts[b] += l.now[b]
		}
		if since < recent {
			counts[b] += l.before[b]
		}
	}
	if slices.Max(counts) == 0 {
		counts = l.all
	}
	return quantile(counts, 50), quantile(counts, 99)
}

func quantile(counts []uint32, percent uint64) float64 {
	var sum, seen uint64
	for _, n := range counts {
		sum += uint64(n)
	}
	for b, n := range counts {
		if seen += uint64(n); n > 0 && seen*100 >= sum*percent {
			return bound(b)
		}
	}
	return 0
}

func (l *latency) clone() latency {
	return latency{slices.Clone(l.all), slices.Clone(l.now), slices.Clone(l.before), l.turned}
}
