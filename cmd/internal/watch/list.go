package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// order is what ports are sorted by.
type order int

const (
	byFailures order = iota
	byPort
	byRate
	bySlowness
	byLastFailure
	orders
)

func (o order) String() string {
	return [...]string{"failures", "port", "requests/s", "first byte p99", "last failure"}[o]
}

// id tells rows apart.
func (p *Port) id() string { return p.Name() + " " + p.container }

// words name a row.
func (p *Port) words() string { return strings.TrimSpace(p.Name() + " " + p.container) }

// byID is the row of an id, nil if it is gone.
func (m *Model) byID(id string) *Port {
	for _, p := range m.ports {
		if p.id() == id {
			return p
		}
	}
	return nil
}

// rows are the ports that are listed, in order.
func (v *View) rows(m *Model) []*Port {
	var out []*Port
	for _, p := range m.ports {
		if (!v.failures || p.Failed() > 0) && v.passes(p) {
			out = append(out, p)
		}
	}
	key := make(map[*Port]float64, len(out)) // the greater, the further up
	for _, p := range out {
		switch v.sort {
		case byFailures:
			key[p] = float64(p.Failed())
		case byRate:
			key[p] = p.history.rate(m.now, m.began)
		case bySlowness:
			_, key[p] = p.first.quantiles(m.now)
		case byLastFailure:
			if p.last != nil {
				key[p] = float64(p.last.at.UnixNano())
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *Port) int {
		return cmp.Or(cmp.Compare(key[b], key[a]), cmp.Compare(btoi(a.asked), btoi(b.asked)), cmp.Compare(a.hostPort, b.hostPort), cmp.Compare(a.id(), b.id()))
	})
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// passes reports whether a row has the filter's text in it.
func (v *View) passes(p *Port) bool {
	if v.filter == "" {
		return true
	}
	said := p.words() + " " + p.State()
	for _, g := range p.groups {
		if e := g.example; e != nil && g.count > 0 {
			said += " " + e.Verdict.String() + " " + string(e.Cause) + " " + string(e.Stage)
		}
	}
	return strings.Contains(strings.ToLower(said), strings.ToLower(v.filter))
}

// portsPage lists the ports, and tells of the selected one below.
func (v *View) portsPage(m *Model) []string {
	rows := v.rows(m)
	lines := []string{v.totals(m), v.look.Dim(v.cut(v.heads(), v.w))}
	details := 5
	if v.h < 14 {
		details = 0
	}
	room := v.h - 2 - len(lines) - details
	ids := make([]string, len(rows))
	for k, p := range rows {
		ids[k] = p.id()
	}
	v.ports.follow(ids, room)
	for k := v.ports.top; k < min(len(rows), v.ports.top+room); k++ {
		v.hit(1+len(lines), k)
		lines = append(lines, v.row(m, rows[k], k == v.ports.at))
	}
	switch {
	case len(m.ports) == 0:
		lines = append(lines, v.cut("no port is published, and none was asked for so far", v.w))
	case len(rows) == 0:
		lines = append(lines, v.cut("none of "+count(len(m.ports), "ports")+" is shown: f shows all, / changes the filter", v.w))
	}
	for len(lines) < v.h-2-details {
		lines = append(lines, "")
	}
	if details > 0 {
		lines = append(lines, v.look.Dim(strings.Repeat("-", v.w)))
		if len(rows) > 0 {
			lines = append(lines, v.details(m, rows[v.ports.at])...)
		}
	}
	return lines
}

// follow keeps the selected line selected and on the screen, wherever it went.
func (c *cursor) follow(ids []string, room int) {
	if k := slices.Index(ids, c.id); k >= 0 && c.moved {
		c.at = k
	}
	c.at = max(0, min(c.at, len(ids)-1))
	if c.id = ""; len(ids) > 0 {
		c.id = ids[c.at]
	}
	room = max(1, room)
	c.top = max(0, min(c.top, len(ids)-room))
	if c.at < c.top {
		c.top = c.at
	}
	if c.at >= c.top+room {
		c.top = c.at - room + 1
	}
}

// column is one of the list of ports.
type column struct {
	head  string
	width int
	right bool
	cell  func(m *Model, p *Port) string
}

// columns are those that a screen has room for; the last takes what is left.
func (v *View) columns() []column {
	name, container := 16, 12
	if v.w >= 120 {
		name, container = 24, 22
	}
	all := []column{
		{"PORT", name, false, func(_ *Model, p *Port) string { return p.Name() }},
		{"CONTAINER", container, false, func(_ *Model, p *Port) string { return p.container }},
		{"REQ/S", 6, true, func(m *Model, p *Port) string { return perSecond(p.history.rate(m.now, m.began)) }},
		{"DELIVERED", 9, true, func(_ *Model, p *Port) string { return thousands(p.Delivered()) }},
		{"FAILED", 7, true, func(_ *Model, p *Port) string { return thousands(p.Failed()) }},
	}
	if v.w >= 120 {
		all = append(all, column{"CONNECT 50/99", 14, true, func(m *Model, p *Port) string { return pair(p.connect.quantiles(m.now)) }})
	}
	if v.w >= 110 {
		all = append(all, column{"1ST BYTE 50/99", 14, true, func(m *Model, p *Port) string { return pair(p.first.quantiles(m.now)) }})
	}
	return all
}

// historyWidth is that of the column of small histories.
func (v *View) historyWidth() int {
	switch {
	case v.w >= 160:
		return 30
	case v.w >= 120:
		return 15
	}
	return 7
}

func (v *View) heads() string {
	s := "   "
	for _, c := range v.columns() {
		s += v.cell(c.head, c.width, c.right) + " "
	}
	return s + v.cell("HISTORY", v.historyWidth(), false) + " LAST FAILURE"
}

// row is one line of the list.
func (v *View) row(m *Model, p *Port, selected bool) string {
	var b strings.Builder
	for _, c := range v.columns() {
		b.WriteString(v.cell(c.cell(m, p), c.width, c.right) + " ")
	}
	used := 3 + render.Columns(b.String()) + v.historyWidth() + 1
	sign, verdict := v.sign(m, p)
	begin, rest := "  ", v.cut(v.lastFailure(m, p), max(0, v.w-used))
	if selected {
		begin = "> "
	}
	if used > v.w {
		return v.cut(begin[:1]+sign+" "+b.String(), v.w)
	}
	if selected && v.look.Color {
		bare := *v
		bare.look.Color = false
		return v.look.Reverse(v.pad(begin[:1]+sign+" "+b.String()+bare.spark(&p.history, m.now, v.historyWidth())+" "+rest, v.w))
	}
	if p.last != nil {
		rest = v.look.Verdict(p.last.Verdict, rest)
	}
	return begin[:1] + v.look.Verdict(verdict, sign) + " " + b.String() + v.spark(&p.history, m.now, v.historyWidth()) + " " + rest
}

// sign says in one column how a port does.
func (v *View) sign(m *Model, p *Port) (string, correlate.Verdict) {
	told, failed := p.history.recently(m.now)
	switch {
	case failed:
		return v.look.Mark(correlate.Dropped), correlate.Dropped
	case told:
		return v.look.Mark(correlate.Delivered), correlate.Delivered
	case p.State() != "up":
		return "!", correlate.Undetermined
	}
	return v.look.Text("·"), correlate.Delivered
}

// lastFailure is the cause of the last failure and how long ago it was.
func (v *View) lastFailure(m *Model, p *Port) string {
	h := p.last
	if h == nil {
		if s := p.State(); s != "up" {
			return v.look.Text(s)
		}
		return ""
	}
	s := string(h.Cause) + " " + ago(m.now.Sub(h.at))
	if v.w >= 120 {
		s = ago(m.now.Sub(h.at)) + " ago " + h.Verdict.String() + " " + string(h.Cause) + " " + render.Where(h.Incident)
	}
	return v.look.Text(s)
}

// details tell all that the list has no room for, of one port.
func (v *View) details(m *Model, p *Port) []string {
	state := p.State()
	if p.why != "" && state != "up" {
		state += ": " + p.why
	}
	head := p.words()
	if p.inner != 0 {
		head = fmt.Sprintf("%s → %s:%d", p.Name(), p.container, p.inner)
	}
	lines := []string{
		head + "   " + state,
		v.counts(m, p),
		v.times(m, p),
		"no failure so far",
	}
	if h := p.last; h != nil {
		lines[3] = "last failure " + h.at.In(v.look.Zone).Format("15:04:05") + "  " + v.gist(h.Incident)
	}
	for k := range lines {
		lines[k] = v.cut(v.look.Text(lines[k]), v.w)
	}
	if p.last != nil {
		lines[3] = v.look.Verdict(p.last.Verdict, lines[3])
	}
	return lines
}

// counts says what became of the requests to a port.
func (v *View) counts(m *Model, p *Port) string {
	s := count(p.requests(), "requests") + ": " + count(p.Delivered(), "delivered")
	if f := p.ByVerdict(); f != "" {
		s += ", " + f
	}
	return s + "   " + perSecond(p.history.rate(m.now, m.began)) + "/s"
}

// times says how fast a port was lately.
func (v *View) times(m *Model, p *Port) string {
	var said []string
	for _, t := range []struct {
		name string
		of   *latency
	}{{"connect", &p.connect}, {"first byte", &p.first}} {
		if p50, p99 := t.of.quantiles(m.now); p50 > 0 {
			said = append(said, fmt.Sprintf("%s p50 %s p99 %s", t.name, render.Millis(p50), render.Millis(p99)))
		}
	}
	if len(said) == 0 {
		return "no times known so far"
	}
	return strings.Join(said, "   ")
}

// gist is a failure in a line.
func (v *View) gist(i *correlate.Incident) string {
	s := i.Verdict.String() + " " + string(i.Cause)
	if w := render.Where(i); w != "" {
		s += ", " + w
	}
	return s + "   from " + render.ClientOf(i, v.look.Numeric)
}
