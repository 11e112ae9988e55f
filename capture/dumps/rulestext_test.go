package dumps

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rulesOf are the rules of every table that was read, as iptables-save would print them.
func rulesOf(t *testing.T, text string) (rules []string, missing string) {
	t.Helper()
	s := &Set{}
	if _, err := s.Add("", []byte(text)); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.place("").tableSets() {
		missing += r.err
		for line := range strings.Lines(string(r.text)) {
			rules = append(rules, strings.TrimSpace(line))
		}
	}
	return rules, missing
}

// TestIPTablesListsAreReadAsRules has the tables of one host as iptables -S and as
// iptables -L -n -v printed them.
func TestIPTablesListsAreReadAsRules(t *testing.T) {
	specs, missing := rulesOf(t, file(t, "specs.txt"))
	if !strings.Contains(missing, "mangle") || strings.Contains(missing, "nat") {
		t.Errorf("missing: %q", missing)
	}
	listed, missing := rulesOf(t, file(t, "listing.txt"))
	if !strings.Contains(missing, "mangle") || strings.Contains(missing, "raw") {
		t.Errorf("missing: %q", missing)
	}
	if len(specs) < 40 {
		t.Errorf("only %d lines", len(specs))
	}
	if d := cmp.Diff(specs, listed); d != "" {
		t.Errorf("-L is read otherwise than -S (-S +L):\n%s", d)
	}
}

func TestTheCommandSaysWhichTableAndFamily(t *testing.T) {
	s := read(t, "root@host:~# ip6tables -t mangle -S FORWARD\n-P FORWARD ACCEPT\n-A FORWARD -o eth0 -j DROP\n")
	sets := s.place("").tableSets()
	if len(sets) != 2 || sets[0].backend != "ip6tables-save" || !strings.HasPrefix(string(sets[0].text), "*mangle\n") {
		t.Errorf("got %+v", sets)
	}
}

func TestAListWithoutInterfacesIsNoEvidence(t *testing.T) {
	text := "Chain INPUT (policy ACCEPT)\ntarget     prot opt source               destination         \nACCEPT     all  --  0.0.0.0/0            0.0.0.0/0           \n"
	s := &Set{}
	if _, err := s.Add("", []byte(text)); err == nil || !strings.Contains(err.Error(), "iptables-save") {
		t.Errorf("err = %v", err)
	}
	if len(s.place("").tables) > 0 {
		t.Error("a rule for an interface that is not printed would be taken for one for all")
	}
}

func TestARuleThatIsNotUnderstoodIsKeptAsSuch(t *testing.T) {
	rules, _ := rulesOf(t, "Chain INPUT (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target     prot opt in     out     source               destination         \n    0     0 DROP       0    --  *      *       0.0.0.0/0            0.0.0.0/0            u32 \"0x0=0x0\"\n")
	if len(rules) < 3 || !strings.Contains(rules[2], "[as iptables -L prints it") {
		t.Errorf("got %q", rules)
	}
}

// TestRulesInJSONAreTheSameAsText holds what nft -j printed of a ruleset against what nft
// printed of it.
func TestRulesInJSONAreTheSameAsText(t *testing.T) {
	got, err := nftFromJSON([]byte(file(t, "ruleset.json")))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plainNFT(file(t, "ruleset.txt")), plainNFT(string(got))); d != "" {
		t.Errorf("(-text +JSON):\n%s", d)
	}
}

// spellings are what the two forms write differently.
var spellings = strings.NewReplacer("0x00000001", "1", "0x00000002", "2", "0x00000005", "5", "0x0000ff00", "65280", "0x00000100", "256",
	"priority filter;", "priority 0;", "priority mangle + 5;", "priority -145;", "priority dstnat;", "priority -100;", "priority srcnat;", "priority 100;", "priority raw;", "priority -300;",
	" burst 5 packets", "")

var handleText = regexp.MustCompile(` # handle \d+$`)

func plainNFT(text string) (out []string) {
	for line := range strings.Lines(text) {
		line = handleText.ReplaceAllString(strings.TrimSpace(line), "")
		if line = spellings.Replace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func TestWhatHasNoWordsIsNotUnderstood(t *testing.T) {
	got, err := nftFromJSON([]byte(`{"nftables":[{"table":{"family":"ip","name":"t","handle":1}},{"chain":{"family":"ip","table":"t","name":"c","handle":1}},{"rule":{"family":"ip","table":"t","chain":"c","handle":2,"expr":[{"xt":{"type":"target","name":"DNAT"}}]}}]}`))
	if err != nil || !strings.Contains(string(got), `[xt {"type":"target","name":"DNAT"}]`) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestConnectionsInOtherForms(t *testing.T) {
	const want = "tcp 6 src=198.51.100.100 dst=198.51.100.1 sport=40000 dport=8080 src=172.17.0.2 dst=198.51.100.100 sport=80 dport=40000"
	for name, text := range map[string]string{
		"events": "    [NEW] tcp      6 120 SYN_SENT src=198.51.100.100 dst=198.51.100.1 sport=40000 dport=8080 [UNREPLIED] src=172.17.0.2 dst=198.51.100.100 sport=80 dport=40000\n" +
			" [UPDATE] tcp      6 60 SYN_RECV src=198.51.100.100 dst=198.51.100.1 sport=40000 dport=8080 src=172.17.0.2 dst=198.51.100.100 sport=80 dport=40000\n",
		"events with time": "[1740830400.123456]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=198.51.100.100 dst=198.51.100.1 sport=40000 dport=8080 [UNREPLIED] src=172.17.0.2 dst=198.51.100.100 sport=80 dport=40000\n",
		"XML": `<?xml version="1.0" encoding="utf-8"?>
<conntrack>
<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>198.51.100.100</src><dst>198.51.100.1</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>40000</sport><dport>8080</dport></layer4></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>172.17.0.2</src><dst>198.51.100.100</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>80</sport><dport>40000</dport></layer4></meta><meta direction="independent"><state>ESTABLISHED</state><timeout>431999</timeout><mark>0</mark><use>1</use><id>7</id><assured/></meta></flow>
`,
	} {
		s := read(t, text)
		got := string(joinedText(s.place("").conntrack))
		ends := endsOf(strings.TrimSpace(got))
		if len(ends) != 2 || !strings.HasPrefix(want, "tcp 6 "+strings.TrimPrefix(ends[0], "tcp ")) || !strings.HasSuffix(want, strings.TrimPrefix(ends[1], "tcp ")) {
			t.Errorf("%s: got %q", name, got)
		}
	}
	twice := "[NEW] udp 17 30 src=198.51.100.9 dst=198.51.100.1 sport=5 dport=53 [UNREPLIED] src=172.17.0.2 dst=198.51.100.9 sport=53 dport=5\n" +
		"[NEW] udp 17 30 src=198.51.100.9 dst=198.51.100.1 sport=5 dport=53 [UNREPLIED] src=172.17.0.7 dst=198.51.100.9 sport=53 dport=5\n"
	if got := conntrackEvents([]byte(twice)); len(got) > 0 {
		t.Errorf("a flow that was translated twice says where one of them went: %q", got)
	}
}
