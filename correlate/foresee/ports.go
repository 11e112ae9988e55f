package foresee

import (
	"fmt"
	"slices"

	"dnatrace/correlate"
)

// Ports is every port that containers declare, publish or, in host mode, listen
// on (schema dnatrace/1).
type Ports struct {
	Schema  string   `json:"schema"`
	Ports   []Port   `json:"ports"`
	Missing []string `json:"missing"` // what is not in evidence at all
}

// Port is one of them.
type Port struct {
	Container     string          `json:"container"`
	Project       string          `json:"project"`
	Service       string          `json:"service"`
	Mode          string          `json:"mode"`  // bridge, host, none, container, or a network's name
	State         string          `json:"state"` // of the container, as the engine says it
	Protocol      string          `json:"protocol"`
	ContainerPort uint16          `json:"container_port"`
	Exposed       bool            `json:"exposed"`
	Published     bool            `json:"published"`        // the engine says that it is in force
	Asked         bool            `json:"asked"`            // -p or -P asked for it
	HostIP        string          `json:"host_ip"`          // "" for none, and for all where none was given
	HostPort      uint16          `json:"host_port"`        // 0 for none; in host mode the listener's own
	Served        string          `json:"served,omitempty"` // the container whose process listens, where it is another
	Reachable     Reach           `json:"reachable"`
	Cause         correlate.Cause `json:"cause"` // of the first place that cannot reach it, from outside inwards; none if all can
	Why           string          `json:"why"`
	Fix           []string        `json:"fix"`
}

// Reach says from where a port can be reached: yes, no or unknown.
type Reach struct {
	Outside   string `json:"outside"`
	Host      string `json:"host"`
	Container string `json:"container"` // another one on the same network
}

// Answers of Reach.
const (
	yes     = "yes"
	no      = "no"
	unknown = "unknown"
)

// List lists every port of every container and foresees who can reach it.
func List(s *correlate.State, o Options) *Ports {
	a, out := newAsker(s, o), &Ports{Schema: correlate.Schema, Ports: []Port{}, Missing: Missing(s)}
	for _, v := range services(s) {
		out.Ports = append(out.Ports, a.port(&v))
	}
	return out
}

func (a *asker) port(v *service) Port {
	c := v.container
	p := Port{
		Container: c.Name, Project: c.Project, Service: c.Service, Mode: modeOf(c), State: c.State,
		Protocol: v.proto.String(), ContainerPort: v.port, Exposed: v.exposed, Published: v.published, Asked: v.asked,
		HostPort: v.hostPort, Cause: correlate.CauseNone, Fix: []string{},
	}
	if v.hostIP.IsValid() {
		p.HostIP = v.hostIP.String()
	}
	p.Reachable.Outside = a.fromOutside(v, &p)
	p.Reachable.Host = a.judged(Host, v, &p)
	p.Reachable.Container = a.judged(SameNetwork, v, &p)
	if modeOf(c) == modeHost {
		p.Reachable.Container = a.judged(OtherNetwork, v, &p)
	}
	return p
}

// fromOutside is judged only for what is to be asked for at the host: another
// container may have that port there.
func (a *asker) fromOutside(v *service, p *Port) string {
	if v.onHost() {
		return a.judged(Outside, v, p)
	}
	state := v.container.State
	switch {
	case modeOf(v.container) == modeNone:
		p.blame(correlate.CauseModeNone, fmt.Sprintf("%s has no network at all.", v.container.Name))
	case !correlate.Up(v.container):
		p.blame(correlate.CauseContainerNotRunning, fmt.Sprintf("%s is not running: its state is %s.", v.container.Name, state), "docker start "+correlate.Shell(v.container.Name))
	case modeOf(v.container) == modeHost:
		p.blame(correlate.CauseNoListener, fmt.Sprintf("%s uses the host's own network and declares port %d, but nothing of it listens there%s.", v.container.Name, v.port, instead(a, v)))
	case modeOf(v.container) == modeContainer:
		return a.shared(v, p)
	default:
		p.blame(correlate.CauseNotPublished, fmt.Sprintf("%s only EXPOSEs port %d: that declares it, and publishes nothing.", v.container.Name, v.port),
			fmt.Sprintf("recreate %s with -p %d:%d%s", v.container.Name, v.port, v.port, suffix(v)))
	}
	return no
}

// shared: a container in another's namespace is published there, or not at all.
func (a *asker) shared(v *service, p *Port) string {
	o := owner(a.s.Engine(), v.container)
	for _, w := range servicesOf(a.s, o) {
		if w.proto == v.proto && w.port == v.port && w.published {
			p.Published, p.HostPort, p.HostIP = true, w.hostPort, w.hostIP.String()
			return a.judged(Outside, &w, p)
		}
	}
	p.blame(correlate.CauseNotPublished, fmt.Sprintf("%s shares the network of %s, which does not publish port %d.", v.container.Name, o.Name, v.port),
		fmt.Sprintf("recreate %s with -p %d:%d%s", o.Name, v.port, v.port, suffix(v)))
	return no
}

// instead says what a host-mode container listens on in its stead.
func instead(a *asker, v *service) string {
	for _, w := range listening(a.s, v.container) {
		if w.proto == v.proto {
			return fmt.Sprintf(" (it listens on %d)", w.port)
		}
	}
	return ""
}

func suffix(v *service) string {
	if name := v.proto.String(); name != "tcp" {
		return "/" + name
	}
	return ""
}

// judged is whether a place can reach a port. The first that cannot tells why.
func (a *asker) judged(place string, v *service, p *Port) string {
	answer := unknown
	requests := a.from(place, v)
	if len(requests) == 0 && !correlate.Up(owner(a.s.Engine(), v.container)) {
		return no
	}
	if len(requests) == 0 && len(a.endpoints(v)) == 0 && modeOf(v.container) == modeNone {
		return no
	}
	for _, r := range requests {
		got := Foresee(a.s, r)
		switch {
		case got.Verdict == correlate.Delivered:
			if got.Container != v.container.Name && got.Container != "" {
				p.Served = got.Container
			}
			return yes
		case got.Verdict == correlate.Undetermined:
			if p.Why == "" {
				p.Cause, p.Why = got.Cause, got.Why
			}
		default:
			p.blame(got.Cause, got.Why, got.Fix...)
			answer = no
		}
	}
	return answer
}

// blame keeps the first definite cause.
func (p *Port) blame(c correlate.Cause, why string, fix ...string) {
	if p.Cause == correlate.CauseNone || p.Cause == correlate.CauseUnknown {
		p.Cause, p.Why, p.Fix = c, why, slices.Clone(fix)
	}
}
