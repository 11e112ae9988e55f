package ruleset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate/ruleset"
	"dnatrace/decode/programs"
)

// networks are what the engines installed for a bridge with a published port, one
// published on a loopback address, an internal network, one of IPv6, one with
// enable_icc=false, gateway modes nat-unprotected and routed, and an isolated one.
func TestTheEnginesRulesMeanTheSameInAllItsLayouts(t *testing.T) {
	for _, c := range []struct {
		layout string
		want   map[ruleset.Meaning]int
	}{
		{"networks-20-proxy.iptables", map[ruleset.Meaning]int{"isolation": 4, "internal": 2, "icc": 1}},
		{"networks-28-proxy.iptables", map[ruleset.Meaning]int{"isolation": 6, "internal": 4, "icc": 1, "unpublished": 5, "direct": 5, "loopback": 1}},
		{"networks-28-noproxy.iptables", map[ruleset.Meaning]int{"isolation": 6, "internal": 4, "icc": 1, "unpublished": 5, "direct": 5, "loopback": 1}},
		{"networks-28-proxy.ip6tables", map[ruleset.Meaning]int{"isolation": 1, "unpublished": 1, "direct": 1}},
		{"networks-29-proxy.iptables", map[ruleset.Meaning]int{"internal": 4, "icc": 1, "unpublished": 5, "direct": 5, "loopback": 1}},
		{"networks-29nft-proxy.nft", map[ruleset.Meaning]int{"internal": 4, "icc": 1, "unpublished": 6, "direct": 6, "loopback": 1}},
	} {
		s := parseDumps(t, dumpOf(t, "testdata/engines/"+c.layout))
		got := map[ruleset.Meaning]int{}
		for _, r := range s.Rules() {
			drops := strings.HasSuffix(r.Text, "-j DROP") || strings.Contains(" "+r.Text+" ", " drop ")
			if m := r.Meaning(); m != "" {
				got[m]++
			}
			if drops != (r.Meaning() != "") {
				t.Errorf("%s: %s %s: %s of %s means %q", c.layout, r.Table, r.Chain, r.Text, r.Owner, r.Meaning())
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.layout, d)
		}
	}
}

func TestEveryRuleOfAnEngineIsTheEnginesInAllItsLayouts(t *testing.T) {
	for _, file := range files(t, "engines/*") {
		for _, r := range parseDumps(t, dumpOf(t, file)).Rules() {
			if r.Owner != programs.Docker {
				t.Errorf("%s: %s %s: %s of %s", file, r.Table, r.Chain, r.Text, r.Owner)
			}
		}
	}
}

func TestRulesOfOthersAreTheirOwn(t *testing.T) {
	for _, c := range []struct {
		chain, rule string
		owner       programs.Owner
	}{
		{"DOCKER-USER", "-p tcp -m tcp --dport 80 -j DROP", programs.User},
		{"FORWARD", "-p tcp -m tcp --dport 80 -j DROP", programs.User},
		{"FORWARD", "-i docker0 -p tcp -m tcp --dport 80 -j DROP", programs.User},
		{"ufw-user-forward", "-j DROP", programs.UFW},
		{"FWDI_public", "-j DROP", programs.Firewalld},
		{"FORWARD_ZONES", "-j DROP", programs.Firewalld},
		{"KUBE-FIREWALL", "-j DROP", programs.Kubernetes},
		{"KUBE-ROUTER-FORWARD", "-j DROP", programs.Kubernetes},
		{"CNI-FORWARD", "-j DROP", programs.CNI},
		{"CILIUM_FORWARD", "-j DROP", programs.CNI},
		{"cali-FORWARD", "-j DROP", programs.CNI},
		{"FLANNEL-FWD", "-j DROP", programs.CNI},
		{"LIBVIRT_FWI", "-j REJECT --reject-with icmp-port-unreachable", programs.Libvirt},
		{"ts-forward", "-j DROP", programs.Tailscale},
		{"f2b-nginx", "-j REJECT --reject-with icmp-port-unreachable", programs.Fail2ban},
		{"NETAVARK_FORWARD", "-j DROP", programs.Podman},
		{"CROWDSEC_CHAIN", "-j DROP", programs.CrowdSec},
		{"sshguard", "-j DROP", programs.SSHGuard},
		{"netbird-acl-input-rules", "-j DROP", programs.NetBird},
		{"INPUT_direct", "-j DROP", programs.Firewalld},
		{"MYCHAIN", "-j DROP", programs.User},
	} {
		d := dumpOf(t, "testdata/engines/engine-28.iptables")
		declared := ""
		if !strings.Contains(string(d.Data), ":"+c.chain+" ") {
			declared = ":" + c.chain + " - [0:0]\n"
		}
		d.Data = []byte(strings.Replace(string(d.Data), "-A FORWARD -j DOCKER-USER", fmt.Sprintf("%s-A %s %s\n-A FORWARD -j DOCKER-USER", declared, c.chain, c.rule), 1))
		for _, r := range parseDumps(t, d).Rules() {
			if r.Text == "-A "+c.chain+" "+c.rule && r.Owner != c.owner {
				t.Errorf("%s: %s instead of %s", r.Text, r.Owner, c.owner)
			}
		}
	}
}
