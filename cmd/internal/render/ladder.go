package render

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"dnatrace/correlate"
)

// gap separates the columns of the ladder.
const gap = 3

// minWhat is the least width the column of what happened is wrapped to.
const minWhat = 16

// rung is one line of the ladder.
type rung struct{ mark, time, point, what, address string }

func (r rung) cells() []string { return []string{r.mark, r.time, r.point, r.what, r.address} }

// ladder lays out the hops of i from top to bottom, the place where it ended
// marked, in lines of at most width columns where that is possible.
func ladder(i *correlate.Incident, g glyphs, width int) ([]string, error) {
	if len(i.Hops) == 0 {
		return nil, nil
	}
	rungs := []rung{{time: "time", point: "point", what: "what", address: "address"}}
	end, start := ending(i), firstTime(i)
	for n := range i.Hops {
		r := rungOf(&i.Hops[n], start, g)
		if n == end {
			r = marked(r, i, &i.Hops[n], g)
		}
		rungs = append(rungs, r)
	}
	fit(rungs, g, width)
	return drawn(rungs)
}

func rungOf(h *correlate.Hop, start time.Time, g glyphs) rung {
	return rung{time: sinceStart(h.Time, start, g), point: h.Point, what: happened(h), address: address(h, g)}
}

func sinceStart(t, start time.Time, g glyphs) string {
	if t.IsZero() {
		return g.none
	}
	return fmt.Sprintf("%.3f ms", t.Sub(start).Seconds()*1e3)
}

func firstTime(i *correlate.Incident) time.Time {
	for _, h := range i.Hops {
		if !h.Time.IsZero() {
			return h.Time
		}
	}
	return i.First
}

// happened says what a hop shows; a sighting speaks for itself.
func happened(h *correlate.Hop) string {
	switch {
	case h.Kind == "" && h.Detail == "":
		return "not seen"
	case h.Kind == "" || h.Kind == correlate.HopSeen && h.Detail != "":
		return h.Detail
	case h.Detail == "":
		return string(h.Kind)
	}
	return string(h.Kind) + ", " + h.Detail
}

func address(h *correlate.Hop, g glyphs) string {
	switch {
	case h.After != "":
		return h.Before + " " + g.to + " " + h.After
	case h.Before == "":
		return ""
	case h.Direction == "reply":
		return g.from + " " + h.Before
	}
	return g.to + " " + h.Before
}

// ending is the index of the hop where the request ended; -1 if it did not.
// What dropped or refused it comes first, then the first point that should have
// seen it and did not, then the last that saw it.
func ending(i *correlate.Incident) int {
	if i.Verdict == correlate.Delivered {
		return -1
	}
	for n, h := range i.Hops {
		if h.Kind == correlate.HopDropped || h.Kind == correlate.HopRefused {
			return n
		}
	}
	if n := firstMissing(i.Hops); n >= 0 {
		return n
	}
	return lastSighting(i)
}

func firstMissing(hops []correlate.Hop) int {
	found := -1
	for n, h := range hops {
		if h.Kind != "" {
			continue
		}
		if strings.HasPrefix(h.Detail, "not seen") {
			return n
		}
		if found < 0 {
			found = n
		}
	}
	return found
}

func lastSighting(i *correlate.Incident) int {
	last := len(i.Hops) - 1
	if i.Verdict != correlate.Unanswered {
		return last
	}
	for n := last; n >= 0; n-- {
		if i.Hops[n].Direction != "reply" {
			return n
		}
	}
	return last
}

// marked makes the rung where the request ended impossible to overlook, without
// colour too.
func marked(r rung, i *correlate.Incident, h *correlate.Hop, g glyphs) rung {
	r.mark = g.bad
	if i.Verdict == correlate.Undetermined {
		r.mark = g.unsure
		return r
	}
	switch h.Kind {
	case "":
		r.what = shout(r.what, "not seen")
	case correlate.HopDropped, correlate.HopRefused:
		r.what = shout(r.what, string(h.Kind))
	default:
		r.what += ", " + strings.ToUpper(i.Verdict.String())
	}
	return r
}

func shout(s, word string) string { return strings.Replace(s, word, strings.ToUpper(word), 1) }

// fit makes the ladder narrow enough: addresses break at the arrow first, then
// what happened wraps.
func fit(rungs []rung, g glyphs, width int) {
	if width == 0 || natural(rungs) <= width {
		return
	}
	for n := range rungs {
		rungs[n].address = strings.Replace(rungs[n].address, " "+g.to+" ", "\n"+g.to+" ", 1)
	}
	over := natural(rungs) - width
	if over <= 0 {
		return
	}
	room := max(minWhat, widest(rungs, 3)-over)
	for n := range rungs {
		rungs[n].what = strings.Join(wrap(rungs[n].what, room), "\n")
	}
}

// natural is the width the ladder takes as it is.
func natural(rungs []rung) int {
	sum := 0
	for c := range rung.cells(rung{}) {
		sum += gap + widest(rungs, c)
	}
	return sum - gap
}

func widest(rungs []rung, col int) int {
	w := 0
	for _, r := range rungs {
		for line := range strings.SplitSeq(r.cells()[col], "\n") {
			w = max(w, columns(line))
		}
	}
	return w
}

// drawn has tablewriter draw the rungs without borders.
func drawn(rungs []rung) ([]string, error) {
	var b bytes.Buffer
	t := tablewriter.NewTable(&b, borderless()...)
	t.Header(rungs[0].cells())
	for _, r := range rungs[1:] {
		if err := t.Append(r.cells()); err != nil {
			return nil, fmt.Errorf("lay out hop at %s: %w", r.point, err)
		}
	}
	if err := t.Render(); err != nil {
		return nil, fmt.Errorf("lay out hops: %w", err)
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for n := range lines {
		lines[n] = strings.TrimRight(lines[n], " ")
	}
	return lines, nil
}

func borderless() []tablewriter.Option {
	return []tablewriter.Option{
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})),
		tablewriter.WithEastAsian(tw.Off), // arrows take one column whatever the locale
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{
			Global:    tw.AlignLeft,
			PerColumn: []tw.Align{tw.AlignLeft, tw.AlignRight, tw.AlignLeft, tw.AlignLeft, tw.AlignLeft},
		}),
		tablewriter.WithPadding(tw.Padding{Right: strings.Repeat(" ", gap), Overwrite: true}),
	}
}
