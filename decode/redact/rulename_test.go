package redact

import (
	"testing"

	"dnatrace/decode/programs"
)

// TestRulesStayWhoseTheyAre: names and comments by which a program's rules are
// known are known as that program's in what is shared, and no other becomes one.
func TestRulesStayWhoseTheyAre(t *testing.T) {
	r := New([]byte("some key"))
	r.names.learn("web")
	r.names.learn("forward")
	r.names.learnIface("tailscale0")
	r.Seal()
	for _, c := range []struct {
		owner programs.Owner
		name  string
	}{
		{programs.Docker, "DOCKER"}, {programs.Docker, "DOCKER-USER"}, {programs.Docker, "DOCKER-ISOLATION-STAGE-1"}, {programs.Docker, "docker-bridges"}, {programs.Docker, "docker-ext-bridges-v4"},
		{programs.UFW, "ufw-before-forward"}, {programs.UFW, "ufw6-user-input"}, {programs.UFW, "ufw-blocklist4"},
		{programs.Firewalld, "firewalld"}, {programs.Firewalld, "FORWARD_ZONES"}, {programs.Firewalld, "FORWARD_IN_ZONES_SOURCE"}, {programs.Firewalld, "FORWARD_direct"},
		{programs.Firewalld, "INPUT_ZONES"}, {programs.Firewalld, "INPUT_direct"}, {programs.Firewalld, "OUTPUT_POLICIES_pre"}, {programs.Firewalld, "PREROUTING_ZONES"}, {programs.Firewalld, "POSTROUTING_POLICIES_post"},
		{programs.Firewalld, "FWDI_public"}, {programs.Firewalld, "FWDO_public_allow"},
		{programs.Kubernetes, "KUBE-SVC-ABCDEFGH"}, {programs.Kubernetes, "kube-proxy"}, {programs.Kubernetes, "KUBE-CLUSTER-IP"}, {programs.Kubernetes, "inet6:kube-router-pod-subnets"},
		{programs.CNI, "cali-FORWARD"}, {programs.CNI, "cali40masq-ipam-pools"}, {programs.CNI, "CILIUM_FORWARD"}, {programs.CNI, "OLD_CILIUM_FORWARD"}, {programs.CNI, "FLANNEL-FWD"},
		{programs.CNI, "WEAVE-NPC"}, {programs.CNI, "CNI-HOSTPORT-DNAT"}, {programs.CNI, "cilium_node_set_v4"}, {programs.CNI, "flannel-ipv4"}, {programs.CNI, "cni_hostport"},
		{programs.Libvirt, "LIBVIRT_FWI"}, {programs.Libvirt, "libvirt_network"}, {programs.Tailscale, "ts-forward"}, {programs.Tailscale, "tailscale"},
		{programs.Fail2ban, "f2b-sshd"}, {programs.Fail2ban, "fail2ban-nginx"}, {programs.Podman, "NETAVARK_FORWARD"}, {programs.Podman, "nv_2f259bab_10_88_0_0_nm16"}, {programs.Podman, "netavark"},
		{programs.Incus, "incus"}, {programs.Incus, "lxd"}, {programs.CrowdSec, "CROWDSEC_CHAIN"}, {programs.CrowdSec, "crowdsec-blacklists"}, {programs.CrowdSec, "crowdsec6"},
		{programs.SSHGuard, "sshguard"}, {programs.NetBird, "netbird-acl-input-rules"}, {programs.NetBird, "NETBIRD-RT-FWD"}, {programs.NetBird, "netbird"}, {programs.ZeroTier, "ZT-FORWARD"}, {programs.Dnatrace, "dnatrace-1234"},
		{"", "site-forward"}, {"", "MYCHAIN"}, {"", "blocklist"},
	} {
		if of := program(c.name); of != c.owner {
			t.Fatalf("%s is of %q, not %q", c.name, of, c.owner)
		}
		if now := r.names.ruleName(c.name); program(now) != c.owner || len(now) != len(c.name) {
			t.Errorf("%s of %q becomes %s of %q", c.name, c.owner, now, program(now))
		}
	}
	for _, c := range []struct {
		owner   programs.Owner
		comment string
	}{
		{programs.Kubernetes, "kubernetes service portals; for web"}, {programs.CNI, "cali:Cr1Ozn2GVwGAo2lE"}, {programs.CNI, "dnat name: \"web\" id: \"web\" CNI portfwd requiring masquerade"},
		{programs.CNI, "flanneld masq"}, {programs.CNI, "cilium: any->pod redirect proxied traffic to host proxy"}, {programs.Incus, "generated for Incus network incusbr0"}, {programs.Incus, "generated for LXD network lxdbr0"},
		{"", "DROP DIRECT ACCESS"}, {"", "allow web"},
	} {
		if of := programs.OfComment(c.comment); of != c.owner {
			t.Fatalf("%q is of %q, not %q", c.comment, of, c.owner)
		}
		if now := r.names.comment(c.comment); programs.OfComment(now) != c.owner || len(now) != len(c.comment) {
			t.Errorf("%q of %q becomes %q of %q", c.comment, c.owner, now, programs.OfComment(now))
		}
	}
	if kept := "DROP DIRECT ACCESS"; r.names.comment(kept) != kept {
		t.Errorf("%q, which says what the engine's rule is for, becomes %q", kept, r.names.comment(kept))
	}
}

// program is who gives such a name to anything.
func program(name string) programs.Owner {
	for _, of := range []func(string) programs.Owner{programs.OfChain, programs.OfTable, programs.OfSet} {
		if o := of(name); o != "" {
			return o
		}
	}
	return ""
}
