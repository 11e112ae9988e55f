package ruleset_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture/rules"
	"dnatrace/capture/rules/netfilter"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
)

// installLegacy puts the rules of a file into the legacy tables of the kernel.
func installLegacy(t *testing.T, file string) {
	t.Helper()
	program := "iptables-legacy-restore"
	if strings.HasSuffix(file, "6") || strings.HasSuffix(file, "ip6tables") {
		program = "ip6tables-legacy-restore"
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s: install iptables", program)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Stdin = strings.NewReader(string(text))
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "Table does not exist") || strings.Contains(string(out), "can't initialize") {
			t.Skipf("needs a kernel with ip_tables (CONFIG_IP_NF_IPTABLES_LEGACY): %s", out)
		}
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

// legacyBlobs are the legacy tables as the kernel gives them.
func legacyBlobs(t *testing.T) (blobs []rules.Ruleset) {
	t.Helper()
	sets, err := netfilter.Read("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		switch {
		case s.Error != "":
			t.Fatalf("%s %s: %s", s.Backend, s.Table, s.Error)
		case s.Backend == "iptables-legacy", s.Backend == "ip6tables-legacy":
			blobs = append(blobs, s)
		}
	}
	return blobs
}

func legacyDumps(t *testing.T) (blobs, texts []rules.Ruleset) {
	t.Helper()
	blobs = legacyBlobs(t)
	for _, b := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		texts = append(texts, rules.Ruleset{Backend: b, Data: []byte(run(t, "", b, "-c"))})
	}
	return blobs, texts
}

func TestLegacyTablesReadAsTheirProgramPrintsThem(t *testing.T) {
	for _, file := range files(t, "*.rules4", "*.rules6", "engines/*.iptables", "engines/*.ip6tables") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			router(t)
			installLegacy(t, file)
			blobs, texts := legacyDumps(t)
			raw, text := parseDumps(t, blobs...), parseDumps(t, texts...)
			sameRules(t, "iptables-legacy-save", text, raw)
			for _, p := range packets() {
				if d := cmp.Diff(answerOf(text.Evaluate(p), true), answerOf(raw.Evaluate(p), true)); d != "" {
					t.Errorf("%s from %s (-text +raw):\n%s", p.Tuple, p.IIF, d)
					break
				}
			}
			for _, r := range raw.Rules() {
				if r.Backend != ruleset.Legacy || r.Counter == nil {
					t.Errorf("%s %s: %s: %s, counter %v", r.Table, r.Chain, r.Text, r.Backend, r.Counter)
				}
			}
		})
	}
}

func TestLegacyTablesAndNftablesOfOneHostAreEvaluatedTogether(t *testing.T) {
	router(t)
	installLegacy(t, "testdata/docker-28.rules4")
	run(t, "table inet site {\n chain forward {\n type filter hook forward priority filter + 10;\n tcp dport 80 drop\n }\n chain early {\n type filter hook prerouting priority raw - 1;\n tcp dport 8082 drop\n }\n}\n", "nft", "-f", "-")
	blobs, _ := legacyDumps(t)
	nft := rules.Ruleset{Backend: "nft", Data: installed(t)["nft"]}
	both := parseDumps(t, append(blobs, nft)...)
	for _, c := range []struct {
		name    string
		port    uint16
		backend ruleset.Backend
		where   string
	}{
		{"what legacy tables let pass meets nft's chains behind them", 8080, ruleset.NFT, "inet site forward"},
		{"what nft drops first never meets legacy tables", 8082, ruleset.NFT, "inet site early"},
	} {
		p := packets()[0]
		p.Tuple.DstPort = c.port
		o := both.Evaluate(p)
		if o.Rule == nil || o.Rule.Backend != c.backend || o.Rule.Table+" "+o.Rule.Chain != c.where || !o.Certain() {
			t.Errorf("%s: %v by %+v, unknown %q", c.name, o.Verdict, o.Rule, o.Unknown)
		}
	}
	p := packets()[2] // to the container's own address
	if o := both.Evaluate(p); o.Rule == nil || o.Rule.Backend != ruleset.Legacy || o.Stage != stage.Raw {
		t.Errorf("direct access: %v by %+v", o.Verdict, o.Rule)
	}
}

func TestWhichBackEndIsAskedFirstMattersOnlyWhereTheyDisagree(t *testing.T) {
	save := func(policy string, rules ...string) []byte {
		return []byte("*filter\n:FORWARD " + policy + " [0:0]\n" + strings.Join(append(rules, "COMMIT"), "\n") + "\n")
	}
	drop := "-A FORWARD -p tcp -m tcp --dport 80 -j DROP"
	p := packets()[0]
	for _, port := range []uint16{80, 81} {
		p.Tuple.DstPort = port
		p.AddrType = ruleset.LocalAddrs()
		for _, c := range []struct {
			name        string
			legacy, nft []byte
			certain     bool
		}{
			{"one drops, the other has nothing to say", save("ACCEPT", drop), save("ACCEPT"), true},
			{"both drop, and who is first is not known", save("ACCEPT", drop), save("ACCEPT", drop), port != 80},
		} {
			s := parseDumps(t, rules.Ruleset{Backend: "iptables-save", Data: c.nft}, rules.Ruleset{Backend: "iptables-legacy-save", Data: c.legacy})
			if o := s.Evaluate(p); o.Certain() != c.certain || o.Certain() && (o.Verdict == ruleset.Dropped) != (port == 80) {
				t.Errorf("%s, port %d: %v, unknown %q", c.name, port, o.Verdict, o.Unknown)
			}
		}
	}
}
