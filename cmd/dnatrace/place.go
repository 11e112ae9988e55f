package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"dnatrace/capture/engine/docker"
	"dnatrace/capture/live"
	"dnatrace/capture/netns"
	"dnatrace/capture/opener"
	"dnatrace/cmd/internal/render"
)

// reached is the engine, and the network namespace that its containers are wired in.
type reached struct {
	engine *docker.Engine // nil: why
	why    string         // there is no engine to ask
	netns  string         // to be watched: "" for this process's
	away   string         // why nothing of it is seen from here, and it takes a collector; "" if it is
	held   *os.File       // that namespace, where the path rests on it
}

// close lets go of both.
func (r *reached) close() {
	if r.engine != nil {
		r.engine.Close()
	}
	if r.held != nil {
		r.held.Close()
	}
}

// intent is the engine as a live run asks it; nil for none.
func (r *reached) intent() live.Engine {
	if r.engine == nil {
		return nil
	}
	return r.engine
}

// reach connects to the engine and finds where its containers are wired. No engine
// is no error: packets and the kernel tell a lot without. One whose containers
// cannot be seen from here takes a collector, or is an error where none may be
// brought: of its rules, nothing here would be true.
func (a *app) reach(ctx context.Context, f *engineFlags) (r reached, err error) {
	r.netns = f.netns
	if err := f.check(); err != nil {
		return r, err
	}
	ep, err := docker.Choose(f.host, f.context)
	if err != nil {
		return r, err
	}
	r.engine, err = ep.Dial(ctx)
	if err != nil && ep.Remote() {
		return r, err
	}
	if err != nil {
		r.why = err.Error()
		return r, nil
	}
	if f.collector != "" {
		r.away = "--collector was given"
		return r, nil
	}
	place, err := r.engine.Place(ctx, f.netns)
	if err != nil || place.Here { // one that does not answer is told of when it is asked
		return r, nil
	}
	err = a.enter(&r, place)
	if err == nil {
		return r, nil
	}
	if f.noCollector || f.netns != "" {
		r.close()
		return r, err
	}
	r.away = place.Why
	return r, nil
}

// enter has the engine's namespace watched, where that can be entered.
func (a *app) enter(r *reached, place docker.Place) (err error) {
	there := fmt.Sprintf("/proc/%d/ns/net", place.Process)
	switch {
	case place.Process == 0 && r.netns != "":
		return remedied{errors.New(place.Why), "name the namespace that the engine runs in: --netns PATH"}
	case place.Process == 0:
		return remedied{errors.New(place.Why), "run dnatrace where the engine runs, or name its network namespace: --netns PATH"}
	case r.netns != "":
		return remedied{fmt.Errorf("--netns %s: %s", r.netns, place.Why), "leave --netns out, or: --netns " + there}
	}
	if r.held, err = netns.Open(there); err == nil {
		err = netns.Do(there, func() error { return nil })
	}
	if err != nil {
		return remedied{errors.New(place.Why), "run it with sudo: it then goes there, as with --netns " + there}
	}
	r.netns = opener.PathOf(r.held)
	fmt.Fprintf(a.err, "%s: watching there, as with --netns %s\n", render.Clean(place.Why), there)
	return nil
}
