package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/rules"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// publishing is how iptables publishes web; the rest of a row's rules are in
// filter.
const publishing = `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[0:0] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[0:0] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
[0:0] -A FORWARD -j DOCKER-USER
[0:0] -A FORWARD -o docker0 -j DOCKER
`

// saved is a dump with one more rule, which counted n packets by then.
func saved(rule string) func(n int) []byte {
	return func(n int) []byte { return []byte(fmt.Sprintf("%s[%d:%d] %s\nCOMMIT\n", publishing, n, 60*n, rule)) }
}

// always is a dump that counts nothing.
func always(text string) func(int) []byte { return func(int) []byte { return []byte(text) } }

const bridges = `table ip docker-bridges {
	chain filter-FORWARD {
		type filter hook forward priority filter; policy accept;
		oifname "docker0" jump filter-forward-in__docker0
	}
	chain nat-PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local tcp dport 8080 dnat to 172.17.0.2:80 comment "DNAT"
	}
	chain raw-PREROUTING {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 172.17.0.2 iifname != "docker0" counter packets 0 bytes 0 drop comment "DROP DIRECT ACCESS"
	}
	chain filter-forward-in__docker0 {
		ct state established,related accept
		counter packets 0 bytes 0 drop comment "UNPUBLISHED PORT DROP"
	}
}
`

func TestTheRuleIsNamedWhateverBackEndItIsOf(t *testing.T) {
	drop := "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 80 -j DROP"
	for _, c := range []struct {
		name          string
		to            string
		backend       string
		dump          func(n int) []byte
		before, after int
		cause         correlate.Cause
		proof         correlate.Proof
		hit           string // its back end and owner
	}{
		{"a legacy rule that counted exactly the three attempts is proven", "H", "iptables-legacy-save", saved(drop), 5, 8, "firewall-drop", correlate.Proven, "iptables-legacy user"},
		{"one that counted others' packets too is not", "H", "iptables-legacy-save", saved(drop), 5, 9, "firewall-drop", correlate.Inferred, "iptables-legacy user"},
		{"one of nf_tables would have been traced: its counter proves nothing", "H", "iptables-save", saved(drop), 5, 8, "firewall-drop", correlate.Inferred, "iptables-nft user"},
		{"so is one of FORWARD itself", "H", "iptables-legacy-save", saved("-A FORWARD -i eth0 -o docker0 -j DROP"), 0, 3, "firewall-drop", correlate.Proven, "iptables-legacy user"},
		{"the engine drops what is not published: its rule for the mapping is gone", "H", "iptables-save", saved("-A DOCKER ! -i docker0 -o docker0 -j DROP"), 0, 3, "rules-missing", correlate.Inferred, "iptables-nft docker"},
		{"and with tables of its own", "H", "nft-text", always(bridges), 0, 0, "rules-missing", correlate.Inferred, "nft docker"},
		{"the container's own address is not for clients outside", "W", "nft-text", always(bridges), 0, 0, "direct-access", correlate.Inferred, "nft docker"},
		{"what is sent to an internal network", "H", "iptables-save", saved("-A DOCKER ! -s 172.17.0.0/16 -o docker0 -j DROP"), 0, 3, "internal-network", correlate.Inferred, "iptables-nft docker"},
	} {
		s := dockerHost()
		st := tell(s, strings.ReplaceAll("0ms eth0 C > X in S seq=100\n1s eth0 C > X in S seq=100\n3s eth0 C > X in S seq=100\n", "X", c.to))
		dump := func(at int64, n int) decode.Event {
			return &decode.Ruleset{Time: at, Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: c.backend, Data: c.dump(n)}}
		}
		st.opening = append(st.opening, dump(epoch, c.before))
		i := slices.IndexFunc(st.lines, func(h happening) bool { return h.at > epoch+3_100_000_000 })
		at := epoch + 3_100_000_000
		st.lines = slices.Insert(st.lines, i, happening{at: at, event: dump(at, c.after)})
		r := st.run(feeding{}).Requests[0]
		if r.Verdict != correlate.Dropped || r.Cause != c.cause || r.Proof != c.proof || r.Rule == nil || string(r.Rule.Backend)+" "+string(r.Rule.Owner) != c.hit {
			t.Errorf("%s: %s %s %s, rule %+v: %s %q", c.name, r.Verdict, r.Cause, r.Proof, r.Rule, r.Why, r.Blind)
		}
	}
}

func TestTwoBackEndsAtOnceAreSaid(t *testing.T) {
	s := dockerHost()
	st := tell(s, "0ms eth0 C > H in S seq=100\n")
	legacy := rules.Ruleset{Backend: "iptables-legacy-save", Data: []byte("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i docker0 -j ACCEPT\nCOMMIT\n")}
	nft := rules.Ruleset{Backend: "iptables-save", Data: []byte(publishing + "COMMIT\n")}
	for _, d := range []rules.Ruleset{nft, legacy} {
		st.opening = append(st.opening, &decode.Ruleset{Time: epoch, Netns: capture.HostNetns, Ruleset: d})
	}
	r := st.run(feeding{}).Requests[0]
	if r.Rule == nil || r.Rule.Backend != "iptables-legacy" || r.Rule.Kind != "policy" || !strings.Contains(strings.Join(r.Notes, " "), "Both iptables-legacy and nf_tables") {
		t.Errorf("rule %+v, notes %q: %s", r.Rule, r.Notes, r.Why)
	}
	if len(r.Fix) != 2 || r.Fix[0] != "iptables-legacy -I FORWARD -p tcp -d 172.17.0.2 --dport 80 -j ACCEPT" {
		t.Errorf("fix %q", r.Fix)
	}
}
