package watch

import (
	"fmt"
	"strings"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// item is a line of the page of a port: a kind of failures, or a request.
type item struct {
	id    string
	line  string
	worst correlate.Verdict
	held  *Held
	title string
}

// items are the kinds of failures of a port, and behind them its requests.
func (v *View) items(m *Model, p *Port) (kinds, requests []item) {
	for _, g := range p.Groups() {
		h := g.example
		if h == nil {
			continue
		}
		line := fmt.Sprintf("×%-6d %-12s %s", g.count, h.Verdict, h.Cause)
		if w := render.Where(h.Incident); w != "" {
			line += ", " + w
		}
		line += "   last " + g.last.In(v.look.Zone).Format("15:04:05")
		kinds = append(kinds, item{id: fmt.Sprintf("kind %v", g.kind), line: line, worst: h.Verdict, held: h, title: p.words() + " > last " + h.Verdict.String() + " " + string(h.Cause)})
	}
	for _, h := range p.Requests() {
		line := h.First.In(v.look.Zone).Format("15:04:05.000") + "  " + render.ClientOf(h.Incident, v.look.Numeric) + "  "
		switch h.Verdict {
		case correlate.Delivered:
			line += "delivered"
			if h.Timing.FirstByte > 0 {
				line += "  first byte " + render.Millis(h.Timing.FirstByte)
			}
		default:
			line += h.Verdict.String() + " " + string(h.Cause)
			if w := render.Where(h.Incident); w != "" {
				line += ", " + w
			}
		}
		requests = append(requests, item{id: "request " + h.ID, line: line, worst: h.Verdict, held: h, title: p.words() + " > request " + h.ID})
	}
	return kinds, requests
}

// portPage tells of one port: how it does, its kinds of failures, its requests.
func (v *View) portPage(m *Model) []string {
	p := m.byID(v.port)
	if p == nil {
		return []string{v.cut("this port is gone: Esc goes back", v.w)}
	}
	lines := append(v.details(m, p), v.spark(&p.history, m.now, max(1, min(60, v.w))))
	if v.h < 14 {
		lines = lines[:2]
	}
	kinds, requests := v.items(m, p)
	var body []string
	var at []int // the item of each line of the body; -1 of none
	head := func(s string) { body, at = append(body, v.look.Dim(v.cut(s, v.w))), append(at, -1) }
	ids := make([]string, 0, len(kinds)+len(requests))
	add := func(list []item) {
		for _, i := range list {
			ids, at, body = append(ids, i.id), append(at, len(ids)), append(body, "")
		}
	}
	head("FAILURES BY KIND")
	if add(kinds); len(kinds) == 0 {
		head("   none")
	}
	head("LAST REQUESTS")
	if add(requests); len(requests) == 0 {
		head("   none so far")
	}
	v.inside.follow(ids, len(ids))
	all := append(kinds, requests...)
	for k, n := range at {
		if n >= 0 {
			body[k] = v.item(&all[n], n == v.inside.at)
		}
	}
	shown := v.scrolled(body, at, v.h-2-len(lines))
	for k := range shown {
		v.hit(1+len(lines)+k, at[v.inside.top+k])
	}
	return append(lines, shown...)
}

// item is one line of the body.
func (v *View) item(i *item, selected bool) string {
	sign := v.look.Mark(i.worst)
	line := v.cut(sign+" "+v.look.Text(i.line), max(0, v.w-1))
	switch {
	case selected && v.look.Color:
		return v.look.Reverse(v.pad(">"+line, v.w))
	case selected:
		return v.cut(">"+line, v.w)
	}
	return " " + strings.Replace(line, sign, v.look.Verdict(i.worst, sign), 1)
}

// scrolled is the part of the body with the selected line in it.
func (v *View) scrolled(body []string, at []int, room int) []string {
	room = max(1, room)
	line := 0
	for k, n := range at {
		if n == v.inside.at {
			line = k
			break
		}
	}
	top := max(0, min(v.inside.top, len(body)-room))
	if line < top+1 {
		top = max(0, line-1)
	}
	if line >= top+room {
		top = line - room + 1
	}
	v.inside.top = top
	return body[top:min(len(body), top+room)]
}

// selected is the item that the cursor is at; nil if there is none.
func (v *View) selected(m *Model) *item {
	p := m.byID(v.port)
	if p == nil {
		return nil
	}
	kinds, requests := v.items(m, p)
	all := append(kinds, requests...)
	for k := range all {
		if all[k].id == v.inside.id {
			return &all[k]
		}
	}
	return nil
}
