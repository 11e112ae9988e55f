package gather

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheScriptIsOneOfAnyShell has it read by sh, and by dash and busybox where they are.
func TestTheScriptIsOneOfAnyShell(t *testing.T) {
	for _, shell := range [][]string{{"sh", "-n"}, {"dash", "-n"}, {"bash", "--posix", "-n"}, {"busybox", "sh", "-n"}} {
		if _, err := exec.LookPath(shell[0]); err != nil {
			continue
		}
		c := exec.Command(shell[0], shell[1:]...)
		c.Stdin = strings.NewReader(Script(Options{Ports: []uint16{8080, 80}, For: time.Minute}))
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %v: %s", shell, err, out)
		}
	}
}

// TestWhatToolsPrintEndsUpInTheFolder runs the script beside stand-ins for every tool.
func TestWhatToolsPrintEndsUpInTheFolder(t *testing.T) {
	bin, dir := t.TempDir(), filepath.Join(t.TempDir(), "incident")
	tool := func(name, script string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"iptables-save", "ip6tables-save", "nft", "ss", "conntrack", "ping"} {
		tool(name, "echo "+name+` "$@"`)
	}
	tool("ip", `echo "[]"`)
	tool("ipset", "exit 1")
	tool("sleep", "exit 0")
	tool("nsenter", `shift 3; echo inside "$@"`)
	tool("tcpdump", `for a; do :; done; echo "$a" >any.pcap; exec /bin/sleep 60`)
	tool("docker", `case "$1 $2" in
"ps -aq") echo d6e5 ;;
"ps --format") echo web ;;
"inspect d6e5") printf '[\n {\n  "Config": {\n   "Env": [\n    "PASSWORD=hunter2"\n   ],\n   "Cmd": null\n  }\n }\n]\n' ;;
"inspect -f") case "$3" in *Pid*) echo 42 ;; *) echo bridge ;; esac ;;
*) echo "[]" ;;
esac`)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	var said bytes.Buffer
	if err := Run(context.Background(), Options{Ports: []uint16{8080}}, dir, &said); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if got := read("inspect.json"); strings.Contains(got, "hunter2") || !strings.Contains(got, `"Cmd": null`) {
		t.Errorf("inspect.json holds the environment, or not the rest: %s", got)
	}
	if got := read("any.pcap"); !strings.Contains(got, "port 8080 or arp") {
		t.Errorf("captured by %q", got)
	}
	if got := read("web/sockets.txt"); got != "inside ss -lntup\n" {
		t.Errorf("of the container: %q", got)
	}
	read("rules.txt")
	if _, err := os.Stat(filepath.Join(dir, "sets.txt")); err == nil || !strings.Contains(said.String(), "without ipset save") {
		t.Errorf("a tool that failed is not named: %s", said.String())
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the folder is for others, too: %v", st.Mode())
	}
	if err := Run(context.Background(), Options{}, dir, &said); err == nil {
		t.Error("a folder that exists is written into")
	}
}
