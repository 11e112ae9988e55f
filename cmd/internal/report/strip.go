package report

import (
	"fmt"
	"time"

	"dnatrace/cmd/internal/changes"
)

// Measures of the strip that shows when things happened.
const (
	stripWidth px = 1000
	stripLeft  px = 96
	laneHeight px = 30
)

// strip is the timeline as a picture: a lane for each kind of happening.
type strip struct {
	W, H  px
	Left  px
	Lanes []lane
	Ticks []tick
	Whole string // how long it is
}

type lane struct {
	Y     px
	Name  string
	Marks []mark
	Rule  bool
}

type mark struct {
	X     px
	Title string
}

var laneOrder = []string{LaneRequests, changes.LaneEngine, changes.LaneRules, changes.LaneHost, changes.LaneSockets, changes.LaneCapture}

func stripOf(all []Happening) (s strip, ok bool) {
	if len(all) < 2 {
		return s, false
	}
	from, to := all[0].Time, all[len(all)-1].Time
	whole := to.Sub(from)
	if whole <= 0 {
		return s, false
	}
	s = strip{W: stripWidth, Left: stripLeft, Whole: spanText(whole)}
	x := func(t time.Time) px {
		return stripLeft + 14 + px(float64(t.Sub(from))/float64(whole))*(stripWidth-stripLeft-40)
	}
	y := px(20)
	for _, name := range laneOrder {
		l := lane{Y: y, Name: name}
		for _, h := range all {
			if h.Lane == name {
				l.Marks = append(l.Marks, mark{X: x(h.Time), Title: sinceText(h.Time.Sub(from)) + " " + happeningText(h)})
			}
		}
		if len(l.Marks) > 0 {
			s.Lanes = append(s.Lanes, l)
			y += laneHeight
		}
	}
	for n := range 5 {
		d := whole * time.Duration(n) / 4
		s.Ticks = append(s.Ticks, tick{X: x(from.Add(d)), Text: tickText(d)})
	}
	s.H = y + 22
	return s, true
}

func tickText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return spanText(d)
}

func happeningText(h Happening) string {
	if h.Where == "" {
		return h.Text
	}
	return fmt.Sprintf("%s: %s", h.Where, h.Text)
}
