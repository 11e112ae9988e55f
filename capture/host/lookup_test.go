package host

import (
	"net/netip"
	"testing"
)

func TestInterfacesAreFound(t *testing.T) {
	s := &Sample{State: State{
		Links: []Link{{Index: 1, Name: "lo"}, {Index: 7, Name: "docker0"}},
		Addrs: []Addr{{Link: 1, Prefix: netip.MustParsePrefix("127.0.0.1/8")}, {Link: 7, Prefix: netip.MustParsePrefix("172.17.0.1/16")}},
	}}
	for _, row := range []struct{ name, got, want string }{
		{"by index", s.LinkName(7), "docker0"},
		{"not by an index that none has", s.LinkName(9), ""},
		{"not by index 0, which is none", s.LinkName(0), ""},
		{"by address", s.LinkWith(netip.MustParseAddr("172.17.0.1")), "docker0"},
		{"not by another address of its network", s.LinkWith(netip.MustParseAddr("172.17.0.2")), ""},
		{"by name", s.LinkNamed("lo").Name, "lo"},
	} {
		if row.got != row.want {
			t.Errorf("%s: %q, want %q", row.name, row.got, row.want)
		}
	}
	if s.LinkNamed("eth0") != nil {
		t.Error("an interface was found that is not there")
	}
	if n := len(s.Addresses()); n != 2 {
		t.Errorf("%d addresses, want 2", n)
	}
}
