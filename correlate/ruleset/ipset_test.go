package ruleset_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// asks is a ruleset that drops what the match set says, and the sets as text.
func asks(t *testing.T, match string, sets ...string) *ruleset.Set {
	t.Helper()
	save := "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -m set " + match + " -j DROP\nCOMMIT\n"
	return parseDumps(t, rules.Ruleset{Backend: "iptables-save", Data: []byte(save)},
		rules.Ruleset{Backend: "ipset-text", Data: []byte(strings.Join(sets, "\n"))})
}

// client is the first packet of 203.0.113.7:41000 to 172.17.0.2:80.
func client() ruleset.Packet {
	p := ruleset.Packet{IIF: "eth0", OIF: "docker0", TCPFlags: 2, AddrType: ruleset.LocalAddrs(hostsOwn)}
	p.Tuple = decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr("203.0.113.7")), Dst: decode.IPFrom(netip.MustParseAddr("172.17.0.2")), SrcPort: 41000, DstPort: 80, Proto: decode.TCP}
	return p
}

var hostsOwn = netip.MustParseAddr("198.51.100.1")

func TestAPacketIsLookedUpInEveryTypeOfIPSet(t *testing.T) {
	const drop, pass = ruleset.Dropped, ruleset.Passed
	ping := func(p *ruleset.Packet) {
		p.Tuple.Proto, p.Tuple.SrcPort, p.Tuple.DstPort, p.ICMP, p.TCPFlags = decode.ICMP, 9, 9, &ruleset.ICMP{Type: 8}, 0
	}
	marked := func(p *ruleset.Packet) { p.Mark = 0x12 }
	for _, c := range []struct {
		name, match string
		sets        []string
		with        func(*ruleset.Packet)
		want        ruleset.Verdict
		unknown     string
		entry       string
	}{
		{"hash:ip has the source", "--match-set s src", []string{"create s hash:ip family inet", "add s 203.0.113.7"}, nil, drop, "", "203.0.113.7"},
		{"and not the destination", "--match-set s dst", []string{"create s hash:ip family inet", "add s 203.0.113.7"}, nil, pass, "", ""},
		{"of two networks the more specific one decides", "--match-set s src", []string{"create s hash:net family inet", "add s 203.0.113.0/24", "add s 203.0.113.0/28 nomatch"}, nil, pass, "", ""},
		{"unless only exceptions are asked for", "--match-set s src --return-nomatch", []string{"create s hash:net family inet", "add s 203.0.113.0/24", "add s 203.0.113.0/28 nomatch"}, nil, drop, "", "203.0.113.0/28"},
		{"hash:net,net, by the longer first network, then the second", "--match-set s src,dst",
			[]string{"create s hash:net,net family inet", "add s 203.0.113.0/28,172.17.0.0/16", "add s 203.0.113.0/24,172.17.0.2 nomatch"}, nil, drop, "", "203.0.113.0/28,172.17.0.0/16"},
		{"hash:net,port,net needs all three", "--match-set s src,dst,dst", []string{"create s hash:net,port,net family inet", "add s 203.0.113.0/24,tcp:80,172.17.0.0/16"}, nil, drop, "", "203.0.113.0/24,tcp:80,172.17.0.0/16"},
		{"another protocol's port is another", "--match-set s src,dst,dst", []string{"create s hash:net,port,net family inet", "add s 203.0.113.0/24,udp:80,172.17.0.0/16"}, nil, pass, "", ""},
		{"hash:ip,mark", "--match-set s src,dst", []string{"create s hash:ip,mark family inet markmask 0xff", "add s 203.0.113.7,0x00000012"}, marked, drop, "", "203.0.113.7,0x00000012"},
		{"and without the mark", "--match-set s src,dst", []string{"create s hash:ip,mark family inet markmask 0xff", "add s 203.0.113.7,0x00000012"}, nil, pass, "", ""},
		{"an ICMP message is looked up by its type", "--match-set s src,dst", []string{"create s hash:ip,port family inet", "add s 203.0.113.7,icmp:echo-request"}, ping, drop, "", "203.0.113.7,icmp:8/0"},
		{"a comment with a backslash at its end", "--match-set s src", []string{"create s hash:ip family inet comment", `add s 203.0.113.7 comment "C:\"`}, nil, drop, "", "203.0.113.7"},
		{"a protocol by its name", "--match-set s src,dst", []string{"create s hash:ip,port family inet", "add s 203.0.113.9,gre:0", "add s 203.0.113.7,tcp:80"}, nil, drop, "", "203.0.113.7,tcp:80"},
		{"hash:mac cannot be told", "--match-set s src", []string{"create s hash:mac", "add s 02:00:00:00:00:01"}, nil, ruleset.Unclear, "MAC", ""},
		{"an empty one can", "--match-set s src", []string{"create s hash:mac"}, nil, pass, "", ""},
		{"hash:ip,mac has another address", "--match-set s src,src", []string{"create s hash:ip,mac family inet", "add s 203.0.113.8,02:00:00:00:00:01"}, nil, pass, "", ""},
		{"hash:ip,mac has the address", "--match-set s src,src", []string{"create s hash:ip,mac family inet", "add s 203.0.113.7,02:00:00:00:00:01"}, nil, ruleset.Unclear, "MAC", ""},
		{"a port of a bridge cannot be told", "--match-set s src,src", []string{"create s hash:net,iface family inet", "add s 203.0.113.0/24,physdev:veth1"}, nil, ruleset.Unclear, "port of the bridge", ""},
		{"the beginning of an interface's name", "--match-set s src,src", []string{"create s hash:net,iface family inet", "add s 203.0.113.0/24,eth wildcard"}, nil, drop, "", "203.0.113.0/24,eth"},
		{"a list has what a member has", "--match-set l src", []string{"create s hash:net family inet", "add s 203.0.113.0/24", "create l list:set", "add l s"}, nil, drop, "", "203.0.113.0/24"},
		{"a list of what is not known", "--match-set l src", []string{"create l list:set", "add l s"}, nil, ruleset.Unclear, "s is not known", ""},
		{"sets of the other family hold nothing", "! --match-set s src", []string{"create s hash:ip family inet6", "add s 2001:db8::1"}, nil, drop, "", ""},
		{"counters decide, too", "--match-set s src --packets-gt 5", []string{"create s hash:ip family inet counters", "add s 203.0.113.7 packets 3 bytes 180"}, nil, ruleset.Unclear, "counters", ""},
		{"unless it is not in the set", "--match-set s dst --packets-gt 5", []string{"create s hash:ip family inet counters", "add s 203.0.113.7 packets 3 bytes 180"}, nil, pass, "", ""},
		{"no set of that name was dumped", "--match-set other src", []string{"create s hash:ip family inet"}, nil, ruleset.Unclear, "ipset other is not known", ""},
		{"a type of the future", "--match-set s src,src", []string{"create s hash:ip,phase family inet", "add s 203.0.113.7,full"}, nil, ruleset.Unclear, "not evaluated", ""},
	} {
		text := strings.Join(c.sets, "\n")
		var dumps []rules.Ruleset
		save := "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m set " + c.match + " -j DROP\nCOMMIT\n"
		dumps = append(dumps, rules.Ruleset{Backend: "iptables-save", Data: []byte(save)}, rules.Ruleset{Backend: "ipset-text", Data: []byte(text)})
		set, _ := ruleset.Parse(dumps) // what cannot be read is to be unknown
		p := client()
		if c.with != nil {
			c.with(&p)
		}
		o := set.Evaluate(p)
		entry := ""
		for _, l := range o.Lookups() {
			entry = l.Entry
		}
		if o.Verdict != c.want || !strings.Contains(strings.Join(o.Unknown, " "), c.unknown) || (c.unknown == "") != o.Certain() || o.Certain() && entry != c.entry {
			t.Errorf("%s: %v, unknown %q, entry %q", c.name, o.Verdict, o.Unknown, entry)
		}
	}
}

func TestALookupSaysWhatToChange(t *testing.T) {
	for _, c := range []struct {
		name, match string
		sets        []string
		want        ruleset.Lookup
	}{
		{"an entry for some time", "--match-set f2b-web src", []string{"create f2b-web hash:ip family inet timeout 600", "add f2b-web 203.0.113.7 timeout 590"},
			ruleset.Lookup{IPSet: true, Set: "f2b-web", Entry: "203.0.113.7", Timeout: 590, Owner: "fail2ban"}},
		{"an entry that is missing", "! --match-set allowed src,dst", []string{"create allowed hash:ip,port family inet"},
			ruleset.Lookup{IPSet: true, Set: "allowed", Lacks: "203.0.113.7,tcp:80", Not: true}},
		{"a source that is missing among networks and interfaces", "! --match-set allowed src,src", []string{"create allowed hash:net,iface family inet"},
			ruleset.Lookup{IPSet: true, Set: "allowed", Lacks: "203.0.113.7,eth0", Not: true}},
		{"an entry that is missing among some for a time", "! --match-set allowed src", []string{"create allowed hash:ip family inet timeout 60"},
			ruleset.Lookup{IPSet: true, Set: "allowed", Lacks: "203.0.113.7", Passing: true, Not: true}},
		{"an exception", "! --match-set allowed src", []string{"create allowed hash:net family inet", "add allowed 203.0.113.0/24", "add allowed 203.0.113.7 nomatch"},
			ruleset.Lookup{IPSet: true, Set: "allowed", Entry: "203.0.113.7", NoMatch: true, Not: true}},
		{"an entry of a list's member", "--match-set all src", []string{"create bad hash:net family inet", "add bad 203.0.113.0/24", "create all list:set", "add all bad"},
			ruleset.Lookup{IPSet: true, Set: "bad", List: "all", Entry: "203.0.113.0/24"}},
		{"an address, and the network around it", "--match-set s src", []string{"create s hash:net", "add s 203.0.113.0/24", "add s 203.0.113.7"},
			ruleset.Lookup{IPSet: true, Set: "s", Entry: "203.0.113.7", Also: []ruleset.Lookup{{IPSet: true, Set: "s", Entry: "203.0.113.0/24"}}}},
		{"entries of two members of a list", "--match-set all src", []string{"create a hash:ip", "add a 203.0.113.7", "create b hash:net", "add b 203.0.113.0/24", "create all list:set", "add all a", "add all b"},
			ruleset.Lookup{IPSet: true, Set: "a", List: "all", Entry: "203.0.113.7", Also: []ruleset.Lookup{{IPSet: true, Set: "b", List: "all", Entry: "203.0.113.0/24"}}}},
		{"an exception from nothing", "! --match-set allowed src", []string{"create allowed hash:net", "add allowed 203.0.113.7 nomatch"},
			ruleset.Lookup{IPSet: true, Set: "allowed", Entry: "203.0.113.7", NoMatch: true, Not: true, Lacks: "203.0.113.7"}},
		{"a bitmap that cannot hold the address", "! --match-set lan src", []string{"create lan bitmap:ip range 10.0.0.0-10.0.0.255"},
			ruleset.Lookup{IPSet: true, Set: "lan", Not: true}},
		{"a bitmap that can", "! --match-set lan src", []string{"create lan bitmap:ip range 203.0.113.0-203.0.113.255"},
			ruleset.Lookup{IPSet: true, Set: "lan", Not: true, Lacks: "203.0.113.7"}},
		{"a bitmap that cannot hold the port", "! --match-set ports dst", []string{"create ports bitmap:port range 1024-65535"},
			ruleset.Lookup{IPSet: true, Set: "ports", Not: true}},
		{"more networks than anybody would take out one by one", "--match-set s src", []string{"create s hash:net", "add s 203.0.113.0/24", "add s 203.0.112.0/23", "add s 203.0.112.0/22",
			"add s 203.0.112.0/21", "add s 203.0.112.0/20", "add s 203.0.96.0/19", "add s 203.0.64.0/18", "add s 203.0.0.0/17", "add s 203.0.0.0/16"},
			ruleset.Lookup{IPSet: true, Set: "s", Entry: "203.0.113.0/24", Stays: true, Also: []ruleset.Lookup{{IPSet: true, Set: "s", Entry: "203.0.112.0/23"}, {IPSet: true, Set: "s", Entry: "203.0.112.0/22"},
				{IPSet: true, Set: "s", Entry: "203.0.112.0/21"}, {IPSet: true, Set: "s", Entry: "203.0.112.0/20"}, {IPSet: true, Set: "s", Entry: "203.0.96.0/19"}, {IPSet: true, Set: "s", Entry: "203.0.64.0/18"}, {IPSet: true, Set: "s", Entry: "203.0.0.0/17"}}}},
		{"a missing member of a list is for somebody to choose", "! --match-set all src", []string{"create all list:set"},
			ruleset.Lookup{IPSet: true, Set: "all", Not: true}},
	} {
		o := asks(t, c.match, c.sets...).Evaluate(client())
		if d := cmp.Diff([]ruleset.Lookup{c.want}, o.Lookups()); d != "" {
			t.Errorf("%s: %v, unknown %q\n%s", c.name, o.Verdict, o.Unknown, d)
		}
	}
}

func TestAnEntryIsCertainWhileItLasts(t *testing.T) {
	const with, without = "create s hash:ip family inet timeout 60\nadd s 203.0.113.7 timeout 50\n", "create s hash:ip family inet timeout 60\n"
	rule := "-A FORWARD -m set --match-set s src -j DROP\n"
	raw := func(text string) rules.Ruleset { return rules.Ruleset{Backend: "ipset", Data: ipsetDump(text)} }
	for _, c := range []struct {
		name  string
		rules string
		sets  []rules.Ruleset
		age   time.Duration
		want  ruleset.Verdict
	}{
		{"it had time left", rule, []rules.Ruleset{raw(with)}, 10 * time.Second, ruleset.Dropped},
		{"its time was over", rule, []rules.Ruleset{raw(with)}, 55 * time.Second, ruleset.Unclear},
		{"it was there before and after", rule, []rules.Ruleset{raw(with), raw(with)}, 55 * time.Second, ruleset.Dropped},
		{"it was there before alone", rule, []rules.Ruleset{raw(with), raw(without)}, 10 * time.Second, ruleset.Unclear},
		{"it was there after alone", rule, []rules.Ruleset{raw(without), raw(with)}, 10 * time.Second, ruleset.Unclear},
		{"the set was gone after", rule, []rules.Ruleset{raw(with), {Backend: "ipset"}}, 10 * time.Second, ruleset.Unclear},
		{"it was never there", rule, []rules.Ruleset{raw(without), raw(without)}, 10 * time.Second, ruleset.Passed},
		{"a rule may have added it", "-A FORWARD -p udp -j SET --add-set s src\n" + rule, []rules.Ruleset{raw(without)}, 0, ruleset.Unclear},
		{"a rule may have added another", "-A FORWARD -p udp -j SET --add-set s src\n" + rule, []rules.Ruleset{raw(with)}, 0, ruleset.Dropped},
		{"a rule may have deleted it", "-A FORWARD -p udp -j SET --del-set s src\n" + rule, []rules.Ruleset{raw(with)}, 0, ruleset.Unclear},
		{"ipset could not be read", rule, []rules.Ruleset{{Backend: "ipset", Error: "operation not permitted"}}, 0, ruleset.Unclear},
	} {
		save := rules.Ruleset{Backend: "iptables-save", Data: []byte("*filter\n:FORWARD ACCEPT [0:0]\n" + c.rules + "COMMIT\n")}
		p := client()
		p.Age = c.age
		if o := parseDumps(t, append(c.sets, save)...).Evaluate(p); o.Verdict != c.want || o.Certain() != (c.want != ruleset.Unclear) {
			t.Errorf("%s: %v, unknown %q", c.name, o.Verdict, o.Unknown)
		}
	}
}

func TestIPSetThatCannotBeReadCostsItsOwnRulesAlone(t *testing.T) {
	save := rules.Ruleset{Backend: "iptables-save", Data: []byte("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n")}
	if o := parseDumps(t, save, rules.Ruleset{Backend: "ipset", Error: "operation not permitted"}).Evaluate(client()); o.Verdict != ruleset.Dropped || !o.Certain() {
		t.Errorf("%v, unknown %q", o.Verdict, o.Unknown)
	}
}

// ipsetDump is what the kernel sends of sets of addresses, little-endian, made of
// what ipset prints.
func ipsetDump(text string) (b []byte) {
	attr := func(kind byte, flags byte, v ...byte) []byte {
		a := append([]byte{byte(4 + len(v)), 0, kind, flags}, v...)
		for len(a)%4 != 0 {
			a = append(a, 0)
		}
		return a
	}
	message := func(attrs ...[]byte) {
		m := append(make([]byte, 4), 7, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0)
		for _, a := range attrs {
			m = append(m, a...)
		}
		m[0], m[1] = byte(len(m)), byte(len(m)>>8)
		b = append(b, m...)
	}
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		name := attr(2, 0, append([]byte(w[1]), 0)...)
		if w[0] == "create" {
			message(name, attr(3, 0, append([]byte(w[2]), 0)...), attr(5, 0, 2), attr(7, 0x80), attr(8, 0x80))
			continue
		}
		a := netip.MustParseAddr(w[2]).As4()
		entry := append(attr(1, 0x80, attr(1, 0x40, a[:]...)...), attr(6, 0x40, 0, 0, 0, 50)...)
		message(name, attr(8, 0x80, attr(7, 0x80, entry...)...))
	}
	return b
}
