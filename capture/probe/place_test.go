package probe

import (
	"net/netip"
	"slices"
	"testing"

	"dnatrace/capture/host"
)

// aHost has a NIC towards a gateway, a second one, a tunnel, and containers at a
// bridge; a container is a gateway, too.
func aHost() *host.State {
	p := netip.MustParsePrefix
	ip := netip.MustParseAddr
	return &host.State{
		Links: []host.Link{
			{Index: 1, Name: "lo", Loopback: true},
			{Index: 2, Name: "eth0", MAC: "02:00:00:00:00:02"},
			{Index: 3, Name: "eth1", MAC: "02:00:00:00:00:03", Master: 8},
			{Index: 4, Name: "docker0", Kind: "bridge"},
			{Index: 5, Name: "veth1", Kind: "veth", Master: 4},
			{Index: 6, Name: "wg0", Kind: "wireguard"},
			{Index: 7, Name: "cali1", Kind: "veth"},
			{Index: 8, Name: "br0", Kind: "bridge"},
		},
		Addrs: []host.Addr{{Link: 2, Prefix: p("198.51.100.1/24")}},
		Routes: []host.Route{
			{Table: 254, Dst: p("0.0.0.0/0"), Gateway: ip("198.51.100.254"), Link: 2},
			{Table: 254, Dst: p("10.8.0.0/24"), Gateway: ip("172.17.0.2"), Link: 4},
			{Table: 254, Dst: p("10.1.1.5/32"), Link: 7},
		},
		Neighbours: []host.Neighbour{
			{Link: 2, IP: ip("198.51.100.254"), MAC: "02:00:00:00:00:fe", State: "reachable"},
			{Link: 2, IP: ip("198.51.100.9"), MAC: "02:00:00:00:00:09", State: "stale"},
		},
	}
}

func TestWhatLeadsAwayAndWhatLeadsToContainers(t *testing.T) {
	if got, want := Outside(aHost(), "eth0"), []string{"br0", "eth0", "eth1", "wg0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	lab := &host.State{Links: []host.Link{{Index: 2, Name: "eth0", Kind: "veth"}, {Index: 3, Name: "docker0", Kind: "bridge"}}}
	if got := Outside(lab, "eth0"); !slices.Equal(got, []string{"eth0"}) {
		t.Errorf("where the probe comes in by a pair: %q", got)
	}
}

func TestAFrameComesFromTheGateway(t *testing.T) {
	for client, want := range map[string]string{
		"203.0.113.7":    "02:00:00:00:00:fe", // through the gateway
		"198.51.100.9":   "02:00:00:00:00:09", // a neighbour that is known
		"198.51.100.200": madeUp,              // nobody knows
		"2001:db8::7":    madeUp,
	} {
		if got := Sender(aHost(), "eth0", netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
}
