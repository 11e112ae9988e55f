package docker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"

	"dnatrace/capture/engine"
)

// inspections is the number of containers inspected at once: enough to hide
// the round trip, few enough not to weigh on a busy engine.
const inspections = 8

// Snapshot asks the engine for everything a verdict needs. A container that
// vanishes while it is asked about is left out.
func (e *Engine) Snapshot(ctx context.Context) (*engine.Snapshot, error) {
	ab, err := e.aboutEngine(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask engine about itself: %w", err)
	}
	nets, err := e.cli.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	list, err := e.cli.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	list = slices.DeleteFunc(list, func(c container.Summary) bool { return c.Labels[guestLabel] != "" }) // it is of no mapping
	containers, err := e.inspect(ctx, list)
	if err != nil {
		return nil, err
	}
	s := &engine.Snapshot{
		Version: ab.Version, API: e.cli.ClientVersion(), Firewall: ab.Firewall, Proxy: ab.Proxy,
		OS: ab.OS, Kernel: ab.Kernel, Rootless: ab.Rootless, Containers: containers,
	}
	for _, n := range nets {
		s.Networks = append(s.Networks, FromNetwork(n))
	}
	if ab.Product == podman {
		e.bridges(ctx, s.Networks)
	}
	settle(s)
	return s, nil
}

// inspect asks about every container of a list, a few at a time.
func (e *Engine) inspect(ctx context.Context, list []container.Summary) ([]engine.Container, error) {
	found := make([]*engine.Container, len(list))
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	most := inspections
	if strings.HasPrefix(e.host, "ssh://") { // each is a process there, and few are let in at once
		most = 2
	}
	for w := range min(most, len(list)) {
		wg.Go(func() {
			for i := w; i < len(list); i += most {
				found[i], errs[i] = e.inspectOne(ctx, list[i].ID)
			}
		})
	}
	wg.Wait()
	var all []engine.Container
	for i := range list {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if found[i] != nil {
			all = append(all, *found[i])
		}
	}
	return all, nil
}

// inspectOne returns nil for a container that is gone.
func (e *Engine) inspectOne(ctx context.Context, id string) (*engine.Container, error) {
	in, err := e.cli.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect container %.12s: %w", id, err)
	}
	c := FromContainer(in)
	return &c, nil
}

// settle sorts a snapshot and names networks that containers know by id only.
func settle(s *engine.Snapshot) {
	names := map[string]string{}
	for _, n := range s.Networks {
		names[n.ID] = n.Name
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if name, ok := names[c.Mode]; ok {
			c.Mode = name
		}
	}
	slices.SortFunc(s.Containers, func(a, b engine.Container) int {
		return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID)
	})
	slices.SortFunc(s.Networks, func(a, b engine.Network) int {
		return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID)
	})
}

// about is what holds for as long as the engine runs. /info is slow on a busy
// engine, so it is asked for once per connection.
type about struct {
	Product, Version, Firewall, Proxy, OS, Kernel string
	Rootless                                      bool
}

func (e *Engine) aboutEngine(ctx context.Context) (*about, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.about != nil {
		return e.about, nil
	}
	info, err := e.cli.Info(ctx)
	if err != nil {
		return nil, err
	}
	ab := fromInfo(info)
	if ab.Product = e.product(ctx); ab.Product == podman {
		ab.Version = "Podman " + ab.Version // Docker's versions say nothing of it
	}
	ab.Proxy = e.userlandProxy(ctx, info.ServerVersion)
	e.about = ab
	return ab, nil
}

// forget makes the next snapshot ask about the engine again: it may have been
// restarted with another version or other settings.
func (e *Engine) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.about = nil
}

func fromInfo(info system.Info) *about {
	ab := &about{Version: info.ServerVersion, OS: info.OperatingSystem, Kernel: info.KernelVersion}
	if info.FirewallBackend != nil {
		ab.Firewall = info.FirewallBackend.Driver
	}
	for _, o := range info.SecurityOptions {
		ab.Rootless = ab.Rootless || o == "name=rootless" || strings.HasPrefix(o, "name=rootless,")
	}
	return ab
}

// userlandProxy reads EnableUserlandProxy, which engines tell from 29 on and
// which the client's type does not have. "" where it cannot be known.
func (e *Engine) userlandProxy(ctx context.Context, version string) string {
	major, _ := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	if major < 29 {
		return ""
	}
	var info struct{ EnableUserlandProxy *bool }
	if e.get(ctx, "/v"+e.cli.ClientVersion()+"/info", &info) != nil || info.EnableUserlandProxy == nil {
		return ""
	}
	if *info.EnableUserlandProxy {
		return "on"
	}
	return "off"
}
