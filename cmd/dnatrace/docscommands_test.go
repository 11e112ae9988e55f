package main

import (
	"archive/tar"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// elsewhere are the commands that are documented for a live host, with what they need and
// the test that runs them where that is. Here only flags and arguments are read.
var elsewhere = map[string]string{
	"--otlp":   "takes a receiver: TestTwoHostsShowOneTrace",
	"s3://":    "takes a store: TestWhatIsSavedAndSentIsReplayedFromTheStore",
	"collect":  "gathers from a live host: TestWhatToolsPrintEndsUpInTheFolder",
	"demo":     "takes root and namespaces: step \"make demo\" of .ci/run",
	"diagnose": "takes an engine: TestDiagnose, TestExamples and TestEveryFormOfTarget",
	"doctor":   "tells of the very host: TestDoctorTriesEverySourceWhereItIsTold",
	"explain":  "takes an engine: TestPortsOfABusyHost",
	"plugin":   "writes into a user's home: TestThePluginIsInstalledAndRemoved",
	"ports":    "takes an engine: TestPortsOfABusyHost",
	"probe":    "takes an engine: TestProbe",
	"record":   "takes an engine: TestDiagnose, whose runs are recorded",
	"topology": "takes an engine: TestPortsOfABusyHost",
	"watch":    "takes an engine: TestWatchOnAScreen and TestAnAlertFires",
}

// Each reason names tests that there are.
func TestWhatRunsDocumentedCommandsIsThere(t *testing.T) {
	var all strings.Builder
	for _, folder := range []string{"cmd", "fixtures"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			all.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ci, err := os.ReadFile(filepath.Join(repository, ".ci/run"))
	if err != nil {
		t.Fatal(err)
	}
	for command, reason := range elsewhere {
		if step, _, ok := strings.Cut(reason[strings.Index(reason, ": ")+2:], " of .ci/run"); ok {
			if !strings.Contains(string(ci), "\n"+step) {
				t.Errorf("%s: .ci/run has no %s", command, step)
			}
			continue
		}
		named := regexp.MustCompile(`Test\w+`).FindAllString(reason, -1)
		if len(named) == 0 {
			t.Errorf("%s: no test is named that runs it", command)
		}
		for _, name := range named {
			if !strings.Contains(all.String(), "func "+name+"(") {
				t.Errorf("%s: there is no %s", command, name)
			}
		}
	}
}

// A documented command is one that a page tells to type.
type documented struct {
	page, line string
	args       []string
	into       string // where its output goes
}

var (
	typedLine   = regexp.MustCompile(`(?m)^(?:    |\$ )+(?:sudo )?(dnatrace [^\n]*)$`)
	typedText   = regexp.MustCompile("`(?:sudo )?(dnatrace [^`\n]+)`")
	typedWithin = regexp.MustCompile(`<\((dnatrace [^)]*)\)`)
)

func documentedCommands(t *testing.T) (all []documented) {
	for path, page := range documents(t) {
		if path == "CHANGELOG.md" {
			continue
		}
		for _, form := range []*regexp.Regexp{typedLine, typedText, typedWithin} {
			for _, m := range form.FindAllStringSubmatch(page, -1) {
				line := strings.TrimSpace(m[1])
				args, into := words(line)
				all = append(all, documented{page: path, line: line, args: args[1:], into: into})
			}
		}
	}
	slices.SortFunc(all, func(a, b documented) int { return strings.Compare(a.page+a.line, b.page+b.line) })
	return all
}

// words are those of a line as a shell takes it, up to a comment or a pipe, and the file
// that its output goes into.
func words(line string) (args []string, into string) {
	var word strings.Builder
	quote, open := rune(0), false
	end := func() {
		if open {
			args = append(args, word.String())
		}
		word.Reset()
		open = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, open = r, true
		case quote == 0 && r == ' ':
			end()
		case quote == 0 && (r == '#' && !open || r == '|'):
			end()
			return redirected(args)
		default:
			word.WriteRune(r)
			open = true
		}
	}
	end()
	return redirected(args)
}

func redirected(args []string) ([]string, string) {
	for i, a := range args {
		if (a == ">" || a == ">>") && i+1 < len(args) {
			return args[:i], args[i+1]
		}
	}
	return args, ""
}

func TestEveryDocumentedCommandExists(t *testing.T) {
	all := documentedCommands(t)
	if len(all) < 100 {
		t.Errorf("found %d commands only: how they are found is wrong", len(all))
	}
	for _, d := range all {
		a := &app{streams: streams{out: &strings.Builder{}, err: &strings.Builder{}}}
		root := a.root()
		command, rest, err := root.Find(d.args)
		if err == nil && command == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && rest[0] != "completion" {
			t.Errorf("%s: %q: there is no such command", d.page, d.line)
			continue
		}
		if err == nil && !command.DisableFlagParsing && !slices.Contains(rest, "--help") && !slices.Contains(rest, "--version") && !strings.Contains(d.line, "--extcap") && !slices.Contains(d.args, "completion") {
			err = command.ParseFlags(rest)
		}
		if err != nil && !strings.HasSuffix(err.Error(), "needs an argument: --"+strings.TrimPrefix(d.args[len(d.args)-1], "--")) { // a flag's name in a sentence
			t.Errorf("%s: %q: %v", d.page, d.line, err)
		}
	}
}

// TestEveryDocumentedCommandRuns runs what the pages tell to type, in an order that makes
// what the next one reads, where no live host is needed for that.
func TestEveryDocumentedCommandRuns(t *testing.T) {
	all := documentedCommands(t)
	t.Chdir(folderOfTheDocs(t))
	ran, live := map[string]bool{}, map[string]bool{}
	for _, d := range all {
		if ran[d.line] || len(d.args) == 0 || slices.ContainsFunc(d.args, func(s string) bool { return s == "TARGET" || s == "FILE" || s == "COMMAND" }) {
			continue
		}
		command := d.args[0]
		fromFile := command != "probe" && // whose --from is a client's address
			slices.ContainsFunc([]string{"-r", "--replay", "--from"}, func(flag string) bool { return slices.Contains(d.args, flag) })
		if with := neighbourOf(d.args); with != "" {
			live[with] = true
			continue
		}
		switch command {
		case "replay", "report", "redact", "minimise", "annotate", "diff":
		case "version", "completion", "--version", "--help":
		case "collect": // prints a script
			if slices.Contains(d.args, "-w") {
				live[command] = true
				continue
			}
		default:
			if !fromFile && !slices.Contains(d.args, "--help") && !strings.HasPrefix(command, "--extcap") {
				if elsewhere[command] == "" {
					t.Errorf("%s: %q is not run here, and elsewhere does not say what runs it", d.page, d.line)
				}
				live[command] = true
				continue
			}
		}
		if last := d.args[len(d.args)-1]; len(d.args) == 1 && (command == "replay" || command == "report") || last == "--replay" {
			continue // the name of a command or flag in a sentence
		}
		if ran[d.line] = true; command == "watch" {
			d.args = append(d.args, "--speed", "0") // a screen's pace is not what is tried
		}
		out, said, code := dnatrace(d.args...)
		if code == exitTrouble {
			t.Errorf("%s: %q: exit %d: %s", d.page, d.line, code, said)
		}
		if d.into != "" {
			if err := os.WriteFile(d.into, []byte(out), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(ran) < 25 {
		t.Errorf("ran %d commands only", len(ran))
	}
	for _, command := range slices.Sorted(maps.Keys(elsewhere)) {
		if !live[command] {
			t.Errorf("elsewhere names %s, and no page tells to type it live", command)
		}
	}
}

// neighbourOf is what a command speaks to beside the engine, as elsewhere has it; "" for
// nothing.
func neighbourOf(args []string) string {
	for _, with := range []string{"--otlp", "s3://"} {
		if slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(s, with) }) {
			return with
		}
	}
	return ""
}

// folderOfTheDocs holds the files that the pages name.
func folderOfTheDocs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	copyTo := func(name, from string) {
		b, err := os.ReadFile(filepath.Join(root, "fixtures/testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	failed, delivered := "firewall-drop/recording.pcapng.gz", "delivered/recording.pcapng.gz"
	copyTo("incident.pcapng", "no-listener/recording.pcapng.gz") // seen at all points
	for _, name := range []string{"web.pcapng", "bad.pcapng", "from-outside.pcapng", "shareable.pcapng", "fixtures/testdata/firewall-drop/recording.pcapng.gz"} {
		copyTo(name, failed)
	}
	for _, name := range []string{"good.pcapng", "from-host.pcapng", "testdata/shop.pcapng.gz"} {
		copyTo(name, delivered)
	}
	copyTo("any.pcap", "foreign-drop-any/input/any.pcap")
	copyTo("eth0.pcap", "foreign-drop-each/input/eth0.pcap")
	copyTo("docker0.pcap", "foreign-drop-each/input/docker0.pcap")
	for _, to := range []string{"folder", "incident"} {
		if err := os.CopyFS(filepath.Join(dir, to), os.DirFS(filepath.Join(root, "fixtures/testdata/foreign-drop-each/input"))); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := os.ReadFile(filepath.Join(dir, "folder/iptables.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "terminal.txt"), append([]byte("root@host:~# iptables-save\n"), rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	archived(t, filepath.Join(dir, "incident.tar.gz"), filepath.Join(dir, "folder"))
	return dir
}

func archived(t *testing.T, file, folder string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := w.AddFS(os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
