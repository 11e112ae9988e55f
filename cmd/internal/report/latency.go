package report

import (
	"math"
	"slices"
	"time"

	"dnatrace/correlate"
)

// Measures of the plot of latencies.
const (
	plotWidth  px  = 560
	maxPlotted int = 120 // dots of a row
	maxHops    int = 12  // rows
)

// latency is how long requests took from point to point, first packets only.
type latency struct {
	W     px
	Rows  []latencyRow
	Ticks []tick
	// Several says that a hop was passed by more than one request.
	Several bool
}

type tick struct {
	X    px
	Text string
}

// latencyRow is one hop.
type latencyRow struct {
	From, To string
	Reply    bool
	Inside   bool // from the last sighting of the request to the first of the answer, at one point
	N        int
	This     string // of the request told first; "" if it was not seen at both
	Median   string
	P95      string
	Most     string
	Dots     []px
	ThisX    px
	MedianX  px
}

type hopKey struct {
	from, to string
	reply    bool
}

// latencyOf measures the requests listed.
func latencyOf(d *correlate.Document, first *correlate.Incident) latency {
	var order []hopKey
	all := map[hopKey][]time.Duration{}
	this := map[hopKey]time.Duration{}
	measure(first, func(k hopKey, took time.Duration) {
		order = append(order, k)
		this[k] = took
	})
	for n := range d.Requests {
		measure(&d.Requests[n], func(k hopKey, took time.Duration) {
			if !slices.Contains(order, k) && len(order) < maxHops {
				order = append(order, k)
			}
			all[k] = append(all[k], took)
		})
	}
	return plot(order[:min(len(order), maxHops)], all, this)
}

// measure tells the time between consecutive first sightings of a request.
func measure(i *correlate.Incident, tell func(hopKey, time.Duration)) {
	var last *correlate.Hop
	been := map[hopKey]bool{}
	for n := range i.Hops {
		h := &i.Hops[n]
		reply := h.Direction == "reply"
		at := hopKey{from: h.Point, reply: reply}
		if h.Frame == 0 || h.Time.IsZero() || been[at] {
			continue
		}
		been[at] = true
		if took := time.Duration(0); last != nil {
			took = h.Time.Sub(last.Time)
			if k := (hopKey{last.Point, h.Point, reply}); took >= 0 && !been[k] {
				been[k] = true
				tell(k, took)
			}
		}
		last = h
	}
}

// plot places the measurements on one logarithmic axis.
func plot(order []hopKey, all map[hopKey][]time.Duration, this map[hopKey]time.Duration) latency {
	l := latency{W: plotWidth}
	low, high := time.Duration(math.MaxInt64), time.Duration(0)
	order = slices.DeleteFunc(order, func(k hopKey) bool { return len(all[k]) == 0 })
	for _, k := range order {
		slices.Sort(all[k])
		low, high = min(low, all[k][0]), max(high, all[k][len(all[k])-1])
	}
	if len(order) == 0 {
		return l
	}
	a := axisOf(low, high)
	l.Ticks = a.ticks()
	for _, k := range order {
		took := all[k]
		r := latencyRow{From: k.from, To: k.to, Reply: k.reply, Inside: k.from == k.to, N: len(took),
			Median: spanText(took[len(took)/2]), P95: spanText(took[len(took)*95/100]), Most: spanText(took[len(took)-1]), MedianX: a.x(took[len(took)/2])}
		if t, ok := this[k]; ok {
			r.This, r.ThisX = spanText(t), a.x(t)
		}
		for n := 0; n < min(len(took), maxPlotted); n++ {
			x := a.x(took[n*len(took)/min(len(took), maxPlotted)])
			if len(r.Dots) == 0 || x-r.Dots[len(r.Dots)-1] >= 1 {
				r.Dots = append(r.Dots, x)
			}
		}
		l.Several = l.Several || r.N > 1
		l.Rows = append(l.Rows, r)
	}
	return l
}

// axis is logarithmic, from a power of ten to one.
type axis struct{ from, to float64 } // log10 of ns

func axisOf(low, high time.Duration) axis {
	a := axis{math.Floor(math.Log10(max(float64(low), 100))), math.Ceil(math.Log10(max(float64(high), 1000)))}
	if a.to <= a.from {
		a.to = a.from + 1
	}
	return a
}

func (a axis) x(d time.Duration) px {
	at := (math.Log10(max(float64(d), math.Pow(10, a.from))) - a.from) / (a.to - a.from)
	return 12 + px(at)*(plotWidth-24)
}

func (a axis) ticks() []tick {
	var out []tick
	for e := a.from; e <= a.to; e++ {
		d := time.Duration(math.Pow(10, e))
		text := spanText(d)
		switch {
		case d < time.Microsecond:
			text = d.String()
		case d >= time.Millisecond && d < time.Second:
			text = (d / time.Millisecond * time.Millisecond).String()
		case d >= time.Second:
			text = d.String()
		}
		out = append(out, tick{X: a.x(d), Text: text})
	}
	return out
}
