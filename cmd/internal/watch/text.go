package watch

import (
	"bytes"
	"strings"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// text is a page to be read: a request, an explanation, help. It is written anew
// for the width of the screen.
type text struct {
	title string
	write func(look render.Options) string // plain, without colour
	top   int

	width   int // for which written is
	written []string
}

// Open shows a text, which write lays out for a screen without colour. Esc goes
// back to what is shown now.
func (v *View) Open(title string, write func(look render.Options) string) {
	if v.page != pageText {
		v.before = v.page
	}
	v.text, v.page = text{title: title, write: write}, pageText
}

// openRequest shows the whole story of a request.
func (v *View) openRequest(title string, h *Held) {
	v.Open(title, func(look render.Options) string {
		var b bytes.Buffer
		if err := render.WriteIncident(&b, h.Incident, look); err != nil {
			b.WriteString(render.Clean(err.Error()))
		}
		if h.short {
			b.WriteString("\nIts hops and evidence were not kept: so many requests failed that there was no room.\n")
		}
		return b.String()
	})
}

// textPage is what of the text the screen has room for.
func (v *View) textPage() []string {
	all, room := v.lines(), max(1, v.h-2)
	v.text.top = max(0, min(v.text.top, len(all)-room))
	var lines []string
	for _, l := range all[v.text.top:min(len(all), v.text.top+room)] {
		lines = append(lines, v.tinted(l))
	}
	return lines
}

// textMargin is what tables may take more than they are told.
const textMargin = 3

// lines are those of the text at the width of the screen.
func (v *View) lines() []string {
	if v.text.width == v.w {
		return v.text.written
	}
	look := v.look
	look.Color, look.Width = false, max(1, v.w-textMargin)
	v.text.width, v.text.written = v.w, nil
	for _, l := range strings.Split(strings.TrimRight(v.text.write(look), "\n"), "\n") {
		v.text.written = append(v.text.written, v.broken(l)...)
	}
	return v.text.written
}

// broken is a line in pieces that fit: what is there to be copied is not cut off.
func (v *View) broken(s string) (lines []string) {
	for render.Columns(s) > v.w {
		piece := render.Fit(s, v.w)
		if piece == "" {
			break
		}
		lines, s = append(lines, piece), s[len(piece):]
	}
	return append(lines, s)
}

// tinted colours a line that begins with the sign of a verdict.
func (v *View) tinted(s string) string {
	bare := strings.TrimLeft(s, " ")
	for _, verdict := range []correlate.Verdict{correlate.Delivered, correlate.Undetermined, correlate.Dropped} {
		if mark := v.look.Mark(verdict); strings.HasPrefix(bare, mark+" ") {
			return v.look.Verdict(verdict, s)
		}
	}
	return s
}

// help is what the keys do.
func help(render.Options) string {
	return strings.TrimLeft(`
A line is a published port. Its sign tells of the last minute: failures,
only deliveries, nothing, or ! of a container that is not up or cannot be
reached. Times are the median and the 99th percentile of the last
half to whole minute; where nothing came in it, of all the time. The history
is the last minute.

  arrows, j k    select             PgUp PgDn Home End g G   go far
  Enter, right   open: a port's kinds of failures and its requests, then the
                 hops of a request with the rule that decided, and the fix
  Esc, left      back
  /              show the ports that have a text in their name, container,
                 state, verdicts or causes; Esc clears it
  f              show only ports with failures
  s S            sort by the next, the one before: failures, port, requests
                 a second, first byte, last failure
  p, space       stop the picture; requests are counted on
  e              explain the port without traffic: from where it can be
                 reached, and by which rules
  w              save a recording of what was seen, the last minutes of it
  r              save one, and write a report of the port from it
  ?              this
  q, Ctrl-C      end; what failed is printed as diagnose does

  The mouse selects; a second click opens; the wheel scrolls.
`, "\n")
}
