package kernel

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"

	"dnatrace/capture/host"
)

func TestTheSamplerLeavesOutWhatStaysTheSame(t *testing.T) {
	state := func(neighbour string, up bool) host.State {
		return host.State{
			Links:      []host.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0", Up: up}},
			Neighbours: []host.Neighbour{{Link: 2, IP: netip.MustParseAddr("198.51.100.2"), State: neighbour}},
		}
	}
	takes := []*host.Sample{
		{State: state("reachable", false), Counters: map[string]uint64{"Udp.NoPorts": 1}},
		{State: state("stale", false), Counters: map[string]uint64{"Udp.NoPorts": 2}},
		{State: state("stale", true), Counters: map[string]uint64{"Udp.NoPorts": 3}},
	}
	s := Sampler{Netns: "host", Take: func() (*host.Sample, error) {
		if len(takes) == 0 {
			return nil, errors.New("namespace is gone")
		}
		next := takes[0]
		takes = takes[1:]
		return next, nil
	}}
	var last int64
	for i, same := range []bool{false, true, false} {
		r, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		var got host.Sample
		if err := json.Unmarshal(r.Data, &got); err != nil {
			t.Fatal(err)
		}
		if got.Same != same || (len(got.Links) == 0) != same || got.Counters["Udp.NoPorts"] != uint64(i+1) {
			t.Errorf("sample %d: got %s", i, r.Data)
		}
		if r.Origin != "host" || r.Kind != "sample" || r.Netns != "host" || r.Time < last {
			t.Errorf("sample %d: got record %+v", i, r)
		}
		last = r.Time
	}
	if _, err := s.Next(); err == nil {
		t.Error("a namespace that is gone gave a sample")
	}
}
