package report

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// px is a length in a picture.
type px float64

// String has one decimal at most: pictures are the same on every machine.
func (p px) String() string { return strconv.FormatFloat(float64(int64(p*10+0.5))/10, 'f', -1, 64) }

// short cuts s to n characters; the whole of it is in the title beside.
func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 2 {
		return s
	}
	return string(r[:n-1]) + "…"
}

// sinceText writes how long after the first sighting something was.
func sinceText(d time.Duration) string {
	switch {
	case d < 0:
		return "−" + sinceText(-max(d, -math.MaxInt64)) // the least of all has no negative
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.3f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}

// spanText writes a length of time for people.
func spanText(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", d.Seconds()*1e6)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// preciseText is sinceText where packets follow each other closely.
func preciseText(d time.Duration) string {
	if d < 0 || d < time.Second {
		return fmt.Sprintf("%.3f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.6f s", d.Seconds())
}
