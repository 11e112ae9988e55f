package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// dnatrace runs the program and returns what it wrote and its exit code.
func dnatrace(args ...string) (out, err string, code int) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, streams{out: &o, err: &e})
	return o.String(), e.String(), code
}

func TestUsageErrorsAreOneLineAndWhatToTry(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"diagnos 8080", `unknown command "diagnos": did you mean diagnose?`},
		{"frobnicate", `unknown command "frobnicate"`},
		{"diagnose --colour", "unknown flag: --colour"},
		{"diagnose -o xml", `"xml" is none of table, json, jsonl`},
		{"diagnose -c -1", "-c -1: must not be negative"},
		{"diagnose -s -1", "-s -1: must not be negative"},
		{"diagnose -d -5s", "-5s is negative"},
		{"diagnose -d soon", `"soon" is none`},
		{"diagnose --window 0", "--window 0"},
		{"diagnose --expect lost", `there is no "lost": did you mean answer-lost?`},
		{"diagnose 8080 --", "no command after --"},
		{"record", "no file to write: name one with -w"},
		{"record -w f.pcapng 8080", `"8080" is not understood: name a target with --target`},
		{"record -w f.pcapng tcp port http", `"http" is not understood: a number up to 65535 is expected`},
		{"record -w f.pcapng tcp[13] & 2 != 0", `"tcp[13]" is not understood`},
		{"record -w f.pcapng port 80 and", "it ends too early"},
		{"diagnose 8080 -w -", "-w -: standard output gets the result"},
		{"record -w f.pcapng --trace --no-trace", "--trace and --no-trace: choose one"},
		{"replay - f.pcapng", "standard input stands alone"},
		{"annotate f.pcapng", "no file to write: name one with -w"},
		{"annotate -w f.pcapng", "no file to annotate"},
		{"annotate f.pcapng -w g.pcapng --point eth0 --point lo", "eth0 is chosen already"},
		{"--extcap-dlts", "no interface named"},
		{"diagnose 8080 --filter frob", `"frob" is not understood`},
		{"replay", "no file to replay"},
		{"replay f.pcap --point eth0", `--point "eth0": write NAME=FILE`},
		{"demo none forward-drop", `"forward-drop" is too many`},
		{"help frob", `unknown command "frob"`},
		{"version 2", `unexpected argument "2"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, err, code := dnatrace(strings.Fields(c.args)...)
			if code != exitTrouble || out != "" {
				t.Errorf("exit %d with %q on standard output, want 2 and nothing", code, out)
			}
			lines := strings.Split(strings.TrimSuffix(err, "\n"), "\n")
			if len(lines) != 2 || !strings.HasPrefix(lines[0], "dnatrace: ") || !strings.Contains(lines[0], c.want) {
				t.Errorf("standard error is %q, want a line with %q and a remedy", err, c.want)
			}
			if !strings.HasSuffix(lines[len(lines)-1], " --help") {
				t.Errorf("no help is offered: %q", err)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	for args, judges := range map[string]bool{"--help": true, "diagnose --help": true, "record -h": false, "help replay": true, "demo --help": false, "version --help": false} {
		out, err, code := dnatrace(strings.Fields(args)...)
		if code != exitOK || err != "" || !strings.Contains(out, "Usage:") {
			t.Errorf("%s: exit %d, standard error %q, standard output %q", args, code, err, out)
		}
		if told := strings.Contains(out, "\n  3  nothing to judge"); told != judges {
			t.Errorf("%s: the exit codes of what judges requests are told: %t, want %t", args, told, judges)
		}
	}
}

func TestDnatraceAloneSaysWhatToDoFirst(t *testing.T) {
	out, err, code := dnatrace()
	if code != exitTrouble || out != "" || !strings.Contains(err, "dnatrace diagnose 8080") || !strings.Contains(err, "--help") {
		t.Errorf("exit %d, standard output %q, standard error %q", code, out, err)
	}
}

func TestAFilterAmongTargetsIsToldWhereItBelongs(t *testing.T) {
	for args, want := range map[string]string{
		"diagnose 8080 host 1.2.3.4":         "try: dnatrace diagnose 8080 --filter 'host 1.2.3.4'",
		"diagnose host 1.2.3.4 and port 80":  "try: dnatrace diagnose --filter 'host 1.2.3.4 and port 80'",
		"watch web tcp port 80":              "try: dnatrace watch web --filter 'tcp port 80'",
		"probe 8080 src net 10.0.0.0/8":      "is no target, but a filter, and probe takes none",
		"record -w f.pcapng 8080 --filter x": "a filter is given twice",
	} {
		_, err, code := dnatrace(strings.Fields(args)...)
		if code != exitTrouble || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, %q, want %q", args, code, err, want)
		}
	}
}

func TestFilesAreReadWhereverTheyAreNamed(t *testing.T) {
	file := "../../fixtures/testdata/firewall-drop/recording.pcapng.gz"
	for _, args := range [][]string{{"replay", file}, {"replay", "-r", file}, {"diagnose", "8080", "-r", file}, {"diagnose", "--target", "8080", "-r", file}} {
		out, errs, code := dnatrace(args...)
		if code != exitFailed || !strings.Contains(out, "DROPPED") {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
	for _, args := range [][]string{{"explain", "8080", "-r", file}, {"ports", "-r", file}, {"topology", "-r", file}} {
		if out, errs, code := dnatrace(args...); code == exitTrouble || out == "" {
			t.Errorf("%v: exit %d, %q", args, code, errs)
		}
	}
	if _, errs, code := dnatrace("diagnose", "8080", "-r", file, "-w", "f.pcapng"); code != exitTrouble || !strings.Contains(errs, "-r reads files") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestQuietAndColor(t *testing.T) {
	file := "../../fixtures/testdata/firewall-drop/recording.pcapng.gz"
	if _, errs, _ := dnatrace("replay", file); !strings.Contains(errs, "packets captured") {
		t.Fatalf("standard error is %q", errs)
	}
	if out, errs, code := dnatrace("replay", "-q", file); errs != "" || code != exitFailed || out == "" {
		t.Errorf("-q: exit %d, standard error %q", code, errs)
	}
	if _, errs, code := dnatrace("replay", "-q", file, "--expect", "delivered"); !strings.Contains(errs, "expected delivered") || code != exitFailed {
		t.Errorf("-q hides that an expectation is not met: exit %d, %q", code, errs)
	}
	if _, errs, code := dnatrace("replay", "-q", "nowhere"); !strings.Contains(errs, "no such file") || code != exitTrouble {
		t.Errorf("-q hides an error: exit %d, %q", code, errs)
	}
	if out, _, _ := dnatrace("replay", "--color", "always", file); !strings.Contains(out, "\x1b[1;31m") {
		t.Error("--color always shows no colours")
	}
	if out, _, _ := dnatrace("replay", "--color", "never", file); strings.Contains(out, "\x1b") {
		t.Error("--color never shows colours")
	}
	if _, errs, code := dnatrace("replay", "--color", "sometimes", file); code != exitTrouble || !strings.Contains(errs, "auto, always, never") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestInChinese(t *testing.T) {
	file := "../../fixtures/testdata/firewall-drop/recording.pcapng.gz"
	out, errs, code := dnatrace("replay", "--lang", "zh", file)
	for _, want := range []string{"✗ DROPPED", "您的一条规则丢弃了它", "修复   iptables -t filter -D DOCKER-USER", "1 个请求：1 dropped"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != exitFailed || !strings.Contains(errs, "已抓取") {
		t.Errorf("exit %d, %q", code, errs)
	}
	for _, format := range []string{"json", "jsonl", "junit", "tap", "github"} {
		chinese, _, _ := dnatrace("replay", "--lang", "zh", "-o", format, file)
		if english, _, _ := dnatrace("replay", "--lang", "en", "-o", format, file); chinese != english || english == "" {
			t.Errorf("-o %s, which programs read, is in another language", format)
		}
	}
	if _, errs, code := dnatrace("replay", "--lang", "klingon", file); code != exitTrouble || !strings.Contains(errs, "none of en, zh") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestNearMatchesOfScenarios(t *testing.T) {
	if _, errs, code := dnatrace("demo", "forward-dorp"); code != exitTrouble || !strings.Contains(errs, "did you mean forward-drop?") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestACommandWithExitCodesOfItsOwnTellsNoOthers(t *testing.T) {
	for _, name := range []string{"diff", "explain", "ports", "topology", "doctor"} {
		out, _, _ := dnatrace("help", name)
		if n := strings.Count(out, "Exit codes:"); n != 1 {
			t.Errorf("%s tells exit codes %d times", name, n)
		}
	}
}

func TestVersionNamesTheFormats(t *testing.T) {
	out, _, code := dnatrace("version")
	if flag, _, _ := dnatrace("--version"); flag != out {
		t.Errorf("--version says %q", flag)
	}
	for _, want := range []string{"dnatrace ", "recording format 1", "JSON schema dnatrace/1", "go1."} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, %q lacks %q", code, out, want)
		}
	}
}

func TestSplitCommand(t *testing.T) {
	for _, c := range []struct {
		name             string
		args             []string
		dash             int
		targets, command []string
	}{
		{"targets alone", []string{"8080", "web"}, -1, []string{"8080", "web"}, nil},
		{"a target and a command", []string{"8080", "curl", "-s"}, 1, []string{"8080"}, []string{"curl", "-s"}},
		{"a command alone", []string{"curl"}, 0, []string{}, []string{"curl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			targets, command := splitCommand(c.args, c.dash)
			if d := cmp.Diff([][]string{c.targets, c.command}, [][]string{targets, command}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{"10": 10 * time.Second, "0.5": 500 * time.Millisecond, "2m": 2 * time.Minute, "0": 0} {
		var d durationFlag
		if err := d.Set(in); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %s (%v), want %s", in, time.Duration(d), err, want)
		}
	}
}

func TestTroubleIsToldWithItsRemedy(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"an error whose remedy is not known", errors.New("read f.pcap: is a directory"), "dnatrace: read f.pcap: is a directory\n"},
		{"a missing privilege", fmt.Errorf("open packet socket: %w", fs.ErrPermission),
			"dnatrace: open packet socket: permission denied\n  run it as root (sudo), or replay a recording made by someone who is\n"},
		{"a missing privilege that tells its own remedy", fmt.Errorf("connect: run with sudo: %w", fs.ErrPermission),
			"dnatrace: connect: run with sudo: permission denied\n"},
		{"a hostile name", errors.New("no container \x1b[2Jweb\n"), `dnatrace: no container \x1b[2Jweb\n` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			report(&b, c.err)
			if d := cmp.Diff(c.want, b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestConcludeShowsTheResultAndSettlesTheCode(t *testing.T) {
	trouble := errors.New("read f.pcapng: input/output error")
	dropped := &correlate.Document{Schema: correlate.Schema, Verdict: correlate.Dropped, Cause: correlate.CauseFirewallDrop, Summary: correlate.Summary{Dropped: 1}}
	for _, c := range []struct {
		name     string
		doc      *correlate.Document
		format   render.Format
		expect   string
		trouble  error
		out, err string
		code     int
	}{
		{"a failure", dropped, render.FormatTable, "", nil, "1 request: 1 dropped", "0 packets captured, 0 lost\n", exitFailed},
		{"a failure that was expected", dropped, render.FormatJSON, "dropped", nil, `"verdict": "dropped"`, "0 packets captured, 0 lost\n", exitOK},
		{"a failure that was not", dropped, render.FormatJSONL, "delivered", nil, `"verdict":"dropped"`,
			"0 packets captured, 0 lost\nexpected delivered, got dropped:firewall-drop\n", exitFailed},
		{"a result cut short by trouble is shown", dropped, render.FormatTable, "", trouble, "1 request: 1 dropped", "0 packets captured, 0 lost\n", exitFailed},
		{"no result", nil, render.FormatTable, "", trouble, "", "", exitOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			a := &app{streams: streams{out: &out, err: &errs}}
			f := outputFlags{format: formatFlag(c.format)}
			if c.expect != "" {
				if err := f.expect.Set(c.expect); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.conclude(a.printer(f), c.doc, f, c.trouble); !errors.Is(err, c.trouble) {
				t.Errorf("error %v, want %v", err, c.trouble)
			}
			if !strings.Contains(out.String(), c.out) || errs.String() != c.err || a.code != c.code {
				t.Errorf("exit %d, out %q, err %q", a.code, out.String(), errs.String())
			}
		})
	}
}
