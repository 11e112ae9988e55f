package inputs

import (
	"maps"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/dumps"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/recording"
)

// interfaces is what is known of the interfaces where captures were taken.
type interfaces struct {
	links      map[string]host.Link // of the host, by name
	byIndex    map[uint32]string
	bridges    map[string]bool // of the engine's networks, by name
	containers map[string]bool // by name
	owners     map[string]string
	guessed    map[uint32]capture.Role // of captures of all interfaces, by traffic; nil where links are known
}

// known gathers what dumps tell of interfaces; without any, traffic does.
func known(set *dumps.Set, captures []recording.Named) *interfaces {
	k := &interfaces{
		links: map[string]host.Link{}, byIndex: map[uint32]string{}, bridges: map[string]bool{},
		containers: map[string]bool{}, owners: map[string]string{},
	}
	e, hosts := set.Engine(), set.Hosts()
	for _, l := range hosts[capture.HostNetns].Links {
		if l.Index < 0 {
			continue // only routes tell of it
		}
		k.links[l.Name] = l
		k.byIndex[uint32(l.Index)] = l.Name
	}
	if e != nil {
		for _, n := range e.Networks {
			k.bridges[n.Bridge] = n.Bridge != ""
		}
		for _, c := range e.Containers {
			k.containers[c.Name] = true
		}
		k.own(e, hosts)
	}
	if len(k.links) == 0 {
		k.guessed = survey(captures)
	}
	return k
}

// own finds out which container is behind which veth: by the numbers that both
// ends tell, or because there is only one of each on a bridge.
func (k *interfaces) own(e *engine.Snapshot, hosts map[string]host.State) {
	for netns, st := range hosts {
		for _, l := range k.links {
			if netns != capture.HostNetns && l.PeerNetns != 0 && l.PeerNetns == st.Inode {
				k.owners[l.Name] = netns
			}
		}
	}
	for _, n := range e.Networks {
		var ports, members []string
		for _, l := range k.links {
			if master, ok := k.links[n.Bridge]; ok && l.Master == master.Index {
				ports = append(ports, l.Name)
			}
		}
		for _, c := range e.Containers {
			running := c.State == "running" || c.State == "paused"
			if running && slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return ep.Network == n.Name }) {
				members = append(members, c.Name)
			}
		}
		if !e.Partial && len(ports) == 1 && len(members) == 1 && k.owners[ports[0]] == "" {
			k.owners[ports[0]] = members[0]
		}
	}
}

// indexes are those of the host's interfaces, as far as they are known: all of
// them were watched by a capture of all interfaces.
func (k *interfaces) indexes() []uint32 {
	if len(k.byIndex) > 0 {
		return slices.Sorted(maps.Keys(k.byIndex))
	}
	return slices.Sorted(maps.Keys(k.guessed))
}

// describe fills in what is known about a point of someone else's capture.
func (k *interfaces) describe(p *capture.Point) {
	if p.Counting || p.Netns != capture.HostNetns {
		return
	}
	if name, ok := k.byIndex[uint32(p.Index)]; ok && p.Index != 0 {
		p.Name = name
	}
	switch l, ok := k.links[p.Name]; {
	case ok:
		p.Index, p.MAC = l.Index, l.MAC
		p.Role = k.role(l, p.Role)
		p.Container = k.owners[p.Name]
	case k.bridges[p.Name]:
		p.Role = capture.RoleBridge
	case k.containers[p.Name] && p.Role == capture.RoleOther:
		p.Role, p.Netns, p.Container = capture.RoleContainer, p.Name, p.Name
	case p.Role == capture.RoleOther && p.Index != 0:
		p.Role = k.guessed[uint32(p.Index)]
	}
}

// role is the role of a link of the host, by its kind: a veth that is no port of
// a bridge may lead anywhere, and is taken for what its name says.
func (k *interfaces) role(l host.Link, guess capture.Role) capture.Role {
	bridged := slices.ContainsFunc(slices.Collect(maps.Values(k.links)), func(m host.Link) bool {
		return l.Master != 0 && m.Index == l.Master && (m.Kind == "bridge" || k.bridges[m.Name])
	})
	switch {
	case l.Loopback:
		return capture.RoleLoopback
	case l.Kind == "bridge", k.bridges[l.Name]:
		return capture.RoleBridge
	case bridged && (l.Kind == "veth" || l.Away):
		return capture.RoleVeth
	case l.Kind == "vxlan", l.Kind == "geneve", l.Kind == "wireguard", l.Kind == "gre", l.Kind == "ipip":
		return capture.RoleOverlay
	}
	if g := recording.GuessRole(l.Name); g != capture.RoleOther {
		return g
	}
	if k.isCard(l) {
		return capture.RoleNIC
	}
	return guess
}

// isCard reports whether a link whose name says nothing leads out of the host:
// hardware, or what is made of it. Kinds are told only by some dumps.
func (k *interfaces) isCard(l host.Link) bool {
	told, leads := false, false
	for _, o := range k.links {
		told = told || o.Kind != ""
		leads = leads || o.Master == l.Index
	}
	switch l.Kind {
	case "bond", "team", "vlan", "macvlan", "ipvlan":
		return true
	case "":
		return told && !leads && !l.Away && l.MAC != ""
	}
	return false
}
