package redact

import (
	"regexp"
	"strings"
)

// ownNames are the names of tables, chains and sets that the kernel's users
// share, or that programs give which write rules for everyone: which program it
// is rests on them.
var ownNames = regexp.MustCompile(`^(?i:input|output|forward|prerouting|postrouting|ingress|egress|filter|nat|mangle|raw|security|accept|drop|reject|return|masquerade|dnat|snat|redirect|log|mark|connmark|ct|tcpmss|notrack|tproxy|inet|bridge)$` +
	`|^(DOCKER|ufw|KUBE-|cali|CILIUM_|OLD_CILIUM_|FLANNEL-|WEAVE-|CNI-|LIBVIRT_|ts-|f2b-|fail2ban-|NETAVARK|docker-bridges|docker-ext-bridges|kube-router-|inet6:|weave-|crowdsec|sshguard|firewalld|netavark|kube-proxy|calico|cni_|libvirt_network|incus|lxd|dnatrace|__set|__map|filter_|nat_|mangle_|raw_|nat-|filter-|raw-)`)

// ruleName maps the name of a table, chain, set or object to one of the same
// length. Those of programs stay, but for names and ids within them.
func (n *names) ruleName(s string) string {
	if !ownNames.MatchString(s) {
		return n.chars(s)
	}
	return isWord.ReplaceAllStringFunc(s, func(w string) string {
		switch {
		case n.ifaces[w]:
			return n.iface(w)
		case n.learned[w] && !ownNames.MatchString(w):
			return n.chars(w)
		case isHex.MatchString(w):
			return n.hex(w)
		}
		return w
	})
}

// ownComments are comments, and parts of them, by which programs mark rules.
var ownComments = []string{"kubernetes ", "CNI portfwd", "flanneld", "cilium", "generated for LXD", "generated for Incus", "cali:",
	// The engine's own, which say what its rules are for.
	"UNPUBLISHED PORT DROP", "DROP DIRECT ACCESS", "DROP REMOTE LOOPBACK", "INTERNAL NETWORK INGRESS", "INTERNAL NETWORK EGRESS", "ICC"}

// comment maps a comment to one of the same length.
func (n *names) comment(s string) string {
	for _, own := range ownComments {
		if i := strings.Index(s, own); i >= 0 {
			return n.chars(s[:i]) + own + n.chars(s[i+len(own):])
		}
	}
	return n.chars(s)
}
