package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTsharkListsTheInterfaces has tshark call the program: from a folder of its
// own, which tshark allows to users other than root.
func TestTsharkListsTheInterfaces(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark: apt-get install tshark")
	}
	noEngine(t)
	dir, err := os.MkdirTemp("", "extcap")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "dnatrace"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ask := func(args ...string) string {
		c := exec.Command("tshark", args...)
		c.Env = append(os.Environ(), "WIRESHARK_EXTCAP_DIR="+dir, "HOME="+dir)
		if os.Geteuid() == 0 {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("tshark %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := ask("-D"); !strings.Contains(out, "dnatrace (Docker: all published ports)") {
		t.Errorf("tshark -D says\n%s", out)
	}
	if out := ask("-i", "dnatrace", "-L"); !strings.Contains(out, "EN10MB (Ethernet)") {
		t.Errorf("tshark -L says\n%s", out)
	}
}
