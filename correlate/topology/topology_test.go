package topology_test

import (
	std "cmp"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate"
	"dnatrace/correlate/topology"
	"dnatrace/fixtures"
)

// of lays out what a fixture's recording says.
func of(t *testing.T, fixture string) *topology.Map {
	t.Helper()
	c, err := fixtures.Load(fixture)
	if err != nil {
		t.Fatal(err)
	}
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := correlate.NewState()
	for b, err := range source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		s.Read(b.Records)
	}
	return topology.Of(s)
}

func TestContainersHangOnTheBridgesThatTheyAreOn(t *testing.T) {
	for _, c := range []struct{ fixture, want string }{
		{"delivered", "eth0 default; docker0=bridge(web eth0 172.17.0.2)"},
		{"east-west", "eth0 default; BR=app(peer ? 172.22.0.3, web eth0 172.22.0.2); docker0=bridge()"},
		{"delivered-mode-container", "eth0 default; docker0=bridge(pod eth0 172.17.0.2 +web)"},
		{"delivered-mode-host", "eth0 default; docker0=bridge(); host mode: web"},
		{"mode-none", "eth0 default; docker0=bridge(); detached: web"},
		{"container-exited", "eth0 default; docker0=bridge(); detached: web"},
	} {
		t.Run(c.fixture, func(t *testing.T) {
			if d := cmp.Diff(c.want, told(of(t, c.fixture))); d != "" {
				t.Error(d)
			}
		})
	}
}

// told writes a map on one line. Names that the engine made up are left out.
func told(m *topology.Map) string {
	var parts []string
	for _, l := range m.Links {
		parts = append(parts, strings.TrimSpace(l.Name+map[bool]string{true: " default"}[l.Default]))
	}
	for _, n := range m.Networks {
		var ports []string
		for _, p := range n.Ports {
			s := fmt.Sprintf("%s %s %s", p.Container.Name, std.Or(p.Interface, "?"), strings.Join(p.Addresses, " "))
			for _, o := range p.Container.Shares {
				s += " +" + o
			}
			ports = append(ports, s)
		}
		name := n.Bridge
		if strings.HasPrefix(name, "br-") {
			name = "BR"
		}
		parts = append(parts, fmt.Sprintf("%s=%s(%s)", name, n.Name, strings.Join(ports, ", ")))
	}
	for title, list := range map[string][]topology.Container{"host mode": m.HostMode, "detached": m.Detached} {
		for _, c := range list {
			parts = append(parts, title+": "+c.Name)
		}
	}
	return strings.Join(parts, "; ")
}
