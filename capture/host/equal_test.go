package host

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func state(change func(*State)) *State {
	s := &State{
		Links:      []Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0"}},
		Neighbours: []Neighbour{{Link: 2, IP: netip.MustParseAddr("198.51.100.2"), MAC: "02:00:00:00:00:02", State: "reachable"}},
		Sysctls:    map[string]string{"net.ipv4.ip_forward": "1"},
		Sockets: []Socket{
			{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:80"), Queue: 1, Backlog: 4},
			{Proto: "udp", Local: netip.MustParseAddrPort("0.0.0.0:53"), Queue: 0}},
	}
	change(s)
	return s
}

func TestWhatMakesStatesDiffer(t *testing.T) {
	for _, row := range []struct {
		name        string
		change      func(*State)
		equal, same bool
	}{
		{"nothing", func(*State) {}, true, true},
		{"the order of links", func(s *State) { s.Links[0], s.Links[1] = s.Links[1], s.Links[0] }, true, true},
		{"a neighbour that went stale", func(s *State) { s.Neighbours[0].State = "stale" }, false, true},
		{"a neighbour that no longer answers", func(s *State) { s.Neighbours[0].State = "failed" }, false, false},
		{"a neighbour with another address", func(s *State) { s.Neighbours[0].MAC = "02:00:00:00:00:03" }, false, false},
		{"two waiting for accept instead of one", func(s *State) { s.Sockets[0].Queue = 2 }, false, true},
		{"an accept queue that is full", func(s *State) { s.Sockets[0].Queue = 5 }, false, false},
		{"an accept queue that is empty", func(s *State) { s.Sockets[0].Queue = 0 }, false, false},
		{"datagrams that nobody reads", func(s *State) { s.Sockets[1].Queue = 4096 }, false, false},
		{"forwarding turned off", func(s *State) { s.Sysctls["net.ipv4.ip_forward"] = "0" }, false, false},
		{"a link doubled in place of another", func(s *State) { s.Links[0] = s.Links[1] }, false, false},
		{"a listener that is gone", func(s *State) { s.Sockets = s.Sockets[1:] }, false, false},
		{"something that could not be read", func(s *State) { s.Missing = []string{"routes: denied"} }, false, false},
	} {
		a, b := state(func(*State) {}), state(row.change)
		if got := a.Equal(b); got != row.equal {
			t.Errorf("%s: Equal is %t", row.name, got)
		}
		if got := a.Same(b); got != row.same {
			t.Errorf("%s: Same is %t", row.name, got)
		}
	}
}

func TestSortedStatesDoNotDependOnTheKernelsOrder(t *testing.T) {
	routes := []Route{
		{Table: 255, Dst: netip.MustParsePrefix("127.0.0.0/8")},
		{Table: 254, Dst: netip.MustParsePrefix("203.0.113.0/24"), Link: 2},
		{Table: 254, Dst: netip.MustParsePrefix("198.51.100.0/24"), Link: 2},
	}
	a := State{Routes: []Route{routes[0], routes[1], routes[2]}}
	b := State{Routes: []Route{routes[2], routes[0], routes[1]}}
	a.Sort()
	b.Sort()
	if d := cmp.Diff(a.Routes, b.Routes, cmp.Comparer(func(x, y netip.Prefix) bool { return x == y }), cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
	rules := State{Rules: []Rule{{Priority: 5, Family: 4, Table: 9}, {Priority: 5, Family: 4, Table: 1}, {Priority: 1, Family: 4}}}
	rules.Sort()
	if rules.Rules[1].Table != 9 {
		t.Error("policy rules of one priority changed places")
	}
}
