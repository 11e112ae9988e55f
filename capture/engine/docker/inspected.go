package docker

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"dnatrace/capture/engine"
)

// ParseContainer reads one object of what docker inspect prints, as the API
// gives it.
func ParseContainer(raw []byte) (engine.Container, error) {
	var in container.InspectResponse
	if err := json.Unmarshal(raw, &in); err != nil {
		return engine.Container{}, fmt.Errorf("read container: %w", err)
	}
	if in.ContainerJSONBase == nil {
		return engine.Container{}, fmt.Errorf("read container: it has no id")
	}
	return FromContainer(in), nil
}

// ParseNetwork reads one object of what docker network inspect prints, and the
// running containers that are on the network, of which nothing else is known.
func ParseNetwork(raw []byte) (engine.Network, []engine.Container, error) {
	var in network.Inspect
	if err := json.Unmarshal(raw, &in); err != nil {
		return engine.Network{}, nil, fmt.Errorf("read network: %w", err)
	}
	var members []engine.Container
	for id, m := range in.Containers {
		ep := engine.Endpoint{Network: in.Name, MAC: m.MacAddress}
		if p, err := netip.ParsePrefix(m.IPv4Address); err == nil {
			ep.IPv4 = p.Addr()
		}
		if p, err := netip.ParsePrefix(m.IPv6Address); err == nil {
			ep.IPv6 = p.Addr()
		}
		members = append(members, engine.Container{ID: id, Name: m.Name, State: "running", Mode: in.Name, Partial: true, Endpoints: []engine.Endpoint{ep}})
	}
	slices.SortFunc(members, func(a, b engine.Container) int { return strings.Compare(a.ID, b.ID) })
	return FromNetwork(in), members, nil
}

// ParseJoined reads, of one object of what docker inspect prints, the networks
// that the container is on: what its endpoints tell of them. The bridge is the
// one that the driver would make by itself.
func ParseJoined(raw []byte) []engine.Network {
	var in container.InspectResponse
	if json.Unmarshal(raw, &in) != nil || in.NetworkSettings == nil {
		return nil
	}
	var out []engine.Network
	for name, es := range in.NetworkSettings.Networks {
		if es == nil || es.IPAddress == "" && es.GlobalIPv6Address == "" {
			continue
		}
		n := engine.Network{ID: es.NetworkID, Name: name, ICC: true}
		n.Bridge = "br-" + es.NetworkID[:min(12, len(es.NetworkID))]
		if name == network.NetworkBridge {
			n.Bridge = "docker0"
		}
		for _, a := range []struct {
			ip, gateway string
			bits        int
		}{{es.IPAddress, es.Gateway, es.IPPrefixLen}, {es.GlobalIPv6Address, es.IPv6Gateway, es.GlobalIPv6PrefixLen}} {
			ip, err := netip.ParseAddr(a.ip)
			if err != nil {
				continue
			}
			if p, err := ip.Prefix(a.bits); err == nil && a.bits > 0 {
				n.Subnets = append(n.Subnets, p)
			}
			if g, ok := gateway(a.gateway); ok {
				n.Gateways = append(n.Gateways, g)
			}
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b engine.Network) int { return strings.Compare(a.Name, b.Name) })
	return out
}
