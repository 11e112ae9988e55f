package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture/engine"
)

func TestWhatAShellCompletes(t *testing.T) {
	for args, want := range map[string]string{
		"demo forw":                       "forward-drop\tAn administrator's own nft table",
		"replay --expect drop":            "dropped",
		"replay --expect dropped:firewal": "dropped:firewall-drop",
		"replay --cause mtu,firewall-d":   "mtu,firewall-drop",
		"replay -o js":                    "jsonl",
		"explain --place out":             "outside",
		"ports --color al":                "always",
		"diag":                            "diagnose\tWatch live requests",
	} {
		out, _, code := dnatrace(append([]string{"__complete"}, strings.Fields(args)...)...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%q: exit %d, %q, want %q", args, code, out, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, errs, code := dnatrace("completion", shell); code != exitOK || !strings.Contains(out, "dnatrace") {
			t.Errorf("completion %s: exit %d, %s", shell, code, errs)
		}
	}
}

func TestTargetsAreCompletedWithWhatTheyAre(t *testing.T) {
	got := targetWords(&engine.Snapshot{Containers: []engine.Container{{
		Name: "shop-web-1", State: "running", Project: "shop", Service: "web",
		Mappings: []engine.Binding{{Proto: "tcp", Container: 80, HostPort: 8080}, {Proto: "udp", Container: 53, HostPort: 5353}, {Proto: "tcp", Container: 81}},
	}}})
	want := []string{
		"5353/udp\tshop-web-1, its port 53", "8080\tshop-web-1, its port 80",
		"shop\tcompose project", "shop-web-1\tcontainer, running", "shop/web\tcompose service",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDockerIsToldWhatThePluginIs(t *testing.T) {
	out, _, code := dnatrace(pluginMetadata)
	var m map[string]string
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v: %q", code, err, out)
	}
	if m["SchemaVersion"] != "0.1.0" || m["Vendor"] == "" || m["Version"] == "" || m["ShortDescription"] == "" {
		t.Errorf("got %v", m)
	}
}

func TestThePluginGetsItsOwnArguments(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")
	for _, c := range []struct {
		self, args, want, host, context string
	}{
		{"/usr/bin/dnatrace", "diagnose dnatrace", "diagnose dnatrace", "", ""},
		{"/x/docker-dnatrace", "dnatrace diagnose 8080", "diagnose 8080", "", ""},
		{"/x/docker-dnatrace", "--host unix:///run/d.sock dnatrace ports", "ports", "unix:///run/d.sock", ""},
		{"/x/docker-dnatrace", "--context=away dnatrace diagnose dnatrace", "diagnose dnatrace", "", "away"},
		{"/x/docker-dnatrace", "docker-cli-plugin-metadata", "docker-cli-plugin-metadata", "", ""},
	} {
		os.Setenv("DOCKER_HOST", "")
		os.Setenv("DOCKER_CONTEXT", "")
		if got := strings.Join(asPlugin(c.self, strings.Fields(c.args)), " "); got != c.want || os.Getenv("DOCKER_HOST") != c.host || os.Getenv("DOCKER_CONTEXT") != c.context {
			t.Errorf("%s %s: got %q, host %q, context %q", c.self, c.args, got, os.Getenv("DOCKER_HOST"), os.Getenv("DOCKER_CONTEXT"))
		}
	}
}

func TestThePluginIsInstalledAndRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cli-plugins")
	link := filepath.Join(dir, "docker-dnatrace")
	for range 2 { // once more is no error
		if _, errs, code := dnatrace("plugin", "install", "--folder", dir); code != exitOK {
			t.Fatalf("exit %d, %s", code, errs)
		}
	}
	self, _ := os.Executable()
	if to, err := os.Readlink(link); err != nil || to != self {
		t.Errorf("it leads to %q, %v", to, err)
	}
	if _, errs, code := dnatrace("plugin", "remove", "--folder", dir); code != exitOK {
		t.Errorf("exit %d, %s", code, errs)
	}
	if _, err := os.Lstat(link); err == nil {
		t.Error("it is still there")
	}
	if err := os.WriteFile(link, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"install", "remove"} {
		if _, errs, code := dnatrace("plugin", what, "--folder", dir); code != exitTrouble || !strings.Contains(errs, "no link") {
			t.Errorf("%s of a file of somebody's: exit %d, %s", what, code, errs)
		}
	}
}

func TestEachCommandHasAManualPage(t *testing.T) {
	dir := t.TempDir()
	if _, errs, code := dnatrace("man", dir); code != exitOK {
		t.Fatalf("exit %d, %s", code, errs)
	}
	page, err := os.ReadFile(filepath.Join(dir, "dnatrace-diagnose.8"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH", "DNATRACE", "EXAMPLE", "--filter"} {
		if !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), want) {
			t.Errorf("dnatrace-diagnose(8) lacks %q", want)
		}
	}
}

func TestTheVersionTellsAllThatAReportNeeds(t *testing.T) {
	out, _, _ := dnatrace("--version")
	for _, want := range []string{"dnatrace ", "commit ", "recording format 1", "JSON schema dnatrace/1"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
}
