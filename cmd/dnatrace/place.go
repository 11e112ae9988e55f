package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"dnatrace/capture/engine/docker"
	"dnatrace/capture/netns"
	"dnatrace/capture/opener"
	"dnatrace/cmd/internal/render"
)

// reached is the engine, and the network namespace that its containers are wired in.
type reached struct {
	engine *docker.Engine // nil: why
	why    string         // there is no engine to ask
	netns  string         // to be watched: "" for this process's
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

// reach connects to the engine and finds where its containers are wired. No engine
// is no error: packets and the kernel tell a lot without. One whose containers
// cannot be seen from here is: of its rules, nothing here would be true.
func (a *app) reach(ctx context.Context, f *engineFlags) (r reached, err error) {
	r.netns = f.netns
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
	place, err := r.engine.Place(ctx, f.netns)
	if err != nil || place.Here { // one that does not answer is told of when it is asked
		return r, nil
	}
	if err := a.enter(&r, place); err != nil {
		r.close()
		return r, err
	}
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
