package decode_test

import (
	"go/build"
	"strings"
	"testing"
)

// forbidden is what decode must not import, and why. A path also stands for
// everything below it. What it must not reach through other packages either is
// said where the rules for the whole tree are, in cmd/internal/archtest.
var forbidden = map[string]string{
	"os":                             "decode does no I/O",
	"net":                            "decode opens no socket; net/netip has the addresses",
	"syscall":                        "decode builds and means the same on any OS",
	"time":                           "decode reads no clock: times are Unix ns in the records",
	"unsafe":                         "decode reads hostile bytes",
	"golang.org/x/sys":               "decode builds and means the same on any OS",
	"golang.org/x/net":               "decode opens no socket",
	"github.com/docker/docker":       "decode opens no socket; capture/engine has the types",
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
