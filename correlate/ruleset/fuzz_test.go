package ruleset_test

import (
	"net/netip"
	"os"
	"testing"

	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// bridgedPacket is a packet whose interfaces are all bridges that call the rules
// of IP.
func bridgedPacket(p ruleset.Packet) ruleset.Packet {
	b := &ruleset.Bridge{Calls: true, Port: func(netip.Addr) ruleset.Port { return ruleset.Port{Name: "port1"} }}
	p.Route = func(netip.Addr) (string, bool) { return p.OIF, true }
	p.Bridge = func(string) (*ruleset.Bridge, bool) { return b, true }
	return p
}

// FuzzSet reads whatever claims to be rules, writes them all down, and follows a
// packet through them.
func FuzzSet(f *testing.F) {
	for _, name := range []string{"dump-iptables.bin", "dump-nft.bin"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	p := ruleset.Packet{IIF: "eth0", TCPFlags: 2, AddrType: ruleset.LocalAddrs(netip.MustParseAddr("198.51.100.1")), OIF: "docker0"}
	p.Tuple = decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr("203.0.113.7")), Dst: decode.IPFrom(netip.MustParseAddr("198.51.100.1")), SrcPort: 41000, DstPort: 8080, Proto: decode.TCP}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _ := decode.ParseNFTables(data)
		s := ruleset.New(r)
		for _, rule := range s.Rules() {
			if rule.Owner == "" || rule.Backend == "" {
				t.Fatalf("rule without owner or backend: %+v", rule)
			}
		}
		first := s.Evaluate(p)
		if second := s.Evaluate(p); first.Verdict != second.Verdict || len(first.Steps) != len(second.Steps) {
			t.Fatalf("two evaluations, two outcomes: %v and %v", first.Verdict, second.Verdict)
		}
		sent := p
		sent.Sent = true
		s.Evaluate(sent)
		s.Evaluate(bridgedPacket(sent))
		s.Evaluate(bridgedPacket(p))
	})
}
