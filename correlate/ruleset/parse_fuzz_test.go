package ruleset_test

import (
	"net/netip"
	"os"
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// FuzzParse reads whatever claims to be the text of a program, writes it down
// again, and follows a packet through it.
func FuzzParse(f *testing.F) {
	for backend, names := range map[string][]string{
		"iptables-save": {"testdata/odds.rules4", "testdata/kubernetes.rules4", "testdata/engines/engine-28.iptables"},
		"nft-text":      {"testdata/odds.nft", "testdata/engines/engine-29nft.nft", "testdata/engines/engine-28.nft"},
	} {
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(backend, data)
		}
	}
	f.Add("nft-text", []byte("table ip t { chain c { type filter hook input priority filter + 5; dnat to tcp dport map { 1 : 10.0.0.1 . 2 } ; tcp flags & (syn|ack) == syn drop\n"))
	f.Add("ipset-text", []byte("create s hash:net,port family inet timeout 60\nadd s 203.0.113.0/24,tcp:80 timeout 9 nomatch comment \"x\"\ncreate l list:set size 8\nadd l s\n"))
	f.Add("ipset-text", []byte("Name: s\nType: hash:net,iface\nRevision: 8\nHeader: family inet6 hashsize 64\nNumber of entries: 1\nMembers:\n2001:db8::/32,eth wildcard\n"))
	asking := rules.Ruleset{Backend: "ip6tables-save", Data: []byte("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src,dst -j DROP\n-A INPUT -m set ! --match-set l src --return-nomatch -j DROP\nCOMMIT\n")}
	p := ruleset.Packet{IIF: "eth0", TCPFlags: 2, AddrType: ruleset.LocalAddrs(netip.MustParseAddr("198.51.100.1")), OIF: "docker0"}
	p.Tuple = decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr("203.0.113.7")), Dst: decode.IPFrom(netip.MustParseAddr("198.51.100.1")), SrcPort: 41000, DstPort: 8080, Proto: decode.TCP}
	f.Fuzz(func(t *testing.T, backend string, data []byte) {
		s, _ := ruleset.Parse([]rules.Ruleset{{Backend: backend, Data: data}, asking})
		for _, r := range s.Rules() {
			if r.Owner == "" || r.Backend == "" {
				t.Fatalf("rule without owner or backend: %+v", r)
			}
		}
		s.Rendered(func(_, _, _ string) {})
		first := s.Evaluate(p)
		if second := s.Evaluate(p); first.Verdict != second.Verdict || len(first.Steps) != len(second.Steps) {
			t.Fatalf("two evaluations, two outcomes: %v and %v", first.Verdict, second.Verdict)
		}
	})
}
