package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
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
			if !c.Flags().Changed("window") {
				f.window = 0 // the recording's own
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
func (a *app) replay(ctx context.Context, f replayFlags, p render.Printer) (*correlate.Document, error) {
	src, _, err := recording.Open(f.files...)
	if err != nil {
		return nil, err
	}
	o := pipeline.Options{Options: judge.Options{Targets: f.targets, Window: time.Duration(f.window)}}
	f.tell(&o, p)
	return pipeline.Run(ctx, src, o)
}

// tell makes a run report to a printer as it goes, where its format does.
func (f *outputFlags) tell(o *pipeline.Options, p render.Printer) {
	o.Keep, o.OnStart = -1, p.Start
	if f.summary {
		o.Keep = 100
	}
	if f.format != formatFlag(render.FormatJSON) {
		o.OnIncident = p.Incident
		o.Keep = 100 // told as they came; the document only has to name the worst
	}
}
