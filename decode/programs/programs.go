// Package programs knows the programs that write packet filter rules, by the
// names they give their tables, chains and sets and by the comments they leave:
// whose a rule is rests on these, and so a recording that is made safe to share
// keeps them.
//
// It is a table. It must import nothing of ours.
package programs

import (
	"slices"
	"strings"
)

// Owner is whose a rule is: a program's, or the user's. "" is not known.
type Owner string

// Owners. Dnatrace's are the rules that this program has the kernel trace by.
const (
	Docker     Owner = "docker"
	UFW        Owner = "ufw"
	Firewalld  Owner = "firewalld"
	Kubernetes Owner = "kubernetes"
	CNI        Owner = "cni"
	Libvirt    Owner = "libvirt"
	Tailscale  Owner = "tailscale"
	Fail2ban   Owner = "fail2ban"
	Podman     Owner = "podman"
	Incus      Owner = "incus"
	CrowdSec   Owner = "crowdsec"
	SSHGuard   Owner = "sshguard"
	NetBird    Owner = "netbird"
	ZeroTier   Owner = "zerotier"
	Dnatrace   Owner = "dnatrace"
	User       Owner = "user"
)

// DockerUser is the chain where the engine asks its users to put their rules. It
// makes the chain, with a rule that returns.
const DockerUser = "DOCKER-USER"

// program is what one program's names look like: what they begin with. The names
// of iptables' own tables say nothing.
type program struct {
	owner    Owner
	chains   []string
	tables   []string
	sets     []string // of ipset; those for IPv6 of kube-router begin with inet6:
	comments []string // what a comment of its begins with
	within   []string // what is anywhere in a comment of its
	unsigned []string // comments that say what a rule of its is for, and not whose it is
}

// known are all programs that are told apart.
var known = []program{
	{owner: Docker, chains: []string{"DOCKER"}, tables: []string{"docker-bridges"}, sets: []string{"docker-ext-bridges"},
		unsigned: []string{"UNPUBLISHED PORT DROP", "DROP DIRECT ACCESS", "DROP REMOTE LOOPBACK", "INTERNAL NETWORK INGRESS", "INTERNAL NETWORK EGRESS", "ICC"}},
	{owner: UFW, chains: []string{"ufw"}, sets: []string{"ufw-"}}, // ufw-, ufw6-
	{owner: Kubernetes, chains: []string{"KUBE-"}, tables: []string{"kube-proxy"}, sets: []string{"KUBE-", "kube-"}, comments: []string{"kubernetes "}},
	{owner: CNI, chains: []string{"cali", "CILIUM_", "OLD_CILIUM_", "FLANNEL-", "WEAVE-", "CNI-"}, // cali-, cali:
		tables: []string{"calico", "cni_", "cilium", "flannel"}, sets: []string{"cali40", "cali60", "weave-", "cilium_"},
		comments: []string{"cali:", "cilium"}, within: []string{"CNI portfwd", "flanneld"}},
	{owner: Libvirt, chains: []string{"LIBVIRT_"}, tables: []string{"libvirt_network"}},
	{owner: Tailscale, chains: []string{"ts-"}, tables: []string{"tailscale", "ts-"}},
	{owner: Fail2ban, chains: []string{"f2b-", "fail2ban-"}, tables: []string{"f2b-"}, sets: []string{"f2b-", "fail2ban-"}},
	{owner: Podman, chains: []string{"NETAVARK", "nv_"}, tables: []string{"netavark"}}, // nv_ of netavark's nftables driver
	{owner: Incus, tables: []string{"incus", "lxd"}, comments: []string{"generated for LXD", "generated for Incus"}},
	{owner: CrowdSec, chains: []string{"CROWDSEC", "crowdsec"}, tables: []string{"crowdsec"}, sets: []string{"crowdsec"}},
	{owner: SSHGuard, chains: []string{"sshguard"}, tables: []string{"sshguard"}, sets: []string{"sshguard"}},
	{owner: NetBird, chains: []string{"netbird-", "NETBIRD-"}, tables: []string{"netbird"}, sets: []string{"netbird-"}},
	{owner: ZeroTier, chains: []string{"ZT-"}},
	{owner: Firewalld, tables: []string{"firewalld"}, chains: []string{
		"FWDI_", "FWDO_", "FORWARD_ZONES", "FORWARD_IN_ZONES", "FORWARD_OUT_ZONES", "FORWARD_POLICIES_", "FORWARD_direct",
		"INPUT_ZONES", "INPUT_POLICIES_", "INPUT_direct", "OUTPUT_POLICIES_", "OUTPUT_direct",
		"PREROUTING_ZONES", "PREROUTING_POLICIES_", "PREROUTING_direct",
		"POSTROUTING_ZONES", "POSTROUTING_POLICIES_", "POSTROUTING_direct"}},
	{owner: Dnatrace, tables: []string{"dnatrace"}},
}

// OfChain is who made a chain of that name, "" if that does not tell.
func OfChain(name string) Owner {
	return first(func(p *program) bool { return begins(name, p.chains) })
}

// OfTable is who made a table of that name, "" if that does not tell.
func OfTable(name string) Owner {
	return first(func(p *program) bool { return begins(name, p.tables) })
}

// OfSet is who made an ipset of that name, "" if that does not tell.
func OfSet(name string) Owner {
	name = strings.TrimPrefix(name, "inet6:")
	return first(func(p *program) bool { return begins(name, p.sets) })
}

// OfComment is who wrote a rule with that comment, "" if that does not tell.
func OfComment(comment string) Owner {
	return first(func(p *program) bool { return begins(comment, p.comments) || mark(comment, p.within) != "" })
}

// Gives reports whether a program gives its tables, chains or sets such a name.
func Gives(name string) bool { return OfChain(name) != "" || OfTable(name) != "" || OfSet(name) != "" }

// Mark is the part of a comment that a program put there, and that tells whose
// the rule is, or what the program has it for; "" for none.
func Mark(comment string) string {
	for _, marks := range []func(*program) []string{signed, unsigned} {
		for i := range known {
			if m := mark(comment, marks(&known[i])); m != "" {
				return m
			}
		}
	}
	return ""
}

func signed(p *program) []string   { return append(slices.Clone(p.comments), p.within...) }
func unsigned(p *program) []string { return p.unsigned }

func first(is func(*program) bool) Owner {
	if i := slices.IndexFunc(known, func(p program) bool { return is(&p) }); i >= 0 {
		return known[i].owner
	}
	return ""
}

func begins(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func mark(comment string, marks []string) string {
	if i := slices.IndexFunc(marks, func(m string) bool { return strings.Contains(comment, m) }); i >= 0 {
		return marks[i]
	}
	return ""
}
