package live

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dnatrace/capture/engine"
	"dnatrace/capture/ring"
	"dnatrace/capture/target"
)

// published is a container that publishes these ports of the host on the same
// ones of its own, as the engine lists them.
func published(first, last int) *engine.Snapshot {
	c := engine.Container{ID: "aa11", Name: "media", State: "running", PID: 1, Mode: "bridge",
		Endpoints: []engine.Endpoint{{Network: "bridge", IPv4: netip.MustParseAddr("172.17.0.2")}}}
	for p := first; p <= last; p++ {
		c.Mappings = append(c.Mappings, engine.Binding{Proto: "udp", Container: uint16(p), HostIP: netip.IPv4Unspecified(), HostPort: uint16(p)})
	}
	return &engine.Snapshot{Containers: []engine.Container{c}}
}

func TestWhatIsAskedOfTheKernelStaysShort(t *testing.T) {
	host := netip.MustParseAddr("172.17.0.2")
	for _, row := range []struct {
		story   string
		targets []string
		engine  *engine.Snapshot
		want    ring.Want
	}{
		{"a port is one of each protocol", []string{"8080"}, nil,
			ring.Want{Ports: []ring.Port{{Proto: 6, Port: 8080}, {Proto: 17, Port: 8080}, {Proto: 132, Port: 8080}}}},
		{"ports side by side are told apart", []string{"7000-7002/tcp"}, nil,
			ring.Want{Ports: []ring.Port{{Proto: 6, Port: 7000}, {Proto: 6, Port: 7001}, {Proto: 6, Port: 7002}}}},
		{"ten thousand are a range", []string{"10000-19999/udp"}, nil,
			ring.Want{Ranges: []ring.Range{{Proto: 17, First: 10000, Last: 19999}}}},
		{"ranges that meet are one", []string{"10000-10999/udp,11000-11999/udp,10500-11500/udp"}, nil,
			ring.Want{Ranges: []ring.Range{{Proto: 17, First: 10000, Last: 11999}}}},
		{"all there are is a range", []string{"1-65535/tcp"}, nil,
			ring.Want{Ranges: []ring.Range{{Proto: 6, First: 1, Last: 65535}}}},
		{"a few published ports are told apart on both sides", nil, published(10000, 10001),
			ring.Want{Ports: []ring.Port{{Proto: 17, Port: 10000}, {Proto: 17, Port: 10001}},
				Endpoints: []ring.Endpoint{{Addr: host, Ports: []ring.Port{{Proto: 17, Port: 10000}, {Proto: 17, Port: 10001}}}}}},
		{"ten thousand published ports are a range, and their container's address", nil, published(10000, 19999),
			ring.Want{Ranges: []ring.Range{{Proto: 17, First: 10000, Last: 19999}}, Hosts: []netip.Addr{host}}},
	} {
		t.Run(row.story, func(t *testing.T) {
			targets, err := target.ParseAll(row.targets)
			if err != nil {
				t.Fatal(err)
			}
			resolved, err := target.ResolveAll(targets, row.engine)
			if err != nil {
				t.Fatal(err)
			}
			got := wanted(&resolved)
			if d := cmp.Diff(row.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for name, build := range map[string]func(ring.Want) ([]ring.Instruction, ring.Width, error){"packets": ring.Build, "events": ring.BuildEvents} {
				prog, width, err := build(got)
				if err != nil || width != ring.Exact || len(prog) > ring.Budget {
					t.Errorf("the filter of %s has %d instructions and passes %s, %v", name, len(prog), width, err)
				}
			}
		})
	}
}
