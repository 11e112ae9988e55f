package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dnatrace/cmd/internal/render"
)

func TestWhatIsPrintedChangesNeitherSummaryNorExitCode(t *testing.T) {
	file := fixtureFile(t, "firewall-drop") // dropped requests, and others or not
	type document struct {
		Requests  []struct{ Verdict, Cause string }
		Summary   map[string]int
		Verdict   string
		Selection *struct {
			By       string
			Requests int
		}
	}
	read := func(args ...string) (d document, code int) {
		t.Helper()
		out, errs, code := dnatrace(append([]string{"replay", file, "-o", "json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v: exit %d, %v: %s", args, code, err, errs)
		}
		return d, code
	}
	all, want := read()
	if all.Selection != nil || len(all.Requests) == 0 {
		t.Fatalf("without a selection: %+v", all)
	}
	for _, row := range []struct {
		story, args string
		some        bool
	}{
		{"its verdict", "--verdict dropped", true},
		{"its verdict among others", "--verdict refused,dropped", true},
		{"its verdict in another flag", "--verdict refused --verdict dropped", true},
		{"another verdict", "--verdict delivered", false},
		{"its cause", "--cause firewall-drop", true},
		{"another cause", "--cause firewall-reject", false},
		{"what was not delivered", "--not-delivered", true},
		{"the last", "--last 1", true},
		{"the last hour", "--since 1h", true},
		{"since long ago", "--since 2001-01-01", true},
		{"since far ahead", "--since 2101-01-01T00:00:00Z", false},
		{"its verdict, as a summary", "--verdict dropped --summary", true},
	} {
		t.Run(row.story, func(t *testing.T) {
			d, code := read(strings.Fields(row.args)...)
			if (len(d.Requests) > 0) != row.some || d.Selection == nil || d.Selection.Requests != len(d.Requests) {
				t.Errorf("%s: %d requests are listed: %+v", row.args, len(d.Requests), d.Selection)
			}
			if code != want || d.Verdict != all.Verdict || d.Summary["dropped"] != all.Summary["dropped"] {
				t.Errorf("%s: exit %d and %s, want %d and %s", row.args, code, d.Verdict, want, all.Verdict)
			}
			if said := strings.TrimSuffix(row.args, " --summary"); d.Selection != nil && strings.Count(row.args, "--verdict") == 1 && d.Selection.By != said {
				t.Errorf("selected by %q, want %q", d.Selection.By, said)
			}
		})
	}
}

func TestAReportListsWhatIsSelected(t *testing.T) {
	file, dir := fixtureFile(t, "firewall-drop"), t.TempDir()
	for _, row := range []struct {
		args, name, want, not string
	}{
		{"--verdict dropped", "some.md", "firewall-drop", ""},
		{"--verdict delivered", "none.md", "", "DOCKER-USER rule"},
		{"--last 1", "last.html", "firewall-drop", ""},
		{"--verdict dropped --last 1", "one.json", `"by": "--verdict dropped --last 1"`, ""},
	} {
		out := filepath.Join(dir, row.name)
		if _, errs, code := dnatrace(append([]string{"report", file, "-o", out}, strings.Fields(row.args)...)...); code != exitOK {
			t.Fatalf("%s: exit %d: %s", row.args, code, errs)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), row.want) || row.not != "" && strings.Contains(string(b), row.not) {
			t.Errorf("%s %s: want %q and not %q in\n%.2000s", row.args, row.name, row.want, row.not, b)
		}
	}
}

func TestWhatCannotBeSelectedIsTroubleWithWhatLooksLikeIt(t *testing.T) {
	for args, want := range map[string]string{
		"--verdict drpped":           `there is no "drpped": did you mean dropped?`,
		"--verdict lost":             `there is no "lost": did you mean answer-lost?`,
		"--verdict zzz":              "is none of them: undetermined, delivered",
		"--verdict dropped,":         "is none of them: undetermined, delivered",
		"--verdict absent":           "absent is the verdict of a run in which there was no request",
		"--cause firewal-drop":       `there is no "firewal-drop": did you mean firewall-drop?`,
		"--cause mtuu":               `there is no "mtuu": did you mean mtu?`,
		"--expect droped":            `there is no "droped": did you mean dropped?`,
		"--expect dropped:no-rout":   `there is no "no-rout": did you mean no-route`,
		"--since yesterday":          `"yesterday" is no time (such as 14:05, 14:05:30 or 2026-03-01T14:05:00Z) and no duration before the end (such as 10m)`,
		"--since 25:00":              "is no time",
		"--since -5m":                "is no time",
		"--since 0":                  "is no time at all",
		"--last -1":                  "--last -1: must not be negative",
		"--last many":                "invalid argument",
		"--not-delivered=perhaps":    "invalid argument",
		"--since 2026-03-01T25:00:0": "is no time",
	} {
		for _, command := range []string{"replay none.pcapng", "diagnose", "report none.pcapng -o -  --format json"} {
			if strings.HasPrefix(args, "--expect") && strings.HasPrefix(command, "report") {
				continue
			}
			out, errs, code := dnatrace(append(strings.Fields(command), strings.Fields(args)...)...)
			if line, _, _ := strings.Cut(errs, "\n"); code != exitTrouble || out != "" || !strings.HasPrefix(line, "dnatrace: ") || !strings.Contains(line, want) {
				t.Errorf("%s %s: exit %d, want %q:\n%s", command, args, code, want, errs)
			}
		}
	}
}

func TestSinceIsATimeOrADurationBeforeTheEnd(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	defer func(was *time.Location) { time.Local = was }(time.Local)
	time.Local = zone
	end := time.Date(2026, 3, 1, 14, 30, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"10m":                       end.Add(-10 * time.Minute),
		"90":                        end.Add(-90 * time.Second),
		"1h30m":                     end.Add(-90 * time.Minute),
		"14:05":                     time.Date(2026, 3, 1, 14, 5, 0, 0, zone),
		"14:05:30":                  time.Date(2026, 3, 1, 14, 5, 30, 0, zone),
		"14:05:30.5":                time.Date(2026, 3, 1, 14, 5, 30, 5e8, zone),
		"14:30":                     end,
		"14:31":                     time.Date(2026, 2, 28, 14, 31, 0, 0, zone),
		"2026-03-01T13:05:00Z":      time.Date(2026, 3, 1, 14, 5, 0, 0, zone),
		"2026-03-01T14:05:00+02:00": time.Date(2026, 3, 1, 13, 5, 0, 0, zone),
		"2026-03-01 14:05":          time.Date(2026, 3, 1, 14, 5, 0, 0, zone),
		"2026-03-01":                time.Date(2026, 3, 1, 0, 0, 0, 0, zone),
	} {
		var f sinceFlag
		if err := f.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.From(end); !got.Equal(want) {
			t.Errorf("%s: since %s, want %s", text, got, want)
		}
	}
	var f sinceFlag
	if err := f.Set("14:05"); err != nil {
		t.Fatal(err)
	}
	f.settled(end)
	if f.Since != (render.Since{Time: time.Date(2026, 3, 1, 14, 5, 0, 0, zone)}) {
		t.Errorf("in a run that begins now, 14:05 is %+v", f.Since)
	}
}
