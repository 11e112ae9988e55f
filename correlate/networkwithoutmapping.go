package correlate

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/engine"
)

// unmapped finds a container that was to publish the port and is only on
// networks onto which the engine maps nothing: of drivers that join the
// container to the host's own link, or in gateway mode routed.
func unmapped(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		if p.wants(c) == nil || len(c.Endpoints) == 0 || !isUp(c) {
			continue
		}
		why := ""
		for _, ep := range c.Endpoints {
			if why = p.mapsNothing(e, ep.Network); why == "" {
				break
			}
		}
		if why == "" {
			continue
		}
		cause := CauseNotPublished
		if strings.HasPrefix(why, driverWords) {
			cause = CauseNetworkWithoutMapping
		}
		return finding{cause: cause, fact: fmt.Sprintf("%s is on %s, %s", c.Name, c.Endpoints[0].Network, why),
			why: fmt.Sprintf("%s is on network %s, %s: the engine maps no port of the host to it.", c.Name, c.Endpoints[0].Network, why),
			fix: []string{fmt.Sprintf("ask for the container's own address, %s, or: docker network connect bridge %s", c.Endpoints[0].IPv4, shell(c.Name))}}, p.meantFor(c)
	}
	return finding{}, false
}

// driverWords begin the reason where no network of a driver is ever mapped onto.
const driverWords = "whose driver is "

// mapsNothing says why the engine maps nothing onto a network, "" if it does.
func (p *path) mapsNothing(e *engine.Snapshot, name string) string {
	i := slices.IndexFunc(e.Networks, func(n engine.Network) bool { return n.Name == name })
	if i < 0 {
		return ""
	}
	n := &e.Networks[i]
	mode := n.Mode4
	if p.tuple.Dst.Addr().Is6() {
		mode = n.Mode6
	}
	switch {
	case n.Driver == "macvlan" || n.Driver == "ipvlan":
		return driverWords + n.Driver
	case mode == "routed":
		return "whose gateway mode is routed"
	}
	return ""
}
