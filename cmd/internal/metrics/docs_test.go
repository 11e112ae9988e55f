package metrics

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate"
)

var update = flag.Bool("update", false, "write the table of docs/METRICS.md anew")

const docs = "../../../docs/"

// everything are metrics of which each has a sample.
func everything() *Metrics {
	m, w := fed(published(8080, "web"))
	m.Point("eth0", "nic")
	m.Point("docker0", "bridge")
	i := request(1, "8080", "web", correlate.Delivered, correlate.CauseNone)
	i.Hops = []correlate.Hop{{Time: noon, Point: "eth0", Direction: "request", Frame: 1}, {Time: noon.Add(time.Millisecond), Point: "docker0", Direction: "request", Frame: 2}}
	w.Take(i)
	j := *i
	j.Rev, j.Verdict = 2, correlate.Stalled
	w.Take(&j)
	return m
}

func TestEveryMetricIsListedAndServedAsItIsListed(t *testing.T) {
	families, err := everything().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var served, listed []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "dnatrace_") {
			continue
		}
		var names []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			names = append(names, l.GetName())
		}
		served = append(served, fmt.Sprint(f.GetName(), " ", strings.ToLower(f.GetType().String()), " ", names))
	}
	for _, m := range Catalogue {
		names := slices.Clone(m.Labels)
		slices.Sort(names)
		listed = append(listed, fmt.Sprint(m.Name, " ", m.Type, " ", names))
	}
	slices.Sort(listed)
	if d := cmp.Diff(listed, served); d != "" {
		t.Errorf("(-listed +served)\n%s", d)
	}
}

func TestTheDocumentListsEveryMetric(t *testing.T) {
	const begin, end = "<!-- metrics -->\n", "<!-- end -->"
	path := docs + "METRICS.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	was, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range Catalogue {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	if b.String() == was {
		return
	}
	if !*update {
		t.Fatalf("%s is not what is served: go test ./cmd/internal/metrics -update (-file +served)\n%s", path, cmp.Diff(was, b.String()))
	}
	if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// panel is of a dashboard what asks for something.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
}

// asked are the expressions of the dashboard, by panel.
func asked(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(docs + "metrics/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out[p.Title] = append(out[p.Title], q.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			out["variable "+v.Name] = append(out["variable "+v.Name], v.Definition)
		}
	}
	return out
}

var (
	metricName = regexp.MustCompile(`\b(?:dnatrace|go|process)_[a-z_]+\b`)
	selector   = regexp.MustCompile(`\b(dnatrace_[a-z_]+)\{([^}]*)\}`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
)

func TestRulesAndDashboardAskForWhatIsServed(t *testing.T) {
	families, err := everything().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string][]string{} // of what is served, by name
	all := []string{"instance", "job", "le"}
	for _, f := range families {
		own := []string{"instance", "job"}
		for _, l := range f.GetMetric()[0].GetLabel() {
			own = append(own, l.GetName())
		}
		all = append(all, own...)
		if f.GetType().String() != "HISTOGRAM" {
			labels[f.GetName()] = own
			continue
		}
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			labels[f.GetName()+part] = append(slices.Clone(own), "le")
		}
	}
	rules, err := os.ReadFile(docs + "metrics/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	places := asked(t)
	for line := range strings.Lines(string(rules)) {
		if !strings.Contains(line, "description:") && !strings.Contains(line, "#") {
			places["alerts.yml"] = append(places["alerts.yml"], line)
		}
	}
	found := 0
	for where, exprs := range places {
		for _, e := range exprs {
			for _, name := range metricName.FindAllString(e, -1) {
				if found++; labels[name] == nil {
					t.Errorf("%s asks for %s, which is not served", where, name)
				}
			}
			for _, s := range selector.FindAllStringSubmatch(e, -1) {
				for _, l := range matcher.FindAllStringSubmatch(s[2], -1) {
					if !slices.Contains(labels[s[1]], l[1]) {
						t.Errorf("%s asks for %s of %s, which has no such label", where, l[1], s[1])
					}
				}
			}
			for _, g := range grouping.FindAllStringSubmatch(e, -1) {
				for _, l := range strings.Split(g[1], ",") {
					if !slices.Contains(all, strings.TrimSpace(l)) {
						t.Errorf("%s groups by %s, which nothing has", where, l)
					}
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("%d names are asked for in all: they are not found", found)
	}
	for _, m := range Catalogue {
		if !slices.ContainsFunc(slices.Concat(mapValues(places)...), func(e string) bool { return strings.Contains(e, m.Name) }) {
			t.Errorf("%s is shown by no panel and asked for by no rule", m.Name)
		}
	}
}

func mapValues(m map[string][]string) (out [][]string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// promtool runs Prometheus's own.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: apt-get install prometheus")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestAlertsFireWhenTheyAreToAndOnlyThen(t *testing.T) {
	promtool(t, "check", "rules", docs+"metrics/alerts.yml")
	promtool(t, "test", "rules", docs+"metrics/alerts_test.yml")
	rules, err := os.ReadFile(docs + "metrics/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(docs + "metrics/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if !regexp.MustCompile(`alertname: ` + a[1] + `\s+exp_alerts:`).Match(tests) {
			t.Errorf("nothing has %s fire", a[1])
		}
	}
}

func TestWhatTheDashboardAsksForCanBeParsed(t *testing.T) {
	stands := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$port", ".*")
	var b strings.Builder
	b.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	n := 0
	for title, exprs := range asked(t) {
		for _, e := range exprs {
			if strings.HasPrefix(title, "variable ") {
				continue
			}
			n++
			fmt.Fprintf(&b, "      - {record: 'panel:%d', expr: %q}\n", n, stands.Replace(e))
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

func TestWhatIsServedPassesPrometheusOwnLint(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: apt-get install prometheus")
	}
	c := exec.Command(path, "check", "metrics")
	c.Stdin = strings.NewReader(scraped(t, everything(), textFormat))
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
