package render

import (
	"slices"
	"strings"
	"testing"

	"dnatrace/correlate/foresee"
	"dnatrace/correlate/topology"
)

func TestMappingsAreFoldedAsDockerFoldsThem(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"every address of both families", "0.0.0.0:8080 → 80/tcp|[::]:8080 → 80/tcp", "8080 → 80/tcp"},
		{"a run of ports", "0.0.0.0:7000 → 7000/udp|[::]:7000 → 7000/udp|0.0.0.0:7001 → 7001/udp|[::]:7001 → 7001/udp", "7000-7001 → 7000-7001/udp"},
		{"one address", "127.0.0.1:9000 → 80/tcp", "127.0.0.1:9000 → 80/tcp"},
		{"one family", "0.0.0.0:8080 → 80/tcp", "0.0.0.0:8080 → 80/tcp"},
		{"neighbours that lead elsewhere", "1.2.3.4:80 → 80/tcp|1.2.3.4:81 → 90/tcp", "1.2.3.4:80 → 80/tcp|1.2.3.4:81 → 90/tcp"},
		{"something else", "any port → 80/tcp", "any port → 80/tcp"},
	} {
		if got := folded(strings.Split(c.in, "|")); !slices.Equal(got, strings.Split(c.want, "|")) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPortsAndTopologyHoldTheWidth(t *testing.T) {
	long := "Nothing in shop-storefront-web-1 listens on port 80; it listens on [::]:81, and nobody else does on any other port of it."
	ports := foresee.Ports{Ports: []foresee.Port{
		{Container: "shop-storefront-web-1", Project: "shop", Service: "web", Mode: "shop_default", State: "running", Protocol: "tcp", ContainerPort: 80, Published: true, HostIP: "0.0.0.0", HostPort: 8080, Why: long},
		{Container: "shop-storefront-web-1", Project: "shop", Service: "web", Mode: "shop_default", State: "running", Protocol: "tcp", ContainerPort: 80, Published: true, HostIP: "::", HostPort: 8080, Why: long},
	}}
	var many []string
	for _, p := range []string{"8080", "8082", "8084", "8086", "8088"} {
		many = append(many, "0.0.0.0:"+p+" → "+p+"/tcp", "[::]:"+p+" → "+p+"/tcp")
	}
	m := topology.Map{Networks: []topology.Network{{Name: "shop_default", Bridge: "br-0123456789ab", Addresses: []string{"172.18.0.1/16", "fd00:18::1/64"}, Ports: []topology.Port{
		{Veth: "vethabcdef0", Interface: "eth0", Addresses: []string{"172.18.0.2", "fd00:18::2"}, Up: true,
			Container: topology.Container{Name: "shop-storefront-web-1", Project: "shop", Service: "web", State: "running", Published: many, Shares: []string{"sidecar"}}}}}}}
	for _, width := range []int{60, 80, 100, 200} {
		o := Options{Width: width, UTF8: true}
		var a, b strings.Builder
		if err := WritePorts(&a, &ports, FormatTable, o); err != nil {
			t.Fatal(err)
		}
		if err := WriteTopology(&b, &m, FormatTable, o); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(a.String() + b.String()) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns at a width of %d: %s", n, width, line)
			}
		}
		for _, want := range []string{"8088 → 8088/tcp", "sidecar", "172.18.0.2"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("at %d the topology lacks %q:\n%s", width, want, b.String())
			}
		}
		if text := strings.Join(strings.Fields(a.String()), " "); width < 100 && !strings.Contains(text, long) {
			t.Errorf("at %d the ports lack why:\n%s", width, a.String())
		}
	}
}
