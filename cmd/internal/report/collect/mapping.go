package collect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture/engine"
	"dnatrace/cmd/internal/changes"
	"dnatrace/cmd/internal/report"
)

// maxMappings bounds the containers shown as concerned.
const maxMappings = 12

// mappings are the containers concerned: the one of the request, those that
// publish the port asked for, and those that only declare it.
func (w *world) mappings() []report.Mapping {
	var out []report.Mapping
	for _, c := range w.containers() {
		m := report.Mapping{Container: c.Name, Image: c.Image, State: c.State, Mode: w.mode(c), Error: c.Error, Run: runCommand(c)}
		if c.State == "exited" || c.State == "dead" {
			m.State += fmt.Sprintf(" (%d)", c.ExitCode)
		}
		for _, e := range c.Endpoints {
			m.Networks = append(m.Networks, strings.TrimSpace(e.Network+" "+addrText(e.IPv4)+" "+addrText(e.IPv6)))
		}
		m.Published = changes.Published(c.Mappings)
		if len(m.Published) == 0 {
			for _, p := range changes.Published(c.Bindings) {
				m.Published = append(m.Published, p+" (asked for, not in force)")
			}
		}
		for _, p := range c.Exposed {
			m.Exposed = append(m.Exposed, fmt.Sprintf("%d/%s", p.Port, p.Proto))
		}
		out = append(out, m)
	}
	return out
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// containers are those concerned, at most maxMappings.
func (w *world) containers() []*engine.Container {
	if w.engine == nil {
		return nil
	}
	var out []*engine.Container
	for i := range w.engine.Containers {
		if c := &w.engine.Containers[i]; w.isConcerned(c) && len(out) < maxMappings {
			out = append(out, c)
		}
	}
	return out
}

func (w *world) isConcerned(c *engine.Container) bool {
	if w.about == nil {
		return c.Name == w.asked || slices.ContainsFunc(c.Bindings, func(b engine.Binding) bool { return fmt.Sprint(b.HostPort) == w.asked })
	}
	i := w.about
	if c.Name == i.Container || c.Name == i.ClientContainer {
		return true
	}
	end, ok := endOf(i.Requested)
	if !ok {
		return false
	}
	has := func(b engine.Binding) bool {
		return b.HostPort != 0 && b.HostPort <= end.Port() && end.Port() <= max(b.HostPort, b.HostEnd)
	}
	return slices.ContainsFunc(c.Mappings, has) || slices.ContainsFunc(c.Bindings, has) ||
		slices.ContainsFunc(c.Exposed, func(p engine.Port) bool { return p.Port == end.Port() && end.Port() != 0 }) ||
		slices.ContainsFunc(c.Endpoints, func(e engine.Endpoint) bool { return e.IPv4 == end.Addr() || e.IPv6 == end.Addr() })
}

// mode names the container whose network is shared.
func (w *world) mode(c *engine.Container) string {
	id, ok := strings.CutPrefix(c.Mode, "container:")
	if !ok {
		return c.Mode
	}
	for i := range w.engine.Containers {
		if w.engine.Containers[i].ID == id {
			return "container:" + w.engine.Containers[i].Name
		}
	}
	return c.Mode
}

// runCommand is how a container with the same network settings is started. Its
// words are quoted where a shell would read more into them.
func runCommand(c *engine.Container) string {
	words := []string{"docker", "run", "-d", "--name", report.Quoted(c.Name)}
	if c.Mode != "" && c.Mode != "bridge" && c.Mode != "default" && !strings.HasPrefix(c.Mode, "container:") {
		words = append(words, "--network", report.Quoted(c.Mode))
	}
	said := map[string]bool{}
	for _, b := range c.Bindings {
		p := fmt.Sprintf("%d", b.Container)
		if b.HostPort != 0 {
			p = strings.TrimPrefix(strings.TrimPrefix(changes.HostEnd(b), "*:"), "0.0.0.0:") + ":" + p
		}
		if b.Proto != "tcp" {
			p += "/" + b.Proto
		}
		if !said[p] {
			said[p] = true
			words = append(words, "-p", p)
		}
	}
	if c.PublishAll {
		words = append(words, "-P")
	}
	return strings.Join(append(words, report.Quoted(c.Image)), " ")
}
