package docker

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture/engine"
)

// seen is a view of a namespace with these bridges, where the processes that are
// wired to them have these numbers. No others are known if told is false.
func seen(inode uint64, told bool, bridges []string, wired ...int) view {
	return view{
		inode:  inode,
		bridge: func(name string, _ []netip.Addr) bool { return slices.Contains(bridges, name) },
		wired:  func(pid int) (bool, bool) { return slices.Contains(wired, pid), told },
	}
}

func TestWhereAnEngineIsWired(t *testing.T) {
	const here, there, third = 1, 2, 3
	bridge := engine.Network{Name: "bridge", Driver: "bridge", Bridge: "docker0"}
	idle := engine.Snapshot{Networks: []engine.Network{bridge}}
	busy := engine.Snapshot{Networks: []engine.Network{bridge}, Containers: []engine.Container{{PID: 7, Endpoints: []engine.Endpoint{{Network: "bridge"}}}}}
	none := engine.Snapshot{Networks: []engine.Network{{Name: "podman", Driver: "bridge", Bridge: "podman0"}}}
	docker0 := []string{"docker0"}
	dockerd := func(v view) process { return process{pid: 100, name: "dockerd", view: v} }
	relay := func(v view) process { return process{pid: 50, name: "socat", view: v} }
	systemd := process{pid: 1, name: "systemd", view: seen(here, true, docker0)}

	for _, row := range []struct {
		story string
		s     engine.Snapshot
		peer  process
		own   view
		other []process
		want  int    // the process whose namespace it is; 0 for here
		why   string // of what is nowhere to be found
	}{
		{"the engine listens in this namespace", busy, dockerd(seen(here, true, docker0, 7)), seen(here, true, docker0, 7), nil, 0, ""},
		{"somebody has deleted the bridge of the engine here", busy, dockerd(seen(here, true, nil)), seen(here, true, nil), nil, 0, ""},
		{"systemd has opened the socket, and the bridge is deleted", idle, systemd, seen(here, true, nil), []process{dockerd(seen(here, true, nil))}, 0, ""},
		{"systemd has opened the socket, and its containers are wired here", busy, systemd, seen(here, true, docker0, 7), nil, 0, ""},
		{"the engine listens in another namespace", idle, dockerd(seen(there, true, docker0)), seen(here, true, nil), nil, 100, ""},
		{"both namespaces have an engine and a docker0", idle, dockerd(seen(there, true, docker0)), seen(here, true, docker0), nil, 100, ""},
		{"who may not look into the other namespace is told the process all the same", busy, dockerd(seen(there, false, docker0)), seen(here, true, nil), nil, 100, ""},
		{"a relay in a namespace of its own stands before the engine here", busy, relay(seen(third, true, nil)), seen(here, true, docker0, 7), nil, 0, ""},
		{"a relay here leads to an engine there", busy, relay(seen(here, true, docker0)), seen(here, true, docker0),
			[]process{dockerd(seen(here, true, docker0)), {pid: 200, name: "dockerd", view: seen(there, true, docker0, 7)}}, 200, ""},
		{"over tcp, where nobody is seen, to an engine there", busy, process{}, seen(here, true, nil), []process{dockerd(seen(there, true, docker0, 7))}, 100, ""},
		{"over tcp to an engine here", idle, process{}, seen(here, true, docker0), nil, 0, ""},
		{"over tcp to one of two engines there, of which either may be it", idle, process{}, seen(here, true, nil),
			[]process{dockerd(seen(there, true, docker0)), {pid: 200, name: "dockerd", view: seen(third, true, docker0)}}, 0, "not in this network namespace"},
		{"over tcp to an engine that nobody sees", busy, process{}, seen(here, true, nil), nil, 0, "not in this network namespace"},
		{"podman makes its bridge with the first container", none, systemd, seen(here, true, nil), nil, 0, ""},
		{"a veth was deleted by hand, and there is one container", busy, systemd, seen(here, true, docker0), nil, 0, ""},
		{"who may not see the namespace of the engine is told the process, where nothing of it is here", idle, dockerd(seen(0, false, nil)), seen(here, true, nil), nil, 100, ""},
		{"who may not see the namespace of the engine, whose container is wired here", busy, dockerd(seen(0, false, nil)), seen(here, true, docker0, 7), nil, 0, ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			row.own.engines = row.other
			got := place(&row.s, row.peer, row.own)
			if got.Process != row.want || got.Here != (row.want == 0 && row.why == "") || !strings.Contains(got.Why, row.why) {
				t.Errorf("it is said to be %+v", got)
			}
		})
	}
}
