package correlate

import (
	"net/netip"
	"testing"

	"dnatrace/capture/host"
)

func TestRoutesOfOneFamilySayNothingOfTheOther(t *testing.T) {
	s := &host.Sample{State: host.State{Routes: []host.Route{{Dst: netip.MustParsePrefix("0.0.0.0/0")}}}}
	for _, c := range []struct {
		ip   string
		want bool
	}{{"198.51.100.100", true}, {"::ffff:198.51.100.100", true}, {"2001:db8::1", false}} {
		if got := knowsRoutes(s, netip.MustParseAddr(c.ip)); got != c.want {
			t.Errorf("%s: got %v", c.ip, got)
		}
	}
}

func TestADumpIsNoBefore(t *testing.T) {
	if s := dated(&host.Sample{Undated: true}); s != nil {
		t.Error("a state of an unknown time is taken for an earlier one")
	}
	if s := dated(&host.Sample{}); s == nil {
		t.Error("a state with a time is left out")
	}
}
