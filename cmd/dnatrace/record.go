package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/pipeline"
)

// recordFlags are the command line of record.
type recordFlags struct {
	captureFlags
	targets []string
}

func (a *app) recordCommand() *cobra.Command {
	var f recordFlags
	c := &cobra.Command{
		Use:   "record -w FILE [--target TARGET]…",
		Short: "Write a recording: the packets of every point and all other evidence",
		Long: `Write a recording: the packets of every point and all other evidence, in one
pcapng file that dnatrace replays and that Wireshark, tshark and tcpdump open.
The file is created with mode 0600. Without --target, the traffic of all
published ports is recorded. The run ends with Ctrl-C, -c or -d.`,
		Example: `  dnatrace record -w incident.pcapng
  dnatrace record -w web.pcapng --target 8080 -d 1m`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(c, "unexpected argument %q: name a target with --target", args[0])
			}
			if f.file == "" {
				return usagef(c, "no file to write: name one with -w")
			}
			if err := f.check(c); err != nil {
				return err
			}
			return a.record(c.Context(), f)
		},
	}
	f.captureFlags.add(c, "packets")
	c.Flags().BoolVar(&f.trace, "trace", false, "have the kernel trace the rules that packets meet, as diagnose does")
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
	packets, err := pipeline.Copy(ctx, s.Source(), s.record, uint64(f.count))
	_, lost := s.Stats()
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d packets captured, %d lost\n", packets, lost)
	return nil
}
