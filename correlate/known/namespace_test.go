package known_test

import (
	"net/netip"
	"testing"

	"dnatrace/capture/host"
	"dnatrace/correlate/known"
)

// kind is what sort of answer there is.
func kind[T any](a known.Answer[T]) string {
	switch {
	case a.Is():
		return "is"
	case a.None():
		return "none"
	}
	return "unknown"
}

func TestWhatWasNotGivenIsNotEmpty(t *testing.T) {
	ip, other := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.7")
	web := netip.MustParseAddrPort("198.51.100.1:80")
	for _, c := range []struct {
		name  string
		state *host.State
		asks  func(known.Namespace) string
		want  string
	}{
		{"an address, of a namespace that nobody told of", nil, func(n known.Namespace) string { return kind(n.Local(ip)) }, "unknown"},
		{"an address, of a state read as a whole", &host.State{}, func(n known.Namespace) string { return kind(n.Local(ip)) }, "none"},
		{"an address, where interfaces alone were given", &host.State{Given: host.Given{"links": ""}}, func(n known.Namespace) string { return kind(n.Local(ip)) }, "unknown"},
		{"an address, where those of IPv6 alone were given", &host.State{Given: host.Given{"addrs6": ""}}, func(n known.Namespace) string { return kind(n.Local(ip)) }, "unknown"},
		{"an address that the local routing table has", &host.State{Given: host.Given{"routes4": "", "local4": ""}, Routes: []host.Route{{Table: 255, Type: "local", Dst: prefix("198.51.100.1/32")}}}, func(n known.Namespace) string { return kind(n.Local(ip)) }, "is"},
		{"an address that the local routing table does not have", &host.State{Given: host.Given{"routes4": "", "local4": ""}}, func(n known.Namespace) string { return kind(n.Local(other)) }, "none"},
		{"an address, where the main table alone was given", &host.State{Given: host.Given{"routes4": ""}}, func(n known.Namespace) string { return kind(n.Local(other)) }, "unknown"},
		{"a listener, where TCP sockets were not given", &host.State{Given: host.Given{"udp": ""}}, func(n known.Namespace) string { return kind(n.Listener("tcp", web)) }, "unknown"},
		{"a listener, where they were given", &host.State{Given: host.Given{"tcp": ""}}, func(n known.Namespace) string { return kind(n.Listener("tcp", web)) }, "none"},
		{"a listener, where a line was not understood", &host.State{Given: host.Given{"tcp": "1 line"}}, func(n known.Namespace) string { return kind(n.Listener("tcp", web)) }, "unknown"},
		{"a listener that is among those that were understood", &host.State{Given: host.Given{"tcp": "1 line"}, Sockets: []host.Socket{{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:80")}}}, func(n known.Namespace) string { return kind(n.Listener("tcp", web)) }, "is"},
		{"a listener of SCTP, ever", &host.State{}, func(n known.Namespace) string { return kind(n.Listener("sctp", web)) }, "unknown"},
		{"a listener, where an old recording says that TCP was not looked at", &host.State{Missing: []string{"TCP sockets"}}, func(n known.Namespace) string { return kind(n.Listener("tcp", web)) }, "unknown"},
		{"an interface, where none were given", &host.State{Given: host.Given{"routes4": ""}}, func(n known.Namespace) string { return kind(n.Link("docker0")) }, "unknown"},
		{"an interface, where they were", &host.State{Given: host.Given{"links": ""}}, func(n known.Namespace) string { return kind(n.Link("docker0")) }, "none"},
		{"a neighbour, where none were given", &host.State{Given: host.Given{"routes4": ""}}, func(n known.Namespace) string { return kind(n.Neighbour(ip, "")) }, "unknown"},
		{"forwarding, where no settings were given", &host.State{Given: host.Given{"routes4": ""}}, func(n known.Namespace) string { return kind(n.NotForwarding("eth0", 4)) }, "unknown"},
		{"forwarding, where it is on", &host.State{Given: host.Given{"settings": "only some"}, Sysctls: map[string]string{"net.ipv4.ip_forward": "1"}}, func(n known.Namespace) string { return kind(n.NotForwarding("eth0", 4)) }, "none"},
		{"forwarding, where it is off", &host.State{Given: host.Given{"settings": "only some"}, Sysctls: map[string]string{"net.ipv4.ip_forward": "0"}}, func(n known.Namespace) string { return kind(n.NotForwarding("eth0", 4)) }, "is"},
	} {
		if got := c.asks(known.Of("host", c.state)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
