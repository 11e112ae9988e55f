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
	if t.Service == "" {
		found := b.lookup(t.Name)
		switch len(found) {
		case 0:
			return nil, unknown(t, b.s)
		case 1:
			return found, nil
		}
		return nil, fmt.Errorf("container id %s is ambiguous: %s", t.Name, names(found))
	}
	var found []*engine.Container
	for i := range b.s.Containers {
		if c := &b.s.Containers[i]; c.Project == t.Project && c.Service == t.Service {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, unknown(t, b.s)
	}
	return found, nil
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
