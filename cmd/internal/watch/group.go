package watch

import (
	"cmp"
	"slices"
	"time"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// mostGroups bounds the kinds of failures that a port tells apart.
const mostGroups = 24

// Group counts the failures of one kind.
type Group struct {
	kind        render.Kind
	count       int
	first, last time.Time // when the requests began
	example     *Held     // the last of them; its bytes count beside those of the rings
}

// group counts a request that did not go well to its kind; nil if there is no
// room for one more.
func (p *Port) group(h *Held) *Group {
	g := p.groupOf(h.Incident)
	if g == nil && len(p.groups) >= mostGroups {
		k := slices.IndexFunc(p.groups, func(g *Group) bool { return g.count <= 0 })
		if k < 0 {
			return nil
		}
		p.exemplify(p.groups[k], nil)
		p.groups = slices.Delete(p.groups, k, k+1)
	}
	if g == nil {
		g = &Group{kind: render.KindOf(h.Incident), first: h.First}
		p.groups = append(p.groups, g)
	}
	g.count++
	if h.First.Before(g.first) {
		g.first = h.First
	}
	if h.First.After(g.last) {
		g.last = h.First
	}
	p.exemplify(g, h)
	return g
}

// exemplify has a request stand for its kind; nil has none.
func (p *Port) exemplify(g *Group, h *Held) {
	if g.example != nil {
		p.taken -= g.example.bytes
	}
	if g.example = h; h != nil {
		p.taken += h.bytes
	}
}

// groupOf is the group of a request's kind, or nil.
func (p *Port) groupOf(i *correlate.Incident) *Group {
	kind := render.KindOf(i)
	for _, g := range p.groups {
		if g.kind == kind {
			return g
		}
	}
	return nil
}

// Groups are the kinds of failures there are, the gravest first, of those what
// came most.
func (p *Port) Groups() []*Group {
	all := slices.DeleteFunc(slices.Clone(p.groups), func(g *Group) bool { return g.count <= 0 })
	slices.SortStableFunc(all, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(correlate.Gravity(a.kind.Verdict()), correlate.Gravity(b.kind.Verdict())), cmp.Compare(b.count, a.count), a.first.Compare(b.first))
	})
	return all
}

// Requests are those that are held, the latest first.
func (p *Port) Requests() []*Held {
	all := slices.Concat(p.held, p.went)
	slices.SortStableFunc(all, func(a, b *Held) int {
		return cmp.Or(b.First.Compare(a.First), cmp.Compare(len(b.ID), len(a.ID)), cmp.Compare(b.ID, a.ID))
	})
	return all
}
