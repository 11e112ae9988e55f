package target

import (
	"fmt"
	"strings"

	"dnatrace/capture/engine"
)

// owner follows container mode to the container whose namespace it is; an owner
// that is gone leaves the container itself.
func (b *builder) owner(c *engine.Container) *engine.Container {
	for range 8 { // the engine allows no chains; files may hold anything
		of, ok := strings.CutPrefix(c.Mode, "container:")
		if !ok {
			return c
		}
		found := b.lookup(of)
		if len(found) != 1 {
			return c
		}
		c = found[0]
	}
	return c
}

// find returns the containers a target names, at least one.
func (b *builder) find(t Target) ([]*engine.Container, error) {
	found := Find(t, b.s)
	switch {
	case len(found) == 0:
		return nil, unknown(t, b.s)
	case len(found) > 1 && t.Service == "" && found[0].Project != t.Name:
		return nil, fmt.Errorf("container id %s is ambiguous: %s", t.Name, names(found))
	}
	return found, nil
}

// Find returns the containers that a target names: those of a compose service or
// project, or the one of a name. A name is that of a container, else of a
// compose project, else the beginning of an id, which may be that of several.
func Find(t Target, s *engine.Snapshot) []*engine.Container {
	if t.Service != "" {
		return matching(s, func(c *engine.Container) bool {
			return c.Service != "" && c.Project == t.Project && (c.Service == t.Service || t.Service == EveryService)
		})
	}
	if t.Name == "" {
		return nil
	}
	b := builder{s: s}
	if found := b.lookup(t.Name); len(found) == 1 && (found[0].Name == t.Name || found[0].ID == t.Name) {
		return found
	}
	if found := matching(s, func(c *engine.Container) bool { return c.Project == t.Name }); len(found) > 0 {
		return found
	}
	return b.lookup(t.Name)
}

func matching(s *engine.Snapshot, is func(*engine.Container) bool) (found []*engine.Container) {
	for i := range s.Containers {
		if is(&s.Containers[i]) {
			found = append(found, &s.Containers[i])
		}
	}
	return found
}

// lookup finds a container by name, else by the beginning of its id.
func (b *builder) lookup(name string) []*engine.Container {
	var byID []*engine.Container
	for i := range b.s.Containers {
		c := &b.s.Containers[i]
		if c.Name == name || c.ID == name {
			return []*engine.Container{c}
		}
		if strings.HasPrefix(c.ID, name) {
			byID = append(byID, c)
		}
	}
	return byID
}

func names(cs []*engine.Container) string {
	var ns []string
	for _, c := range cs {
		ns = append(ns, fmt.Sprintf("%s (%.12s)", c.Name, c.ID))
	}
	return strings.Join(ns, ", ")
}
