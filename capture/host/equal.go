package host

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Equal says whether two states are the same but for the order of lists.
func (s *State) Equal(o *State) bool {
	return s.Inode == o.Inode && s.Container == o.Container &&
		sameItems(s.Links, o.Links) &&
		sameItems(s.Addrs, o.Addrs) &&
		sameItems(s.Routes, o.Routes) &&
		sameItems(s.Rules, o.Rules) &&
		sameItems(s.Neighbours, o.Neighbours) &&
		maps.Equal(s.Sysctls, o.Sysctls) &&
		sameItems(s.Sockets, o.Sockets) &&
		sameItems(s.Proxies, o.Proxies) &&
		sameItems(s.Missing, o.Missing) &&
		maps.Equal(s.Given, o.Given)
}

// Same is Equal but for what changes all the time without meaning anything: a
// usable neighbour entry may be reachable now and stale then, and a queue may be
// more or less filled, as long as it is not empty in one and not in the other,
// nor full.
func (s *State) Same(o *State) bool {
	a, b := s.settled(), o.settled()
	return a.Equal(&b)
}

// settled returns a copy of s without what Same passes over.
func (s *State) settled() State {
	t := *s
	t.Neighbours = slices.Clone(s.Neighbours)
	for i, n := range t.Neighbours {
		if n.usable() {
			t.Neighbours[i].State = "usable"
		}
	}
	t.Sockets = slices.Clone(s.Sockets)
	for i := range t.Sockets {
		t.Sockets[i].Queue = t.Sockets[i].filled()
	}
	return t
}

// usable says whether packets are sent by this entry at once.
func (n Neighbour) usable() bool {
	switch n.State {
	case "reachable", "stale", "delay", "probe":
		return true
	}
	return false
}

// filled returns 0 for an empty queue, 1 for one that holds something, 2 for an
// accept queue that takes no more.
func (s Socket) filled() uint32 {
	switch {
	case s.Queue == 0:
		return 0
	case s.Proto == "tcp" && s.Queue > s.Backlog:
		return 2
	}
	return 1
}

// Sort brings the lists into an order that depends on their content alone.
func (s *State) Sort() {
	sortItems(s.Links, func(l Link) int { return l.Index })
	sortItems(s.Addrs, func(a Addr) int { return a.Link })
	sortItems(s.Routes, func(r Route) int { return r.Table })
	// Rules of one priority are tried in the kernel's order: that must stay.
	slices.SortStableFunc(s.Rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Priority, b.Priority))
	})
	sortItems(s.Neighbours, func(n Neighbour) int { return n.Link })
	sortItems(s.Sockets, func(x Socket) int { return int(x.Local.Port()) })
	sortItems(s.Proxies, func(p Proxy) int { return int(p.Host.Port()) })
	slices.Sort(s.Missing)
}

// sortItems sorts by rank, and what has the same rank by its text.
func sortItems[T any](items []T, rank func(T) int) {
	type ranked struct {
		rank int
		text string
		item T
	}
	all := make([]ranked, len(items))
	for i, it := range items {
		all[i] = ranked{rank(it), fmt.Sprint(it), it}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.text, b.text))
	})
	for i := range all {
		items[i] = all[i].item
	}
}

// sameItems compares two lists as multisets; usually they are in order already.
func sameItems[T comparable](a, b []T) bool {
	if len(a) != len(b) || slices.Equal(a, b) {
		return len(a) == len(b)
	}
	n := make(map[T]int, len(a))
	for _, x := range a {
		n[x]++
	}
	for _, x := range b {
		n[x]--
		if n[x] < 0 {
			return false
		}
	}
	return true
}
