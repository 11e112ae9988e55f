package correlate

import (
	"fmt"
	"strings"

	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// passing lets the packet by that a rule or a policy stopped: what a rule does is
// undone; a policy stays, as it keeps out all else, and the packet gets a rule of
// its own. The tuple is the packet's as the filter met it, in the direction of the
// request.
func (f *filtering) passing(t decode.Tuple) []string {
	if f.hit.Kind != "policy" {
		return f.removal()
	}
	if f.way == reply {
		return []string{f.hit.accepting(answers)}
	}
	fix := []string{f.hit.accepting(requestsTo(t))}
	if f.stage == stage.Forward { // where both directions pass
		fix = append(fix, f.hit.accepting(answers))
	}
	return fix
}

// match is which packets a rule takes, in the words of iptables and of nft.
type match struct{ iptables, nft string }

// answers are the packets of connections that were let in.
var answers = match{"-m conntrack --ctstate RELATED,ESTABLISHED", "ct state established,related"}

// requestsTo are the packets that ask for what t asks for.
func requestsTo(t decode.Tuple) match {
	ip, family := t.Dst.Addr(), "ip"
	if ip.Is6() {
		family = "ip6"
	}
	switch t.Proto {
	case decode.ICMP:
		return match{fmt.Sprintf("-p icmp -d %s", ip), fmt.Sprintf("ip daddr %s meta l4proto icmp", ip)}
	case decode.ICMPv6:
		return match{fmt.Sprintf("-p icmpv6 -d %s", ip), fmt.Sprintf("ip6 daddr %s meta l4proto ipv6-icmp", ip)}
	}
	return match{fmt.Sprintf("-p %s -d %s --dport %d", t.Proto, ip, t.DstPort), fmt.Sprintf("%s daddr %s %s dport %d", family, ip, t.Proto, t.DstPort)}
}

// accepting is the command that accepts some packets at the head of a chain.
func (h *RuleHit) accepting(m match) string {
	family, table, _ := strings.Cut(h.Table, " ")
	if h.Backend != ruleset.Iptables && h.Backend != ruleset.Legacy {
		return fmt.Sprintf("nft insert rule %s %s %s %s accept", family, shell(table), shell(h.Chain), m.nft)
	}
	program := h.program(family)
	if table != "filter" {
		program += " -t " + shell(table)
	}
	return fmt.Sprintf("%s -I %s %s -j ACCEPT", program, shell(h.Chain), m.iptables)
}
