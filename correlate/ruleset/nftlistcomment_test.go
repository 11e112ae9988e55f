package ruleset_test

import (
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// listed is a set made of what nft listed, of which all was understood.
func listed(t *testing.T, text string) *ruleset.Set {
	t.Helper()
	return parseDumps(t, rules.Ruleset{Backend: "nft-text", Data: []byte(text)})
}

// fromOutside is a SYN from outside to a port of a host whose interfaces are lo,
// eth0 and docker0.
func fromOutside(port uint16) ruleset.Packet {
	host := decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 1}
	return ruleset.Packet{
		IIF:      "eth0",
		Tuple:    decode.Tuple{Src: decode.IP{10: 0xff, 11: 0xff, 12: 203, 13: 0, 14: 113, 15: 7}, Dst: host, SrcPort: 40000, DstPort: port, Proto: decode.TCP},
		TCPFlags: byte(decode.SYN),
		AddrType: ruleset.LocalAddrs(host.Addr()),
	}
}

func TestCommentsOfNftsOwnStandAnywhere(t *testing.T) {
	set := listed(t, `# Warning: table ip nat is managed by iptables-nft, do not touch!
table inet firewalld { # handle 4 progname firewalld
	flags owner,persist # the program is gone when its table is
	comment "made by hand"

	set friends { # handle 2
		type ipv4_addr
		size 65535	# count 1
		elements = { 203.0.113.9, # the other one
			     203.0.113.10 }
	}

	chain filter_INPUT { # handle 1
		# nothing here
		type filter hook input priority filter + 10; policy accept; # policy
		ip saddr @friends accept # handle 3
		ct state { established, related } accept # handle 5
		tcp dport 22 accept # handle 6
		reject with icmpx admin-prohibited # handle 7
	}
}
`)
	for port, want := range map[uint16]ruleset.Verdict{22: ruleset.Passed, 8000: ruleset.Rejected} {
		o := set.Evaluate(fromOutside(port))
		if o.Verdict != want || !o.Certain() {
			t.Errorf("port %d: %v, unknown %q", port, o.Verdict, o.Unknown)
		}
		if o.Rule != nil && (o.Rule.Handle != 7 || o.Rule.Text != "reject with icmpx admin-prohibited") {
			t.Errorf("port %d: by handle %d: %s", port, o.Rule.Handle, o.Rule.Text)
		}
	}
}
