package main

import (
	"encoding/json"
	"strings"
	"testing"

	"dnatrace/correlate/compare"
	"dnatrace/correlate/stage"
)

func TestItWorksFromTheHostAndNotFromOutside(t *testing.T) {
	good, bad := fixtureFile(t, "host-loopback"), fixtureFile(t, "published-on-loopback")
	out, said, code := dnatrace("diff", good, bad)
	if code != exitFailed {
		t.Fatalf("exit %d: %s", code, said)
	}
	for _, want := range []string{"They part at the client: good comes from the host, over loopback, bad from outside", "bad is refused at the host (published-elsewhere)", "127.0.0.1:8080"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestDiffExitsAsDiffDoes(t *testing.T) {
	delivered, dropped := fixtureFile(t, "delivered"), fixtureFile(t, "firewall-drop")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"the same", []string{delivered, delivered}, exitOK, "the same way to the same end"},
		{"they differ", []string{delivered, dropped}, exitFailed, "They part at forward"},
		{"one request alone", []string{dropped}, exitNothing, "one request alone"},
		{"nobody asked", []string{delivered, dropped, "--target", "9999"}, exitNothing, "no request was judged"},
		{"no such request", []string{delivered, dropped, "--bad", "4711"}, exitTrouble, "there is none with this id"},
		{"no file", nil, exitTrouble, "give one or two files"},
		{"a file that is not there", []string{delivered, delivered + ".not"}, exitTrouble, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, said, code := dnatrace(append([]string{"diff"}, c.args...)...)
			if code != c.code || !strings.Contains(out+said, c.want) {
				t.Errorf("exit %d, want %d: %s%s", code, c.code, out, said)
			}
		})
	}
}

func TestDiffInOtherFormats(t *testing.T) {
	delivered, dropped := fixtureFile(t, "delivered"), fixtureFile(t, "firewall-drop")
	out, _, _ := dnatrace("diff", delivered, dropped, "-o", "json")
	var r compare.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != compare.Schema || r.Stage != stage.Forward || r.Bad.Cause != "firewall-drop" || len(r.Differences) == 0 {
		t.Errorf("got %+v", r)
	}
	out, _, _ = dnatrace("diff", delivered, dropped, "-o", "markdown")
	if !strings.Contains(out, "| | good | bad |") || !strings.Contains(out, "**forward: outcome**") {
		t.Errorf("got %s", out)
	}
}
