package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"dnatrace/capture/inputs"
)

// folder is where the recordings of fixtures are.
const folder = "../../fixtures/testdata/"

func TestWatchPrintsIntervalsAndFailures(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string // patterns, in this order
		not  string   // a pattern
	}{
		{"a failure is told in full, once, and then in the line of its interval", []string{"watch", "--replay", folder + "demo-forward-drop", "--speed", "0", "--interval", "1s"}, exitFailed,
			[]string{`(?m)^X DROPPED .*198\.51\.100\.1:8080/tcp`, `why +A rule of yours`, `fix +nft delete rule`, `(?m)^\d\d:\d\d:\d\d  1\.0 s: 1 request: 1 dropped .* failing: 8080/tcp web x1 .* 0 lost$`, `(?m)^1 request: 1 dropped`}, "again"},
		{"a delivery has no line of its own", []string{"watch", "--replay", folder + "delivered", "--speed", "0"}, exitOK,
			[]string{`(?m)^\d\d:\d\d:\d\d  \d+\.\d s: 1 request: 1 delivered .*connect p50 \d`, `(?m)^1 request: 1 delivered`}, `(?m)^\+ delivered`},
		{"nothing that was asked for is nothing", []string{"watch", "9", "--replay", folder + "delivered", "--speed", "0"}, exitNothing,
			[]string{`no request to 9 seen`}, "delivered"},
		{"json is the document", []string{"watch", "--replay", folder + "demo-forward-drop", "--speed", "0", "-o", "json"}, exitFailed,
			[]string{`(?s)^\{\n  "schema": "dnatrace/1".*"cause": "firewall-drop"`}, `"type"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err, code := dnatrace(c.args...)
			if code != c.code {
				t.Errorf("exit %d, want %d: %s", code, c.code, err)
			}
			rest := out
			for _, p := range c.want {
				at := regexp.MustCompile(p).FindStringIndex(rest)
				if at == nil {
					t.Fatalf("%q is not in the rest of\n%s", p, out)
				}
				rest = rest[at[1]:]
			}
			if regexp.MustCompile(c.not).MatchString(out) {
				t.Errorf("%q is in\n%s", c.not, out)
			}
		})
	}
}

func TestWatchStreamsJSON(t *testing.T) {
	out, _, code := dnatrace("watch", "--replay", folder+"demo-forward-drop", "--speed", "0", "--interval", "1s", "-o", "jsonl")
	if code != exitFailed {
		t.Errorf("exit %d", code)
	}
	requests, last := 0, ""
	for n, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var o struct {
			Type     string
			Requests int
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("line %d: %v: %s", n, err, line)
		}
		if n == 0 && o.Type != "start" {
			t.Errorf("it begins with %s", o.Type)
		}
		if last = o.Type; o.Type == "interval" {
			requests += o.Requests
		}
	}
	if last != "end" || requests != 1 {
		t.Errorf("the intervals count %d requests, and it ends with %s", requests, last)
	}
}

func TestWatchRefusesWhatHasNoMeaning(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"watch --interval 0", "--interval 0: must be longer than 0"},
		{"watch --speed 2", "--speed is for --replay"},
		{"watch --replay x --speed -1", "must not be negative"},
		{"watch --replay x -w y", "--replay reads files"},
		{"watch -w -", "-w -: standard output gets the result"},
	} {
		out, err, code := dnatrace(strings.Fields(c.args)...)
		if code != exitTrouble || out != "" || !strings.Contains(err, c.want) {
			t.Errorf("%s: exit %d, %q, %q", c.args, code, out, err)
		}
	}
}

func TestAReplayKeepsThePaceItWasTakenAt(t *testing.T) {
	in, err := inputs.Open(inputs.Input{Path: folder + "demo-forward-drop"})
	if err != nil {
		t.Fatal(err)
	}
	var want, got uint64
	var first, last, promised int64
	for b, err := range in.Source(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		want += uint64(len(b.Packets))
	}
	began := time.Now()
	for b, err := range inputs.Paced(in.Source, 10)(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			if p.Time < promised {
				t.Errorf("a packet comes %s before what was promised", time.Duration(promised-p.Time))
			}
			if first == 0 {
				first = p.Time
			}
			last = p.Time
		}
		promised = max(promised, b.Until)
		got += uint64(len(b.Packets))
	}
	if took, due := time.Since(began), time.Duration(last-first)/10; got != want || took < due {
		t.Errorf("%d of %d packets in %s, which were %s apart at that speed", got, want, took, due)
	}
}

func TestAPacedReplayEndsAtOnce(t *testing.T) {
	in, err := inputs.Open(inputs.Input{Path: folder + "demo-forward-drop"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began, n := time.Now(), 0
	for range inputs.Paced(in.Source, 1e-6)(ctx) { // it would take weeks
		if n++; n == 10 {
			cancel()
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it went on for %s", took)
	}
}
