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
	here, inner := Host, SameNetwork
	if v.hostIP.IsLoopback() {
		here = Loopback
	}
	p.Reachable = Reach{Outside: a.judged(Outside, v, &p), Host: a.judged(here, v, &p)}
	if modeOf(c) == modeHost {
		inner = OtherNetwork
	}
	p.Reachable.Container = a.judged(inner, v, &p)
	if o, w := a.shared(v); w != nil && o != c {
		p.Published, p.HostPort, p.HostIP = true, w.hostPort, w.hostIP.String()
	}
	return p
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
	requests := a.from(place, v)
	if w := a.publisher(v); w != nil && place == Outside {
		requests = a.from(place, w)
	}
	if len(requests) == 0 {
		return a.unasked(place, v, p)
	}
	answer := unknown
	for _, r := range requests {
		got := a.foresee(r, v)
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

// unasked is the answer where there is nothing to ask: no address, or no network.
func (a *asker) unasked(place string, v *service, p *Port) string {
	f, ok := a.unpublished(v)
	gone := !correlate.Up(owner(a.s.Engine(), v.container)) || modeOf(v.container) == modeNone
	switch {
	case ok && (place == Outside || modeOf(v.container) == modeHost):
		p.blame(f.Cause, f.Why, f.Fix...)
		return no
	case gone:
		return no
	}
	return unknown
}

// blame keeps the first definite cause.
func (p *Port) blame(c correlate.Cause, why string, fix ...string) {
	if p.Cause == correlate.CauseNone || p.Cause == correlate.CauseUnknown {
		p.Cause, p.Why, p.Fix = c, why, slices.Clone(fix)
	}
}
