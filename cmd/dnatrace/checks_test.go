package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResultsForWhatRunsTests(t *testing.T) {
	const dropped, fine = "../../fixtures/testdata/firewall-drop/recording.pcapng.gz", "../../fixtures/testdata/delivered/recording.pcapng.gz"
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"-o tap " + dropped, exitFailed, []string{"TAP version 13\n1..1\nnot ok 1 - ", `verdict: "dropped"`, "# rule: ip filter DOCKER-USER", "  ...\n"}},
		{"-o tap " + fine, exitOK, []string{"1..1\nok 1 - "}},
		{"-o github " + dropped, exitFailed, []string{"::error title=", "%3A8080/tcp (web)", "%0Afix%3A", "::notice title=dnatrace::1 request, the run is dropped"}},
		{"-o github " + fine, exitOK, []string{"::notice"}},
		{"--format {{.Verdict}}|{{.Requested}}|{{.Cause}} " + dropped, exitFailed, []string{"dropped|198.51.100.1:8080|firewall-drop\n"}},
		{"--format {{json_.Rule.Owner}} " + dropped, exitFailed, []string{`"user"` + "\n"}},
	} {
		args := []string{"replay"}
		for _, w := range strings.Fields(c.args) {
			args = append(args, strings.ReplaceAll(w, "json_", "json "))
		}
		out, errs, code := dnatrace(args...)
		if code != c.code {
			t.Errorf("%s: exit %d, %s", c.args, code, errs)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) && !strings.Contains(strings.ReplaceAll(out, "fix:", "fix%3A"), want) {
				t.Errorf("%s: %q lacks %q", c.args, out, want)
			}
		}
	}
	out, _, _ := dnatrace("replay", "-o", "junit", dropped)
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Case     struct {
			Name    string `xml:"name,attr"`
			Failure struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(out), &suite); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if suite.Tests != 1 || suite.Failures != 1 || suite.Case.Failure.Message != "dropped: firewall-drop" || !strings.Contains(suite.Case.Failure.Text, "fix: iptables") {
		t.Errorf("got %+v", suite)
	}
	for args, want := range map[string]string{
		"--format {{.Verdict":              "--format: read template",
		"--format {{.Verdict}} -o json":    "-o and --format: choose one",
		"--format {{.Nothing}} " + dropped: "print by template",
		"-o yaml " + dropped:               "is none of table, json, jsonl, markdown, junit, tap, github",
	} {
		if !strings.Contains(args, dropped) {
			args += " " + dropped
		}
		if _, errs, code := dnatrace(append([]string{"replay"}, strings.Fields(args)...)...); code != exitTrouble || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %q, want %q", args, code, errs, want)
		}
	}
}

func TestDamageIsSaidWhateverTheFormat(t *testing.T) {
	whole, err := os.ReadFile(fixtureFile(t, "delivered"))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.pcapng.gz")
	if err := os.WriteFile(cut, whole[:len(whole)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range [][]string{nil, {"--format", "{{.Verdict}}"}, {"-o", "junit"}, {"-o", "tap"}, {"-o", "github"}} {
		out, errs, _ := dnatrace(append([]string{"replay", cut}, format...)...)
		if strings.Count(out+errs, "damaged: ") != 1 {
			t.Errorf("%q: %s%s", format, out, errs)
		}
		if strings.Contains(out+errs, "arrived at") {
			t.Errorf("%q: what a damaged file lacks is told as if it had been watched: %s%s", format, out, errs)
		}
	}
	if _, errs, code := dnatrace("doctor", "-o", "junit"); code != exitTrouble || !strings.Contains(errs, "-o junit: no requests are judged here") {
		t.Errorf("doctor: exit %d: %s", code, errs)
	}
}
