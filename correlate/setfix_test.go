package correlate_test

import (
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/rules"
	"dnatrace/correlate"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

const setsNFT = `table ip guard {
	set blocklist {
		type ipv4_addr
		flags interval
		elements = { 198.51.100.0/24 }
	}
	set allowed {
		type ipv4_addr . inet_service
		elements = { 203.0.113.9 . 443 }
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		RULE
	}
}
table inet f2b-table {
	set addr-set-web {
		type ipv4_addr
		elements = { 198.51.100.9 }
	}
	chain f2b-chain {
		type filter hook forward priority filter - 1; policy accept;
		JAIL
	}
}
`

func TestWhatASetStoppedIsMendedByItsEntry(t *testing.T) {
	match := func(m string) string { return "-A DOCKER-USER -p tcp -m set " + m + " -j DROP" }
	for _, c := range []struct {
		name, rule, sets string // iptables and ipset
		nft, jail        string // or nft
		fix, fact        string
		owner            programs.Owner
	}{
		{name: "a network in a blocklist", rule: match("--match-set blocklist src"), sets: "create blocklist hash:net timeout 9\nadd blocklist 198.51.100.0/24 timeout 7",
			fix: "ipset del blocklist 198.51.100.0/24", fact: "198.51.100.0/24 in ipset blocklist, timeout 7 s", owner: "user"},
		{name: "an address that is not in the list of those that may", rule: match("! --match-set may src"), sets: "create may hash:ip",
			fix: "ipset add may 198.51.100.9", fact: "198.51.100.9 is not in ipset may", owner: "user"},
		{name: "an address, and the port behind the translation", rule: match("! --match-set may src,dst"), sets: "create may hash:ip,port",
			fix: "ipset add may 198.51.100.9,tcp:80", fact: "198.51.100.9,tcp:80 is not in ipset may", owner: "user"},
		{name: "an address that is not among those that may for some time", rule: match("! --match-set may src"), sets: "create may hash:ip timeout 60",
			fix: "ipset add may 198.51.100.9 timeout 0", fact: "198.51.100.9 is not in ipset may", owner: "user"},
		{name: "an exception from what may", rule: match("! --match-set may src"), sets: "create may hash:net\nadd may 198.51.100.0/24\nadd may 198.51.100.9 nomatch",
			fix: "ipset del may 198.51.100.9", fact: "198.51.100.9 in ipset may, nomatch", owner: "user"},
		{name: "an address and the network around it", rule: match("--match-set bad src"), sets: "create bad hash:net\nadd bad 198.51.100.0/24\nadd bad 198.51.100.9",
			fix: "ipset del bad 198.51.100.9; ipset del bad 198.51.100.0/24", fact: "198.51.100.9 in ipset bad", owner: "user"},
		{name: "an exception from nothing", rule: match("! --match-set may src"), sets: "create may hash:net\nadd may 198.51.100.9 nomatch",
			fix: "ipset del may 198.51.100.9; ipset add may 198.51.100.9", fact: "198.51.100.9 in ipset may, nomatch", owner: "user"},
		{name: "a network that is an exception from nothing", rule: match("! --match-set may src"), sets: "create may hash:net\nadd may 198.51.100.0/24 nomatch",
			fix: "ipset add may 198.51.100.9", fact: "198.51.100.0/24 in ipset may, nomatch", owner: "user"},
		{name: "a bitmap that cannot hold the address", rule: match("! --match-set lan src"), sets: "create lan bitmap:ip range 10.0.0.0-10.0.0.255",
			fix: "iptables -t filter -D DOCKER-USER -p tcp -m set ! --match-set lan src -j DROP", owner: "user"},
		{name: "fail2ban's jail", rule: match("--match-set f2b-nginx-auth src"), sets: "create f2b-nginx-auth hash:ip timeout 600\nadd f2b-nginx-auth 198.51.100.9 timeout 599",
			fix: "fail2ban-client set nginx-auth unbanip 198.51.100.9", fact: "198.51.100.9 in ipset f2b-nginx-auth, timeout 599 s", owner: "fail2ban"},
		{name: "CrowdSec's decision", rule: match("--match-set crowdsec-blacklists src"), sets: "create crowdsec-blacklists hash:net timeout 600\nadd crowdsec-blacklists 198.51.100.9 timeout 99",
			fix: "cscli decisions delete --ip 198.51.100.9", fact: "198.51.100.9 in ipset crowdsec-blacklists, timeout 99 s", owner: "crowdsec"},
		{name: "a list of lists", rule: match("--match-set all src"), sets: "create bad hash:ip\nadd bad 198.51.100.9\ncreate all list:set\nadd all bad",
			fix: "ipset del bad 198.51.100.9", fact: "198.51.100.9 in ipset bad of all", owner: "user"},
		{name: "all that is not in any of the lists", rule: match("! --match-set all src"), sets: "create all list:set",
			fix: "iptables -t filter -D DOCKER-USER -p tcp -m set ! --match-set all src -j DROP", owner: "user"},
		{name: "a network in a set of nf_tables", nft: "ip saddr @blocklist drop",
			fix: "nft delete element ip guard blocklist '{ 198.51.100.0/24 }'", fact: "198.51.100.0/24 in set blocklist", owner: "user"},
		{name: "an address and a port that are not in a set of nf_tables", nft: "ip saddr . tcp dport != @allowed drop",
			fix: "nft add element ip guard allowed '{ 198.51.100.9 . 80 }'", fact: "198.51.100.9 . 80 is not in set allowed", owner: "user"},
		{name: "an address in a set without a name is the rule's", nft: "ip saddr { 198.51.100.9 } drop",
			fix: "find the rule's handle: nft -a list chain ip guard forward", owner: "user"},
		{name: "fail2ban's jail in nf_tables", jail: "ip saddr @addr-set-web drop",
			fix: "fail2ban-client set web unbanip 198.51.100.9", fact: "198.51.100.9 in set addr-set-web", owner: "fail2ban"},
	} {
		st := tell(dockerHost(), "0ms eth0 C > H in S seq=100\n1s eth0 C > H in S seq=100\n")
		dumps := []rules.Ruleset{{Backend: "iptables-save", Data: saved(c.rule)(0)}, {Backend: "ipset-text", Data: []byte(c.sets)}}
		if c.nft+c.jail != "" {
			dumps = []rules.Ruleset{{Backend: "iptables-save", Data: []byte(publishing[:strings.Index(publishing, "*filter")])},
				{Backend: "nft-text", Data: []byte(strings.NewReplacer("RULE", c.nft, "JAIL", c.jail).Replace(setsNFT))}}
		}
		for _, d := range dumps {
			st.opening = append(st.opening, &decode.Ruleset{Time: epoch, Netns: capture.HostNetns, Ruleset: d})
		}
		r := st.run(feeding{}).Requests[0]
		facts := ""
		for _, e := range r.Evidence {
			facts += e.Text + "\n"
		}
		if r.Cause != "firewall-drop" || r.Proof != correlate.Inferred || r.Rule.Owner != c.owner || fixed(r.Fix, c.fix) != c.fix || !strings.Contains(facts, c.fact+"\n") {
			t.Errorf("%s: %s %s %+v\nfix %q\n%s", c.name, r.Verdict, r.Cause, r.Rule, r.Fix, facts)
		}
	}
}

// fixed are as many of the commands as are expected.
func fixed(fix []string, want string) string {
	return strings.Join(fix[:min(len(fix), strings.Count(want, "; ")+1)], "; ")
}
