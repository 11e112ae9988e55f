package ruleset_test

import (
	"testing"

	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

func TestEveryRuleHasItsOwner(t *testing.T) {
	for _, c := range []struct {
		file string
		want map[string]programs.Owner // owner by text; "" for all others: see rest
		rest programs.Owner
	}{
		{"docker-20.rules4", nil, programs.Docker},
		{"docker-28.rules4", nil, programs.Docker},
		{"docker-28.rules6", nil, programs.Docker},
		{"docker-29.rules4", nil, programs.Docker},
		{"docker-29.nft", nil, programs.Docker},
		{"odds.nft", nil, programs.User},
		{"odds.rules4", nil, programs.User},
		{"kubernetes.rules4", map[string]programs.Owner{
			"-A PREROUTING -i eth0 -p tcp -m tcp --dport 8443 -j MARK --set-xmark 0x100/0xf00": programs.User,
			"-A FORWARD -j ts-forward":                                                        programs.Tailscale,
			"-A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP":                            programs.Tailscale,
			"-A FORWARD -j LIBVIRT_FWI":                                                       programs.Libvirt,
			"-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable":          programs.Libvirt,
			"-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd":                            programs.Fail2ban,
			"-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT":                 programs.CNI,
			"-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000":                             programs.Kubernetes,
			"-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD": programs.Kubernetes,
			"-A FORWARD -i eth0 -m iprange --src-range 203.0.113.10-203.0.113.20 -j ACCEPT":   programs.User,
		}, ""},
		{"ufw.rules4", map[string]programs.Owner{
			"-A INPUT -j ufw-before-input": programs.UFW,
			"-A ufw-user-input -p tcp -m tcp --dport 22 -m comment --comment \"allow ssh, it\\'s ours\" -j ACCEPT": programs.UFW,
			"-A FORWARD -o docker0 -j DOCKER": programs.Docker,
			"-A DOCKER-USER -j RETURN":        programs.Docker,
		}, ""},
	} {
		t.Run(c.file, func(t *testing.T) {
			router(t)
			install(t, "testdata/"+c.file)
			found := map[string]bool{}
			for _, r := range parse(t, installed(t)["nft"]).Rules() {
				want, named := c.want[r.Text]
				found[r.Text] = true
				if !named {
					want = c.rest
				}
				if want != "" && r.Owner != want {
					t.Errorf("%s %s: %s: %s instead of %s", r.Table, r.Chain, r.Text, r.Owner, want)
				}
			}
			for text := range c.want {
				if !found[text] {
					t.Errorf("there is no rule %s", text)
				}
			}
		})
	}
}

func TestThePolicyIsTheEnginesWhereItsChainsAre(t *testing.T) {
	router(t)
	install(t, "testdata/ufw.rules4")
	install(t, "testdata/docker-28.rules6")
	s := parse(t, installed(t)["nft"])
	for _, c := range []struct {
		family      decode.Family
		chain, text string
		owner       programs.Owner
	}{
		{decode.FamilyIPv4, "FORWARD", "-P FORWARD DROP", programs.Docker},
		{decode.FamilyIPv4, "INPUT", "-P INPUT DROP", programs.UFW},
		{decode.FamilyIPv6, "FORWARD", "-P FORWARD DROP", programs.Docker},
		{decode.FamilyIPv6, "INPUT", "-P INPUT ACCEPT", programs.User},
	} {
		p, ok := s.Policy(c.family, "filter", c.chain)
		if !ok || p.Text != c.text || p.Owner != c.owner {
			t.Errorf("%s %s: got %q of %s", c.family, c.chain, p.Text, p.Owner)
		}
	}
}

func TestWhatBridgesMayDropIsSaid(t *testing.T) {
	router(t)
	install(t, "testdata/docker-20.rules4")
	p := packets()[0]
	if o := parse(t, installed(t)["nft"]).Evaluate(p); !o.Certain() {
		t.Errorf("without rules of bridges: %q", o.Unknown)
	}
	run(t, "table bridge quiet {\n chain forward {\n type filter hook forward priority 0;\n accept\n }\n}\n", "nft", "-f", "-")
	if o := parse(t, installed(t)["nft"]).Evaluate(p); !o.Certain() {
		t.Errorf("with rules that drop nothing: %q", o.Unknown)
	}
	run(t, "table bridge strict {\n chain forward {\n type filter hook forward priority 0;\n ip daddr 172.17.0.2 drop\n }\n}\n", "nft", "-f", "-")
	if o := parse(t, installed(t)["nft"]).Evaluate(p); o.Certain() || o.Verdict != ruleset.Unclear {
		t.Errorf("with rules that drop: %v, %q", o.Verdict, o.Unknown)
	}
}
