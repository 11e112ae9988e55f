package ruleset_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture/rules"
	"dnatrace/capture/rules/netfilter"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// ipsetKind is a type of sets, what one is made with, and how an entry of it is
// made up of addresses and ports near those of the packets.
type ipsetKind struct {
	name, options string
	ends          []string // ways to look it up
	v4only        bool
	entry         func(r *rand.Rand, v6 bool) string
}

// outer, inner and the like are addresses that packets of these tests have.
func outer(r *rand.Rand, v6 bool) string {
	if v6 {
		return fmt.Sprintf("2001:db8:2::%x", r.IntN(8))
	}
	return fmt.Sprintf("203.0.113.%d", r.IntN(8))
}

func inner(r *rand.Rand, v6 bool) string {
	if v6 {
		return fmt.Sprintf("fd00:17::%x", 2+r.IntN(4))
	}
	return fmt.Sprintf("172.17.0.%d", 2+r.IntN(4))
}

func either(r *rand.Rand, v6 bool) string {
	if r.IntN(2) == 0 {
		return inner(r, v6)
	}
	return outer(r, v6)
}

// net is a prefix around an address, or the address itself.
func netAround(r *rand.Rand, v6 bool, a string) string {
	bits := 29 + r.IntN(4)
	if v6 {
		bits += 96
	}
	p := netip.PrefixFrom(netip.MustParseAddr(a), bits).Masked()
	return p.String()
}

func portOf(r *rand.Rand) string {
	return []string{"tcp", "udp"}[r.IntN(2)] + ":" + fmt.Sprint(80+r.IntN(4))
}

func nomatch(r *rand.Rand) string { return []string{"", "", " nomatch"}[r.IntN(3)] }

var ipsetKinds = []ipsetKind{
	{"bitmap:ip", "range 203.0.113.0/24", []string{"src", "dst"}, true, outer},
	{"bitmap:ip", "range 203.0.113.0/24 netmask 30", []string{"src"}, true, func(r *rand.Rand, v6 bool) string {
		return fmt.Sprintf("203.0.113.%d", 4*r.IntN(2))
	}},
	{"bitmap:port", "range 0-1024", []string{"src", "dst"}, false, func(r *rand.Rand, _ bool) string { return fmt.Sprint(80 + r.IntN(4)) }},
	{"hash:ip", "", []string{"src", "dst"}, false, either},
	{"hash:ip", "timeout 900 counters comment", []string{"src", "dst,src"}, false, either},
	{"hash:ip", "netmask 30", []string{"src"}, true, outer},
	{"hash:ip,port", "", []string{"src,dst", "src,src", "dst,dst"}, false, func(r *rand.Rand, v6 bool) string { return either(r, v6) + "," + portOf(r) }},
	{"hash:ip,mark", "", []string{"src"}, false, func(r *rand.Rand, v6 bool) string { return either(r, v6) + "," + fmt.Sprint(r.IntN(2)) }},
	{"hash:ip,port,ip", "", []string{"src,dst,dst", "dst,dst,src"}, false, func(r *rand.Rand, v6 bool) string {
		return either(r, v6) + "," + portOf(r) + "," + either(r, v6)
	}},
	{"hash:ip,port,net", "", []string{"src,dst,dst"}, false, func(r *rand.Rand, v6 bool) string {
		return outer(r, v6) + "," + portOf(r) + "," + netAround(r, v6, inner(r, v6)) + nomatch(r)
	}},
	{"hash:net", "", []string{"src", "dst"}, false, func(r *rand.Rand, v6 bool) string { return netAround(r, v6, either(r, v6)) + nomatch(r) }},
	{"hash:net", "timeout 600", []string{"src"}, false, func(r *rand.Rand, v6 bool) string { return netAround(r, v6, either(r, v6)) + nomatch(r) }},
	{"hash:net,port", "", []string{"src,dst"}, false, func(r *rand.Rand, v6 bool) string {
		return netAround(r, v6, outer(r, v6)) + "," + portOf(r) + nomatch(r)
	}},
	{"hash:net,net", "", []string{"src,dst"}, false, func(r *rand.Rand, v6 bool) string {
		return netAround(r, v6, outer(r, v6)) + "," + netAround(r, v6, inner(r, v6)) + nomatch(r)
	}},
	{"hash:net,port,net", "", []string{"src,dst,dst"}, false, func(r *rand.Rand, v6 bool) string {
		return netAround(r, v6, outer(r, v6)) + "," + portOf(r) + "," + netAround(r, v6, inner(r, v6)) + nomatch(r)
	}},
	{"hash:net,iface", "", []string{"src,src", "src,dst"}, false, func(r *rand.Rand, v6 bool) string {
		return netAround(r, v6, outer(r, v6)) + "," + []string{"eth0", "docker0", "br-app"}[r.IntN(3)] + nomatch(r)
	}},
}

// makeIPSets makes two sets of each kind that the kernel knows, with random
// entries, and the rules that ask them, as iptables-restore takes them.
func makeIPSets(t *testing.T, r *rand.Rand, v6 bool) (restore string, kinds int) {
	t.Helper()
	if _, err := exec.LookPath("ipset"); err != nil {
		t.Skip("needs ipset: install ipset")
	}
	var lines []string
	rule := func(chain, match string) { lines = append(lines, "-A "+chain+" -m set "+match) }
	family, made := map[bool]string{false: " family inet", true: " family inet6"}[v6], []string{}
	for i, k := range ipsetKinds {
		if k.v4only && v6 {
			continue
		}
		name := fmt.Sprintf("s%d", i)
		options := k.options
		if strings.HasPrefix(k.name, "hash:") {
			options = family + " " + options
		}
		args := strings.Fields("create " + name + " " + k.name + " " + options)
		if out, err := exec.Command("ipset", args...).CombinedOutput(); err != nil {
			t.Logf("not in this kernel: %s: %s", k.name, strings.TrimSpace(string(out)))
			continue
		}
		kinds++
		for range 6 {
			run(t, "", "ipset", strings.Fields("-exist add "+name+" "+k.entry(r, v6))...)
		}
		if len(k.ends[0]) == 3 && k.name != "bitmap:port" {
			made = append(made, name)
		}
		for _, ends := range k.ends {
			rule("FORWARD", "--match-set "+name+" "+ends)
			rule("PREROUTING", "! --match-set "+name+" "+ends)
			if strings.Contains(k.name, "net") {
				rule("FORWARD", "--match-set "+name+" "+ends+" --return-nomatch")
			}
		}
	}
	run(t, "", "ipset", "create", "all", "list:set")
	for _, name := range made[:min(3, len(made))] {
		run(t, "", "ipset", "add", "all", name)
	}
	rule("FORWARD", "--match-set all src")
	rule("FORWARD", "! --match-set all dst --return-nomatch")
	rule("FORWARD", "--match-set s3 src ! --update-counters")
	run(t, "", "ipset", "create", "other-family", "hash:ip", "family", map[bool]string{true: "inet", false: "inet6"}[v6])
	return "*mangle\n" + strings.Join(lines, "\n") + "\nCOMMIT\n", kinds + 1
}

// ipsetPackets are random packets of which many are in some sets.
func ipsetPackets(r *rand.Rand, v6 bool, n int) (list []ruleset.Packet) {
	for i := range n {
		p := ruleset.Packet{IIF: "eth0", Length: 40, TTL: 64, TCPFlags: 2, AddrType: ruleset.LocalAddrs(hostAddrs...), Route: func(a netip.Addr) (string, bool) { return oif(a), true }}
		p.Tuple = decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr(outer(r, v6))), Dst: decode.IPFrom(netip.MustParseAddr(inner(r, v6))),
			SrcPort: uint16(42000 + i), DstPort: uint16(80 + r.IntN(4)), Proto: decode.TCP}
		if r.IntN(3) == 0 {
			p.Tuple.Proto, p.TCPFlags, p.Length = decode.UDP, 0, 28
		}
		if v6 {
			p.Length += 20
		}
		list = append(list, p)
	}
	return list
}

// recordedNow is everything that is read of the namespace now, text aside.
func recordedNow(t *testing.T) (out []rules.Ruleset) {
	t.Helper()
	sets, err := netfilter.Read("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		if s.Error != "" {
			t.Fatalf("%s: %s", s.Backend, s.Error)
		}
		if !strings.HasSuffix(s.Backend, "-save") && s.Backend != "nft-text" {
			out = append(out, s)
		}
	}
	return out
}

func TestTheKernelAndTheEvaluationFindTheSameInIPSets(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[v6], func(t *testing.T) {
			router(t)
			r := rand.New(rand.NewPCG(7, 11))
			restore, kinds := makeIPSets(t, r, v6)
			run(t, restore, map[bool]string{false: "iptables-nft-restore", true: "ip6tables-nft-restore"}[v6])
			dumps := recordedNow(t)
			set := parseDumps(t, dumps...)
			trace := listen(t)
			matched := 0
			for batch := range slices.Chunk(ipsetPackets(r, v6, 120), 15) {
				for _, p := range batch {
					send(t, p)
				}
				seen := trace(t)
				for _, p := range batch {
					o := set.Evaluate(p)
					if !o.Certain() {
						t.Errorf("%s: %q", p.Tuple, o.Unknown)
					}
					matched += len(o.Steps)
					if d := cmp.Diff(seen[p.Tuple.SrcPort], evaluated(o)); d != "" {
						t.Errorf("%s (-kernel +evaluation):\n%s", p.Tuple, named(set, d))
					}
				}
			}
			t.Logf("%d types, %d rules matched", kinds, matched)
			if kinds < 5 || matched < 500 {
				t.Error("too little was looked at")
			}
		})
	}
}

// named adds the texts of rules to their handles.
func named(s *ruleset.Set, diff string) string {
	for _, r := range s.Rules() {
		diff = strings.ReplaceAll(diff, fmt.Sprintf("%s %d\"", r.Chain, r.Handle), fmt.Sprintf("%s %d: %s\"", r.Chain, r.Handle, r.Text))
	}
	return diff
}

func TestLegacyTablesCountWhatTheEvaluationFindsInIPSets(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[v6], func(t *testing.T) {
			router(t)
			r := rand.New(rand.NewPCG(3, 5))
			restore, _ := makeIPSets(t, r, v6)
			file := t.TempDir() + "/rules" + map[bool]string{false: "4", true: "6"}[v6]
			run(t, restore, "tee", file)
			installLegacy(t, file)
			run(t, "table inet mute { chain output { type filter hook output priority -500; policy drop; }; }\n", "nft", "-f", "-")
			set := parseDumps(t, recordedNow(t)...)
			before, _ := counts(t)
			want := map[string]uint64{}
			for _, p := range ipsetPackets(r, v6, 60) {
				o := set.Evaluate(p)
				if !o.Certain() {
					t.Errorf("%s: %q", p.Tuple, o.Unknown)
				}
				for _, s := range o.Steps {
					if !s.Rule.Policy && s.Rule.Backend == ruleset.Legacy {
						want[fmt.Sprintf("%s %s %d", s.Rule.Table, s.Rule.Chain, s.Rule.Number)]++
					}
				}
				send(t, p)
			}
			got := map[string]uint64{}
			for place, n := range settled(t) {
				place, _, _ = strings.Cut(place, ":")
				got[place] = n
			}
			for place, n := range before {
				place, _, _ = strings.Cut(place, ":")
				if got[place] -= n; got[place] == 0 {
					delete(got, place)
				}
			}
			if d := cmp.Diff(want, got); d != "" || len(want) < 10 {
				t.Errorf("of %d rules (-evaluation +counters):\n%s", len(want), d)
			}
		})
	}
}

func TestRulesThatAskIPSetsReadAsIptablesPrintsThem(t *testing.T) {
	router(t)
	restore, _ := makeIPSets(t, rand.New(rand.NewPCG(1, 2)), false)
	more := strings.Replace(restore, "COMMIT", strings.Join([]string{
		"-A PREROUTING -m set --match-set s3 src --return-nomatch ! --update-counters ! --update-subcounters --packets-gt 5 ! --bytes-eq 7",
		"-A PREROUTING -p tcp -m set ! --match-set s6 src,dst -j SET --add-set s3 src --exist --timeout 60",
		"-A PREROUTING -j SET --del-set s6 dst,dst",
		"-A FORWARD -m set --match-set s3 dst --bytes-lt 100 -j SET --map-set s3 src --map-mark --map-prio",
		"COMMIT"}, "\n"), 1)
	run(t, more, "iptables-nft-restore")
	printed := run(t, "", "iptables-nft-save", "-t", "mangle")
	var want, got []string
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, "-A ") {
			want = append(want, strings.TrimSpace(line))
		}
	}
	set := parseDumps(t, recordedNow(t)...)
	for _, r := range set.Rules() {
		got = append(got, r.Text)
	}
	text := parseDumps(t, rules.Ruleset{Backend: "iptables-save", Data: []byte(printed)}, rules.Ruleset{Backend: "ipset-text", Data: []byte(run(t, "", "ipset", "save"))})
	for _, s := range []struct {
		from string
		got  []string
	}{{"netlink", got}, {"text", texts(text)}} {
		slices.Sort(want)
		slices.Sort(s.got)
		if d := cmp.Diff(want, s.got); d != "" {
			t.Errorf("%s (-iptables +ours):\n%s", s.from, d)
		}
	}
}

func texts(s *ruleset.Set) (out []string) {
	s.Rendered(func(_, _, rendered string) { out = append(out, rendered) })
	return out
}

func TestIPSetsReadTheSameFromNetlinkAndText(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		router(t)
		makeIPSets(t, rand.New(rand.NewPCG(9, 9)), v6)
		run(t, "", "ipset", "add", "s4", map[bool]string{false: "198.51.100.9", true: "2001:db8::9"}[v6], "comment", "a b c", "timeout", "30")
		var raw []decode.IPSet
		for _, d := range recordedNow(t) {
			if d.Backend == "ipset" {
				var err error
				if raw, err = decode.ParseIPSets(d.Data); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := ruleset.IPSetLines(raw)
		for _, program := range [][]string{{"save"}, {"list"}} {
			sets, err := ruleset.ParseIPSets([]byte(run(t, "", "ipset", program...)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, ruleset.IPSetLines(sets)); d != "" || len(want) < 30 {
				t.Errorf("ipset %s (-netlink +text):\n%s", program[0], d)
			}
		}
	}
}
