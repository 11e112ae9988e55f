package foresee

import (
	"fmt"

	"dnatrace/capture/engine"
	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// foresee is Foresee for a request that is meant for a service: somebody else's
// answer is none.
func (a *asker) foresee(r Request, v *service) Path {
	p := Foresee(a.s, r)
	if v.container == nil || r.From == SameNetwork {
		return p
	}
	if f, ok := a.unpublished(v); ok && (r.From == Outside || r.From == Loopback) {
		return a.instead(p, f)
	}
	if f, ok := a.takenBy(&p, v); ok {
		return a.instead(p, f)
	}
	return p
}

// instead puts a finding in the place of what a path ended in.
func (a *asker) instead(p Path, f correlate.Finding) Path {
	p.Verdict, p.Stage, p.Cause, p.Rule, p.Why, p.Fix = f.Verdict, f.Stage, f.Cause, f.Rule, f.Why, append([]string{}, f.Fix...)
	p.Container, p.Project, p.Service = f.Container.Name, f.Container.Project, f.Container.Service
	p.Translated, p.Via, p.Blind = "", "", []string{}
	return p
}

// unpublished says why a container port that no port of the host stands for
// cannot be reached there. False if one does, or if that is what is asked.
func (a *asker) unpublished(v *service) (correlate.Finding, bool) {
	if v.onHost() || v.hostPort != 0 || a.publisher(v) != nil {
		return correlate.Finding{}, false
	}
	c := v.container
	f := correlate.Finding{Verdict: correlate.Refused, Stage: stage.Host, Container: c}
	o := owner(a.s.Engine(), c)
	switch mode := modeOf(c); {
	case mode == modeNone:
		f.Cause, f.Why = correlate.CauseModeNone, fmt.Sprintf("%s has no network at all.", c.Name)
		f.Fix = []string{fmt.Sprintf("run %s on a bridge network", c.Name)}
	case !correlate.Up(c):
		f.Cause, f.Why = correlate.CauseContainerNotRunning, fmt.Sprintf("%s is not running: its state is %s.", c.Name, c.State)
		f.Fix = []string{"docker start " + correlate.Shell(c.Name)}
	case mode == modeHost:
		f.Cause, f.Why = correlate.CauseNoListener, fmt.Sprintf("%s uses the host's own network and declares port %d, but nothing of it listens there%s.", c.Name, v.port, instead(a, v))
		f.Fix = []string{fmt.Sprintf("start the server in %s", c.Name)}
	case mode == modeContainer:
		f.Cause, f.Why = correlate.CauseNotPublished, fmt.Sprintf("%s shares the network of %s, which does not publish port %d.", c.Name, o.Name, v.port)
		f.Fix = []string{fmt.Sprintf("recreate %s with -p %d:%d%s", o.Name, v.port, v.port, suffix(v))}
	default:
		f.Cause, f.Why = correlate.CauseNotPublished, fmt.Sprintf("%s only EXPOSEs port %d: that declares it, and publishes nothing.", c.Name, v.port)
		f.Fix = []string{fmt.Sprintf("recreate %s with -p %d:%d%s", c.Name, v.port, v.port, suffix(v))}
	}
	return f, true
}

// publisher is the mapping of the container whose namespace v shares that leads
// to v; nil for none, or if it is v's own.
func (a *asker) publisher(v *service) *service {
	o, w := a.shared(v)
	if o == v.container {
		return nil
	}
	return w
}

// shared finds the owner of v's namespace and its mapping of v's port.
func (a *asker) shared(v *service) (*engine.Container, *service) {
	o := owner(a.s.Engine(), v.container)
	if o == v.container {
		return o, nil
	}
	for _, w := range servicesOf(a.s, o) {
		if w.proto == v.proto && w.port == v.port && w.published {
			return o, &w
		}
	}
	return o, nil
}

// takenBy: what answers on the port that was asked for is another container.
func (a *asker) takenBy(p *Path, v *service) (correlate.Finding, bool) {
	if p.Verdict != correlate.Delivered || !v.asked || v.published || p.Container == "" || p.Container == v.container.Name {
		return correlate.Finding{}, false
	}
	c := v.container
	f := correlate.Finding{Verdict: correlate.Misdelivered, Stage: stage.Host, Cause: correlate.CausePortTaken, Container: c,
		Why: fmt.Sprintf("%s answers on port %d, which %s was meant to have.", p.Container, v.hostPort, c.Name),
		Fix: []string{fmt.Sprintf("publish one of the two on another port, then: docker start %s", correlate.Shell(c.Name))}}
	return f, true
}
