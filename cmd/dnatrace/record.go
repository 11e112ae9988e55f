package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/pipeline"
)

// recordFlags are the command line of record.
type recordFlags struct {
	captureFlags
	rotateFlags
	targets []string
}

func (a *app) recordCommand() *cobra.Command {
	var f recordFlags
	var expr string
	c := &cobra.Command{
		Use:   "record -w FILE [--target TARGET]… [FILTER…]",
		Short: "Write a recording: the packets of every point and all other evidence",
		Long: `Write a recording: the packets of every point and all other evidence, in one
pcapng file that dnatrace replays and that Wireshark, tshark and tcpdump open.
The file is created with mode 0600; -w - writes to standard output as packets come,
and everything else to standard error. The run ends with Ctrl-C, -c or -d.

-C, -G and -W have files take turns, as with tcpdump: after -C millions of bytes
FILE is followed by FILE1, FILE2 and so on; after -G seconds by what -w, a name
with conversions of strftime (%Y%m%d-%H%M%S), then stands for. -W bounds the files:
with -C they are written over again, in turn; with -G the run ends after as many.
Each file begins with the state as of then, and is replayed alone.

FILTER is an expression as tcpdump takes it: host, net, port, portrange, proto
and ether addresses with src and dst, protocols, vlan, and, or, not. With
--target, it narrows what is recorded of the target's traffic; alone, it says
what is recorded. Without either, it is the traffic of all published ports. What
a filter hid is not judged in replay.`,
		Example: `  dnatrace record -w incident.pcapng
  dnatrace record -w web.pcapng --target 8080 -d 1m
  dnatrace record -w - | wireshark -k -i -
  dnatrace record -w ring.pcapng -C 100 -W 10
  dnatrace record -w %F-%H.pcapng -G 3600
  dnatrace record -w dns.pcapng udp port 53 or icmp
  dnatrace record -w one.pcapng --target web host 198.51.100.100`,
		RunE: func(c *cobra.Command, args []string) error {
			if expr != "" && len(args) > 0 {
				return usagef(c, "a filter is given twice: %q and --filter %q", strings.Join(args, " "), expr)
			}
			if err := f.narrow(c, expr+strings.Join(args, " ")); err != nil {
				return err
			}
			f.unaimed = len(f.targets) == 0
			if f.file == "" {
				return usagef(c, "no file to write: name one with -w")
			}
			if f.file == "-" && a.onTerminal {
				return usagef(c, "-w -: standard output is a terminal: pipe it into a program")
			}
			if err := f.check(c); err != nil {
				return err
			}
			if err := f.take(c, &f.captureFlags); err != nil {
				return err
			}
			return a.record(c.Context(), f)
		},
	}
	f.captureFlags.add(c, "packets")
	f.rotateFlags.add(c)
	f.addTrace(c, false)
	c.Flags().StringVar(&expr, "filter", "", "the same as a FILTER among the arguments")
	c.Flags().StringArrayVar(&f.targets, "target", nil, "what to record, as in diagnose; may be given more than once")
	return c
}

// record writes a recording until ctx ends, and says on a.err what it holds.
func (a *app) record(ctx context.Context, f recordFlags) error {
	s, err := a.open(ctx, &f.captureFlags, f.targets, false)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, f.duration)
	defer cancel()
	began := time.Now()
	quiet := a.counting(f.verbose, func() string {
		packets, lost := s.Stats()
		return fmt.Sprintf("%.0f s · %s captured, %d lost", time.Since(began).Seconds(), plural(int(packets), "packet"), lost)
	})
	packets, err := pipeline.Copy(ctx, s.Source(), s.record, uint64(f.count))
	quiet()
	_, lost := s.Stats()
	if a.unwritten {
		a.code = exitTrouble
	}
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d packets captured, %d lost\n", packets, lost)
	return nil
}
