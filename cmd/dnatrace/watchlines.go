package main

import (
	"context"
	"fmt"
	"time"

	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
)

// watchLines watches for who reads lines: one each interval, and failures.
func (a *app) watchLines(ctx context.Context, f *watchFlags, w *watcher, src source) (*correlate.Document, error) {
	p := a.printer(f.outputFlags)
	w.printer = p
	stream, stop := w.tapped(src.Source)
	defer stop()
	o := src.options
	w.feed(&o)
	l := &intervals{app: a, w: w, every: time.Duration(f.interval), format: render.Format(f.format)}
	take, flood, start := o.OnIncident, o.OnFlood, o.OnStart
	o.OnIncident = func(i *correlate.Incident) {
		take(i)
		if l.tells(i) {
			p.Incident(i)
		}
	}
	o.OnFlood = func(r *correlate.FloodReport) { flood(r); p.Flood(r) }
	o.OnStart = func(d *correlate.Document) { start(d); p.Start(d) }
	o.OnTime = l.time
	changed(&o, f.targets, p)
	if l.format != render.FormatTable && l.format != render.FormatJSON {
		o.OnPlain = nil // each request is written
	}
	if t := a.telling(f.verbose); t != nil {
		began := time.Now()
		o.OnStatus = func(s correlate.Status) { t.say(statusText(s, time.Since(began))) }
		defer t.end()
	}
	src.beside(&o)
	d, err := pipeline.Run(ctx, stream, o)
	if d != nil {
		l.end(d)
	}
	return d, err
}

// intervals prints what came of each interval.
type intervals struct {
	*app
	w      *watcher
	every  time.Duration
	format render.Format
	next   time.Time
}

// tells reports whether a request is printed as it is judged, or counted to be
// printed.
func (l *intervals) tells(i *correlate.Incident) bool {
	switch l.format {
	case render.FormatJSON:
		return false // the document lists the worst
	case render.FormatTable:
		return i.Verdict != correlate.Delivered || i.Revised
	case render.FormatJSONL, render.FormatMarkdown, render.FormatJUnit, render.FormatTAP, render.FormatGitHub:
	}
	return true
}

// time is the end of an interval, or not yet.
func (l *intervals) time(now time.Time, status func() correlate.Status) {
	if now.IsZero() {
		return
	}
	l.w.with(func(m *watch.Model) { m.Advance(now) })
	if l.next.IsZero() {
		l.next = now.Add(l.every)
	}
	if now.Before(l.next) {
		return
	}
	for !now.Before(l.next) {
		l.next = l.next.Add(l.every)
	}
	l.print(status())
}

// end tells of what came since the last interval.
func (l *intervals) end(d *correlate.Document) {
	if l.w.model.Pending() {
		l.print(statusOf(d))
	}
}

// statusOf is how far a run has come that has ended.
func statusOf(d *correlate.Document) correlate.Status {
	s := correlate.Status{Summary: d.Summary}
	for i := range d.Recording.Points {
		s.Packets += d.Recording.Points[i].Packets
	}
	for i := range d.Recording.Rings {
		s.Lost += d.Recording.Rings[i].Lost
	}
	return s
}

func (l *intervals) print(s correlate.Status) {
	var v watch.Interval
	l.w.with(func(m *watch.Model) {
		m.Status(s)
		v = m.Interval()
	})
	switch l.format {
	case render.FormatTable:
		fmt.Fprintln(l.out, l.look.Text(v.LineIn(time.Local, l.look.Lang)))
	case render.FormatJSONL:
		_ = render.WriteLine(l.out, v) // a closed pipe shows at the end
	case render.FormatJSON, render.FormatMarkdown, render.FormatJUnit, render.FormatTAP, render.FormatGitHub:
	}
}
