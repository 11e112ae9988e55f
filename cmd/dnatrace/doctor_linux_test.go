package main

import (
	"encoding/json"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/cmd/internal/render"
)

func TestDoctorTriesEverySourceWhereItIsTold(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "nft add table inet mine", "nft add chain inet mine in { type filter hook input priority 0 ; }", "nft add rule inet mine in tcp dport 80 drop")
	out, errs, code := dnatrace("doctor", "-o", "json", "--netns", path, "-H", "unix:///nonexistent/docker.sock")
	if code != exitOK || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	var d render.Doctor
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	want := map[string]capture.Condition{"packets": capture.SourceOK, "conntrack": capture.SourceOK, "ruletrace": capture.SourceOK, "rules": capture.SourceOK, "host": capture.SourceOK, "engine": capture.SourceAbsent}
	for _, s := range d.Sources {
		if w := want[s.Name]; w != "" && s.State != w {
			t.Errorf("%s is %s (%s), want %s", s.Name, s.State, s.Why, w)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("nothing is said of %v", want)
	}
	if len(d.Backends) != 1 || d.Backends[0].Name != "nft" || d.Backends[0].Rules != 1 || d.Backends[0].Owners[0] != "user" {
		t.Errorf("back ends are %+v, want one rule of the user's in nft", d.Backends)
	}
	if len(d.OutOfReach) == 0 || d.OutOfReach[0].Source != "engine" {
		t.Errorf("out of reach is %+v, want first what the engine would tell", d.OutOfReach)
	}
}
