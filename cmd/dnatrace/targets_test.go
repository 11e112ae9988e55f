package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// selected are the requests that a run lists, and what it says was asked for.
func selected(t *testing.T, args ...string) (requested []string, target string) {
	t.Helper()
	out, errs, code := dnatrace(append(args, "-o", "json")...)
	if code == exitTrouble {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var d struct {
		Target   string
		Requests []struct{ Requested string }
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, r := range d.Requests {
		requested = append(requested, r.Requested)
	}
	return requested, d.Target
}

func TestReplayTakesEveryFormOfTarget(t *testing.T) {
	file := fixtureFile(t, "delivered")
	all, _ := selected(t, "replay", file)
	if len(all) == 0 || !slices.Contains(all, "198.51.100.1:8080") {
		t.Fatalf("the fixture holds requests to %v", all)
	}
	for _, row := range []struct {
		story   string
		targets []string
		want    bool
	}{
		{"a port", []string{"8080"}, true},
		{"… of its protocol", []string{"8080/tcp"}, true},
		{"… of another", []string{"8080/udp"}, false},
		{"… of yet another", []string{"8080/sctp"}, false},
		{"a range that it is in", []string{"8000-9000"}, true},
		{"… that ends with it", []string{"7000-8080/tcp"}, true},
		{"… that it is not in", []string{"8081-9000"}, false},
		{"ten thousand ports", []string{"1000-10999"}, true},
		{"one of several", []string{"8081,8080"}, true},
		{"none of several", []string{"8081,8082"}, false},
		{"one of several flags", []string{"8081", "8080"}, true},
		{"a port of any address", []string{":8080"}, true},
		{"… of the one asked", []string{"198.51.100.1:8080"}, true},
		{"… of loopback", []string{"localhost:8080"}, false},
		{"… of an address of IPv6", []string{"[::1]:8080"}, false},
		{"a URL", []string{"http://shop.example:8080/cart?id=1,2"}, true},
		{"… without a port", []string{"https://shop.example/"}, false},
		{"a container", []string{"web"}, true},
		{"… and its port", []string{"web:80"}, true},
		{"… and a range of its ports", []string{"web:1-100"}, true},
		{"… and another port", []string{"web:81"}, false},
	} {
		t.Run(row.story, func(t *testing.T) {
			args := []string{"replay", file}
			for _, s := range row.targets {
				args = append(args, "--target", s)
			}
			got, target := selected(t, args...)
			if slices.Contains(got, "198.51.100.1:8080") != row.want {
				t.Errorf("%v selects %v, of the 8080 that was asked for: %t expected", row.targets, got, row.want)
			}
			if want := strings.Join(row.targets, " "); !strings.Contains(want, "://") && target != want {
				t.Errorf("the document's target is %q, want %q", target, want)
			}
		})
	}
}

// TestATargetThatIsNoneIsTroubleOnOneLine: whatever command takes one says what
// would be right, before it asks for privilege or reads a packet.
func TestATargetThatIsNoneIsTroubleOnOneLine(t *testing.T) {
	file := fixtureFile(t, "delivered")
	out := t.TempDir() + "/out.pcapng"
	commands := map[string][]string{
		"diagnose": {"diagnose"},
		"record":   {"record", "-w", out, "--target"},
		"replay":   {"replay", file, "--target"},
		"report":   {"report", file, "-o", out + ".md", "--target"},
		"annotate": {"annotate", file, "-w", out, "--target"},
		"minimise": {"minimise", file, "-w", out, "--target"},
		"explain":  {"explain", "--from", file},
	}
	for bad, says := range map[string]string{
		"8080-":              "the range has no end: write 8080, or 8080-8090",
		"0":                  `"0" is no port: 1 to 65535`,
		"70000":              `"70000" is no port: 1 to 65535`,
		"7010-7000":          "the range runs backwards: write 7000-7010",
		"8080/tpc":           `unknown protocol "tpc": did you mean tcp?`,
		"":                   "it is empty: give a port, such as 8080",
		"8080,":              "nothing before or behind a comma",
		"redis://cache":      "no port is known for redis",
		"198.51.100.1":       "add a port, as in 198.51.100.1:8080",
		"2001:db8::1:x:8080": "needs brackets",
	} {
		for name, args := range commands {
			t.Run(fmt.Sprintf("%s %q", name, bad), func(t *testing.T) {
				printed, errs, code := dnatrace(append(slices.Clone(args), bad)...)
				line, _, _ := strings.Cut(errs, "\n")
				if code != exitTrouble || printed != "" || !strings.HasPrefix(line, "dnatrace: parse target") || !strings.Contains(line, says) {
					t.Errorf("exit %d, want %d and %q in one line:\n%s%s", code, exitTrouble, says, printed, errs)
				}
			})
		}
	}
}

func TestAnUnknownNameIsTroubleWithWhatLooksLikeIt(t *testing.T) {
	file := fixtureFile(t, "delivered")
	for name, args := range map[string][]string{
		"replay":  {"replay", file, "--target", "wbe"},
		"report":  {"report", file, "-o", "-", "--format", "json", "--target", "8080,wbe"},
		"explain": {"explain", "--from", file, "8080", "wbe"},
	} {
		out, errs, code := dnatrace(args...)
		if code != exitTrouble || out != "" || !strings.Contains(errs, `no container "wbe": did you mean web?`) {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
		}
	}
}

func TestExplainTellsOfSeveralTargetsInOneDocument(t *testing.T) {
	file := fixtureFile(t, "delivered")
	type path struct{ Target, From, Requested, Verdict string }
	explain := func(args ...string) (paths []path, skipped []string) {
		t.Helper()
		out, errs, code := dnatrace(append([]string{"explain", "--from", file, "-o", "json"}, args...)...)
		var d struct {
			Target  string
			Paths   []path
			Skipped []string
		}
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
		}
		return d.Paths, d.Skipped
	}
	outside := func(paths []path) (all []string) {
		for _, p := range paths {
			if p.From == "outside" && !strings.HasPrefix(p.Requested, "[") {
				all = append(all, p.Target+" "+p.Requested+" "+p.Verdict)
			}
		}
		return all
	}
	for _, row := range []struct {
		story   string
		args    []string
		want    []string
		skipped int
	}{
		{"two ports", []string{"8080", "81"}, []string{"8080 198.51.100.1:8080 delivered", "81 198.51.100.1:81 refused"}, 0},
		{"… with a comma between", []string{"8080,81"}, []string{"8080 198.51.100.1:8080 delivered", "81 198.51.100.1:81 refused"}, 0},
		{"each port of a range", []string{"8079-8081/tcp"},
			[]string{"8079/tcp 198.51.100.1:8079 refused", "8080/tcp 198.51.100.1:8080 delivered", "8081/tcp 198.51.100.1:8081 refused"}, 0},
		{"of ten thousand, what is published", []string{"8000-17999"}, []string{"8080 198.51.100.1:8080 delivered"}, 1},
		{"of ten thousand that nobody has, one", []string{"20000-29999"}, []string{"20000 198.51.100.1:20000 refused"}, 1},
		{"the same port twice is told once", []string{"8080", "http://shop.example:8080/"}, []string{"8080 198.51.100.1:8080 delivered"}, 0},
		{"localhost is not asked from outside", []string{"localhost:8080"}, nil, 0},
	} {
		t.Run(row.story, func(t *testing.T) {
			paths, skipped := explain(row.args...)
			if got := outside(paths); !slices.Equal(got, row.want) || len(skipped) != row.skipped {
				t.Errorf("got %q and %q, want %q", got, skipped, row.want)
			}
		})
	}
	if paths, _ := explain("localhost:8080"); len(paths) == 0 || paths[0].From != "loopback" {
		t.Errorf("localhost: %+v", paths)
	}
	out, _, code := dnatrace("explain", "--from", file, "8080", "81")
	if code != exitFailed || !strings.HasPrefix(out, "8080\n") || !strings.Contains(out, "\n\n81\n") {
		t.Errorf("exit %d, want %d and a section for each:\n%s", code, exitFailed, out)
	}
	_, errs, _ := dnatrace("explain", "--from", file, "http://192.0.2.7:8080/")
	if !strings.Contains(errs, "192.0.2.7 is none of this host's addresses; port 8080 is looked for at all of them") {
		t.Errorf("a URL of another host: %s", errs)
	}
}
