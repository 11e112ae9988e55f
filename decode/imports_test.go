package decode_test

import (
	"go/build"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// forbidden is what decode must not import, and why. A path also stands for
// everything below it.
var forbidden = map[string]string{
	"os":                       "decode does no I/O",
	"net":                      "decode opens no socket; net/netip has the addresses",
	"syscall":                  "decode builds and means the same on any OS",
	"time":                     "decode reads no clock: times are Unix ns in the records",
	"unsafe":                   "decode reads hostile bytes",
	"golang.org/x/sys":         "decode builds and means the same on any OS",
	"golang.org/x/net":         "decode opens no socket",
	"github.com/docker/docker": "decode opens no socket; capture/engine has the types",
	"github.com/google/gopacket": "the packet path allocates nothing: gopacket is the judge in " +
		"the tests",
	"github.com/mdlayher/netlink":    "decode opens no socket",
	"github.com/vishvananda/netlink": "decode opens no socket",
	"github.com/google/nftables":     "decode opens no socket",
	"dnatrace/correlate":             "data goes from decode to correlate, imports the other way",
	"dnatrace/cmd":                   "data goes from decode to cmd, imports the other way",
}

func TestDecodeImportsNothingThatActs(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		ctx := build.Default
		ctx.GOOS = goos
		pkg, err := ctx.ImportDir(".", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range pkg.Imports {
			if why := reason(path); why != "" {
				t.Errorf("on %s, decode imports %s: %s", goos, path, why)
			}
		}
	}
}

// outOfReach is what decode must not import even through another package. Of
// what it must not import itself, os, syscall, time and unsafe are left out: fmt
// and encoding/json use them, and every program has them in it.
var outOfReach = []string{
	"net", "os/exec", "golang.org/x/sys", "golang.org/x/net", "github.com/docker/docker", "github.com/google/gopacket",
	"github.com/mdlayher/netlink", "github.com/vishvananda/netlink", "github.com/google/nftables",
	"dnatrace/capture/engine/docker", "dnatrace/capture/host/kernel", "dnatrace/capture/rules/netfilter",
	"dnatrace/correlate", "dnatrace/cmd",
}

func TestDecodeReachesNothingThatActs(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("list what decode imports on %s: %v", goos, err)
		}
		reached := strings.Fields(string(out))
		if !slices.Contains(reached, "dnatrace/capture/engine") {
			t.Fatalf("on %s, the list lacks what decode does import: %q", goos, reached)
		}
		for _, path := range reached {
			if path != "net/netip" && slices.ContainsFunc(outOfReach, func(bad string) bool { return within(path, bad) }) {
				t.Errorf("on %s, decode reaches %s", goos, path)
			}
		}
	}
}

// within says whether path is base or below it.
func within(path, base string) bool { return path == base || strings.HasPrefix(path, base+"/") }

func reason(path string) string {
	if path == "net/netip" {
		return ""
	}
	for bad, why := range forbidden {
		if within(path, bad) {
			return why
		}
	}
	return ""
}
