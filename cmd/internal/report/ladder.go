package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/correlate"
)

// Measures of the ladder.
const (
	ladderWidth  px = 1000
	ladderTop    px = 58 // of the first packet
	clientX      px = 132
	labelX       px = 786 // where the texts beside begin
	labelStep    px = 18  // between two texts
	longestGap   px = 66  // a longer one is drawn as gapHeight, and marked
	gapHeight    px = 34
	wantedStep   px = 22 // between two packets of usual distance
	timeX        px = 88
	maxLifelines    = 12
)

// ladder is a sequence diagram of the packets of one request, to scale in time
// but for the gaps that are marked.
type ladder struct {
	W, H, Top px
	ClientX   px
	Bottom    px
	Lives     []life
	Rungs     []rung
	Gaps      []gap
	Scale     string // what a length stands for
	ScaleW    px
	Left      int // packets left out
	Wave      string
}

// wave is drawn over the lifelines where time is not to scale.
var wave = "q5-6 10 0" + strings.Repeat("t10 0", 72)

// life is the lifeline of a point.
type life struct {
	X          px
	Name, Full string
	Sub        string
}

// rung is one packet.
type rung struct {
	N           int
	Class       string
	Reply       bool
	Strokes     []stroke
	Dots        []dot
	Head        dot     // where the packet arrived last
	Stub        *stroke // towards a point that should have seen it and did not
	Y           px      // of its first sighting
	TextY       px
	EdgeX       px // where the text's leader begins
	EdgeY       px
	StartX      px
	Time, Label string
	Title       string // all that is known, in one line
	Rows        []sightingRow
}

type stroke struct{ X1, Y1, X2, Y2 px }

type dot struct{ X, Y px }

type sightingRow struct{ Time, Point, From, To, Frame, TTL string }

// gap is a stretch of time that is not to scale.
type gap struct {
	Y    px
	Text string
}

// ladderOf lays out the packets of a case; ok is false if there are none.
func ladderOf(c *Case, w way) (l ladder, ok bool) {
	names := lifelines(c, w)
	if len(c.Flights) == 0 || len(names) == 0 {
		return l, false
	}
	l = ladder{W: ladderWidth, Top: ladderTop, ClientX: clientX, Left: c.Left, Wave: wave}
	x := l.lives(names, c)
	clock := newClock(c.Flights)
	for n := range c.Flights {
		l.Rungs = append(l.Rungs, l.rung(n, &c.Flights[n], c, x, clock))
	}
	l.Gaps = clock.gaps
	l.spread()
	last := l.Rungs[len(l.Rungs)-1]
	l.Bottom = max(last.TextY, clock.end) + 20
	l.H = l.Bottom + 34
	l.Scale, l.ScaleW = clock.scale()
	return l, true
}

// lifelines are the points of the way in its order, then whatever else saw a
// packet.
func lifelines(c *Case, w way) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) && len(names) < maxLifelines {
			names = append(names, name)
		}
	}
	for _, s := range w.Stops {
		if !s.Action() && s.Kind != "client" && s.Kind != "server" && s.Kind != "host" {
			add(s.Name)
		}
	}
	for _, f := range c.Flights {
		for _, s := range f.Seen {
			add(s.Point)
		}
	}
	return names
}

func (l *ladder) lives(names []string, c *Case) map[string]px {
	at := map[string]px{}
	step := (labelX - 40 - clientX) / px(len(names))
	for n, name := range names {
		x := clientX + px(n+1)*step
		at[name] = x
		l.Lives = append(l.Lives, life{X: x, Name: short(name, int(step/7.4)), Full: name})
	}
	return at
}

// rung lays out one packet.
func (l *ladder) rung(n int, f *Flight, c *Case, x map[string]px, clock *clock) rung {
	first := f.Seen[0]
	r := rung{N: n + 1, Class: f.Class, Reply: f.Reply, Y: clock.y(first.Time), Time: preciseText(first.Time.Sub(c.Incident.First)), Label: labelText(f)}
	if f.Again > 0 && r.Class == "" {
		r.Class = "again"
	}
	from := px(0)
	if !f.Reply {
		if first.Src == c.Incident.Client || !strings.Contains(first.Src, ":") {
			r.Strokes = append(r.Strokes, stroke{clientX, r.Y, x[first.Point], r.Y})
		}
		from = x[first.Point]
		r.Dots = append(r.Dots, dot{from, r.Y})
	}
	for k, s := range f.Seen {
		at, y := x[s.Point], clock.y(s.Time)
		if from != 0 && k > 0 {
			r.Strokes = append(r.Strokes, stroke{from, clock.y(f.Seen[k-1].Time), at, y})
		}
		if k > 0 || f.Reply {
			r.Dots = append(r.Dots, dot{at, y})
		}
		from = at
	}
	r.Head = r.Dots[len(r.Dots)-1]
	r.Stub = stubOf(f, &c.Incident, x, clock)
	if f.Reply && r.Stub == nil && atClient(f, c) {
		y := clock.y(f.Seen[len(f.Seen)-1].Time)
		r.Strokes = append(r.Strokes, stroke{from, y, clientX, y})
		r.Head = dot{clientX, y}
	}
	r.edges()
	r.Title = titleOf(n, f, r.Time)
	for _, s := range f.Seen {
		r.Rows = append(r.Rows, sightingRow{Time: preciseText(s.Time.Sub(c.Incident.First)), Point: s.Point, From: s.Src, To: s.Dst, Frame: fmt.Sprint(s.Frame), TTL: fmt.Sprint(s.TTL)})
	}
	return r
}

// edges finds where the texts beside attach: at the right end, and at the left.
func (r *rung) edges() {
	r.EdgeX, r.StartX = 0, labelX
	for _, d := range r.Dots {
		if d.X > r.EdgeX {
			r.EdgeX, r.EdgeY = d.X, d.Y
		}
		r.StartX = min(r.StartX, d.X)
	}
	for _, s := range r.Strokes {
		r.StartX = min(r.StartX, s.X1, s.X2)
	}
}

// atClient reports whether an answer was seen at the point next to the client.
func atClient(f *Flight, c *Case) bool {
	for _, h := range c.Incident.Hops {
		if h.Direction != "reply" {
			return f.Seen[len(f.Seen)-1].Point == h.Point
		}
	}
	return false
}

// stubOf points from the last sighting towards the first point of which the
// document says that it should have seen the packet and did not.
func stubOf(f *Flight, i *correlate.Incident, x map[string]px, clock *clock) *stroke {
	last := f.Seen[len(f.Seen)-1]
	for _, u := range i.Unseen {
		to, known := x[u.Point]
		if (u.Direction == "reply") != f.Reply || !known {
			continue
		}
		from, y := x[last.Point], clock.y(last.Time)
		if to == from || (to < from) != f.Reply {
			return nil
		}
		return &stroke{from, y, from + (to-from)*0.55, y}
	}
	return nil
}

func labelText(f *Flight) string {
	if f.Again > 0 {
		return f.Label + fmt.Sprintf(", again (%d)", f.Again)
	}
	return f.Label
}

func titleOf(n int, f *Flight, at string) string {
	way := "request"
	if f.Reply {
		way = "reply"
	}
	seen := ""
	for k, s := range f.Seen {
		sep := ", "
		if k == 0 {
			sep = ""
		}
		seen += sep + s.Point
	}
	first := f.Seen[0]
	return fmt.Sprintf("Packet %d, %s: %s at %s, %s → %s, seen at %s; %s", n+1, way, labelText(f), at, first.Src, first.Dst, seen, f.Detail)
}

// spread moves the texts beside apart, each as close to its packet as it can be.
func (l *ladder) spread() {
	order := make([]*rung, len(l.Rungs))
	for n := range l.Rungs {
		order[n] = &l.Rungs[n]
	}
	slices.SortStableFunc(order, func(a, b *rung) int { return cmp.Compare(a.Y, b.Y) })
	free := px(0)
	for _, r := range order {
		r.TextY = max(r.Y, free)
		free = r.TextY + labelStep
	}
}

// clock maps times to heights: to scale, but for long gaps.
type clock struct {
	times []int64 // Unix ns, ascending, each once
	ys    []px
	gaps  []gap
	perPx float64 // ns
	end   px
}

func newClock(all []Flight) *clock {
	k := &clock{}
	var starts []int64
	for _, f := range all {
		for _, s := range f.Seen {
			k.times = append(k.times, s.Time.UnixNano())
		}
		starts = append(starts, f.Seen[0].Time.UnixNano())
	}
	slices.Sort(k.times)
	k.times = slices.Compact(k.times)
	k.perPx = scaleOf(starts)
	y, free := ladderTop, ladderTop // of the next packet, and of the next text beside
	for n, t := range k.times {
		if n > 0 {
			d := px(float64(t-k.times[n-1]) / k.perPx)
			if d > longestGap {
				y = max(y, free-labelStep)
				k.gaps = append(k.gaps, gap{Y: y + gapHeight/2, Text: spanText(time.Duration(t - k.times[n-1]))})
				d = gapHeight
			}
			y += d
		}
		k.ys = append(k.ys, y)
		for range countOf(starts, t) {
			free = max(y, free) + labelStep
		}
	}
	k.end = y
	return k
}

// countOf is how often t is in times, which are ascending.
func countOf(times []int64, t int64) int {
	from, _ := slices.BinarySearch(times, t)
	to, _ := slices.BinarySearch(times, t+1)
	return to - from
}

// scaleOf is how many ns a pixel stands for, so that two packets of the usual
// distances are legible: of those that are no pauses, a quarter is shorter.
func scaleOf(starts []int64) float64 {
	slices.Sort(starts)
	var gaps []int64
	for n := 1; n < len(starts); n++ {
		if d := starts[n] - starts[n-1]; d > 0 && d < int64(50*time.Millisecond) {
			gaps = append(gaps, d)
		}
	}
	if len(gaps) == 0 {
		return float64(20*time.Microsecond) / float64(wantedStep)
	}
	slices.Sort(gaps)
	return max(float64(gaps[len(gaps)/4])/float64(wantedStep), 1)
}

func (k *clock) y(t time.Time) px {
	n, ok := slices.BinarySearch(k.times, t.UnixNano())
	if !ok {
		return ladderTop
	}
	return k.ys[n]
}

// scale is a round length of time and how long it is drawn.
func (k *clock) scale() (string, px) {
	for _, d := range []time.Duration{time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
		if l := px(float64(d) / k.perPx); l >= 14 {
			return spanText(d), l
		}
	}
	return "", 0
}
