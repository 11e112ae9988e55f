package redact

import (
	"encoding/hex"
	"regexp"
	"strings"
)

// plainIface are names that kernels, systemd and engines give by place and
// number, and the beginnings of names that rules match.
var plainIface = regexp.MustCompile(`^(lo|eth|enp|ens|eno|em|wlan|wlp|bond|ib|docker|docker_gwbridge|virbr|cni|cbr|podman|lxcbr|lxdbr|vnet|tun|tap|wg|vxlan|flannel|dummy|ifb|team|br|br-|veth|gre|gretap|erspan|sit|tunl|ip6tnl|ip_vti|ip6_vti|teql|vlan|nlmon|all|default|tailscale|cilium_net|cilium_host|cilium_vxlan|kube-ipvs|nodelocaldns|ov-)([0-9][0-9a-z.@]{0,7})?(\+|\*)?$`)

// shortHex is what engines add to "veth" and "br-".
var shortHex = regexp.MustCompile(`^[0-9a-f]{1,12}$`)

// iface maps the name of an interface to one of the same length. One that is of
// an id, or of a MAC address, is of that one's pseudonym afterwards.
func (n *names) iface(s string) string {
	if s == "" || plainIface.MatchString(s) {
		return s
	}
	for _, begin := range []string{"br-", "veth"} {
		rest, ok := strings.CutPrefix(s, begin)
		switch {
		case !ok || rest == "":
		case shortHex.MatchString(rest):
			return begin + n.hex(rest)
		default:
			return begin + n.chars(rest)
		}
	}
	return n.chars(s)
}

// iface is names.iface for names may hold a MAC address (systemd's enx…).
func (r *Redactor) iface(s string) string {
	if mac, err := hex.DecodeString(strings.TrimPrefix(s, "enx")); err == nil && len(mac) == 6 && len(s) == 15 {
		r.mac(mac)
		return "enx" + hex.EncodeToString(mac)
	}
	return r.names.iface(s)
}

// point maps the name of a capture point: an interface, or CONTAINER:INTERFACE.
func (r *Redactor) point(s string) string {
	if in, iface, ok := strings.Cut(s, ":"); ok {
		return r.names.netns(in) + ":" + r.iface(iface)
	}
	return r.iface(s)
}
