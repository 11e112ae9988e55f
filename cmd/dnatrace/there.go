package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"dnatrace/capture/collector"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// collected is a host that a collector watches, with who takes it away should this
// process be killed.
type collected struct {
	*collector.Session
	evictor *evictor
}

func (c *collected) close() error {
	err := c.Session.Close()
	c.evictor.end()
	return err
}

// request is what a collector is to watch.
func (f *captureFlags) request(targets []string) collector.Request {
	r := collector.Request{
		Job: collector.Watch, Targets: targets, Everything: f.filter != nil && f.unaimed, Interfaces: f.interfaces, SnapLen: f.snap,
		Window: time.Duration(f.window), Trace: f.trace && !f.noTrace, NoDrops: f.noDrops, NoTracking: f.noTracking, Unrecorded: !f.keeps(),
	}
	if f.filter != nil {
		r.Filter = f.filter.Text
	}
	return r
}

// keeps reports whether the stream is recorded, or may be.
func (f *captureFlags) keeps() bool {
	return f.file != "" || f.sink != nil || f.save != "" || f.savesTo != ""
}

// bring has a collector do a job beside the engine, and says so first.
func (a *app) bring(ctx context.Context, r *reached, f *engineFlags, what collector.Request) (*collected, error) {
	mark := collector.NewMark()
	what.Program = "dnatrace " + buildVersion()
	fmt.Fprintf(a.err, "%s: bringing a collector to %s: container dnatrace-%s, with the network and processes of the engine's host, removed at the end\n",
		render.Clean(r.away), render.Clean(r.engine.Host()), mark)
	guard, err := standEvictor(f, mark)
	if err != nil {
		return nil, err
	}
	s, err := collector.Open(ctx, r.engine, collector.Options{Request: what, Given: f.collector, Mark: mark, Note: func(text string) {
		fmt.Fprintf(a.err, "collector: %s\n", render.Clean(text))
	}})
	if err != nil {
		guard.end()
		return nil, refused(err)
	}
	return &collected{s, guard}, nil
}

// refused adds what to do where an engine takes no collector.
func refused(err error) error {
	text := err.Error()
	for said, remedy := range map[string]string{
		"permission denied": "the engine has to allow containers in its host's network and PID namespaces; or run dnatrace there",
		"authorization":     "the engine has to allow containers in its host's network and PID namespaces; or run dnatrace there",
		"SELinux":           "have SELinux allow it there, or run dnatrace there",
		"AppArmor":          "have AppArmor allow it there, or run dnatrace there",
		"No such image":     "name an image that the engine has, or a file: --collector FILE",
	} {
		if strings.Contains(text, said) {
			return remedied{err, remedy}
		}
	}
	return err
}

// lookThere takes the state of the engine's host by way of a collector.
func (a *app) lookThere(ctx context.Context, r *reached, f *engineFlags, s *correlate.State) (err error) {
	c, err := a.bring(ctx, r, f, collector.Request{Job: collector.Look})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for b, err := range c.Source()(ctx) {
		if err != nil {
			return err
		}
		s.Read(b.Records)
	}
	a.without(s, false)
	return nil
}

// doctorThere has a collector say which evidence the engine's host gives.
func (a *app) doctorThere(ctx context.Context, r *reached, f *engineFlags) (d *render.Doctor, err error) {
	c, err := a.bring(ctx, r, f, collector.Request{Job: collector.Doctor})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := json.Unmarshal(c.Report(), &d); err != nil {
		return nil, fmt.Errorf("read the collector's report: %w", err)
	}
	d.Probe = &render.Ability{Why: "a probe is made where the engine runs: run dnatrace there"}
	return d, nil
}
