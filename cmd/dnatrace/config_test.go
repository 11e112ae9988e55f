package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watch.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheCommandLineHoldsThenTheEnvironmentThenTheFile(t *testing.T) {
	path := config(t, "interval: 1m\nwindow: 5s\ninterface: [eth0, docker0]\nmetrics: 9469\nlines: true\ntargets: [shop/web, 9000]\n")
	t.Setenv("DNATRACE_WATCH_WINDOW", "7s")
	t.Setenv("DNATRACE_WATCH_INTERVAL", "2m")
	out, errs, code := dnatrace("watch", "--config", path, "--interval", "3m", "--check-config")
	want := "targets: shop/web 9000\ninterface: [eth0,docker0]\ninterval: 3m0s\nlines: true\nmetrics: 127.0.0.1:9469\nwindow: 7s\n"
	if code != exitOK || out != want {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	t.Setenv("DNATRACE_WATCH_TARGETS", "web 81")
	for args, want := range map[string]string{"": "targets: web 81\n", "8080": "targets: 8080\n"} {
		if out, _, _ := dnatrace(append([]string{"watch", "--config", path, "--check-config"}, strings.Fields(args)...)...); !strings.HasPrefix(out, want) {
			t.Errorf("%q: %s", args, out)
		}
	}
}

func TestAConfigurationThatCannotBeKeptIsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a flag that there is not", "intervall: 1m", "no flag --intervall"},
		{"one that leads to another file", "config: other.yaml", "no flag --config to be set there"},
		{"a value that is none", "interval: soon", "take --interval from "},
		{"no YAML", "interval: [", "read "},
		{"a map where a word is wanted", "interval: {a: b}", "line 1: interval is a word"},
		{"a secret that is not there", "otlp: http://h\ntrace-secret: /nonexistent", "read secret for trace ids"},
		{"what has no meaning", "trace-sample: 3", "say with --otlp"},
		{"a receiver that is none", "otlp: h", "is no URL of a receiver"},
		{"a target that is none", "targets: ['7010-7000']", "7010-7000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, code := dnatrace("watch", "--config", config(t, c.text), "--check-config")
			if code != exitTrouble || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d: %s%s", code, out, errs)
			}
		})
	}
	if _, errs, code := dnatrace("watch", "--config", "/nonexistent/x", "--check-config"); code != exitTrouble || !strings.Contains(errs, "read configuration") {
		t.Errorf("exit %d: %s", code, errs)
	}
	t.Setenv("DNATRACE_WATCH_INTERVALL", "1m")
	if _, errs, code := dnatrace("watch", "--check-config"); code != exitTrouble || !strings.Contains(errs, "DNATRACE_WATCH_INTERVALL") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

const fleet = "../../packaging/fleet/"

// heldBy are the flags of a command line, without what only the place it runs at has.
func heldBy(t *testing.T, where string, args []string) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of all hosts"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		if i > 0 && args[i-1] == "--trace-secret" {
			args[i] = secret
		}
	}
	out, errs, code := dnatrace(append(args, "--check-config")...)
	if code != exitOK {
		t.Fatalf("%s: exit %d: %s", where, code, errs)
	}
	return out
}

// What is handed out to run on every host is read as its readers do, and its command
// lines by the program itself.
func TestWhatRunsOnEveryHostIsUnderstood(t *testing.T) {
	var swarm struct {
		Services map[string]struct {
			Command []string
			Deploy  struct{ Mode string }
		}
	}
	parse(t, "swarm.yml", &swarm)
	if s := swarm.Services["watch"]; s.Deploy.Mode != "global" || !strings.Contains(heldBy(t, "swarm.yml", s.Command), "metrics: 0.0.0.0:9469") {
		t.Errorf("the stack is %+v", swarm)
	}
	var set struct {
		Kind string
		Spec struct {
			Template struct {
				Spec struct {
					HostNetwork, HostPID bool `yaml:",omitempty"`
					Containers           []struct{ Args []string }
				}
			}
		}
	}
	parse(t, "kubernetes.yaml", &set)
	pod := set.Spec.Template.Spec
	if set.Kind != "DaemonSet" || len(pod.Containers) != 1 || !strings.Contains(heldBy(t, "kubernetes.yaml", pod.Containers[0].Args), "save: /var/lib/dnatrace") {
		t.Errorf("the set is %+v", set)
	}
	b, err := os.ReadFile(fleet + "watch.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), string(regexp.MustCompile(`(?m)^# (upload|targets):`).ReplaceAll(b, []byte("$1:")))} {
		text = regexp.MustCompile(`(?m)^trace-secret: .*$`).ReplaceAllString(text, "trace-secret: "+config(t, "a secret of all hosts"))
		if out := heldBy(t, "watch.yaml", []string{"watch", "--config", config(t, text)}); !strings.Contains(out, "save-limit: ") {
			t.Errorf("it is %s", out)
		}
	}
	unit, err := os.ReadFile(fleet + "dnatrace-watch.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStartPre=/usr/bin/dnatrace watch --config /etc/dnatrace/watch.yaml --check-config\n", "ExecStart=/usr/bin/dnatrace watch --config /etc/dnatrace/watch.yaml\n"} {
		if !bytes.Contains(unit, []byte(want)) {
			t.Errorf("the unit lacks %q", want)
		}
	}
}

// parse reads a file with one document.
func parse(t *testing.T, name string, to any) {
	t.Helper()
	f, err := os.Open(fleet + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	if err := d.Decode(to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := d.Decode(&struct{}{}); err != io.EOF {
		t.Fatalf("%s has more than one document: %v", name, err)
	}
}
