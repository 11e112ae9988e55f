package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"dnatrace/capture/engine"
	"dnatrace/capture/engine/docker"
	"dnatrace/capture/filter"
	"dnatrace/capture/filter/program"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
)

// extcapFlags are what Wireshark says to a program in its extcap folder (the
// extcap manual page, and doc/extcap_example.py of its source).
type extcapFlags struct {
	captureFlags
	interfaces, dlts, config bool
	chosen                   string
	version                  string
	filterText               string
	reload                   string
	live                     bool
	fifo                     string
}

// asExtcap is the command line of the extcap command where Wireshark calls the
// program itself, from a link in its extcap folder.
func asExtcap(args []string) []string {
	isExtcap := func(s string) bool { return strings.HasPrefix(s, "--extcap-") }
	if len(args) > 0 && args[0] != "extcap" && strings.HasPrefix(args[0], "-") && slices.ContainsFunc(args, isExtcap) {
		return append([]string{"extcap"}, args...)
	}
	return args
}

func (a *app) extcapCommand() *cobra.Command {
	f := extcapFlags{captureFlags: captureFlags{window: durationFlag(defaultWindow)}}
	c := &cobra.Command{
		Use:   "extcap",
		Short: "Make each published port an interface in Wireshark's list",
		Long: `Make each published port an interface in Wireshark's list. Wireshark runs every
program in its extcap folder, which tshark -G folders names; one there may be a
link to this one:

  sudo ln -s "$(command -v dnatrace)" /usr/lib/x86_64-linux-gnu/wireshark/extcap/

What it captures is what record writes: the packets of every point, and all other
evidence between them. It takes the privilege of record.`,
		Args:               cobra.NoArgs,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}, // later versions say more
		RunE:               func(c *cobra.Command, _ []string) error { return a.extcap(c, &f) },
	}
	fl := c.Flags()
	fl.BoolVar(&f.interfaces, "extcap-interfaces", false, "list the interfaces")
	fl.StringVar(&f.version, "extcap-version", "", "of Wireshark")
	fl.Lookup("extcap-version").NoOptDefVal = "any"
	fl.StringVar(&f.chosen, "extcap-interface", "", "the interface that is meant")
	fl.BoolVar(&f.dlts, "extcap-dlts", false, "list its link types")
	fl.BoolVar(&f.config, "extcap-config", false, "list its options")
	fl.StringVar(&f.reload, "extcap-reload-option", "", "an option whose values are asked for again: none has any")
	fl.BoolVar(&f.live, "capture", false, "capture")
	fl.StringVar(&f.fifo, "fifo", "", "the pipe to write to")
	fl.StringVar(&f.filterText, "extcap-capture-filter", "", "a capture filter; without --capture: check it")
	fl.IntVar(&f.snap, "snapshot-length", defaultSnap, "keep at most this many bytes of a packet (0: all)")
	fl.BoolVar(&f.trace, "trace", false, "have the kernel trace the rules that packets meet, with a temporary table")
	f.engineFlags.add(fl)
	return c
}

// extcap answers one question of Wireshark's.
func (a *app) extcap(c *cobra.Command, f *extcapFlags) error {
	switch {
	case f.interfaces:
		return a.extcapInterfaces(publishedNow(c.Context(), &f.engineFlags))
	case f.chosen == "":
		return usagef(c, "no interface named with --extcap-interface")
	}
	targets, err := f.targets()
	if err != nil {
		return usagef(c, "%v", err)
	}
	switch {
	case f.dlts:
		return a.say("dlt {number=1}{name=EN10MB}{display=Ethernet}\n")
	case f.config:
		return a.say(extcapConfig)
	case f.live:
		if f.fifo == "" {
			return usagef(c, "no pipe to write to: name one with --fifo")
		}
		return a.extcapCapture(c.Context(), f, targets)
	case c.Flags().Changed("extcap-capture-filter"):
		return a.extcapFilter(f.filterText)
	}
	return usagef(c, "nothing to do with %s", f.chosen)
}

func (a *app) say(text string) error {
	_, err := fmt.Fprint(a.out, text)
	return err
}

const extcapConfig = `arg {number=0}{call=--snapshot-length}{display=Bytes kept of a packet}{tooltip=0 keeps all}{type=unsigned}{default=256}
arg {number=1}{call=--trace}{display=Trace rules}{tooltip=Have the kernel trace the rules that packets meet, with a temporary table}{type=boolflag}{default=false}
`

// everyPort is the interface that stands for all published ports. Those of one
// port add number and protocol: dnatrace-8080-tcp.
const everyPort = "dnatrace"

// published is a port that is published, and what for.
type published struct {
	port  uint16
	proto string
	names []string // of containers, with their ports
}

// publishedNow asks the engine. Without an answer nothing is known to be
// published.
func publishedNow(ctx context.Context, f *engineFlags) []published {
	ep, err := docker.Choose(f.host, f.context)
	if err != nil {
		return nil
	}
	e, err := ep.Dial(ctx)
	if err != nil {
		return nil
	}
	defer e.Close()
	s, err := e.Snapshot(ctx)
	if err != nil {
		return nil
	}
	return publishedPorts(s)
}

// publishedPorts are the ports of a snapshot, in order.
func publishedPorts(s *engine.Snapshot) (out []published) {
	for _, c := range s.Containers {
		for _, m := range c.Mappings {
			if m.HostPort == 0 {
				continue
			}
			name := fmt.Sprintf("%s:%d", c.Name, m.Container)
			i := slices.IndexFunc(out, func(p published) bool { return p.port == m.HostPort && p.proto == m.Proto })
			if i < 0 {
				out = append(out, published{m.HostPort, m.Proto, []string{name}})
			} else if !slices.Contains(out[i].names, name) {
				out[i].names = append(out[i].names, name)
			}
		}
	}
	slices.SortFunc(out, func(a, b published) int {
		if a.port != b.port {
			return int(a.port) - int(b.port)
		}
		return strings.Compare(a.proto, b.proto)
	})
	return out
}

// extcapInterfaces lists an interface for all published ports, and one for
// each.
func (a *app) extcapInterfaces(ports []published) error {
	var b strings.Builder
	fmt.Fprintf(&b, "extcap {version=%s}{display=dnatrace}\n", sentence(buildVersion()))
	fmt.Fprintf(&b, "interface {value=%s}{display=Docker: all published ports}\n", everyPort)
	for _, p := range ports {
		fmt.Fprintf(&b, "interface {value=%s-%d-%s}{display=Docker: %d/%s → %s}\n", everyPort, p.port, p.proto, p.port, p.proto, sentence(strings.Join(p.names, ", ")))
	}
	return a.say(b.String())
}

// sentence leaves out of a value what ends one.
func sentence(s string) string {
	return strings.NewReplacer("{", "(", "}", ")").Replace(render.Clean(s))
}

// targets are what an interface stands for.
func (f *extcapFlags) targets() ([]string, error) {
	if f.chosen == everyPort {
		return nil, nil
	}
	words := strings.Split(f.chosen, "-")
	if len(words) != 3 || words[0] != everyPort {
		return nil, fmt.Errorf("no interface %q: it is %s, or %s-8080-tcp", f.chosen, everyPort, everyPort)
	}
	return []string{words[1] + "/" + words[2]}, nil
}

// extcapFilter tells Wireshark what is wrong with a filter; nothing if it is
// none.
func (a *app) extcapFilter(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	f, err := filter.Parse(text)
	if err == nil {
		_, err = program.Build(f)
	}
	if err != nil {
		return a.say(err.Error() + "\n")
	}
	return nil
}

// extcapCapture writes a recording to Wireshark's pipe until it is closed.
func (a *app) extcapCapture(ctx context.Context, f *extcapFlags, targets []string) (err error) {
	if strings.TrimSpace(f.filterText) != "" {
		if f.filter, err = filter.Parse(f.filterText); err != nil {
			return err
		}
	}
	if f.sink, err = os.OpenFile(f.fifo, os.O_WRONLY, 0); err != nil {
		return fmt.Errorf("open Wireshark's pipe: %w", err)
	}
	s, err := a.open(ctx, &f.captureFlags, targets, false)
	if err != nil {
		return err
	}
	_, err = pipeline.Copy(ctx, s.Source(), s.record, 0)
	if err = errors.Join(err, s.close()); errors.Is(err, syscall.EPIPE) {
		return nil // Wireshark has seen enough
	}
	return err
}
