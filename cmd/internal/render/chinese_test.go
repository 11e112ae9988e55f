package render

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
)

// recorded are the documents of all fixtures, as JSON has them.
func recorded(t *testing.T) map[string]*correlate.Document {
	t.Helper()
	names, err := filepath.Glob("../../../fixtures/testdata/*/want.json")
	if err != nil || len(names) < 200 {
		t.Fatalf("find documents of the fixtures: %d, %v", len(names), err)
	}
	all := map[string]*correlate.Document{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := &correlate.Document{}
		if err := json.Unmarshal(b, d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[filepath.Base(filepath.Dir(name))] = d
	}
	return all
}

// inChinese is what a run's document looks like to who reads Chinese.
func inChinese(t *testing.T, d *correlate.Document, f Format) string {
	t.Helper()
	var b bytes.Buffer
	p := New(&b, f, Options{UTF8: true, Lang: lang.Chinese, Width: 2000})
	p.Start(d)
	for i := range d.Requests {
		p.Incident(&d.Requests[i])
	}
	if err := p.End(d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// english are three words of a sentence, which no command, rule or name is: those have
// marks, digits or capitals between.
var english = regexp.MustCompile(`(?:^|[^-\w."'$/=])((?:[A-Za-z][a-z']*,? ){2,}[a-z']{2,})`)

// quoted are the words of others: of rules, comments in them, errors of the engine, and
// commands.
var quoted = regexp.MustCompile(`"[^"]*"|driver failed programming.*|failed to .*|endpoint with name.*|(ip|nft|docker|sysctl|ipset|conntrack|tc|bridge|iptables|systemctl|nsenter|ss|ping|arping|fail2ban-client|nstat|lsof|traceroute|tcpdump) [-a-z0-9]+ .*|ct state .*|(inet|ip6?|netdev|bridge) \w+ [-\w]+|(tcp|udp|ip|iifname|oifname|type|reject|meta) .*|docker network .*|proto kernel.*`)

func TestEveryFixtureIsToldInChinese(t *testing.T) {
	said := map[string]bool{}
	for name, d := range recorded(t) {
		for _, f := range []Format{FormatTable, FormatMarkdown} {
			for line := range strings.SplitSeq(inChinese(t, d, f), "\n") {
				bare := quoted.ReplaceAllString(strings.NewReplacer("`", " ", `\`, "").Replace(line), "")
				if m := english.FindStringSubmatch(bare); m != nil && !said[m[1]] {
					said[m[1]] = true
					t.Errorf("%s, %s: %q is in English:\n%s", name, f, m[1], line)
				}
			}
		}
	}
}

func TestEnglishIsWhatItWas(t *testing.T) {
	for name, d := range recorded(t) {
		for i := range d.Requests {
			if got := lang.English.Sentence(d.Requests[i].Why); got != d.Requests[i].Why {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

func TestChineseWraps(t *testing.T) {
	const s = "ip filter DOCKER-USER 中您的一条规则丢弃了它：-A DOCKER-USER -j DROP。它在地址转换之后起作用，所以匹配的是容器的端口（80），而不是发布的端口（8080）。"
	for _, width := range []int{20, 30, 40, 60} {
		lines := wrap(s, width)
		for _, line := range lines {
			if n := columns(line); n > width+2 {
				t.Errorf("a line takes %d columns of %d: %q", n, width, line)
			}
			if first, _ := firstRune(line); slices.Contains([]rune("，。：；、）"), first) {
				t.Errorf("a line begins with %c: %q", first, line)
			}
		}
		if got := strings.Join(lines, ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(s, " ", "") {
			t.Errorf("wrapped at %d, something is lost: %q", width, got)
		}
	}
}

func firstRune(s string) (rune, bool) {
	for _, r := range s {
		return r, true
	}
	return 0, false
}
