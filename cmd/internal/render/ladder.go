package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
	"dnatrace/decode/programs"
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
func ladder(i *correlate.Incident, g glyphs, width int, l lang.Language) ([]string, error) {
	hops := withUnseen(i)
	if len(hops) == 0 {
		return nil, nil
	}
	rungs := []rung{{time: "time", point: "point", what: "what", address: "address"}}
	end, start := ending(i.Verdict, hops), firstTime(hops)
	for n := range hops {
		r := rungOf(&hops[n], start, g)
		if n == end {
			r = marked(r, i.Verdict, hops[n].Kind, g)
		}
		rungs = append(rungs, r)
	}
	for n := range rungs {
		rungs[n].what = l.Sentence(rungs[n].what)
	}
	rungs[0].time, rungs[0].point, rungs[0].address = l.Sentence("time"), l.Sentence("point"), l.Sentence("address")
	fit(rungs, g, width)
	return drawn(rungs)
}

// missing is the kind of the hops that stand for points which saw nothing.
const missing correlate.HopKind = ""

// withUnseen puts the points that should have seen the request behind its last
// sighting, and those that should have seen the reply at the end.
func withUnseen(i *correlate.Incident) []correlate.Hop {
	cut := 0
	for n, h := range i.Hops {
		if h.Direction != "reply" {
			cut = n + 1
		}
	}
	var request, reply []correlate.Hop
	for _, u := range i.Unseen {
		h := correlate.Hop{Point: u.Point, Direction: u.Direction, Kind: missing, Detail: unseenText(u.Detail)}
		if u.Direction == "reply" {
			reply = append(reply, h)
			continue
		}
		request = append(request, h)
	}
	return slices.Concat(i.Hops[:cut], request, i.Hops[cut:], reply)
}

// unseenText keeps "not seen" for points that were looked at.
func unseenText(detail string) string {
	switch {
	case detail == "":
		return "not seen"
	case strings.HasPrefix(detail, "not "):
		return detail
	}
	return "not seen (" + detail + ")"
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

func firstTime(hops []correlate.Hop) time.Time {
	for _, h := range hops {
		if !h.Time.IsZero() {
			return h.Time
		}
	}
	return time.Time{}
}

// happened says what a hop shows: a packet by its own name first, something done
// to it by what was done. A sighting speaks for itself.
func happened(h *correlate.Hop) string {
	switch {
	case h.Kind == missing || h.Kind == correlate.HopSeen && h.Detail != "":
		return h.Detail
	case h.Detail == "":
		return string(h.Kind)
	case h.Kind == correlate.HopDelivered || h.Kind == correlate.HopAnswered || h.Kind == correlate.HopRefused:
		return h.Detail + ", " + string(h.Kind)
	}
	return string(h.Kind) + ": " + ruleOwner(h.Detail)
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

// ruleOwner names the owner of a rule in front of its text as the rest of the output
// does.
func ruleOwner(detail string) string {
	if text, ok := strings.CutPrefix(detail, string(programs.User)+": "); ok {
		return "yours: " + text
	}
	return detail
}

// ending is the index of the hop where the request ended; -1 if it did not.
// What dropped or refused it comes first, then the first point that should have
// seen it and did not, then the last that saw it.
func ending(v correlate.Verdict, hops []correlate.Hop) int {
	if v == correlate.Delivered {
		return -1
	}
	for n, h := range hops {
		switch h.Kind {
		case correlate.HopDropped:
			return n
		case correlate.HopRefused:
			return whence(hops, n)
		case correlate.HopSeen, correlate.HopTranslated, correlate.HopFiltered, correlate.HopDelivered, correlate.HopAnswered:
		}
	}
	if n := firstMissing(hops); n >= 0 {
		return n
	}
	return furthest(v, hops)
}

// whence is the first sighting of the refusal that is hop n: the client's end
// of the way is where it arrived, not where it came from.
func whence(hops []correlate.Hop, n int) int {
	for first, h := range hops[:n] {
		if h.Direction == hops[n].Direction && h.Detail == hops[n].Detail {
			return first
		}
	}
	return n
}

// firstMissing prefers points that were looked at to those that were not.
func firstMissing(hops []correlate.Hop) int {
	found := -1
	for n, h := range hops {
		if h.Kind != missing {
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

// furthest is the last hop; of a request without an answer, the first sighting
// at the furthest point it reached.
func furthest(v correlate.Verdict, hops []correlate.Hop) int {
	if v != correlate.Unanswered {
		return len(hops) - 1
	}
	last, reached := 0, map[string]bool{}
	for n, h := range hops {
		if h.Direction != "reply" && !reached[h.Point] {
			reached[h.Point] = true
			last = n
		}
	}
	return last
}

// marked makes the rung where the request ended impossible to overlook, without
// colour too.
func marked(r rung, v correlate.Verdict, kind correlate.HopKind, g glyphs) rung {
	r.mark = g.bad
	switch {
	case v == correlate.Undetermined:
		r.mark = g.unsure
	case kind == missing:
		r.what = shout(r.what, "not seen")
	case kind == correlate.HopDropped || kind == correlate.HopRefused:
		r.what = shout(r.what, string(kind))
	default:
		r.what += ", " + strings.ToUpper(v.String())
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
