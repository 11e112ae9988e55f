package redact

import (
	"net/netip"
	"regexp"
	"strings"
)

// conntrackText rewrites what conntrack -L prints, entry by entry: addresses
// become pseudonyms, what is known to say nothing of anyone stays, and the rest
// goes. Other lines go as a whole.
func (r *Redactor) conntrackText(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "src=") {
			continue
		}
		var kept []string
		for _, word := range strings.Fields(line) {
			if w, ok := r.conntrackWord(word); ok {
				kept = append(kept, w)
			}
		}
		out.WriteString(strings.Join(kept, " ") + "\n")
	}
	return out.String()
}

// plainConntrackWord is a word of an entry that may stay: families and protocols,
// numbers, TCP's states, flags, and fields that hold a number.
var plainConntrackWord = regexp.MustCompile(`^(ipv4|ipv6|tcp|udp|udplite|sctp|dccp|icmp|icmpv6|gre|unknown|[0-9]{1,10}|` +
	`NONE|SYN_SENT2?|SYN_RECV|ESTABLISHED|FIN_WAIT|CLOSE_WAIT|LAST_ACK|TIME_WAIT|CLOSE|` +
	`\[(UNREPLIED|ASSURED|OFFLOAD|HW_OFFLOAD)\]|(sport|dport|type|code|id|mark|use|zone|packets|bytes|timeout)=[0-9]{1,20})$`)

func (r *Redactor) conntrackWord(word string) (string, bool) {
	field, value, _ := strings.Cut(word, "=")
	if field == "src" || field == "dst" {
		ip, err := netip.ParseAddr(value)
		if err != nil {
			return "", false
		}
		return field + "=" + r.addr(ip).String(), true
	}
	return word, plainConntrackWord.MatchString(word)
}
