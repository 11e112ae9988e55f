package known

import (
	"fmt"
	"net/netip"

	"dnatrace/capture/host"
)

// Accepts reports whether a socket takes what is sent to dst, as far as is told:
// one that may serve both families does.
func Accepts(k *host.Socket, dst netip.Addr) bool {
	return surelyAccepts(k, dst) || k.Either && k.Local.Addr().IsUnspecified()
}

func surelyAccepts(k *host.Socket, dst netip.Addr) bool {
	l := k.Local.Addr()
	if l.IsUnspecified() {
		return dst.Is4() == l.Is4() || dst.Is4() && k.V6 && !k.V6Only && !k.Either
	}
	return l.Unmap() == dst
}

// takerOf is the socket that takes what is sent to a port of an address: one that
// surely does ahead of one that may. Nil for none.
func takerOf(socks []host.Socket, port uint16, dst netip.Addr) *host.Socket {
	var may *host.Socket
	for i := range socks {
		k := &socks[i]
		switch {
		case k.Local.Port() != port:
		case surelyAccepts(k, dst):
			return k
		case may == nil && Accepts(k, dst):
			may = k
		}
	}
	return may
}

// MayNotAccept says why it is not certain that a socket takes what is sent to
// dst; "" if it is, or does not.
func MayNotAccept(k *host.Socket, dst netip.Addr) string {
	if k == nil || !Accepts(k, dst) || surelyAccepts(k, dst) {
		return ""
	}
	family := "IPv6"
	if dst.Is4() {
		family = "IPv4"
	}
	return fmt.Sprintf("whether the socket on %s serves %s, too, is not told by ss of that age", k.Local, family)
}
