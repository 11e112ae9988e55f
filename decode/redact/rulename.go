package redact

import (
	"regexp"
	"strings"

	"dnatrace/decode/programs"
)

// sharedNames are the names of tables, chains and sets that the kernel's users
// share, and what names begin with that tell what a thing is for. Those that tell
// which program made it are in package programs.
var sharedNames = regexp.MustCompile(`^(?i:input|output|forward|prerouting|postrouting|ingress|egress|filter|nat|mangle|raw|security|accept|drop|reject|return|masquerade|dnat|snat|redirect|log|mark|connmark|ct|tcpmss|notrack|tproxy|inet|bridge)$` +
	`|^(kube-router-|inet6:|__set|__map|filter_|nat_|mangle_|raw_|nat-|filter-|raw-)`)

func isOwnName(s string) bool { return programs.Gives(s) || sharedNames.MatchString(s) }

// ruleName maps the name of a table, chain, set or object to one of the same
// length. Those of programs stay, but for names and ids within them.
func (n *names) ruleName(s string) string {
	if !isOwnName(s) {
		return n.chars(s)
	}
	return isWord.ReplaceAllStringFunc(s, func(w string) string {
		switch {
		case n.ifaces[w]:
			return n.iface(w)
		case n.learned[w] && !isOwnName(w):
			return n.chars(w)
		case isHex.MatchString(w):
			return n.hex(w)
		}
		return w
	})
}

// comment maps a comment to one of the same length.
func (n *names) comment(s string) string {
	own := programs.Mark(s)
	if own == "" {
		return n.chars(s)
	}
	before, after, _ := strings.Cut(s, own)
	return n.chars(before) + own + n.chars(after)
}
