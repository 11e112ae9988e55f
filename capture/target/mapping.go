package target

import "dnatrace/capture/engine"

// mapping is a binding with what it means for a host port.
type mapping struct{ engine.Binding }

func (m mapping) last() uint16 { return max(m.HostPort, m.HostEnd) }

// hostPorts lists the range; none if no port was given.
func (m mapping) hostPorts() []uint16 {
	var all []uint16
	for p := int(m.HostPort); p <= int(m.last()) && p != 0; p++ {
		all = append(all, uint16(p))
	}
	return all
}

// meets reports whether a host port of the mapping is the target's.
func (m mapping) meets(t Target) bool {
	return m.HostPort != 0 && t.Port <= m.last() && m.HostPort <= max(t.Port, t.Last)
}

// mappings are those in force, and those asked for: the latter tell what should
// be there when a container does not run or has no NAT. A range that was asked
// for is left out where the engine has picked a port of it.
func mappings(c *engine.Container) []mapping {
	var all []mapping
	for _, m := range c.Mappings {
		all = append(all, mapping{m})
	}
	for _, m := range c.Bindings {
		if m.HostEnd == 0 || len(c.Mappings) == 0 {
			all = append(all, mapping{m})
		}
	}
	return all
}

// hostPort is a port of the host that a mapping takes.
type hostPort struct {
	proto uint8
	port  uint16
}

// claims lists the containers that publish each host port, by id.
func claims(s *engine.Snapshot) map[hostPort][]string {
	all := map[hostPort][]string{}
	for i := range s.Containers {
		c := &s.Containers[i]
		for _, m := range mappings(c) {
			for _, p := range m.hostPorts() {
				k := hostPort{protoNumber(m.Proto), p}
				all[k] = append(all[k], c.ID)
			}
		}
	}
	return all
}
