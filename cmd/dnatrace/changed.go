package main

import (
	"time"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/changes"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// changed has a live run tell, between requests, of what changed on the host that
// may explain them.
func changed(o *pipeline.Options, targets []string, p render.Printer) {
	wanted, err := target.ParseAll(targets)
	if err != nil {
		return // the run says so itself
	}
	c := changes.NewConcern(wanted, func(it changes.Change) { p.Changed(time.Unix(0, it.Time), it.Words()) })
	o.OnEvent = c.Event
	next := o.OnTime
	o.OnTime = func(now time.Time, status func() correlate.Status) {
		c.Advance(now.UnixNano())
		if next != nil {
			next(now, status)
		}
	}
}
