package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture/filter"
	"dnatrace/capture/inputs"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/lang"
)

// first is what dnatrace alone says: what to do first.
const first = `dnatrace shows where a request to a published Docker port is dropped, refused or
lost, by which rule, and how to fix it.

  sudo dnatrace diagnose 8080    watch port 8080 while the client asks again
  sudo dnatrace explain 8080     without a client: what would become of a request
  sudo dnatrace ports            what is published, and from where it can be reached
  dnatrace replay any.pcap       from a capture, on any system
  sudo dnatrace demo             an example, in a private lab

dnatrace --help lists all commands, dnatrace COMMAND --help tells of one.
`

// lookOfAll are the flags that every command takes.
type lookOfAll struct {
	quiet bool
	color string // auto, always, never
	lang  string // of sentences; "": that of the locale
}

func (f *lookOfAll) add(c *cobra.Command) {
	fl := c.PersistentFlags()
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print the result and errors alone")
	fl.StringVar(&f.lang, "lang", "", "the language of sentences: en, zh (default: as LC_ALL, LC_MESSAGES or LANG say); what programs read is in English")
	fl.StringVar(&f.color, "color", "auto", "colours: auto (on a terminal), always, never")
}

// apply sets how the run looks.
func (f *lookOfAll) apply(c *cobra.Command, a *app) error {
	switch f.color {
	case "auto":
	case "always":
		a.look.Color = true
	case "never":
		a.look.Color = false
	default:
		return usagef(c, "--color %q: is none of auto, always, never", f.color)
	}
	if f.lang != "" {
		l, err := lang.Parse(f.lang)
		if err != nil {
			return usagef(c, "--lang %q: is none of en, zh", f.lang)
		}
		a.look.Lang, a.look.UTF8 = l, a.look.UTF8 || l != lang.English
	}
	if f.quiet {
		a.loud, a.err, a.status = a.err, io.Discard, nil
	}
	return nil
}

// targetFlag adds --target, which says the same as arguments do.
func targetFlag(c *cobra.Command, targets *[]string) {
	c.Flags().StringArrayVar(targets, "target", nil, "the same as a TARGET among the arguments; may be given more than once")
}

// readFlag adds -r, as tcpdump has it: files instead of this host.
func readFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVarP(files, "read", "r", nil, "read this recording, capture, dump or folder instead of watching this host; may be given more than once")
}

// misplacedFilter tells of a tcpdump expression among targets where it belongs; nil if
// there is none.
func misplacedFilter(c *cobra.Command, args []string) error {
	for i, word := range args {
		if i == len(args)-1 || !slices.Contains(filterWords, word) {
			continue
		}
		expr := strings.Join(args[i:], " ")
		if _, err := filter.Parse(expr); err != nil {
			continue
		}
		if c.Flags().Lookup("filter") == nil {
			return usagef(c, "%q is no target, but a filter, and %s takes none", expr, c.Name())
		}
		shown := strings.Join(append([]string{c.CommandPath()}, args[:i]...), " ")
		return remedied{fmt.Errorf("%q is no target, but a filter", expr), fmt.Sprintf("try: %s --filter '%s'", shown, expr)}
	}
	return nil
}

// filterWords begin an expression of tcpdump's with more than one word.
var filterWords = []string{"host", "net", "port", "portrange", "src", "dst", "tcp", "udp", "icmp", "icmp6", "sctp", "ip", "ip6", "arp", "ether", "vlan", "not", "and", "or", "proto"}

// checkTargets refuses what is no target, before anything is opened.
func checkTargets(c *cobra.Command, args []string) error {
	if err := misplacedFilter(c, args); err != nil {
		return err
	}
	_, err := target.ParseAll(args)
	return err
}

// inputsOf are files to read.
func inputsOf(paths []string) (all []inputs.Input) {
	for _, p := range paths {
		all = append(all, inputs.Input{Path: p})
	}
	return all
}
