package metrics

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// question is what docs/FLEET.md asks, by its kind and name.
func question(t *testing.T, kind, name string) string {
	t.Helper()
	b, err := os.ReadFile(docs + "FLEET.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)<!-- ` + kind + ` ` + name + ` -->\n(.*?)<!-- end -->`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("FLEET.md asks nothing called %s in %s", name, kind)
	}
	return strings.TrimSpace(strings.ReplaceAll("\n"+string(m[1]), "\n    ", "\n"))
}

// The questions are asked two hours after all began: port 8080 fails on a from the
// first hour on, on b half an hour later, and 9000 never.
func TestPrometheusAnswersWhatATeamAsks(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip(err)
	}
	labels := func(instance, port, more string) string {
		return fmt.Sprintf(`{instance=%q,port=%q,protocol="tcp",container="web"%s}`, instance, port, more)
	}
	series := []map[string]string{}
	add := func(name, values string) {
		series = append(series, map[string]string{"series": name, "values": values})
	}
	for instance, values := range map[string]string{"a": "0x60 1+1x60", "b": "0x90 1+1x30"} {
		add("dnatrace_failures_total"+labels(instance, "8080", ""), values)
		add("dnatrace_failures_total"+labels(instance, "9000", ""), "0x120")
		add("dnatrace_requests_total"+labels(instance, "8080", `,verdict="dropped",cause="firewall-drop"`), values)
		add("dnatrace_requests_total"+labels(instance, "8080", `,verdict="delivered",cause="none"`), "0+7x120")
	}
	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	type expr struct {
		Expr    string   `yaml:"expr"`
		At      string   `yaml:"eval_time"`
		Samples []sample `yaml:"exp_samples"`
	}
	tests := []expr{
		{"round(" + question(t, "promql", "now") + ")", "2h", []sample{{labels("a", "8080", ""), 5}, {labels("b", "8080", ""), 5}}},
		{question(t, "promql", "since"), "2h", []sample{{`{instance="a",port="8080",container="web"}`, 61 * 60}, {`{instance="b",port="8080",container="web"}`, 91 * 60}}},
		{question(t, "promql", "first"), "2h", []sample{{`{instance="a",port="8080"}`, 61 * 60}}},
		{"round(" + question(t, "promql", "cause") + ", 5)", "2h", []sample{{`{port="8080",container="web",verdict="dropped",cause="firewall-drop"}`, 90}}},
		{question(t, "promql", "now"), "30m", nil},
	}
	b, err := yaml.Marshal(map[string]any{"evaluation_interval": "1m", "tests": []any{map[string]any{"interval": "1m", "input_series": series, "promql_expr_test": tests}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fleet.yml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWhatTheCollectorWroteAnswersToo(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip(err)
	}
	ask := func(name string, replace ...string) string {
		script := strings.NewReplacer(replace...).Replace(question(t, "jq", name)) + " " + docs + "fleet/two-hosts.jsonl"
		out, err := exec.Command("sh", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	failure := strings.Split(ask("failures"), "\t")
	if want := []string{"s", "203.0.113.2:8080", "dropped", "firewall-drop", "tcp dport 80 drop"}; len(failure) != 6 || strings.Join(failure[:5], "\t") != strings.Join(want, "\t") {
		t.Fatalf("the failure is %q", failure)
	}
	if got := ask("first"); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ s$`).MatchString(got) {
		t.Errorf("the first was %s", got)
	}
	one := ask("one", "TRACE", failure[5])
	at := -1
	for _, want := range []string{
		"r\trequest 8080/tcp", "r\tnat PREROUTING translated\t198.51.100.100:", " > 203.0.113.2:8080", "s\tnat PREROUTING translated", " > 172.17.0.2:80", "s\tip lab site dropped",
	} {
		next := bytes.Index([]byte(one[at+1:]), []byte(want))
		if next < 0 {
			t.Fatalf("%q is not in the rest of\n%s", want, one)
		}
		at += 1 + next
	}
}
