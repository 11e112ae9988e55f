package foresee_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/decode"
)

// state is what an engine and a host say.
func state(e *engine.Snapshot, hosts map[string]*host.State) *correlate.State {
	s := correlate.NewState()
	if e != nil {
		s.Take(&decode.EngineSnapshot{Time: 1, Snapshot: *e})
	}
	for netns, h := range hosts {
		s.Take(&decode.HostSample{Time: 1, Netns: netns, Sample: host.Sample{State: *h}})
	}
	s.Take(&decode.Source{SourceState: capture.SourceState{Name: "rules", State: capture.SourceOK}})
	s.Take(&decode.Ruleset{Time: 1, Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: "nft"}}) // read, and there are none
	return s
}

func tcp(port uint16) engine.Port { return engine.Port{Proto: "tcp", Port: port} }

func asked(host, container uint16) engine.Binding {
	return engine.Binding{Proto: "tcp", Container: container, HostPort: host}
}

func TestPortsOfContainersThatCannotBeReached(t *testing.T) {
	bridged := []engine.Endpoint{{Network: "bridge", IPv4: netip.MustParseAddr("172.17.0.2")}}
	for _, c := range []struct {
		name      string
		container engine.Container
		port      string // "80/tcp published … reach outside host container cause"
	}{
		{"declared and not published", engine.Container{Name: "c", State: "running", Mode: "bridge", Exposed: []engine.Port{tcp(80)}, Endpoints: bridged},
			"80/tcp at :0 published false: no unknown unknown, not-published"},
		{"stopped", engine.Container{Name: "c", State: "exited", Mode: "bridge", Bindings: []engine.Binding{asked(8080, 80)}},
			"80/tcp at :8080 published false: no no no, container-not-running"},
		{"created for a port that was taken", engine.Container{Name: "c", State: "created", Mode: "bridge", Error: "port is already allocated", Bindings: []engine.Binding{asked(8080, 80)}},
			"80/tcp at :8080 published false: no no no, port-taken"},
		{"without a network", engine.Container{Name: "c", State: "running", Mode: "none", Bindings: []engine.Binding{asked(8080, 80)}},
			"80/tcp at :8080 published false: no no no, mode-none"},
		{"in host mode, where -p means nothing", engine.Container{Name: "c", State: "running", Mode: "host", Bindings: []engine.Binding{asked(8080, 80)}},
			"80/tcp at :8080 published false: no no unknown, mode-host"},
		{"published, with the engine's rules gone", engine.Container{ID: "c0", Name: "c", State: "running", Mode: "bridge", Endpoints: bridged, Mappings: []engine.Binding{asked(8080, 80)}},
			"80/tcp at :8080 published true: no no unknown, rules-missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := state(&engine.Snapshot{Containers: []engine.Container{c.container}, Networks: []engine.Network{{Name: "bridge", Driver: "bridge"}}}, map[string]*host.State{"host": wired()})
			list := foresee.List(s, foresee.Options{})
			if len(list.Ports) != 1 {
				t.Fatalf("%d ports", len(list.Ports))
			}
			p := list.Ports[0]
			got := fmt.Sprintf("%d/%s at %s:%d published %v: %s %s %s, %s", p.ContainerPort, p.Protocol, p.HostIP, p.HostPort, p.Published, p.Reachable.Outside, p.Reachable.Host, p.Reachable.Container, p.Cause)
			if d := cmp.Diff(c.port, got); d != "" || p.Why == "" {
				t.Errorf("%s\nwhy: %s", d, p.Why)
			}
		})
	}
}

// wired is a host with one NIC and a bridge, that forwards.
func wired() *host.State {
	return &host.State{
		Links: []host.Link{{Index: 1, Name: "lo", Loopback: true, Up: true}, {Index: 2, Name: "eth0", Up: true, Running: true}, {Index: 3, Name: "docker0", Kind: "bridge", Up: true}},
		Addrs: []host.Addr{{Link: 1, Prefix: netip.MustParsePrefix("127.0.0.1/8")}, {Link: 2, Prefix: netip.MustParsePrefix("198.51.100.1/24")}, {Link: 3, Prefix: netip.MustParsePrefix("172.17.0.1/16")}},
		Routes: []host.Route{
			{Table: 254, Type: "unicast", Dst: netip.MustParsePrefix("198.51.100.0/24"), Link: 2},
			{Table: 254, Type: "unicast", Dst: netip.MustParsePrefix("172.17.0.0/16"), Link: 3},
			{Table: 255, Type: "local", Dst: netip.MustParsePrefix("198.51.100.1/32"), Link: 2},
			{Table: 255, Type: "local", Dst: netip.MustParsePrefix("127.0.0.0/8"), Link: 1},
		},
		Sysctls: map[string]string{"net.ipv4.ip_forward": "1"},
	}
}

func TestWithoutTheHostNothingIsClaimedToWork(t *testing.T) {
	e := &engine.Snapshot{Containers: []engine.Container{{
		ID: "1", Name: "web", State: "running", Mode: "bridge", Mappings: []engine.Binding{asked(8080, 80)},
		Endpoints: []engine.Endpoint{{Network: "bridge", IPv4: netip.MustParseAddr("172.17.0.2")}},
	}}}
	got, err := foresee.Explain(state(e, nil), []target.Target{{Port: 8080}}, foresee.Options{From: []string{foresee.Outside}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got.Paths {
		if p.Verdict != correlate.Undetermined || len(p.Blind) == 0 {
			t.Errorf("%+v", p)
		}
	}
	if len(got.Paths) == 0 || len(got.Missing) == 0 {
		t.Errorf("%d paths; missing %q", len(got.Paths), got.Missing)
	}
}

func TestAFullTableOfConnectionsStopsEveryone(t *testing.T) {
	h := wired()
	h.Sysctls["net.netfilter.nf_conntrack_max"] = "100"
	for entries, want := range map[uint64]correlate.Cause{99: correlate.CauseNotPublished, 100: correlate.CauseConntrackFull} {
		s := state(&engine.Snapshot{}, nil)
		s.Take(&decode.HostSample{Time: 1, Netns: "host", Sample: host.Sample{State: *h, Counters: map[string]uint64{"nf_conntrack.count": entries}}})
		got, err := foresee.Explain(s, []target.Target{{Port: 8080}}, foresee.Options{From: []string{foresee.Outside}})
		if err != nil || len(got.Paths) != 1 || got.Paths[0].Cause != want {
			t.Errorf("%d of 100: %+v, want %s (%v)", entries, got, want, err)
		}
	}
}

// FuzzExplain feeds states of strangers: whatever they hold, there is an answer
// for every path, and an end to it.
func FuzzExplain(f *testing.F) {
	e, _ := json.Marshal(engine.Snapshot{Containers: []engine.Container{{Name: "c", State: "running", Mode: "container:c", Exposed: []engine.Port{tcp(80)}, Mappings: []engine.Binding{asked(80, 80)}}}})
	h, _ := json.Marshal(wired())
	f.Add(e, h, uint16(80))
	f.Add([]byte(`{"containers":[{"name":"a","mode":"container:b"},{"name":"b","mode":"container:a","exposed":[{"proto":"sctp","port":1}]}]}`), []byte(`{}`), uint16(1))
	f.Fuzz(func(t *testing.T, snapshot, sample []byte, port uint16) {
		var e engine.Snapshot
		var h host.State
		if json.Unmarshal(snapshot, &e) != nil || json.Unmarshal(sample, &h) != nil || port == 0 {
			return
		}
		s := state(&e, map[string]*host.State{"host": &h, "c": &h})
		foresee.List(s, foresee.Options{})
		foresee.Everything(s, foresee.Options{})
		got, err := foresee.Explain(s, []target.Target{{Text: "p", Port: port}}, foresee.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range got.Paths {
			if p.Proof != correlate.Inferred || p.Why == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
