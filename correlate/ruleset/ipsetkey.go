package ruleset

import (
	"net/netip"
	"slices"

	"dnatrace/decode"
)

// key is what of a packet is looked up in a set.
type key struct {
	addr    [2]netip.Addr // of the first and the second part that are addresses
	proto   decode.Proto
	port    uint16
	iface   string
	mark    uint32
	unknown map[string]string // parts that are not known, and why
	without map[*decode.IPSetEntry]bool
}

func (k *key) doubt() string {
	for _, part := range []string{"mac", "physdev"} {
		if why := k.unknown[part]; why != "" {
			return why
		}
	}
	return "the packet is not known well enough"
}

// keyFor reads off the packet what a set's type looks up. None says that there
// is no such thing in the packet: it is in no such set.
func (e *evaluation) keyFor(n *ipset, r decode.IPSetRef) (k key, why string, none bool) {
	k.unknown = map[string]string{}
	addrs := 0
	for i, part := range n.parts {
		src := r.Src&(2<<i) != 0
		switch part {
		case "ip", "net":
			if addrs == len(k.addr) {
				return k, "ipsets of the type " + n.Type + " are not evaluated", false
			}
			if src && e.masqueraded {
				return k, "the address that the source was translated to is not known", false
			}
			k.addr[addrs], why = n.cut(e.end(src), addrs)
			addrs++
		case "port":
			why, none = e.keyPort(n, &k, src)
		case "mark":
			k.mark = e.mark
			if n.MarkMask != 0 {
				k.mark &= n.MarkMask
			}
		case "mac":
			k.unknown["mac"] = "the packet's MAC addresses are not known"
		case "iface":
			why, none = e.keyIface(&k, src)
		default:
			why = "ipsets of the type " + n.Type + " are not evaluated"
		}
		if why != "" || none {
			return k, why, none
		}
	}
	return k, "", false
}

func (e *evaluation) end(src bool) netip.Addr {
	if src {
		return e.tuple.Src.Addr()
	}
	return e.tuple.Dst.Addr()
}

// cut takes off an address what a set does not look at.
func (n *ipset) cut(a netip.Addr, nth int) (netip.Addr, string) {
	if (n.Netmask != 0 || n.Bitmask.IsValid()) && (nth > 0 || slices.Contains(n.parts[1:], "net")) {
		return a, "ipset " + n.Name + " cuts addresses in a way that is not evaluated"
	}
	if n.Netmask != 0 {
		if p, err := a.Prefix(int(n.Netmask)); err == nil {
			a = p.Addr()
		}
	}
	if n.Bitmask.IsValid() && n.Bitmask.BitLen() == a.BitLen() {
		b, mask := a.AsSlice(), n.Bitmask.AsSlice()
		for i := range b {
			b[i] &= mask[i]
		}
		a, _ = netip.AddrFromSlice(b)
	}
	return a, ""
}

// keyPort reads protocol and port, or type and code of ICMP
// (net/netfilter/ipset/ip_set_getport.c).
func (e *evaluation) keyPort(n *ipset, k *key, src bool) (why string, none bool) {
	k.proto, k.port = e.tuple.Proto, 0
	if n.Type == "bitmap:port" && k.proto != decode.TCP && k.proto != decode.UDP {
		return "", true
	}
	switch k.proto {
	case decode.TCP, decode.UDP, decode.SCTP, protoUDPLite:
		k.port = e.tuple.DstPort
		if src {
			if e.masqueraded {
				return "the port that the source was translated to is not known", false
			}
			k.port = e.tuple.SrcPort
		}
	case decode.ICMP, decode.ICMPv6:
		if e.p.ICMP == nil {
			return "the kind of the ICMP message is not known", false
		}
		k.port = uint16(e.p.ICMP.Type)<<8 | uint16(e.p.ICMP.Code)
	}
	return "", false
}

const protoUDPLite decode.Proto = 136

// keyIface reads the interface that the packet came by, or leaves by.
func (e *evaluation) keyIface(k *key, src bool) (why string, none bool) {
	has, name := e.hasOIF, e.oif
	if src {
		has, name = e.hasIIF, e.iif
	}
	k.iface = name
	k.unknown["physdev"] = "which port of the bridge it uses is not known"
	if has && name == "" {
		return "the interface is not known", false
	}
	return "", !has
}
