// Package collect gathers what a report tells beside the verdicts: the packets
// of the requests told in full, what else happened on the host, and the
// mapping, rules, routes and settings concerned.
//
// It goes over the same stream that was judged, a second time, and decides
// nothing. It is pure: the stream is an argument, it reads no clock, opens
// nothing and must not import any origin of capture.
package collect

import (
	"context"

	"dnatrace/capture"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// Run goes over the stream that d is the judgement of. With an error there are
// still the findings up to it.
func Run(ctx context.Context, src capture.Source, d *correlate.Document) (report.Findings, error) {
	c := newCollector(d)
	for b, err := range src(ctx) {
		if err != nil {
			return c.findings(), err
		}
		c.take(b)
	}
	return c.findings(), ctx.Err()
}

// collector takes the batches of one stream.
type collector struct {
	decoder  *decode.Decoder
	batch    decode.Batch
	flights  flights
	timeline timeline
	world    world
	found    report.Findings
}

func newCollector(d *correlate.Document) *collector {
	c := &collector{decoder: decode.NewDecoder()}
	c.found.Cases = pick(d)
	c.found.Cut = true
	c.flights.init(c.found.Cases)
	var first *correlate.Incident
	if len(c.found.Cases) > 0 {
		first = &c.found.Cases[0].Incident
	}
	c.timeline.init(first)
	c.world.init(d, first, &c.flights)
	return c
}

func (c *collector) take(b *capture.Batch) {
	if len(b.Packets) > 0 {
		if c.flights.mayHold(b.Packets[0].Time, b.Packets[len(b.Packets)-1].Time) {
			c.decoder.Packets(b, &c.batch)
			c.flights.packets(&c.batch)
		}
		return
	}
	for _, r := range b.Records {
		events, _ := decode.Control(r) // what could not be read is in the document
		for _, e := range events {
			c.event(e)
		}
	}
}

func (c *collector) event(e decode.Event) {
	switch e := e.(type) {
	case *decode.Point:
		c.decoder.Point(e.Point)
		c.flights.point(e.Point)
	case *decode.Start:
		c.found.Redacted = c.found.Redacted || e.Redacted
		c.filter(e.Filter)
		c.world.start(e)
	case *decode.Redacted:
		c.found.Redacted = true
	case *decode.End:
		c.found.Cut = false
	}
	c.timeline.log.Event(e)
	c.world.event(e)
}

func (c *collector) filter(words []string) {
	for _, w := range words {
		if c.found.Filter != "" {
			c.found.Filter += " "
		}
		c.found.Filter += w
	}
}

func (c *collector) findings() report.Findings {
	f := c.found
	c.flights.finish(f.Cases)
	f.Timeline, f.Omitted = c.timeline.finish(f.Cases)
	c.world.findings(&f)
	f.Cut = f.Cut && c.world.own
	return f
}
