package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/fixtures/lab"
)

// selftest diagnoses every scenario of the lab. A scenario that cannot be run
// has failed, unless it is one of a card of a kind that this kernel does not have;
// none can without privilege, and that is trouble.
func (a *app) selftest(ctx context.Context) (*render.Selftest, error) {
	if err := privileged(); err != nil {
		return nil, fmt.Errorf("run the selftest: %w", err)
	}
	t := &render.Selftest{}
	for _, sc := range slices.Concat(lab.Scenarios(), lab.Cards()) {
		if ctx.Err() != nil {
			return t, fmt.Errorf("run the selftest: %w", context.Cause(ctx))
		}
		fmt.Fprintf(a.err, "%s: %s\n", sc.Name, sc.Story)
		c, err := selfcase(ctx, a, sc)
		if errors.Is(err, lab.ErrNotInKernel) {
			fmt.Fprintf(a.err, "%s: left out: %v\n", sc.Name, err)
			continue
		}
		t.Of++
		if c.OK {
			t.Passed++
		}
		t.Scenarios = append(t.Scenarios, c)
	}
	return t, nil
}

// selfcase runs a scenario. The error is why it could not be, which the case tells too.
func selfcase(ctx context.Context, a *app, sc lab.Scenario) (render.Selfcase, error) {
	want := expected(sc.Want)
	c := render.Selfcase{Name: sc.Name, Want: want.String()}
	d, err := a.diagnoseLab(ctx, sc, "", func(o *pipeline.Options) { o.Keep = 1 })
	if err != nil {
		c.Error = err.Error()
		return c, err
	}
	c.Got = fmt.Sprintf("%s:%s", d.Verdict, d.Cause)
	c.OK = want.met(d)
	return c, nil
}

// diagnoseLab builds a lab, breaks it, watches its request and judges it.
func (a *app) diagnoseLab(ctx context.Context, sc lab.Scenario, file string, set func(*pipeline.Options)) (*correlate.Document, error) {
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := sc.Setup(l); err != nil {
		return nil, fmt.Errorf("break the lab: %w", err)
	}
	s, err := a.openLab(ctx, l, sc.Target, file)
	if err != nil {
		return nil, err
	}
	o := pipeline.Options{Record: s.record, Options: judge.Options{Targets: []string{sc.Target}, Memory: liveRequests}, Drain: pipeline.Do(ctx, func(ctx context.Context) { a.ask(ctx, l, sc) })}
	set(&o)
	d, err := pipeline.Run(ctx, s.Source(), o)
	return d, errors.Join(err, s.close())
}
