// Package archtest holds the shape of the tree: which package may import which,
// where goroutines live, and where the clock may be read. It has tests only.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "dnatrace"

// rule forbids imports. Patterns are import paths; one that ends in /... stands
// for the path and everything below it.
type rule struct {
	name      string
	packages  []string // to which the rule applies, without the module's name
	except    []string
	forbidden []string
	allowed   []string // of the forbidden
	deep      bool     // not through other packages either, but for those in opaque
	tests     bool     // nor in tests
}

// acting are the packages through which a program acts on the world or asks it.
// os and syscall are not among them, as fmt imports them: that they are not
// imported directly is a rule of its own.
var acting = []string{
	"net", "net/http/...", "os/exec", "os/signal", "os/user", "golang.org/x/sys/...", "golang.org/x/net/...",
	"github.com/docker/...", "github.com/mdlayher/...", "github.com/vishvananda/...", "github.com/google/nftables/...",
}

// opaque are packages that are not looked into: gopacket imports net for its
// types of addresses, and opens nothing in the packages that decode uses.
var opaque = []string{"github.com/google/gopacket", "github.com/google/gopacket/layers"}

// words are the packages that have nothing but types for what the origins say
// and for what was asked about.
var words = []string{"capture", "capture/drops", "capture/engine", "capture/filter", "capture/host", "capture/rules", "capture/target"}

// rules are what ARCHITECTURE.md says, in a form that can fail.
var rules = []rule{
	{
		name:      "decode touches nothing but bytes",
		packages:  []string{"decode/..."},
		forbidden: []string{"os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", "github.com/docker/...", "github.com/vishvananda/...", "github.com/mdlayher/..."},
	},
	{
		name:      "correlate opens no socket and no file",
		packages:  []string{"correlate/..."},
		forbidden: []string{"os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", "github.com/docker/...", "github.com/vishvananda/...", "github.com/mdlayher/..."},
	},
	{
		name:      "what reads recordings reaches nothing that acts, through whatever package",
		packages:  append([]string{"decode/...", "correlate/..."}, words...),
		forbidden: acting,
		deep:      true,
	},
	{
		name:      "what reads recordings knows of capture the words alone",
		packages:  append([]string{"decode/...", "correlate/..."}, words...),
		forbidden: []string{module + "/capture/..."},
		allowed:   under(module, words),
		deep:      true,
	},
	{
		name:      "data flows from capture to decode to correlate to cmd: capture knows none of the later ones",
		packages:  []string{"capture/..."},
		forbidden: []string{module + "/decode/...", module + "/correlate/...", module + "/cmd/..."},
		deep:      true,
	},
	{
		name:      "data flows from capture to decode to correlate to cmd: decode knows neither of the later ones",
		packages:  []string{"decode/..."},
		forbidden: []string{module + "/correlate/...", module + "/cmd/..."},
		deep:      true,
	},
	{
		name:      "nothing but cmd knows cmd",
		packages:  []string{"correlate/...", "fixtures/..."},
		except:    []string{"fixtures/enginelab/..."}, // builds the program to test it as a whole
		forbidden: []string{module + "/cmd/..."},
		deep:      true,
	},
	{
		name:      "capture's shared types know none of its origins",
		packages:  []string{"capture"},
		forbidden: []string{module + "/..."},
		deep:      true,
	},
	{
		name:      "the table of programs that write rules knows nothing of ours",
		packages:  []string{"decode/programs"},
		forbidden: []string{module + "/..."},
		deep:      true,
	},
	{
		name:      "tables are drawn in one place",
		packages:  []string{"..."},
		except:    []string{"cmd/internal/render"},
		forbidden: []string{"github.com/olekukonko/..."},
		tests:     true,
	},
	{
		name:      "the engine is asked in one place",
		packages:  []string{"..."},
		except:    []string{"capture/engine/docker", "fixtures/enginelab/..."},
		forbidden: []string{"github.com/docker/..."},
		tests:     true,
	},
	{
		name:      "gopacket is a judge in tests, and decodes what is rare",
		packages:  []string{"..."},
		except:    []string{"decode/...", "fixtures/..."},
		forbidden: []string{"github.com/google/gopacket/..."},
	},
	{
		name:      "flags are read in one place",
		packages:  []string{"..."},
		except:    []string{"cmd/dnatrace"},
		forbidden: []string{"github.com/spf13/..."},
		tests:     true,
	},
	{
		name:      "a terminal is taken over in one place, with one library",
		packages:  []string{"..."},
		except:    []string{"cmd/dnatrace"},
		forbidden: []string{"charm.land/...", "github.com/charmbracelet/..."},
		tests:     true,
	},
	{
		name:      "rendering opens nothing and decides nothing",
		packages:  []string{"cmd/internal/render"},
		forbidden: []string{"net", "net/http", "syscall", "golang.org/x/sys/...", module + "/capture/...", module + "/decode/..."},
		allowed:   []string{module + "/decode/programs"},
	},
	{
		name:      "the report opens nothing and decides nothing",
		packages:  []string{"cmd/internal/report"},
		forbidden: []string{"os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", module + "/capture/...", module + "/decode/..."},
		allowed:   []string{module + "/decode/programs"},
	},
	{
		name:      "what watch shows opens nothing and decides nothing",
		packages:  []string{"cmd/internal/watch"},
		forbidden: []string{"os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", module + "/capture/...", module + "/decode/..."},
		allowed:   []string{module + "/decode/programs"},
	},
	{
		name:      "metrics decide nothing, and whose stream they are of they are told",
		packages:  []string{"cmd/internal/metrics"},
		forbidden: []string{"os/...", "net", "syscall", "golang.org/x/sys/...", module + "/capture/...", module + "/decode/..."},
		allowed:   under(module, words),
	},
	{
		name:      "names of traces are computed from what is given, by nothing of ours",
		packages:  []string{"cmd/internal/traceid"},
		forbidden: []string{"os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", module + "/..."},
	},
	{
		name:      "traces are told in one place",
		packages:  []string{"..."},
		except:    []string{"cmd/internal/otlp"},
		forbidden: []string{"go.opentelemetry.io/...", "google.golang.org/grpc/..."},
		tests:     true,
	},
	{
		name:      "what tells of traces decides nothing, and knows packets by their types alone",
		packages:  []string{"cmd/internal/otlp"},
		forbidden: []string{module + "/capture/...", module + "/cmd/..."},
		allowed:   []string{module + "/cmd/internal/render", module + "/cmd/internal/traceid"},
	},
	{
		name:      "stores are asked in one place",
		packages:  []string{"..."},
		except:    []string{"cmd/internal/store"},
		forbidden: []string{"github.com/minio/..."},
		tests:     true,
	},
	{
		name:      "what asks a store knows nothing of what it keeps there",
		packages:  []string{"cmd/internal/store"},
		forbidden: []string{module + "/..."},
		allowed:   []string{module + "/cmd/internal/render"},
	},
	{
		name:      "metrics are written in one place",
		packages:  []string{"..."},
		except:    []string{"cmd/internal/metrics"},
		forbidden: []string{"github.com/prometheus/..."},
		tests:     true,
	},
	{
		name:      "what a report collects comes from the stream alone",
		packages:  []string{"cmd/internal/report/collect"},
		forbidden: []string{"os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", module + "/capture/..."},
		allowed:   under(module, words),
	},
	{
		name:      "HTML is written in one place",
		packages:  []string{"..."},
		except:    []string{"cmd/internal/report"},
		forbidden: []string{"html/template", "github.com/chromedp/..."},
		tests:     true,
	},
	{
		name:      "no cgo",
		packages:  []string{"..."},
		forbidden: []string{"C"},
		tests:     true,
	},
}

func TestImports(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		pkgs := list(t, goos)
		for _, r := range rules {
			t.Run(goos+"/"+r.name, func(t *testing.T) {
				for _, p := range pkgs {
					for _, bad := range r.broken(p) {
						t.Errorf("%s imports %s", p.ImportPath, bad)
					}
				}
			})
		}
	}
}

func TestRulesCanFail(t *testing.T) {
	p := pkg{ImportPath: module + "/decode", Imports: []string{"net/netip", "net"}, TestImports: []string{"C"}, Deps: []string{module + "/cmd/dnatrace"}}
	for _, c := range []struct {
		name string
		rule rule
		want int
	}{
		{"a direct import is found", rule{packages: []string{"decode/..."}, forbidden: []string{"net"}}, 1},
		{"a path below is found", rule{packages: []string{"..."}, forbidden: []string{"net/..."}}, 2},
		{"an import through others is found where asked for", rule{packages: []string{"decode"}, forbidden: []string{module + "/cmd/..."}, deep: true}, 1},
		{"and only there", rule{packages: []string{"decode"}, forbidden: []string{module + "/cmd/..."}}, 0},
		{"a test's import is found where asked for", rule{packages: []string{"decode"}, forbidden: []string{"C"}, tests: true}, 1},
		{"and only there", rule{packages: []string{"decode"}, forbidden: []string{"C"}}, 0},
		{"what is allowed of the forbidden is not found", rule{packages: []string{"decode"}, forbidden: []string{"net/..."}, allowed: []string{"net/netip"}}, 1},
		{"an exception holds", rule{packages: []string{"..."}, except: []string{"decode"}, forbidden: []string{"net"}}, 0},
		{"another package is left alone", rule{packages: []string{"correlate/..."}, forbidden: []string{"net"}}, 0},
	} {
		if got := c.rule.broken(p); len(got) != c.want {
			t.Errorf("%s: got %v, want %d", c.name, got, c.want)
		}
	}
}

func TestReachEndsAtOpaquePackages(t *testing.T) {
	imports := map[string][]string{"a": {"b", opaque[0]}, "b": {"a", "os"}, opaque[0]: {"net"}}
	if got, want := reached([]string{"a"}, imports), []string{"a", "b", opaque[0], "os"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range list(t, "linux") {
		if len(p.GoFiles) == 0 {
			continue // holds on to libraries, or has tests only
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// broken lists what p imports against the rule.
func (r rule) broken(p pkg) []string {
	name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	if !matchAny(r.packages, name) || matchAny(r.except, name) {
		return nil
	}
	imports := slices.Clone(p.Imports)
	if r.deep {
		imports = append(imports, p.Deps...)
	}
	if r.tests {
		imports = append(append(imports, p.TestImports...), p.XTestImports...)
	}
	slices.Sort(imports)
	return slices.DeleteFunc(slices.Compact(imports), func(path string) bool {
		return !matchAny(r.forbidden, path) || matchAny(r.allowed, path)
	})
}

// under puts a folder before paths.
func under(folder string, paths []string) []string {
	var full []string
	for _, p := range paths {
		full = append(full, folder+"/"+p)
	}
	return full
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		base, below := strings.CutSuffix(pattern, "...")
		if !below {
			return path == pattern
		}
		return base == "" || path+"/" == base || strings.HasPrefix(path, base)
	})
}

// pkg is what the Go tool says about a package.
type pkg struct {
	ImportPath, Dir, Doc               string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

// list asks the Go tool for every package of the module.
func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,Doc,GoFiles,Imports,TestImports,XTestImports", module+"/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages for %s: %v", goos, err)
	}
	var ours []pkg
	imports := map[string][]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read list of packages: %v", err)
		}
		imports[p.ImportPath] = p.Imports
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			ours = append(ours, p)
		}
	}
	for i := range ours {
		ours[i].Deps = reached(ours[i].Imports, imports)
	}
	return ours
}

// reached is what a package comes to import through those it does, the opaque
// ones included but not looked into.
func reached(direct []string, imports map[string][]string) []string {
	seen := map[string]bool{}
	for todo := slices.Clone(direct); len(todo) > 0; {
		path := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[path] {
			continue
		}
		seen[path] = true
		if !slices.Contains(opaque, path) {
			todo = append(todo, imports[path]...)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
