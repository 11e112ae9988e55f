package redact

import (
	"regexp"
	"strings"

	"dnatrace/decode/programs"
)

// sharedNames are the names of tables and chains that the kernel's users share.
var sharedNames = regexp.MustCompile(`^(?i:input|output|forward|prerouting|postrouting|ingress|egress|filter|nat|mangle|raw|security|accept|drop|reject|return|masquerade|dnat|snat|redirect|log|mark|connmark|ct|tcpmss|notrack|tproxy|inet|bridge)$`)

// nameWords are words that names of tables, chains and sets are made of and that say
// what a thing is for, not whose it is.
var nameWords = set(`
	input output forward prerouting postrouting ingress egress filter nat mangle raw security accept drop reject return masquerade dnat snat redirect log mark connmark ct
	notrack tproxy inet bridge bridges INPUT OUTPUT FORWARD PREROUTING POSTROUTING INGRESS EGRESS FILTER NAT MANGLE RAW ACCEPT DROP REJECT RETURN LOG MARK MASQ MASQUERADE
	DOCKER USER ISOLATION STAGE CT BRIDGE INTERNAL SWARM ROUTING MESH docker internal isolation jumps in out to from and ip ip6 v4 v6 ipv4 ipv6 table chain set map sets maps portmap
	__set __map flowtable ext
	ufw ufw6 before after user limit logging allow deny skip policy track not local invalid
	KUBE SVC SEP EXT FW XLB SVL NODE PORT NODEPORT NODEPORTS EXTERNAL SERVICES SERVICE ENDPOINTS FIREWALL PROXY CANARY KUBELET HINT ROUTER IPVS LOAD BALANCER SOURCE CIDR CLUSTER
	kube proxy router services nodeports endpoints firewall canary pods masq masqall
	CILIUM OLD cilium cali calico felix cali40 cali60 tw fw fip pi po pri pro th rpf wl hep failsafe dispatch
	FLANNEL flannel flanneld POSTRTG FWD WEAVE weave NPC DEFAULT CNI cni DN SN ADMIN HOSTPORT SETMARK hostport HOSTPORTS
	LIBVIRT INP FWI FWO FWX OUT PRT libvirt network guest nat ts tailscale f2b fail2ban sshd ssh NETAVARK netavark nv incus lxd fwd pstrt in out CROWDSEC crowdsec CHAIN blacklist blacklists
	sshguard attackers netbird NETBIRD rt fw acl ZT zt dnatrace trace guard
	FWDI FWDO IN ZONES POLICIES direct public trusted block dmz external home work pre post pre_ post_ ZONES_SOURCE allow libvirt_network firewalld POST PRE
`)

// sharedSets begins the names of sets of several programs.
const sharedSets = "inet6:"

// ruleName maps the name of a table, chain, set or object to one of the same
// length. Of those of programs that by which they are known stays, and so do words
// that say what a thing is for, the names of interfaces that are plain, and short
// numbers.
func (n *names) ruleName(s string) string {
	if sharedNames.MatchString(s) || n.kept[s] {
		return s
	}
	out := []byte(s)
	from := len(signOf(s))
	if strings.HasPrefix(s, sharedSets) && from == 0 {
		from = len(sharedSets)
	}
	for _, at := range isWord.FindAllStringIndex(s, -1) {
		if at[1] <= from {
			continue
		}
		begin := max(at[0], from)
		copy(out[begin:at[1]], n.nameWord(s[begin:at[1]]))
	}
	return string(out)
}

// signOf is as much of a name's beginning as tells whose it is; "" if nothing does.
func signOf(s string) string {
	chain, table, set := programs.OfChain(s), programs.OfTable(s), programs.OfSet(s)
	if chain == "" && table == "" && set == "" {
		return ""
	}
	for i := 1; i < len(s); i++ {
		if b := s[:i]; programs.OfChain(b) == chain && programs.OfTable(b) == table && programs.OfSet(b) == set {
			return b
		}
	}
	return s
}

// nameWord maps one word of a name.
func (n *names) nameWord(w string) string {
	switch {
	case n.kept[w]:
		return w
	case n.ifaces[w]:
		return n.iface(w)
	case n.learned[w]:
		return n.chars(w)
	case nameWords[w], len(w) <= 2 && isNum.MatchString(w), plainIface.MatchString(w):
		return w
	case isHex.MatchString(w):
		return n.hex(w)
	}
	to := n.chars(w)
	for range 8 { // the name of another thing would stand for two then
		if !nameWords[to] && !plainIface.MatchString(to) {
			return to
		}
		to = n.chars(to)
	}
	return to
}

// comment maps a comment to one of the same length, but for what a program marks its
// rules by.
func (n *names) comment(s string) string {
	own := programs.Mark(s)
	if own == "" {
		return n.chars(s)
	}
	before, after, _ := strings.Cut(s, own)
	return n.chars(before) + own + n.chars(after)
}
