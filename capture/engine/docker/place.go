package docker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"dnatrace/capture/engine"
)

// Place is where the containers of an engine are wired, seen from one network
// namespace.
type Place struct {
	Here bool
	// Process is the engine's where it is in another network namespace of this
	// kernel, which is that process's; 0 if there is none to be found.
	Process int
	Program string // the name of that process
	Why     string // of what is not here, as a clause: "the engine … "
}

// Place says whether the containers of the engine are wired in the namespace at
// path ("": this process's), by what the kernel says of the process behind the
// engine's socket, of running containers and of the engine's bridges, in this
// order. Where nothing tells, they are here.
func (e *Engine) Place(ctx context.Context, path string) (Place, error) {
	if err := local(e.host); err != nil {
		return Place{Why: fmt.Sprintf("the engine at %s is elsewhere: %v", e.host, err)}, nil
	}
	s, err := e.wiring(ctx)
	if err != nil {
		return Place{}, err
	}
	if err := sameKernel(s, kernelRelease(), findProcess); err != nil {
		return Place{Why: err.Error()}, nil
	}
	if p := e.peer; p.isEngine() && p.nested {
		return Place{Why: fmt.Sprintf("the engine, process %d (%s), runs in another PID namespace: its containers' processes cannot be found from here", p.pid, p.name)}, nil
	}
	return place(s, e.peer, lookAt(path)), nil
}

// wiredContainers is how many running containers are asked for: one tells, and
// some may be broken.
const wiredContainers = 4

// wiring is a snapshot of what tells where an engine is: its networks, and some of
// its containers that run on bridges.
func (e *Engine) wiring(ctx context.Context) (*engine.Snapshot, error) {
	ab, err := e.aboutEngine(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask engine about itself: %w", err)
	}
	s := &engine.Snapshot{OS: ab.OS, Kernel: ab.Kernel}
	nets, err := e.cli.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range nets {
		s.Networks = append(s.Networks, FromNetwork(n))
	}
	if ab.Product == podman {
		e.bridges(ctx, s.Networks)
	}
	list, err := e.cli.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("status", "running"))})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	list = slices.DeleteFunc(list, func(c container.Summary) bool { return !onBridge(c, s.Networks) })
	s.Containers, err = e.inspect(ctx, list[:min(len(list), wiredContainers)])
	return s, err
}

// onBridge reports whether a container has an interface on a bridge.
func onBridge(c container.Summary, nets []engine.Network) bool {
	if c.NetworkSettings == nil {
		return false
	}
	return slices.ContainsFunc(nets, func(n engine.Network) bool {
		_, on := c.NetworkSettings.Networks[n.Name]
		return on && n.Driver == "bridge"
	})
}

// view is what one network namespace shows, to whoever may look.
type view struct {
	inode   uint64                                  // 0: not to be seen
	bridge  func(name string, ip []netip.Addr) bool // is there, with one of these addresses
	wired   func(process int) (wired, known bool)   // a veth leads from here to that process's namespace
	engines []process                               // container engines that run on this machine
}

// process is one of this kernel.
type process struct {
	pid    int
	name   string
	nested bool // it is in a PID namespace of its own, and so are the numbers it tells
	view   view // of its network namespace; has no engines
}

// isEngine tells an engine from whatever else may listen on a socket for one:
// init, or a relay.
func (p process) isEngine() bool { return slices.Contains(engineNames, p.name) }

// engineNames are the names of processes that wire containers.
var engineNames = []string{"dockerd", "podman", "balena-engine-d"}

// place decides where the containers of an engine are.
func place(s *engine.Snapshot, peer process, own view) Place {
	if peer.isEngine() && peer.view.inode != 0 && own.inode != 0 {
		if peer.view.inode == own.inode {
			return Place{Here: true}
		}
		return near(peer)
	}
	switch own.wires(s) {
	case surely:
		return Place{Here: true}
	case perhaps, unknown:
		if p, ok := found(s, peer, own, surely); ok {
			return near(p)
		}
		return Place{Here: true}
	case never:
		if peer.isEngine() { // its namespace is not ours to see
			return near(peer)
		}
	}
	if p, ok := found(s, peer, own, perhaps); ok {
		return near(p)
	}
	if slices.ContainsFunc(own.engines, func(p process) bool { return p.view.inode == own.inode && p.isEngine() }) {
		return Place{Here: true} // its bridges are gone
	}
	return Place{Why: "the engine's bridges and containers are not in this network namespace"}
}

func near(p process) Place {
	return Place{Process: p.pid, Program: p.name, Why: fmt.Sprintf("the engine runs in another network namespace, that of process %d (%s)", p.pid, p.name)}
}

// found is a process in another namespace that wires containers, at least as
// surely; the one behind the socket comes first. Of several others none is taken.
func found(s *engine.Snapshot, peer process, own view, least certainty) (process, bool) {
	other := func(p process) bool {
		return p.view.inode != 0 && p.view.inode != own.inode && p.view.wires(s) >= least
	}
	if peer.pid != 0 && other(peer) {
		return peer, true
	}
	var all []process
	seen := map[uint64]bool{}
	for _, p := range own.engines {
		if other(p) && !seen[p.view.inode] {
			seen[p.view.inode] = true
			all = append(all, p)
		}
	}
	if len(all) != 1 {
		return process{}, false
	}
	return all[0], true
}

// certainty is how sure it is that containers are wired in a namespace.
type certainty int8

const (
	never certainty = iota - 1
	unknown
	perhaps // a bridge of that name is there, as there is one beside every engine
	surely
)

// wires says how sure it is that the containers are wired in v.
func (v view) wires(s *engine.Snapshot) certainty {
	told := unknown
	for i := range s.Containers {
		wired, known := v.wired(s.Containers[i].PID)
		if wired {
			return surely
		}
		if known {
			told = never
		}
	}
	for i := range s.Networks {
		n := &s.Networks[i]
		if !expected(s, n) {
			continue
		}
		if v.bridge(n.Bridge, n.Gateways) {
			return max(told, perhaps)
		}
		if told == unknown {
			told = never
		}
	}
	return told
}

// expected reports whether an engine has made the bridge of a network by now: some
// make it with the first container.
func expected(s *engine.Snapshot, n *engine.Network) bool {
	if n.Driver != "bridge" || n.Bridge == "" {
		return false
	}
	return n.Bridge == "docker0" || slices.ContainsFunc(s.Containers, func(c engine.Container) bool {
		return slices.ContainsFunc(c.Endpoints, func(e engine.Endpoint) bool { return e.Network == n.Name })
	})
}
