package foresee

import (
	"slices"

	"dnatrace/capture/engine"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// Explanation is what would become of requests to a target (schema dnatrace/1).
type Explanation struct {
	Schema   string    `json:"schema"`
	Target   string    `json:"target"` // "" for everything
	Paths    []Path    `json:"paths"`
	Checked  int       `json:"checked,omitempty"`  // ports looked at; of everything only
	Problems []Problem `json:"problems,omitempty"` // the worst first; of everything only
	Missing  []string  `json:"missing"`            // what is not in evidence at all
}

// Explain foresees requests to a target from every place. An unknown name is a
// *target.UnknownError.
func Explain(s *correlate.State, t target.Target, o Options) (*Explanation, error) {
	if _, err := target.Resolve(t, s.Engine()); err != nil {
		return nil, err
	}
	a, out := newAsker(s, o), &Explanation{Schema: correlate.Schema, Target: t.Text, Paths: []Path{}, Missing: Missing(s)}
	wanted := selected(s, t)
	seen := map[Request]bool{}
	for _, place := range Places {
		if len(o.From) > 0 && !slices.Contains(o.From, place) {
			continue
		}
		for i := range wanted {
			for _, r := range a.from(place, &wanted[i]) {
				if !seen[r] {
					seen[r] = true
					out.Paths = append(out.Paths, a.foresee(r, &wanted[i]))
				}
			}
		}
	}
	return out, nil
}

// selected are the services that a target stands for.
func selected(s *correlate.State, t target.Target) []service {
	var out []service
	if t.Named() {
		e := s.Engine()
		for i := range e.Containers {
			if c := &e.Containers[i]; names(t, c) {
				out = append(out, namedServices(s, t, c)...)
			}
		}
		return out
	}
	return numbered(s, t)
}

func names(t target.Target, c *engine.Container) bool {
	if t.Service != "" {
		return c.Project == t.Project && c.Service == t.Service
	}
	return c.Name == t.Name || len(t.Name) > 0 && len(c.ID) >= len(t.Name) && c.ID[:len(t.Name)] == t.Name
}

// namedServices are those of a container, and of the one whose namespace it is
// in; of one port, if the target names one.
func namedServices(s *correlate.State, t target.Target, c *engine.Container) []service {
	all := servicesOf(s, c)
	if o := owner(s.Engine(), c); o != c {
		all = append(all, servicesOf(s, o)...)
	}
	if t.Port == 0 {
		return all
	}
	byPort := matching(all, t.Proto, func(v *service) bool { return v.port == t.Port })
	if len(byPort) == 0 {
		byPort = matching(all, t.Proto, func(v *service) bool { return v.hostPort == t.Port })
	}
	if len(byPort) == 0 {
		byPort = []service{{container: c, proto: protoOf(t.Proto), port: t.Port}}
	}
	return byPort
}

// numbered are the services behind a port of the host: published there, else
// declaring it, else the bare port.
func numbered(s *correlate.State, t target.Target) []service {
	all := services(s)
	out := matching(all, t.Proto, func(v *service) bool { return v.hostPort == t.Port && (v.published || v.own) })
	if len(out) == 0 {
		out = matching(all, t.Proto, func(v *service) bool { return v.hostPort == t.Port && v.onHost() })
	}
	if len(out) == 0 {
		out = matching(all, t.Proto, func(v *service) bool { return v.port == t.Port })
		for i := range out { // that number of the host is what is asked for
			out[i].hostPort, out[i].published = t.Port, false
		}
	}
	if len(out) == 0 {
		out = []service{{proto: protoOf(t.Proto), hostPort: t.Port, port: t.Port}}
	}
	if t.Addr.IsValid() {
		for i := range out {
			out[i].hostIP = t.Addr
		}
	}
	return out
}

func matching(all []service, proto uint8, is func(*service) bool) []service {
	var out []service
	for _, v := range all {
		if (proto == 0 || decode.Proto(proto) == v.proto) && is(&v) {
			out = append(out, v)
		}
	}
	return out
}

func protoOf(p uint8) decode.Proto {
	if p == 0 {
		return decode.TCP
	}
	return decode.Proto(p)
}

// Missing says which kinds of evidence are not there at all.
func Missing(s *correlate.State) []string {
	out := []string{}
	if s.Engine() == nil {
		out = append(out, withWhy("what the engine publishes", s.Source("engine").Why))
	}
	if s.Host("host") == nil {
		out = append(out, withWhy("the state of the host", s.Source("host").Why))
	}
	_, why4 := s.Rules("host", 4)
	_, why6 := s.Rules("host", 6)
	switch {
	case why4 != "" && why6 != "":
		out = append(out, withWhy("the host's rules", s.Source("rules").Why))
	case why4 != "":
		out = append(out, "the host's rules of IPv4")
	case why6 != "":
		out = append(out, "the host's rules of IPv6")
	}
	return out
}

func withWhy(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
