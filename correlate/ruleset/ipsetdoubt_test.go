package ruleset_test

import (
	"strings"
	"testing"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

func TestWhatMayDecideOtherwiseInAnIPSetIsSaid(t *testing.T) {
	const terse = "Name: s\nType: hash:ip\nRevision: 6\nHeader: family inet hashsize 1024 maxelem 65536\nSize in memory: 300\nReferences: 1\nNumber of entries: 1\n"
	for _, c := range []struct{ name, rules, sets, unknown string }{
		{"an exception whose counters do not count leaves it to the network around it", "-A FORWARD -m set --match-set s src --packets-gt 5 -j DROP",
			"create s hash:net family inet counters\nadd s 203.0.113.0/24 packets 9 bytes 9\nadd s 203.0.113.0/28 packets 0 bytes 0 nomatch", "counters"},
		{"also in a member of a list", "-A FORWARD -m set --match-set l src --packets-gt 5 -j DROP",
			"create s hash:net family inet counters\nadd s 203.0.113.0/24 packets 9 bytes 9\nadd s 203.0.113.0/28 packets 0 bytes 0 nomatch\ncreate l list:set\nadd l s", "counters"},
		{"what is added to a list is added to its members", "-A FORWARD -j SET --add-set l src\n-A FORWARD -m set --match-set s src -j DROP",
			"create s hash:ip family inet\ncreate l list:set\nadd l s", "rules change"},
		{"an exception may be deleted by a rule", "-A FORWARD -j SET --del-set s src\n-A FORWARD -m set ! --match-set s src -j DROP",
			"create s hash:net family inet\nadd s 203.0.113.0/24\nadd s 203.0.113.7/32 nomatch", "rules change"},
		{"a network added for one interface hides the wider one", "-A FORWARD -j SET --add-set s src,dst\n-A FORWARD -m set --match-set s src,src -j DROP",
			"create s hash:net,iface family inet\nadd s 203.0.113.0/24,eth0", "rules change"},
		{"ipset list -terse prints no entries", "-A FORWARD -m set ! --match-set s src -j DROP", terse, "1 entries of ipset s were not recorded"},
		{"also of sets said to be empty", "-A FORWARD -m set ! --match-set s src -j DROP", strings.Replace(terse, "entries: 1", "entries: 0", 1), "not known"},
		{"nor does a text that was cut", "-A FORWARD -m set ! --match-set s src -j DROP", strings.Replace(terse, "entries: 1", "entries: 3", 1) + "Members:\n192.0.2.1\n", "3 entries of ipset s were not recorded"},
		{"two dumps say two things", "-A FORWARD -m set ! --match-set s src -j DROP", "create s hash:ip family inet\nadd s 203.0.113.7\ncreate s hash:ip family inet", "not known"},
		{"a line that was cut may have had it", "-A FORWARD -m set ! --match-set s src -j DROP", "create s hash:ip family inet comment\nadd s 203.0.113.7 comment \"half", "not known"},
		{"also one cut before it", "-A FORWARD -m set ! --match-set s src -j DROP", "create s hash:ip family inet\nadd s", "not known"},
		{"three addresses are nobody's type", "-A FORWARD -m set ! --match-set s src,dst,dst -j DROP", "create s hash:ip,ip,ip family inet", "not evaluated"},
		{"nor four networks", "-A FORWARD -m set ! --match-set s src,dst,dst,src -j DROP", "create s hash:net,net,net,net family inet", "not evaluated"},
	} {
		save := "*filter\n:FORWARD ACCEPT [0:0]\n" + c.rules + "\nCOMMIT\n"
		set, _ := ruleset.Parse([]rules.Ruleset{{Backend: "iptables-save", Data: []byte(save)}, {Backend: "ipset-text", Data: []byte(c.sets)}})
		if o := set.Evaluate(client()); o.Certain() || !strings.Contains(strings.Join(o.Unknown, " "), c.unknown) {
			t.Errorf("%s: %v, unknown %q", c.name, o.Verdict, o.Unknown)
		}
	}
}

func TestTwoDumpsThatSayTheSameOfAnIPSetAreOne(t *testing.T) {
	const save = "create s hash:ip family inet timeout 60\nadd s 203.0.113.7 timeout 50\nadd s 203.0.113.8 timeout 50\n"
	const list = "Name: s\nType: hash:ip\nHeader: family inet hashsize 1024 maxelem 65536 timeout 60\nNumber of entries: 2\nMembers:\n203.0.113.8 timeout 48\n203.0.113.7 timeout 48\n"
	if o := asks(t, "--match-set s src", save, list).Evaluate(client()); o.Verdict != ruleset.Dropped || !o.Certain() {
		t.Errorf("%v, unknown %q", o.Verdict, o.Unknown)
	}
}

func TestASetMadeAnewUnderItsNameIsAnother(t *testing.T) {
	const text = "create s hash:ip\nadd s 203.0.113.7\n"
	numbered := func(index byte) rules.Ruleset {
		b := ipsetDump(text)
		m := append(make([]byte, 4), 14, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0)
		m = append(m, 6, 0, 2, 0, 's', 0, 0, 0, 6, 0, 11, 0x40, 0, index, 0, 0)
		m[0] = byte(len(m))
		return rules.Ruleset{Backend: "ipset", Data: append(b, m...)}
	}
	save := rules.Ruleset{Backend: "iptables-save", Data: []byte("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m set --match-set s src -j DROP\nCOMMIT\n")}
	for _, c := range []struct {
		later byte
		want  ruleset.Verdict
	}{{3, ruleset.Dropped}, {4, ruleset.Unclear}} {
		if o := parseDumps(t, numbered(3), numbered(c.later), save).Evaluate(client()); o.Verdict != c.want {
			t.Errorf("number 3, then %d: %v, unknown %q", c.later, o.Verdict, o.Unknown)
		}
	}
}

func TestASetOfWhichMessagesAreMissingIsAbsent(t *testing.T) {
	sets, err := decode.ParseIPSets(ipsetDump("create s hash:ip\nadd s 203.0.113.7\n"))
	if err != nil || len(sets) != 1 || sets[0].Absent {
		t.Fatalf("%+v, %v", sets, err)
	}
	if s := (decode.IPSet{Count: 2, Entries: sets[0].Entries}); !s.Short() {
		t.Error("one entry of two is all")
	}
	if s := (decode.IPSet{Count: 2, Entries: sets[0].Entries, Timeouts: true}); s.Short() {
		t.Error("one of two entries may have gone away")
	}
}
