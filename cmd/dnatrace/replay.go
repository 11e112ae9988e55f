package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// replayFlags are the command line of replay.
type replayFlags struct {
	outputFlags
	files   []string
	targets []string
	points  []pointFlag
	window  durationFlag
}

func (a *app) replayCommand() *cobra.Command {
	f := replayFlags{window: durationFlag(defaultWindow)}
	var points []string
	c := &cobra.Command{
		Use:   "replay FILE… [--target TARGET]…",
		Short: "Diagnose from recordings, or from anyone's captures",
		Long: `Diagnose from recordings, or from anyone's captures. Needs no privilege and no
Docker, on any OS. Files are known by their content: recordings of dnatrace,
pcapng and pcap, gzipped or not.`,
		Example: `  dnatrace replay incident.pcapng
  dnatrace replay incident.pcapng -o json | jq '.requests[].why'
  dnatrace replay incident.pcapng --expect dropped:firewall-drop`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if f.files = args; len(args) == 0 {
				return usagef(c, "no file to replay")
			}
			if f.window == 0 {
				return usagef(c, "--window 0: must be more than nothing")
			}
			if f.points, err = parsePoints(c, points); err != nil {
				return err
			}
			p := a.printer(f.outputFlags)
			d, err := a.replay(c.Context(), f, p)
			return a.conclude(p, d, f.outputFlags, err)
		},
	}
	f.outputFlags.add(c)
	f.addJudgement(c)
	c.Flags().StringArrayVar(&f.targets, "target", nil, "judge only requests to this, as in diagnose; may be given more than once")
	c.Flags().StringArrayVar(&points, "point", nil, "NAME=FILE: the point that a capture of one interface was taken at")
	c.Flags().Var(&f.window, "window", "how long a request may go unanswered before it is judged")
	return c
}

// replay judges what files hold.
//
// SEAM: recording.Open(f.files…), then cmd/internal/pipeline with p.Start and
// p.Incident.
func (a *app) replay(_ context.Context, _ replayFlags, _ render.Printer) (*correlate.Document, error) {
	return nil, errors.New("replay: reading recordings is not in this build")
}
