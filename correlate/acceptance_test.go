package correlate

import (
	"net/netip"
	"slices"
	"testing"

	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

func TestAPolicyStaysAndThePacketGetsARuleOfItsOwn(t *testing.T) {
	to := func(ip string, proto decode.Proto) decode.Tuple {
		return decode.Tuple{Dst: decode.IPFrom(netip.MustParseAddr(ip)), DstPort: 80, Proto: proto}
	}
	for _, row := range []struct {
		name    string
		backend ruleset.Backend
		table   string
		chain   string
		at      stage.Stage
		way     way
		to      decode.Tuple
		want    []string
	}{
		{"a request through FORWARD", ruleset.Iptables, "ip filter", "FORWARD", stage.Forward, request, to("172.17.0.2", decode.TCP),
			[]string{"iptables -I FORWARD -p tcp -d 172.17.0.2 --dport 80 -j ACCEPT", "iptables -I FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"}},
		{"a datagram to the host's own address", ruleset.Legacy, "ip6 filter", "INPUT", stage.Input, request, to("2001:db8::1", decode.UDP),
			[]string{"ip6tables-legacy -I INPUT -p udp -d 2001:db8::1 --dport 80 -j ACCEPT"}},
		{"another table than filter", ruleset.Iptables, "ip mangle", "INPUT", stage.Input, request, to("198.51.100.1", decode.TCP),
			[]string{"iptables -t mangle -I INPUT -p tcp -d 198.51.100.1 --dport 80 -j ACCEPT"}},
		{"a chain of nft's own", ruleset.NFT, "inet guard", "my chain", stage.Input, request, to("2001:db8::1", decode.TCP),
			[]string{"nft insert rule inet guard 'my chain' ip6 daddr 2001:db8::1 tcp dport 80 accept"}},
		{"an echo", ruleset.NFT, "inet guard", "in", stage.Input, request, to("198.51.100.1", decode.ICMP),
			[]string{"nft insert rule inet guard in ip daddr 198.51.100.1 meta l4proto icmp accept"}},
		{"an answer", ruleset.NFT, "inet guard", "out", stage.Output, reply, to("198.51.100.1", decode.TCP),
			[]string{"nft insert rule inet guard out ct state established,related accept"}},
	} {
		f := filtering{way: row.way, stage: row.at, hit: RuleHit{Kind: "policy", Backend: row.backend, Table: row.table, Chain: row.chain}}
		if got := f.passing(row.to); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
