package redact

import (
	"encoding/hex"
	"regexp"
	"strings"
)

// plainIface are names that kernels, systemd and engines give by place and
// number, and the beginnings of names that rules match.
var plainIface = regexp.MustCompile(`^(lo|all|default|docker_gwbridge|cilium_net|cilium_host|cilium_vxlan|nodelocaldns|` +
	`(eth|bond|ib|docker|virbr|cni|cbr|podman|lxcbr|lxdbr|vnet|tun|tap|wg|vxlan|vxlan\.|flannel\.|flannel|dummy|ifb|team|br|gre|gretap|erspan|sit|tunl|ip6tnl|ip_vti|ip6_vti|teql|vlan|nlmon|tailscale|kube-ipvs|usb|ppp|wlan|wwan|eno|ens)[0-9]{0,5}|` +
	`(en|eth|wl|ww|ib|sl)(P[0-9]{1,4})?(p[0-9]{1,3})?(s[0-9]{1,5}|o[0-9]{1,4}|b[0-9]{1,3})?(f[0-9]{1,3})?(v[0-9]{1,3})?(np?[0-9]{1,3})?(d[0-9]{1,4})?(r[0-9]{1,3})?|` +
	`br-|veth|ov-|lxc|cali|cilium_|virbr[0-9]-nic)(\.[0-9]{1,4})?(@(if)?[0-9]{1,6})?(\+|\*)?$`)

// shortHex is what engines add to "veth" and "br-".
var shortHex = regexp.MustCompile(`^[0-9a-f]{1,12}$`)

// iface maps the name of an interface to one of the same length. One that is of
// an id, or of a MAC address, is of that one's pseudonym afterwards.
func (n *names) iface(s string) string {
	if s == "" || n.kept[s] || plainIface.MatchString(s) {
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
