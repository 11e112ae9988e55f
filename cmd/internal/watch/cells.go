package watch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// cut is s in at most w columns, with a sign that there is more.
func (v *View) cut(s string, w int) string {
	if render.Columns(s) <= w {
		return s
	}
	more := "…"
	if !v.look.UTF8 {
		more = "~"
	}
	if w < 1 {
		return ""
	}
	return render.Fit(s, w-1) + more
}

// pad is s with spaces up to w columns.
func (v *View) pad(s string, w int) string {
	return s + strings.Repeat(" ", max(0, w-render.Columns(s)))
}

// cell is s in w columns, no more and no less.
func (v *View) cell(s string, w int, right bool) string {
	s = v.cut(v.look.Text(s), w)
	if right {
		return strings.Repeat(" ", max(0, w-render.Columns(s))) + s
	}
	return v.pad(s, w)
}

// count is a number with a word, which loses its plural for one: "1 234 packets",
// "1 packet".
func count(n int, word string) string { return thousands(n) + " " + inflected(n, word) }

// inflected is a word for so many: without its plural for one.
func inflected[N int | uint64](n N, word string) string {
	if n == 1 {
		return strings.TrimSuffix(word, "s")
	}
	return word
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// perSecond is a rate in few columns.
func perSecond(r float64) string {
	switch {
	case r == 0:
		return "0"
	case r < 100:
		return fmt.Sprintf("%.1f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

// short is a time in seconds in at most six columns; "" of one that is not known.
func short(s float64) string {
	switch {
	case s <= 0:
		return ""
	case s < 0.01:
		return fmt.Sprintf("%.1fms", s*1e3)
	case s < 1:
		return fmt.Sprintf("%.0fms", s*1e3)
	case s < 100:
		return fmt.Sprintf("%.1fs", s)
	}
	return fmt.Sprintf("%.0fs", s)
}

// pair are a median and a 99th percentile in few columns.
func pair(p50, p99 float64) string {
	if p50 <= 0 {
		return ""
	}
	return short(p50) + "/" + short(p99)
}

// ago says how long ago something was.
func ago(d time.Duration) string {
	switch d = max(0, d); {
	case d < 100*time.Second:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%dh", int(d.Hours()))
}

// What a history is drawn with, from little to much.
var (
	blocks = []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
	plain  = []string{".", ":", "-", "=", "+", "*", "%", "#"}
)

// spark draws the last minute of a history in so many columns. A column in which
// something failed is red; without colour it is a sign of its own.
func (v *View) spark(h *history, now time.Time, width int) string {
	each := max(1, (60+width-1)/max(1, width))
	type column struct{ told, failed int }
	columns := make([]column, width)
	most := 0
	for k := range columns {
		for s := range each {
			b := h.back(now, (width-1-k)*each+s)
			columns[k].told += int(b.told)
			columns[k].failed += int(b.failed)
		}
		most = max(most, columns[k].told, columns[k].failed)
	}
	steps, bad := blocks, "✗"
	if !v.look.UTF8 {
		steps, bad = plain, "X"
	}
	var b strings.Builder
	for _, c := range columns {
		n := max(c.told, c.failed)
		sign := " "
		if n > 0 {
			sign = steps[(n*len(steps)-1)/most]
		}
		switch {
		case c.failed > 0 && v.look.Color:
			sign = v.look.Verdict(correlate.Dropped, sign)
		case c.failed > 0:
			sign = bad
		}
		b.WriteString(sign)
	}
	return b.String()
}
