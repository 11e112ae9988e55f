package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExplainSaysByItsExitCodeWhetherARequestFromOutsideGetsThrough(t *testing.T) {
	for _, c := range []struct {
		fixture, args string
		code          int
		says          string
	}{
		{"delivered", "8080", exitOK, "+ outside"},
		{"delivered", "web --place outside", exitOK, "delivered"},
		{"delivered", "81", exitFailed, "not-published"},
		{"delivered", "--all", exitOK, "nothing is wrong"},
		{"firewall-drop", "8080", exitFailed, "iptables -t filter -D DOCKER-USER"},
		{"firewall-drop", "8080 --place loopback", exitOK, "through docker-proxy"},
		{"firewall-drop", "--all", exitFailed, "firewall-drop"},
		{"reply-no-route", "8080 --client 203.0.113.100", exitFailed, "reply-no-route"},
		{"reply-no-route", "8080", exitOK, "delivered"},
		{"delivered", "nobody", exitTrouble, ""},
		{"delivered", "", exitTrouble, ""},
		{"delivered", "8080 --all", exitTrouble, ""},
		{"delivered", "8080 --place moon", exitTrouble, ""},
		{"delivered", "8080 --client nobody", exitTrouble, ""},
	} {
		t.Run(c.fixture+" "+c.args, func(t *testing.T) {
			out, errs, code := dnatrace(append(strings.Fields("explain "+c.args), "--from", fixtureFile(t, c.fixture))...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit %d, want %d; it is to say %q\n%s%s", code, c.code, c.says, out, errs)
			}
		})
	}
}

// promised are the keys that the contract promises never to be missing.
var promised = map[string][]string{
	"paths": {"from", "network", "requested", "via", "translated", "container", "verdict", "stage", "cause", "why", "proof", "blind", "fix", "stages"},
	"ports": {"container", "project", "service", "mode", "state", "protocol", "container_port", "exposed", "published", "host_ip", "host_port", "reachable", "cause", "why"},
}

func TestWhatIsForeseenHasEveryKeyThatIsPromised(t *testing.T) {
	file := fixtureFile(t, "firewall-drop")
	for list, args := range map[string][]string{"paths": {"explain", "8080"}, "ports": {"ports"}} {
		out, errs, _ := dnatrace(append(args, "-o", "json", "--from", file)...)
		var d map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, out, errs)
		}
		if string(d["schema"]) != `"dnatrace/1"` || strings.Contains(out, "null") {
			t.Errorf("%v: schema %s, and no list may be null:\n%s", args, d["schema"], out)
		}
		var rows []map[string]json.RawMessage
		if err := json.Unmarshal(d[list], &rows); err != nil || len(rows) == 0 {
			t.Fatalf("%v: %d %s: %v", args, len(rows), list, err)
		}
		for _, key := range promised[list] {
			if rows[0][key] == nil {
				t.Errorf("%v: %s has no %q", args, list, key)
			}
		}
	}
}

func TestPortsAndTopologyAreForPeopleAndPrograms(t *testing.T) {
	file := fixtureFile(t, "delivered-compose")
	for _, c := range []struct{ args, says string }{
		{"ports", "web (shop/web)"},
		{"ports -o markdown", "| web (shop/web) |"},
		{"ports -o jsonl", `"service":"web"`},
		{"topology", "-> web eth0   172.17.0.2   running (shop/web)"},
		{"topology -o markdown", "```text\nhost\n"},
		{"topology -o json", `"bridge": "docker0"`},
		{"explain shop/web -o markdown", "```text\nfrom"},
		{"explain --all -o json", `"checked": 2`},
	} {
		out, errs, code := dnatrace(append(strings.Fields(c.args), "--from", file)...)
		if code != exitOK || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, it is to say %q\n%s%s", c.args, code, c.says, out, errs)
		}
	}
}

func TestWithNothingKnownThereIsNothingToForesee(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eth0.pcap")
	if err := os.WriteFile(path, pcap(syn()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"ports", "topology", "explain 8080", "explain --all"} {
		out, errs, code := dnatrace(append(strings.Fields(args), "--from", path)...)
		if code != exitTrouble || out != "" || !strings.Contains(errs, "nothing is known of the host") {
			t.Errorf("%s: exit %d\n%s%s", args, code, out, errs)
		}
	}
}
