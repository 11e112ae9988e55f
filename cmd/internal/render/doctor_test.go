package render

import (
	"bytes"
	"strings"
	"testing"

	"dnatrace/correlate"
)

// doctored is a host without an engine, that lacks a privilege, has rules of
// someone with a hostile name, and failed one scenario.
func doctored() *Doctor {
	return &Doctor{
		Schema:     correlate.Schema,
		Sources:    []correlate.SourceReport{{Name: "packets", State: "ok"}, {Name: "engine", State: "absent", Why: "no socket there\x1b[2J"}},
		Privileges: []Privilege{{Name: "CAP_SYS_PTRACE", Cost: "processes stay unknown", Remedy: "run it with sudo"}},
		Backends:   []Backend{{Name: "iptables-nft", Tables: []string{"ip nat", "ip filter"}, Rules: 12, Owners: []string{"docker", "user"}}},
		Versions:   []Version{{Name: "kernel", Version: "Linux 5.15", Notes: []string{"gives no reasons"}}},
		OutOfReach: correlate.OutOfReach([]correlate.SourceReport{{Name: "packets", State: "ok"}}),
		Probe:      &Ability{Why: "no live frames"},
		Confined:   &Ability{Why: "this kernel has no Landlock"},
		Selftest: &Selftest{Passed: 1, Of: 3, Scenarios: []Selfcase{
			{Name: "none", Want: "delivered:none", Got: "delivered:none", OK: true},
			{Name: "no-listener", Want: "refused:no-listener", Got: "refused:unknown"},
			{Name: "ipv6", Want: "delivered:none", Error: "no IPv6 in this kernel"}}},
	}
}

func TestDoctorSaysWhatWorksAndWhatFollows(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDoctor(&b, doctored(), FormatTable, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"+ packets", "X engine", "no socket there", "X CAP_SYS_PTRACE", "run it with sudo",
		"12 rules in ip nat, ip filter, of docker, user", "Linux 5.15; gives no reasons", "? without engine", "container-paused",
		"selftest: 1 of 3", "X probe", "X confined", "this kernel has no Landlock", "no live frames; explain", "refused:unknown, must be refused:no-listener", "no IPv6 in this kernel",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &b)
		}
	}
	for line := range strings.Lines(b.String()) {
		if n := len(strings.TrimRight(line, "\n")); n > DefaultWidth || strings.ContainsRune(line, '\x1b') {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
}

func TestDoctorsJSONHasEveryField(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDoctor(&b, &Doctor{Schema: correlate.Schema}, FormatJSON, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"schema"`, `"sources": []`, `"privileges": []`, `"backends": []`, `"versions": []`, `"out_of_reach": []`} {
		if !strings.Contains(b.String(), field) {
			t.Errorf("%s is not in:\n%s", field, &b)
		}
	}
}
