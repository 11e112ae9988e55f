package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// statusLine is one line at the bottom of a terminal, which is written over and
// over. Whatever else goes to that terminal comes above it.
type statusLine struct {
	mu    sync.Mutex
	w     io.Writer  // the terminal
	width func() int // its columns
	shown bool
}

// clear takes the line back, up to the next show.
const clear = "\r\x1b[K" // ECMA-48 EL

func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = true
	io.WriteString(s.w, clear+render.Fit(text, s.width()-1))
}

func (s *statusLine) hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take()
}

func (s *statusLine) take() {
	if s.shown {
		io.WriteString(s.w, clear)
	}
	s.shown = false
}

// above writes to the terminal that has the line, above it.
type above struct {
	io.Writer
	line *statusLine
}

func (a above) Write(b []byte) (int, error) {
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	a.line.take()
	return a.Writer.Write(b)
}

// verboseEvery is how often a run says with -v how far it has come, where it
// cannot rewrite a line.
var verboseEvery = 10 * time.Second

// teller shows how far a run has come: on a terminal always, elsewhere line by line
// with -v, else not at all. The zero value shows nothing.
type teller struct {
	line  *statusLine
	lines io.Writer
	last  time.Time
	look  render.Options
}

// telling is the teller of a run that begins now.
func (a *app) telling(verbose bool) *teller {
	switch {
	case a.status != nil:
		return &teller{line: a.status, look: a.look}
	case verbose:
		return &teller{lines: a.err, last: time.Now(), look: a.look}
	}
	return nil
}

// say shows a text, as the reader's locale can.
func (t *teller) say(text string) {
	text = t.look.Text(text)
	if t.line != nil {
		t.line.show(text)
		return
	}
	if now := time.Now(); now.Sub(t.last) >= verboseEvery {
		t.last = now
		fmt.Fprintln(t.lines, text)
	}
}

// end takes back what is shown.
func (t *teller) end() {
	if t != nil && t.line != nil {
		t.line.hide()
	}
}

// verboseFlag adds -v.
func verboseFlag(c *cobra.Command, v *bool) {
	c.Flags().BoolVarP(v, "verbose", "v", false, "say every 10 s how far it has come; a terminal shows it always")
}

// statusText says how far a run that began so long ago has come. What waits comes
// first: a narrow terminal has no room for more.
func statusText(s correlate.Status, ran time.Duration) string {
	const mostPoints = 4
	parts := []string{fmt.Sprintf("%.0f s", ran.Seconds())}
	if w := s.Waiting; w != nil {
		parts = append(parts, waitingText(w, s.Now))
	}
	if counts := render.Counts(s.Summary); counts != "0 requests" {
		parts = append(parts, counts)
	}
	seen := plural(int(s.Packets), "packet")
	if n := len(s.Points); n > 0 {
		seen += " at " + strings.Join(s.Points[:min(n, mostPoints)], ", ")
		if n > mostPoints {
			seen += fmt.Sprintf(" and %d more", n-mostPoints)
		}
	}
	return render.Clean(strings.Join(append(parts, seen), " · "))
}

// waitingText tells of a request without an outcome: its tries, how far it was
// seen, when it will be judged, and what is suspected.
func waitingText(w *correlate.Waiting, now time.Time) string {
	tries := "1 try"
	if w.Attempts > 1 {
		tries = fmt.Sprintf("%d tries", w.Attempts)
	}
	s := fmt.Sprintf("%s → %s/%s, %s, seen at %s", w.Client, w.Requested, w.Protocol, tries, strings.Join(w.Seen, ", "))
	if left := w.Due.Sub(now); left > 0 {
		s += fmt.Sprintf(", judged in %.1f s", left.Seconds())
	}
	return s + ": " + w.Why
}

// progressEvery is how often the progress of long work is shown, and how long it
// has to take to be long.
var (
	progressEvery = 200 * time.Millisecond
	longWork      = time.Second
)

// counting shows a text that changes, until quiet is called.
func (a *app) counting(verbose bool, text func() string) (quiet func()) {
	t := a.telling(verbose)
	if t == nil {
		return func() {}
	}
	end := pipeline.Every(progressEvery, func() {
		if s := text(); s != "" {
			t.say(s)
		}
	})
	return func() {
		end()
		t.end()
	}
}

// progress shows how far captures were read, until quiet is called.
func (a *app) progress(verbose bool, what string, infos ...*recording.Info) (quiet func()) {
	began, last := time.Now(), int64(0)
	return a.counting(verbose, func() string {
		var done, size int64
		for _, i := range infos {
			n, of := i.Progress()
			done, size = done+n, size+of
		}
		if done < last { // they are read again
			began = time.Now()
		}
		last = done
		if ran := time.Since(began); ran >= longWork && done > 0 && (done < size || size == 0) {
			return progressText(what, done, size, ran)
		}
		return ""
	})
}

// progressText says how much of how much was read in a time, at which rate, and
// how long the rest will take.
func progressText(what string, done, size int64, ran time.Duration) string {
	rate := float64(done) / ran.Seconds()
	s := what + "  " + bytesText(float64(done))
	if size > 0 {
		s += fmt.Sprintf(" of %s (%d %%)", bytesText(float64(size)), done*100/size)
	}
	s += "  " + bytesText(rate) + "/s"
	if left := float64(size-done) / rate; size > done && rate > 0 {
		s += fmt.Sprintf("  %.0f s left", left)
	}
	return s
}

func bytesText(n float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if n < 1000 || unit == "GB" {
			if unit == "B" {
				return fmt.Sprintf("%.0f B", n)
			}
			return fmt.Sprintf("%.1f %s", n, unit)
		}
		n /= 1000
	}
	return ""
}
