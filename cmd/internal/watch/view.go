package watch

import (
	"strings"
	"time"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// View is what of a Model is looked at, and how. Key, Click and Wheel move about in
// it, Screen draws it. Everything it draws is fit for a terminal, whatever names
// strangers chose.
type View struct {
	look render.Options // what the terminal can show; the width is that of the screen
	w, h int

	page    page
	ports   cursor
	port    string // id of the row whose page is open
	inside  cursor // in that page
	text    text
	before  page // what help and the like go back to
	message string
	ended   bool  // nothing more comes
	hits    []int // of each line of the screen the item of the list, -1 none

	filter   string
	typing   bool // the filter is being typed
	failures bool // only ports with failures
	sort     order
	paused   *Model // what is shown instead of the present
}

// page is what fills the screen.
type page int

const (
	pagePorts page = iota
	pagePort
	pageText
)

// cursor is the selected line of a list, by its id, which stays when lines move.
// Until it was moved it is the first line, whichever that is.
type cursor struct {
	id    string
	at    int // its index when it was drawn last
	top   int // the first line on the screen
	moved bool
}

// NewView looks at a Model on a terminal that can show so much.
func NewView(look render.Options) *View {
	if look.Zone == nil {
		look.Zone = time.Local
	}
	return &View{look: look, w: render.DefaultWidth, h: 24}
}

// Resize is told the size of the screen, in columns and lines.
func (v *View) Resize(w, h int) { v.w, v.h = max(1, w), max(1, h) }

// Say shows a message in place of the keys, until the next key.
func (v *View) Say(message string) { v.message = message }

// End says that nothing more comes.
func (v *View) End() { v.ended = true }

// Screen draws a Model: as many lines as the screen has, none wider than it.
func (v *View) Screen(m *Model) string {
	if v.paused != nil {
		m = v.paused
	}
	v.hits = v.hits[:0]
	var lines []string
	switch v.page {
	case pagePorts:
		lines = v.portsPage(m)
	case pagePort:
		lines = v.portPage(m)
	case pageText:
		lines = v.textPage()
	}
	lines = lines[:min(len(lines), v.h-1)]
	for len(lines) < v.h-1 {
		lines = append(lines, "")
	}
	lines = append([]string{v.title(m)}, lines...)
	lines = lines[:max(0, min(len(lines), v.h-1))]
	return strings.Join(append(lines, v.foot()), "\n")
}

// title says what is looked at, and how.
func (v *View) title(m *Model) string {
	left := "dnatrace watch  "
	switch {
	case m.target == "":
		left += "all published ports"
	default:
		left += m.target
	}
	switch v.page {
	case pagePort:
		if p := m.byID(v.port); p != nil {
			left += " > " + p.words()
		}
	case pageText:
		left = "dnatrace watch  " + v.text.title
	}
	var set []string
	if v.ended {
		set = append(set, "END")
	}
	if v.paused != nil {
		set = append(set, "PAUSED")
	}
	if v.page == pagePorts {
		if v.failures {
			set = append(set, "failures only")
		}
		if v.filter != "" || v.typing {
			set = append(set, "/"+v.filter)
		}
		set = append(set, "by "+v.sort.String())
	}
	right := strings.Join(set, "  ")
	if now := m.now; !now.IsZero() {
		right = strings.TrimSpace(right + "  " + now.In(v.look.Zone).Format("15:04:05"))
	}
	return v.look.Bold(v.ends(left, right))
}

// ends puts one text at the left end of a line and one at the right, of which the
// left one is cut where there is no room.
func (v *View) ends(left, right string) string {
	left, right = v.look.Text(left), v.look.Text(right)
	right = v.cut(right, v.w)
	room := v.w - render.Columns(right)
	return v.pad(v.cut(left, max(0, room-2)), room) + right
}

// hit notes that a line of the screen is an item of the list.
func (v *View) hit(line, item int) {
	for len(v.hits) <= line {
		v.hits = append(v.hits, -1)
	}
	v.hits[line] = item
}

// foot names the keys, or what is to be said.
func (v *View) foot() string {
	switch {
	case v.typing:
		return v.cut(v.look.Text("filter: "+v.filter+"_   Enter takes it, Esc clears it"), v.w)
	case v.message != "":
		return v.look.Bold(v.cut(v.look.Text(v.message), v.w))
	}
	keys := map[page]string{
		pagePorts: "Enter open  / filter  f failures  s sort  p pause  e explain  ? help  q quit",
		pagePort:  "Enter open  Esc back  p pause  e explain  w save  r report  ? help  q quit",
		pageText:  "Esc back  arrows, PgUp, PgDn scroll  ? help  q quit",
	}
	return v.look.Dim(v.cut(keys[v.page], v.w))
}

// part is a piece of a line, and how it is coloured.
type part struct {
	text  string
	paint func(string) string
}

// joined puts as many parts in a line as it has room for; the first is cut rather
// than left out.
func (v *View) joined(parts []part) string {
	var b strings.Builder
	used := 0
	for k, p := range parts {
		s := v.look.Text(p.text)
		if k > 0 {
			used += 3
		}
		if used+render.Columns(s) > v.w {
			if k > 0 {
				break
			}
			s = v.cut(s, v.w)
		}
		if k > 0 {
			b.WriteString("   ")
		}
		if used += render.Columns(s); p.paint != nil {
			s = p.paint(s)
		}
		b.WriteString(s)
	}
	return b.String()
}

// as colours a part as a verdict is.
func (v *View) as(verdict correlate.Verdict) func(string) string {
	return func(s string) string { return v.look.Verdict(verdict, s) }
}

// totals is the sum of all ports in a line.
func (v *View) totals(m *Model) string {
	t := &m.total
	parts := []part{{v.look.Mark(correlate.Delivered) + " " + count(t.Delivered(), "delivered"), v.as(correlate.Delivered)}}
	if s := t.ByVerdict(); s != "" {
		worst := correlate.Dropped
		if t.Failed() == 0 {
			worst = correlate.Undetermined
		}
		parts = append(parts, part{v.look.Mark(worst) + " " + s, v.as(worst)})
	}
	parts = append(parts, part{perSecond(t.history.rate(m.now, m.began)) + "/s", nil})
	if n := m.status.Summary.Open; n > 0 {
		parts = append(parts, part{count(n, "waiting"), nil})
	}
	captured := part{count(int(m.status.Packets), "packets") + ", " + count(int(m.status.Lost), "lost"), nil}
	if m.status.Lost > 0 {
		captured.paint = v.as(correlate.Dropped)
	}
	parts = append(parts, captured)
	for i := range m.floods {
		parts = append(parts, part{render.Flood(&m.floods[i]), v.as(correlate.Undetermined)})
	}
	return v.joined(parts)
}
