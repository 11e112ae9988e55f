package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// why each direct dependency is there. Those of tests alone say so.
var why = map[string]string{
	"charm.land/bubbletea/v2":                                         "the screen of `watch`: keys, mouse, size, and writing what changed; no library built on it is used",
	"github.com/cavaliergopher/cpio":                                  "tests: the file system of a kernel in QEMU",
	"github.com/chromedp/cdproto":                                     "tests: what chromedp is told",
	"github.com/chromedp/chromedp":                                    "tests: reports in a real browser, at the width of a phone, without scripts",
	"github.com/cilium/ebpf":                                          "drop reasons: loads the program that the kernel runs where it frees a packet; and `probe`",
	"github.com/containerd/errdefs":                                   "what the engine's client means by an error",
	"github.com/docker/cli":                                           "contexts and ssh, as docker itself resolves them",
	"github.com/docker/docker":                                        "the engine's API: containers, networks, events",
	"github.com/docker/go-connections":                                "certificates and proxies on the way to an engine",
	"github.com/elastic/go-seccomp-bpf":                               "which system calls a process may make, as a program for the kernel",
	"github.com/google/go-cmp":                                        "tests: what differs",
	"github.com/google/gopacket":                                      "decodes what is rare; in tests it judges the decoder of the common",
	"github.com/google/nftables":                                      "the table of the rule trace, and of a probe's guard",
	"github.com/johannesboyne/gofakes3":                               "tests: a store that speaks S3",
	"github.com/klauspost/compress":                                   "gzip and zstd, at a multiple of the speed of Go's own",
	"github.com/landlock-lsm/go-landlock":                             "which files and sockets a process may open, in all its threads",
	"github.com/mdlayher/netlink":                                     "netlink messages of nf_tables, conntrack and ipset",
	"github.com/minio/minio-go/v7":                                    "`--upload`, and recordings named `s3://…`",
	"github.com/olekukonko/tablewriter":                               "tables on a terminal",
	"github.com/pierrec/lz4/v4":                                       "captures compressed with lz4",
	"github.com/prometheus/client_golang":                             "what `watch --metrics` serves",
	"github.com/spf13/cobra":                                          "commands, help, completions, manual pages",
	"github.com/spf13/pflag":                                          "flags",
	"github.com/ulikunitz/xz":                                         "captures compressed with xz",
	"github.com/vishvananda/netlink":                                  "links, addresses, routes, rules, neighbours",
	"go.opentelemetry.io/otel":                                        "what `--otlp` sends: its words",
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc":     "failures as log records, over gRPC",
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp":     "failures as log records, over HTTP",
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc": "requests as traces, over gRPC",
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp": "requests as traces, over HTTP",
	"go.opentelemetry.io/otel/log":                                    "the form of a log record",
	"go.opentelemetry.io/otel/sdk":                                    "the form of a span, and who sends it",
	"go.opentelemetry.io/otel/sdk/log":                                "log records as exporters take them",
	"go.opentelemetry.io/otel/trace":                                  "ids of traces and spans",
	"go.opentelemetry.io/proto/otlp":                                  "the messages that the exporters send, and what tests receive",
	"go.uber.org/goleak":                                              "tests: no goroutine is left",
	"go.yaml.in/yaml/v3":                                              "compose files",
	"golang.org/x/net":                                                "programs for the kernel's packet filter; HTML in tests",
	"golang.org/x/sys":                                                "system calls that Go's own package does not have",
	"golang.org/x/term":                                               "whether and how wide a terminal is",
	"google.golang.org/grpc":                                          "how they are sent over gRPC; in tests, how they are received",
	"google.golang.org/protobuf":                                      "how they are written",
}

// cost is what a direct dependency adds to the program.
type cost struct {
	path    string
	licence string
	used    bool     // linked in at all
	alone   []string // modules that would go with it, itself among them
	bytes   int64    // of code and data that would go
}

// dependencies writes docs/DEPENDENCIES.md.
func (p *program) dependencies(w io.Writer) error {
	sizes, file, err := p.sizes()
	if err != nil {
		return err
	}
	direct, err := p.direct()
	if err != nil {
		return err
	}
	var costs []cost
	for _, path := range direct {
		costs = append(costs, p.cost(path, sizes))
	}
	slices.SortStableFunc(costs, func(a, b cost) int { return int(b.bytes - a.bytes) })
	fmt.Fprintf(w, `# Dependencies

What go.mod requires directly, why, and what it costs: bytes of code and data in the
binary that nothing would need without it, and modules that would go with it. What two
of them need is in neither figure. The binary (linux/amd64, as released) has %.1f MB and
%d modules besides Go's own; `, float64(file)/1e6, len(p.modules))
	fmt.Fprint(w, "`make dependencies` writes this page.\n\n| module | why | kB | modules | licence |\n| --- | --- | ---: | ---: | --- |\n")
	for _, c := range costs {
		size, modules := "–", "–"
		if c.used {
			size, modules = fmt.Sprintf("%.0f", float64(c.bytes)/1e3), fmt.Sprint(len(c.alone))
		}
		if _, err := fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", c.path, why[c.path], size, modules, c.licence); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(w, `
Those with a dash are for tests, and not in the program. They share its go.mod: a module
of their own would not be tested by `+"`go test ./...`"+`, and who builds the program does not
fetch them (go.mod of Go 1.17 and later is pruned).

What is handed out has a bill of materials (`+"`dnatrace.cdx.json`"+`, CycloneDX 1.6) and the
licences of all modules (`+"`LICENSES.txt`"+`). Both are made of the modules that are linked in,
without a time or a random number; a module with a licence that is not known fails the
tests. `+"`make vuln`"+` asks govulncheck.
`)
	return err
}

func (p *program) cost(path string, sizes map[string]int64) cost {
	c := cost{path: path}
	m := p.byPath[path]
	if m == nil {
		c.licence = p.licenceElsewhere(path)
		return c
	}
	c.licence, c.used = m.licence, true
	left := p.without(path)
	stay := map[string]bool{}
	for at := range p.packages {
		if left[at] {
			if m := p.moduleOf(at); m != nil {
				stay[m.path] = true
			}
		} else {
			c.bytes += sizes[at]
		}
	}
	for _, m := range p.modules {
		if !stay[m.path] {
			c.alone = append(c.alone, m.path)
		}
	}
	return c
}

// licenceElsewhere is that of a module that only tests need.
func (p *program) licenceElsewhere(path string) string {
	dir, err := ask(p.root, "list", "-m", "-f", "{{.Dir}}", path)
	if err != nil {
		return ""
	}
	m := module{path: path, dir: strings.TrimSpace(string(dir))}
	if m.read() != nil {
		return ""
	}
	return m.licence
}

// sizes is what each package has in the binary, in bytes of code and data, by its
// symbols; and the size of the file as it is released.
func (p *program) sizes() (map[string]int64, int64, error) {
	dir, err := os.MkdirTemp("", "dnatrace-supply-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	named, bare := filepath.Join(dir, "named"), filepath.Join(dir, "bare")
	if _, err := ask(p.root, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-w", "-o", named, command); err != nil {
		return nil, 0, err
	}
	if _, err := ask(p.root, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bare, command); err != nil {
		return nil, 0, err
	}
	f, err := elf.Open(named)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, 0, fmt.Errorf("read symbols: %w", err)
	}
	sizes := map[string]int64{}
	for _, s := range symbols {
		if k := packageOf(s.Name); p.packages[k] != nil && int(s.Section) < len(f.Sections) && f.Sections[s.Section].Type != elf.SHT_NOBITS {
			sizes[k] += int64(s.Size)
		}
	}
	st, err := os.Stat(bare)
	if err != nil {
		return nil, 0, err
	}
	return sizes, st.Size(), nil
}

// packageOf is the package of a symbol: "github.com/x/y" of "github.com/x/y.(*T).M", of
// "type:*github.com/x/y.T" and of "go:itab.*github.com/x/y.T,io.Reader". A dot in the
// last part of a path is written %2e.
func packageOf(symbol string) string {
	for _, prefix := range []string{"type:.eq.", "type:.hash.", "type:", "go:itab."} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	symbol = strings.TrimLeft(symbol, "*[]")
	if i := strings.IndexAny(symbol, "[,("); i >= 0 {
		symbol = symbol[:i]
	}
	slash := strings.LastIndexByte(symbol, '/') + 1
	dot := strings.IndexByte(symbol[slash:], '.')
	if dot < 0 {
		return ""
	}
	return strings.ReplaceAll(symbol[:slash+dot], "%2e", ".")
}
