package dumps

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"dnatrace/capture/engine"
)

// A compose file, or what docker compose config prints of one, says what was meant:
// services and their ports. Whether they run is not in it.
var composeTitle = regexp.MustCompile(`^services: *(#.*)?$`)

func isCompose(b []byte) bool { return composeTitle.Match(b) }

type composeFile struct {
	Name     string
	Services map[string]struct {
		Image         string
		ContainerName string `yaml:"container_name"`
		NetworkMode   string `yaml:"network_mode"`
		Ports         []yaml.Node
		Expose        []yaml.Node
	}
}

// compose reads such a file. Variables in ports are not known, and named.
func (s *Set) compose(b []byte) error {
	var f composeFile
	if err := yaml.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("parse it: %w", err)
	}
	bad := &misread{}
	var names []string
	for name := range f.Services {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		in := f.Services[name]
		c := engine.Container{Name: in.ContainerName, Image: in.Image, Project: f.Name, Service: name, Mode: in.NetworkMode, Partial: true}
		if c.Name == "" {
			c.Name = name
			if f.Name != "" {
				c.Name = f.Name + "-" + name + "-1" // as compose names the first of a service
			}
		}
		for i := range in.Ports {
			if !composePort(&c, &in.Ports[i]) {
				bad.add(in.Ports[i].Value)
			}
		}
		for i := range in.Expose {
			port, proto, _ := strings.Cut(in.Expose[i].Value, "/")
			if n, err := strconv.ParseUint(port, 10, 16); err == nil {
				c.Exposed = append(c.Exposed, engine.Port{Proto: cmp.Or(proto, "tcp"), Port: uint16(n)})
			}
		}
		s.named = append(s.named, c)
	}
	return bad.err()
}

// composePort reads a port in the short form, "127.0.0.1:8080:80/udp", or the long one.
func composePort(c *engine.Container, n *yaml.Node) bool {
	if n.Kind == yaml.MappingNode {
		var long struct {
			Target    uint16
			Published string
			Protocol  string
			HostIP    string `yaml:"host_ip"`
		}
		if n.Decode(&long) != nil || long.Target == 0 {
			return false
		}
		return composeBinding(c, long.HostIP, long.Published, fmt.Sprint(long.Target), cmp.Or(long.Protocol, "tcp"))
	}
	spec, proto, _ := strings.Cut(n.Value, "/")
	ip := ""
	if strings.HasPrefix(spec, "[") { // [::1]:8080:80
		end := strings.Index(spec, "]:")
		if end < 0 {
			return false
		}
		ip, spec = spec[1:end], spec[end+2:]
	}
	parts := strings.Split(spec, ":")
	switch {
	case len(parts) == 3:
		return composeBinding(c, parts[0], parts[1], parts[2], cmp.Or(proto, "tcp"))
	case len(parts) == 2:
		return composeBinding(c, ip, parts[0], parts[1], cmp.Or(proto, "tcp"))
	}
	return composeBinding(c, ip, "", parts[0], cmp.Or(proto, "tcp"))
}

// composeBinding adds a mapping that was asked for, or one for each port of a range.
func composeBinding(c *engine.Container, ip, host, inside, proto string) bool {
	first, last, ok := portRange(inside)
	if !ok {
		return false
	}
	b := engine.Binding{Proto: proto, Container: first}
	b.HostIP, _ = netip.ParseAddr(ip)
	if host == "" {
		c.Bindings = append(c.Bindings, b)
		return true
	}
	from, to, ok := portRange(host)
	if !ok {
		return false
	}
	for i := 0; i <= int(last-first); i++ {
		b.Container, b.HostPort = first+uint16(i), from+uint16(i)
		if last == first && to > from {
			b.HostEnd = to
		}
		c.Bindings = append(c.Bindings, b)
	}
	return true
}

func portRange(s string) (first, last uint16, ok bool) {
	from, to, ranged := strings.Cut(s, "-")
	a, err := strconv.ParseUint(from, 10, 16)
	if err != nil || a == 0 {
		return 0, 0, false
	}
	b := a
	if ranged {
		if b, err = strconv.ParseUint(to, 10, 16); err != nil || b < a || b-a > mostPorts {
			return 0, 0, false
		}
	}
	return uint16(a), uint16(b), true
}
