package annotate

import (
	"context"
	"encoding/json"
	"iter"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
)

// places is what is known of the points' addresses: by container, or by
// interface of the host.
type places struct {
	containers map[string][]string
	links      map[string][]string
}

// overhear passes a stream on and learns from its records.
func (a *places) overhear(src capture.Source) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			for b, err := range src(ctx) {
				if err == nil {
					for _, r := range b.Records {
						a.learn(r)
					}
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

// learn keeps the latest of what records say. One that cannot be read says
// nothing here; judging counts it.
func (a *places) learn(r capture.Record) {
	switch {
	case r.Kind == capture.KindSnapshot:
		var s engine.Snapshot
		if json.Unmarshal(r.Data, &s) == nil && len(s.Containers) > 0 {
			a.containers = containerAddrs(&s)
		}
	case r.Kind == capture.KindSample && r.Netns == capture.HostNetns:
		var s host.Sample
		if json.Unmarshal(r.Data, &s) == nil && len(s.Addrs) > 0 {
			a.links = linkAddrs(&s)
		}
	}
}

func containerAddrs(s *engine.Snapshot) map[string][]string {
	m := map[string][]string{}
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			if e.IPv4.IsValid() {
				m[c.Name] = append(m[c.Name], e.IPv4.String())
			}
			if e.IPv6.IsValid() {
				m[c.Name] = append(m[c.Name], e.IPv6.String())
			}
		}
	}
	return m
}

func linkAddrs(s *host.Sample) map[string][]string {
	m := map[string][]string{}
	for _, a := range s.Addrs {
		if l := s.Link(a.Link); l != nil {
			m[l.Name] = append(m[l.Name], a.Prefix.Addr().String())
		}
	}
	return m
}

// describe names the addresses of a point.
func (a *places) describe(p capture.Point) string {
	addrs := a.containers[p.Container]
	if p.Role == capture.RoleLoopback {
		return ""
	}
	if p.Netns == capture.HostNetns && len(a.links[p.Name]) > 0 {
		addrs = a.links[p.Name]
	}
	return strings.Join(addrs, ", ")
}

// pointOf reads the record of a point.
func pointOf(r capture.Record) (p capture.Point, ok bool) {
	if r.Origin != capture.OriginPackets || r.Kind != capture.KindPoint {
		return p, false
	}
	return p, json.Unmarshal(r.Data, &p) == nil
}

// renumbered are the chosen points, in a file of their own.
type renumbered struct{ ids map[uint16]uint16 }

// id is the number of a point among the chosen ones.
func (n *renumbered) id(point uint16) (id uint16, chosen bool) {
	id, chosen = n.ids[point]
	return id, chosen
}

// choose leaves out the points of other names, and numbers the rest anew.
func (n *renumbered) choose(records []capture.Record, name string) (out []capture.Record) {
	for _, r := range records {
		p, ok := pointOf(r)
		if !ok {
			out = append(out, r)
			continue
		}
		if p.Name != name {
			continue
		}
		if n.ids == nil {
			n.ids = map[uint16]uint16{}
		}
		if _, again := n.ids[p.ID]; !again {
			n.ids[p.ID] = uint16(len(n.ids))
		}
		p.ID = n.ids[p.ID]
		data, err := json.Marshal(p)
		if err != nil {
			continue // cannot be: it was read from JSON
		}
		r.Data = data
		out = append(out, r)
	}
	return out
}
