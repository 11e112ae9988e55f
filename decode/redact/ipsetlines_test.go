package redact

import (
	"strings"
	"testing"
)

const oddSets = `create kunde#müller hash:ip family inet hashsize 1024 maxelem 65536 comment
add kunde#müller 203.0.113.7 comment "Herr Meier, Backup\"
add kunde#müller 203.0.113.8 timeout 9 comment "Frau \ Schulz" nomatch
create q'secretly hash:ip,port family inet
add q'secretly 203.0.113.9,icmp:echo-request
add q'secretly 203.0.113.9,tcp:8443
create two words hash:ip family inet
add two words 203.0.113.8
create ifs hash:net,iface family inet
add ifs 203.0.113.0/24,physdev:vethsecret
add ifs 203.0.113.0/24,kundennetz
create acme(vpn) list:set size 8
add acme(vpn) x;y!zeta
Name: acme corp offices
Type: hash:ip
Header: family inet comment
Members:
203.0.113.9 comment "Herr Meier \"
2001:db8::77
`

func TestNothingInWhatIpsetPrintsSurvives(t *testing.T) {
	r := New([]byte("0123456789abcdef"))
	r.Seal()
	got := r.ipsetText(oddSets)
	for _, secret := range []string{"kunde", "ller", "Meier", "Herr", "Backup", "Frau", "Schulz", "secretly", "two", "words", "vethsecret", "acme", "vpn", "zeta", "corp", "offices", "203.0.113.7", "203.0.113.8", "203.0.113.9", "::77"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is in\n%s", secret, got)
		}
	}
	for _, kept := range []string{",icmp:echo-request\n", ",tcp:8443\n", " hash:net,iface family inet\n", " timeout 9 comment ", " nomatch\n", "\nMembers:\n", " family inet comment\n"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is gone from\n%s", kept, got)
		}
	}
}

func TestARuleAsksARedactedIPSetByItsNewName(t *testing.T) {
	r := New([]byte("0123456789abcdef"))
	r.Seal()
	for _, name := range []string{"kunde#müller", "q'secretly", "blocked"} {
		rule := r.ruleText("-A FORWARD -m set --match-set " + name + " src,dst -j DROP\n")
		words := strings.Fields(r.ipsetText("create " + name + " hash:ip\n"))
		if want := "-A FORWARD -m set --match-set " + words[1] + " src,dst -j DROP\n"; rule != want || words[1] == name {
			t.Errorf("%s is %s in the rule %s", name, words[1], rule)
		}
	}
}
