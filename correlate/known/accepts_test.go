package known

import (
	"net/netip"
	"testing"

	"dnatrace/capture/host"
)

func TestASocketThatMayServeBothFamiliesIsNotTakenForAbsent(t *testing.T) {
	v4, v6 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")
	socket := func(local string, k host.Socket) host.Socket {
		k.Local = netip.MustParseAddrPort(local)
		return k
	}
	for _, c := range []struct {
		name       string
		socket     host.Socket
		dst        netip.Addr
		takes, may bool // may: it is not certain
	}{
		{"IPv6 of old notation, asked by IPv4", socket("[::]:80", host.Socket{V6: true, Either: true}), v4, true, true},
		{"IPv6 of old notation, asked by IPv6", socket("[::]:80", host.Socket{V6: true, Either: true}), v6, true, false},
		{"IPv6 alone, asked by IPv4", socket("[::]:80", host.Socket{V6: true, V6Only: true}), v4, false, false},
		{"both, asked by IPv4", socket("[::]:80", host.Socket{V6: true}), v4, true, false},
		{"IPv4, asked by IPv6", socket("0.0.0.0:80", host.Socket{}), v6, false, false},
		{"a star of unknown notation, asked by IPv6", socket("0.0.0.0:80", host.Socket{Either: true}), v6, true, true},
		{"a star of unknown notation, asked by IPv4", socket("0.0.0.0:80", host.Socket{Either: true}), v4, true, false},
	} {
		k := takerOf([]host.Socket{socket("127.0.0.1:80", host.Socket{}), c.socket}, 80, c.dst)
		if (k != nil) != c.takes || (MayNotAccept(k, c.dst) != "") != c.may {
			t.Errorf("%s: taken by %v, %q", c.name, k, MayNotAccept(k, c.dst))
		}
	}
	sure := socket("0.0.0.0:80", host.Socket{Process: "sure"})
	if k := takerOf([]host.Socket{socket("[::]:80", host.Socket{V6: true, Either: true}), sure}, 80, v4); k == nil || k.Process != "sure" {
		t.Errorf("one that surely takes it comes first, not %v", k)
	}
}
