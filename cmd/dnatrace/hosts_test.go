package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/fixtures"
)

// madeOn is a fixture's recording as if it had been made on a host.
func madeOn(t *testing.T, host, name string) string {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), host+".pcapng")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := recording.NewWriter(f, recording.Options{})
	for b, err := range source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			var s capture.Start
			if b.Records[i].Kind == capture.KindStart && json.Unmarshal(b.Records[i].Data, &s) == nil {
				s.Host = host
				b.Records[i].Data, _ = json.Marshal(s)
			}
		}
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecordingsOfDifferentHostsAreJudgedApart(t *testing.T) {
	one, other := madeOn(t, "alpha", "firewall-drop"), madeOn(t, "beta", "delivered")
	out, errs, code := dnatrace("replay", one, other, "-o", "json")
	var d correlate.Document
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	if code != exitFailed || d.Verdict != correlate.Dropped || !strings.Contains(errs, "recordings of 2 hosts, judged apart: alpha, beta") {
		t.Errorf("exit %d, %s: %s", code, d.Verdict, errs)
	}
	var alone []correlate.Incident
	for _, file := range []string{one, other} {
		var a correlate.Document
		out, _, _ := dnatrace("replay", file, "-o", "json")
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatal(err)
		}
		alone = append(alone, a.Requests...)
	}
	seen := map[string]bool{}
	if len(alone) < 2 || len(d.Requests) != len(alone) {
		t.Fatalf("%d requests together, %d apart", len(d.Requests), len(alone))
	}
	for i, r := range d.Requests {
		want := map[bool]string{true: "alpha", false: "beta"}[i == 0]
		if r.Host != want || seen[r.ID] || r.Verdict != alone[i].Verdict || r.Cause != alone[i].Cause || r.Why != alone[i].Why {
			t.Errorf("%+v, alone %+v", r, alone[i])
		}
		seen[r.ID] = true
	}
	hosts := map[string]int{}
	for _, p := range d.Recording.Points {
		hosts[p.Host]++
	}
	if hosts["alpha"] == 0 || hosts["beta"] == 0 || hosts[""] != 0 {
		t.Errorf("points of %v", hosts)
	}
	lines, _, _ := dnatrace("replay", one, other, "-o", "jsonl")
	if strings.Count(lines, `"type":"start"`) != 1 || !strings.Contains(lines, `"host":"beta"`) {
		t.Errorf("lines: %s", lines)
	}
}

func TestWhatIsOfOneHostIsNotMadeOfTwo(t *testing.T) {
	one, other := madeOn(t, "alpha", "firewall-drop"), madeOn(t, "beta", "delivered")
	dump := filepath.Join(t.TempDir(), "rules.txt")
	if err := os.WriteFile(dump, []byte("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"report", one, other, "-o", "-", "--format", "json"},
		{"explain", "8080", "--from", one, "--from", other},
		{"replay", one, other, dump},
	} {
		if _, errs, code := dnatrace(args...); code != exitTrouble || !strings.Contains(errs, "recordings made on different hosts") {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
	again := madeOn(t, "alpha", "firewall-drop")
	if out, errs, code := dnatrace("replay", one, again); code != exitFailed || strings.Contains(errs, "hosts") {
		t.Errorf("two of one host: exit %d, %s%s", code, out, errs)
	}
}
