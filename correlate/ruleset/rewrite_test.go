package ruleset_test

import (
	"fmt"
	"strings"
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// A packet that a rule writes to may go another way than the one it would have
// gone. These are statements in prerouting, and what is known of the packet
// behind them.
var rewrites = []struct {
	statement string
	want      ruleset.Verdict
}{
	{"meta mark set 0x00000001", ruleset.Passed},
	{"meta mark set meta mark | 0x00000100", ruleset.Passed},
	{"ct mark set meta mark", ruleset.Passed},
	{"meta priority set 1:2", ruleset.Passed},
	{"meta priority set none", ruleset.Passed},
	{"meta nftrace set 1", ruleset.Passed},
	{"ct label set 5", ruleset.Passed},
	{"ct event set new,destroy", ruleset.Passed},
	{"ip dscp set cs1", ruleset.Passed},
	{"ip ecn set ce", ruleset.Passed},
	{"ip id set 7", ruleset.Passed},
	{"ip6 hoplimit set 1", ruleset.Passed}, // it is for IPv6
	{"tcp option maxseg size set 1460", ruleset.Passed},
	{"reset tcp option sack-perm", ruleset.Passed},
	{"notrack", ruleset.Passed},
	{"tcp dport 8001 ip daddr set 10.0.1.1", ruleset.Passed}, // it is for another port
	{"ip daddr set 10.0.1.1", ruleset.Unclear},
	{"ip saddr set 10.0.1.1", ruleset.Unclear},
	{"ip saddr set ip daddr", ruleset.Unclear},
	{"ip protocol set 17", ruleset.Unclear},
	{"ip length set 40", ruleset.Unclear},
	{"ip frag-off set 0", ruleset.Unclear},
	{"ip ttl set 1", ruleset.Unclear},
	{"tcp dport set 80", ruleset.Unclear},
	{"tcp sport set 80", ruleset.Unclear},
	{"th dport set 80", ruleset.Unclear},
	{"tcp window set 0", ruleset.Unclear},
	{"tcp flags set rst", ruleset.Unclear},
	{"udp dport set 80", ruleset.Passed}, // it is for UDP
	{"ether daddr set 02:42:ac:11:00:02", ruleset.Unclear},
	{"@nh,128,32 set 0xa000101", ruleset.Unclear},
	{"@th,16,16 set 0x50", ruleset.Unclear},
	{"meta pkttype set host", ruleset.Unclear},
	{"ct zone set 5", ruleset.Unclear},
	{"tcp dport 8000 tproxy ip to :5000", ruleset.Unclear},
	// What only compares leaves the packet alone, decoded or not.
	{"ip dscp cs1", ruleset.Passed},
	{"socket transparent 1", ruleset.Passed},
	{"rt classid 5", ruleset.Passed},
	{"numgen random mod 10 < 5", ruleset.Passed},
	{"meta hour \"08:00\"-\"18:00\"", ruleset.Passed},
	{"ct helper \"ftp\"", ruleset.Passed},
	{"tcp option maxseg size 1-500 tcp dport 8001 drop", ruleset.Passed},
	{"osf name \"Linux\" tcp dport 8001 drop", ruleset.Passed},
	{"ct count over 5 accept", ruleset.Passed},
}

// prerouting is a table with one rule, ahead of all translation.
func prerouting(statement string) string {
	return fmt.Sprintf(`table inet t {
	chain c {
		type filter hook prerouting priority mangle; policy accept;
		%s
	}
}
`, statement)
}

func TestAPacketThatARuleRewritesGoesWhereNobodyKnows(t *testing.T) {
	for _, c := range append(rewrites[:len(rewrites):len(rewrites)], []struct {
		statement string
		want      ruleset.Verdict
	}{
		{"tcp option maxseg size set rt mtu", ruleset.Passed},
		{"ip ttl set 64", ruleset.Passed}, // netlink has it in one with the byte behind it
		{"ip daddr set 10.0.1.1 comment \"elsewhere\"", ruleset.Unclear},
		{"queue to 5", ruleset.Unclear},
		{"dup to 10.0.0.9", ruleset.Passed},
		{"dup to 10.0.0.9 device \"eth0\"", ruleset.Passed},
		{"fwd to \"eth0\"", ruleset.Unclear},
		{"fwd ip to 10.0.0.1 device \"eth0\"", ruleset.Unclear},
		{"synproxy mss 1460 wscale 7 timestamp sack-perm", ruleset.Unclear},
		{"synproxy name \"p\"", ruleset.Unclear},
		{"flow add @f", ruleset.Passed},
		{"meta iifkind vmap { \"bridge\" : accept }", ruleset.Unclear},
		{"iifgroup vmap { \"default\" : drop }", ruleset.Unclear},
		{"tcp dport vmap { 8000 : frobnicate }", ruleset.Unclear},
		{"tcp dport vmap @missing", ruleset.Unclear},
		{"frobnicate the packet", ruleset.Unclear},
		{"gre ip saddr 203.0.113.9 drop", ruleset.Unclear},      // that is of the packet within
		{"ipsec in ip saddr 203.0.113.9 drop", ruleset.Unclear}, // that is of the tunnel's end
	}...) {
		o := listed(t, prerouting(c.statement)).Evaluate(fromOutside(8000))
		if o.Verdict != c.want || o.Certain() != (c.want != ruleset.Unclear) {
			t.Errorf("%s: %v, unknown %q", c.statement, o.Verdict, o.Unknown)
		}
	}
}

func TestADestinationTakenFromAMapThatIsNotReadIsNotKnown(t *testing.T) {
	o := listed(t, `table ip t {
	chain c {
		type nat hook prerouting priority dstnat; policy accept;
		dnat to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }
	}
}
`).Evaluate(fromOutside(8000))
	if o.Certain() {
		t.Errorf("%v to %v", o.Verdict, o.Tuple)
	}
}

func TestTargetsOfIptablesThatRewriteThePacket(t *testing.T) {
	for _, c := range []struct {
		target string
		want   ruleset.Verdict
	}{
		{"TTL --ttl-set 64", ruleset.Passed},
		{"TTL --ttl-inc 1", ruleset.Passed},
		{"TTL --ttl-set 1", ruleset.Unclear},
		{"TTL --ttl-dec 1", ruleset.Unclear}, // what it was is not known
		{"TTL --frobnicate 64", ruleset.Unclear},
		{"TOS --set-tos 0x10/0x3f", ruleset.Passed},
		{"DSCP --set-dscp 0x08", ruleset.Passed},
		{"MARK --set-xmark 0x1/0xffffffff", ruleset.Passed},
		{"CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", ruleset.Passed},
		{"CLASSIFY --set-class 0001:0002", ruleset.Passed},
		{"TCPMSS --clamp-mss-to-pmtu", ruleset.Passed},
		{"TEE --gateway 10.0.0.9", ruleset.Passed},
		{"NETMAP --to 10.0.1.0/24", ruleset.Unclear},
		{"TPROXY --on-port 5000 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0", ruleset.Unclear},
		{"SYNPROXY --sack-perm", ruleset.Unclear},
		{"NFQUEUE --queue-num 5", ruleset.Unclear},
		{"CT --zone 5", ruleset.Unclear},
		{"CT --helper ftp", ruleset.Passed},
		{"FROBNICATE", ruleset.Unclear},
	} {
		set := parseDumps(t, rules.Ruleset{Backend: "iptables-save", Data: []byte(
			"# Generated by iptables-save v1.8.9 (nf_tables) on Sun Nov 22 14:35:56 2026\n*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j " + c.target + "\nCOMMIT\n")})
		o := set.Evaluate(fromOutside(8000))
		if o.Verdict != c.want || o.Certain() != (c.want != ruleset.Unclear) {
			t.Errorf("%s: %v, unknown %q", c.target, o.Verdict, o.Unknown)
		}
		if text := set.Rules()[0].Text; text != "-A PREROUTING -p tcp -j "+c.target {
			t.Errorf("%s reads %s", c.target, text)
		}
	}
}

func TestWhereRoutingPolicyAsksForAMarkTheWayIsNotKnown(t *testing.T) {
	for _, c := range []struct {
		statement string
		want      string
	}{
		{"meta mark set 0x00000001", "where routing policy sends a packet with mark 0x1 is not evaluated"},
		{"meta mark set 0x00000002", ""},
		{"ip dscp set cs1", "where routing policy sends a packet whose type of service a rule has changed is not evaluated"},
		{"ct mark set 0x00000001", ""},
	} {
		p := fromOutside(8000)
		p.Policy = func(mark uint32, tos bool) bool { return mark == 1 || tos }
		o := listed(t, prerouting(c.statement)).Evaluate(p)
		if got := strings.Join(o.Unknown, "; "); got != c.want {
			t.Errorf("%s: unknown %q", c.statement, got)
		}
	}
}

func TestARuleThatIsDamagedMayHaveDoneAnything(t *testing.T) {
	set := ruleset.New(&decode.Rules{
		Tables: []decode.Table{{Family: decode.FamilyIPv4, Name: "t"}},
		Chains: []decode.Chain{{Family: decode.FamilyIPv4, Table: "t", Name: "c", Base: true, Type: "filter"}},
		Rules:  []decode.Rule{{Family: decode.FamilyIPv4, Table: "t", Chain: "c", Damaged: true}},
	})
	if o := set.Evaluate(fromOutside(8000)); o.Certain() {
		t.Errorf("%v", o.Verdict)
	}
}
